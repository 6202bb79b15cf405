import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { systemClock } from '../../src/shared/clock.ts';

/** For whatever must come, on a machine that is busy with other things. */
const WAIT_MS = 15_000;

/** What the server sends, as far as tests look at it. */
export interface Answer {
  readonly jsonrpc: '2.0';
  readonly id?: string | number | null;
  readonly method?: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every method.
  readonly result?: any;
  readonly error?: {
    readonly code: number;
    readonly message: string;
    readonly data: { code: string; retryable: boolean };
  };
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  readonly params?: any;
}

/** A client without any manners: it sends what it is told, byte for byte, and hears one line after the other. */
export class RawClient implements Disposable {
  readonly socket: Socket;
  readonly #lines: string[] = [];
  readonly #waiting: ((line: string | undefined) => void)[] = [];
  #tail = '';
  #isOver = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#onText(text));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#isOver = true;
      for (const hear of this.#waiting.splice(0)) hear(undefined);
    });
  }

  static async connect(path: string): Promise<RawClient> {
    const socket = createConnection(path);
    const client = new RawClient(socket);
    await once(socket, 'connect');
    return client;
  }

  /** Objects and lists as JSON lines, texts and bytes as they are. */
  send(...messages: (object | string)[]): void {
    for (const message of messages) {
      if (typeof message === 'string' || Buffer.isBuffer(message)) this.socket.write(message);
      else this.socket.write(`${JSON.stringify(message)}\n`);
    }
  }

  call(id: number | string | null, method: string, params?: unknown): void {
    this.send({ jsonrpc: '2.0', id, method, ...(params === undefined ? {} : { params }) });
  }

  /** The next line; undefined when the connection has ended. Fails when nothing comes. */
  async line(): Promise<string | undefined> {
    const first = this.#lines.shift();
    if (first !== undefined || this.#isOver) return first;
    const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
    const timer = systemClock.setTimer(WAIT_MS, () => reject(new Error(`no line in ${WAIT_MS} ms`)));
    this.#waiting.push(resolve);
    try {
      return await promise;
    } finally {
      timer.cancel();
    }
  }

  async next(): Promise<Answer> {
    const line = await this.line();
    if (line === undefined) throw new Error('the connection has ended');
    return JSON.parse(line) as Answer;
  }

  async ask(id: number | string | null, method: string, params?: unknown): Promise<Answer> {
    this.call(id, method, params);
    return this.next();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  #onText(text: string): void {
    const lines = (this.#tail + text).split('\n');
    this.#tail = lines.pop() as string;
    for (const line of lines) {
      const hear = this.#waiting.shift();
      if (hear === undefined) this.#lines.push(line);
      else hear(line);
    }
  }
}

/** Waits until `condition` holds. Fails after a bound that no machine needs. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const untilMs = systemClock.now() + WAIT_MS;
  while (!condition()) {
    if (systemClock.now() > untilMs) throw new Error(`not in ${WAIT_MS} ms: ${what}`);
    await new Promise<void>((resolve) => systemClock.setTimer(1, resolve));
  }
}
