import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { ServerMessage, ServerName } from './server-process.ts';

/** What a server's module gives: it listens at `place`, a socket's path, or a port of its own choice where that is empty. */
export interface Serving {
  serve(place: string, modelURL: string): Promise<string>;
}

/** A server that runs in a process of its own. */
export class BenchServer implements Disposable {
  readonly address: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, address: string) {
    this.#child = child;
    this.address = address;
  }

  static async start(name: ServerName, place: string, modelURL: string): Promise<BenchServer> {
    const child = fork(new URL('server-process.ts', import.meta.url), [name, place, modelURL], {
      execArgv: process.execArgv,
    });
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the server ${name} ended with code ${code}`);
    });
    const [message] = (await Promise.race([once(child, 'message'), ended])) as [ServerMessage];
    ended.catch(() => {});
    return new BenchServer(child, (message as { address: string }).address);
  }

  /** Processor time of all its threads until now, milliseconds. */
  async cpuMs(): Promise<number> {
    this.#child.send('cost');
    const [message] = (await once(this.#child, 'message')) as [ServerMessage];
    return (message as { cpuMs: number }).cpuMs;
  }

  [Symbol.dispose](): void {
    this.#child.disconnect();
  }
}
