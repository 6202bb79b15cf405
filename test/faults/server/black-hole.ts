import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

/** The kernel holds one connection more than the backlog says; one in excess does no harm. */
const FILLERS = 4;
/** A filler that is not connected after this long is one whose SYN went unanswered: the hole is there. */
const FILL_MS = 300;

/** A port on loopback where connections are never made: SYN is not answered. Linux; elsewhere they may stand unread. */
export class BlackHole {
  readonly #worker: Worker;
  readonly #wake: SharedArrayBuffer;
  readonly #fillers: Socket[];

  private constructor(worker: Worker, wake: SharedArrayBuffer, fillers: Socket[]) {
    this.#worker = worker;
    this.#wake = wake;
    this.#fillers = fillers;
  }

  static async open(port: number): Promise<BlackHole> {
    const wake = new SharedArrayBuffer(4);
    const worker = new Worker(new URL('deaf-thread.ts', import.meta.url), { workerData: { port, wake } });
    await once(worker, 'message');
    const fillers: Socket[] = [];
    for (let isFull = false; !isFull && fillers.length < FILLERS; ) {
      const filler = connect(port, '127.0.0.1');
      filler.on('error', () => {});
      fillers.push(filler);
      isFull = !(await connects(filler));
    }
    return new BlackHole(worker, wake, fillers);
  }

  async close(): Promise<void> {
    for (const filler of this.#fillers) filler.destroy();
    const exited = once(this.#worker, 'exit');
    const word = new Int32Array(this.#wake);
    Atomics.store(word, 0, 1);
    Atomics.notify(word, 0);
    await exited;
  }
}

function connects(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, FILL_MS, false);
    socket.once('connect', () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}
