import type { Readable, Writable } from 'node:stream';
import { expect } from 'vitest';
import { answersTo, checkAnswer } from '../line-answers.ts';
import type { Answer } from '../raw-client.ts';
import type { Door } from './door.ts';
import { apart } from './held-up.ts';

export interface Lines {
  readonly output: Writable;
  readonly input: Readable;
}

/**
 * Lines of JSON-RPC. Behind each goes a `ping`: once that is answered, the line was read, and the connection lives. Every answer is
 * looked at as it comes, and at the end there are as many as the lines were to have.
 */
export class LineDoor {
  readonly #open: () => Lines;
  #client: LineClient | undefined;
  /** Connections that were closed: a client that says too much at once is cut off, and comes again. */
  cuts = 0;

  constructor(open: () => Lines) {
    this.#open = open;
  }

  readonly send: Door = async (bytes) => {
    if (this.#client?.isOver ?? true) this.#client = new LineClient(this.#open());
    if (!(await (this.#client as LineClient).send(bytes))) this.cuts++;
  };

  /** Fails unless every line has been answered. */
  async finish(): Promise<void> {
    if (this.#client?.isOver === false) await this.#client.finish();
  }
}

class LineClient {
  isOver = false;
  readonly #output: Writable;
  readonly #pings = new Map<string, (isAlive: boolean) => void>();
  #expected = 0;
  #heard = 0;
  #nth = 0;
  #tail = '';
  #failure: unknown;
  #onHeard: () => void = () => {};

  constructor({ input, output }: Lines) {
    this.#output = output;
    input.setEncoding('utf8');
    input.on('data', (text: string) => this.#onText(text));
    for (const end of ['end', 'close', 'error']) input.on(end, () => this.#end());
    if (output !== (input as unknown)) output.on('error', () => this.#end());
  }

  /** False where the connection was cut. Throws where an answer was not right. */
  async send(bytes: Buffer): Promise<boolean> {
    const id = `door ${this.#nth++}`;
    const answered = new Promise<boolean>((resolve) => this.#pings.set(id, resolve));
    this.#expected += apart(() => answersTo(bytes));
    this.#output.write(Buffer.concat([bytes, Buffer.from(`\n{"jsonrpc":"2.0","id":"${id}","method":"ping"}\n`)]));
    const isAlive = await answered;
    if (this.#failure !== undefined) throw this.#failure;
    return isAlive;
  }

  async finish(): Promise<void> {
    while (this.#heard < this.#expected && !this.isOver) {
      await new Promise<void>((resolve) => {
        this.#onHeard = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
    expect(this.#heard).toBe(this.#expected);
  }

  #onText(text: string): void {
    const lines = (this.#tail + text).split('\n');
    this.#tail = lines.pop() as string;
    for (const line of lines) {
      try {
        this.#onLine(JSON.parse(line) as Answer | Answer[]);
      } catch (error) {
        this.#failure ??= error;
      }
    }
    this.#onHeard();
  }

  #onLine(told: Answer | Answer[]): void {
    if (Array.isArray(told)) {
      this.#heard++;
      return told.forEach(checkAnswer);
    }
    if (told.method === '$/progress') return;
    const ping = this.#pings.get(String(told.id));
    if (ping !== undefined && told.result === 'pong') {
      this.#pings.delete(String(told.id));
      return ping(true);
    }
    this.#heard++;
    checkAnswer(told);
  }

  #end(): void {
    this.isOver = true;
    for (const resolve of this.#pings.values()) resolve(false);
    this.#pings.clear();
    this.#onHeard();
  }
}
