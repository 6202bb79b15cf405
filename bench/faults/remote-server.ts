import { type ChildProcess, fork } from 'node:child_process';
import type { CancelledRequest, FaultServerStats, Faults } from '../../test/faults/fault-server.ts';
import type { ServerCall, ServerMessage } from './server-process.ts';

/** The fault server of another process, so that its work and the planner's do not hold each other up. */
export class RemoteServer {
  readonly #child: ChildProcess;
  readonly #calls = new Map<number, (value: unknown) => void>();
  readonly #listening = Promise.withResolvers<string>();
  baseURL = '';

  private constructor(seed: number, scale: number, onClockJump: () => void) {
    const entry = new URL('server-process.ts', import.meta.url);
    this.#child = fork(entry, [String(seed), String(scale)], { execArgv: [] });
    this.#child.on('message', (message: ServerMessage) => {
      if (message.kind === 'listening') this.#listening.resolve(message.baseURL);
      else if (message.kind === 'clock-jump') onClockJump();
      else this.#replied(message.id, message.value);
    });
  }

  static async start(seed: number, scale: number, onClockJump: () => void): Promise<RemoteServer> {
    const server = new RemoteServer(seed, scale, onClockJump);
    server.baseURL = await server.#listening.promise;
    return server;
  }

  async play(faults: Faults): Promise<void> {
    await this.#call({ method: 'play', faults });
  }

  async heal(): Promise<void> {
    await this.#call({ method: 'heal' });
  }

  async stats(): Promise<FaultServerStats> {
    return (await this.#call({ method: 'stats' })) as FaultServerStats;
  }

  async takeCancelled(): Promise<CancelledRequest[]> {
    return (await this.#call({ method: 'takeCancelled' })) as CancelledRequest[];
  }

  close(): void {
    this.#child.disconnect();
  }

  #nextId = 1;

  #call(call: Omit<ServerCall, 'id'>): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#calls.set(id, resolve);
      this.#child.send({ ...call, id } satisfies ServerCall);
    });
  }

  #replied(id: number, value: unknown): void {
    this.#calls.get(id)?.(value);
    this.#calls.delete(id);
  }
}
