import { connect, type NetConnectOpts, type Socket } from 'node:net';

/** How a client sends request number `index`, and how many answers are complete in what has come. */
export interface Dialect {
  request(index: number): string;
  /** Counts complete answers. Made anew for each connection: it keeps what is not complete. */
  reader(): (chunk: Buffer) => number;
}

/**
 * Sends `count` requests over each of `sockets`, `width` at once on each, and resolves when all are answered. As light as
 * a client can be: requests are bytes made beforehand, answers are counted and not read.
 */
export class Exchange implements Disposable {
  readonly #sockets: readonly Socket[];
  readonly #requests: readonly Buffer[];
  readonly #dialect: Dialect;
  readonly #width: number;
  #next = 0;

  private constructor(sockets: readonly Socket[], requests: readonly Buffer[], dialect: Dialect, width: number) {
    this.#sockets = sockets;
    this.#requests = requests;
    this.#dialect = dialect;
    this.#width = width;
  }

  static async open(
    where: NetConnectOpts,
    { connections, width, states }: { connections: number; width: number; states: number },
    dialect: Dialect,
  ): Promise<Exchange> {
    const requests = Array.from({ length: states }, (_, index) => Buffer.from(dialect.request(index)));
    const sockets = await Promise.all(
      Array.from({ length: connections }, async () => {
        const socket = connect({ ...where, noDelay: true } as NetConnectOpts);
        await new Promise<void>((resolve, reject) => {
          socket.once('connect', resolve);
          socket.once('error', reject);
        });
        // What went wrong is told by its end.
        socket.on('error', () => {});
        return socket;
      }),
    );
    return new Exchange(sockets, requests, dialect, width);
  }

  /** Returns how many answers came. */
  async run(count: number): Promise<number> {
    const each = Math.ceil(count / this.#sockets.length);
    const counts = await Promise.all(this.#sockets.map((socket) => this.#talk(socket, each)));
    return counts.reduce((sum, one) => sum + one, 0);
  }

  #talk(socket: Socket, count: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const read = this.#dialect.reader();
    let sent = 0;
    let answered = 0;
    const send = (many: number): void => {
      const batch: Buffer[] = [];
      for (let i = Math.min(many, count - sent); i > 0; i--) {
        batch.push(this.#requests[this.#next] as Buffer);
        this.#next = (this.#next + 1) % this.#requests.length;
        sent++;
      }
      if (batch.length > 0) socket.write(batch.length === 1 ? (batch[0] as Buffer) : Buffer.concat(batch));
    };
    const onClose = (): void => reject(new Error(`the connection ended after ${answered} of ${count} answers`));
    const onData = (chunk: Buffer): void => {
      const came = read(chunk);
      answered += came;
      if (answered < count) return send(came);
      socket.off('data', onData);
      socket.off('close', onClose);
      resolve(answered);
    };
    socket.on('data', onData);
    socket.on('close', onClose);
    send(this.#width);
    return promise;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
