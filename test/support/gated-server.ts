import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { vi } from 'vitest';

const ANSWER = { model: 'phi', choices: [{ message: { content: '1. It is best.' }, finish_reason: 'stop' }] };
const WAIT_MS = 40_000;

/** A model server of one model, `phi`, that holds every call until it is told to answer: the first action. */
export class GatedServer implements AsyncDisposable {
  readonly #server = createServer((request, response) => {
    request.resume();
    response.setHeader('content-type', 'application/json');
    if (request.method !== 'POST') response.end('{"data":[{"id":"phi"}]}');
    else if (this.#isOpen) response.end(JSON.stringify(ANSWER));
    else this.#held.push(response);
  });
  readonly #held: ServerResponse[] = [];
  #isOpen = false;

  static async start(): Promise<GatedServer> {
    const gated = new GatedServer();
    await new Promise<void>((resolve) => gated.#server.listen(0, '127.0.0.1', resolve));
    return gated;
  }

  get baseURL(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  /** Resolves when at least so many calls wait. */
  async holds(calls: number): Promise<void> {
    await vi.waitFor(
      () => {
        if (this.#held.length < calls) throw new Error(`${this.#held.length} of ${calls} calls wait`);
      },
      { timeout: WAIT_MS, interval: 10 },
    );
  }

  /** Answers what waits, and what comes. */
  open(): void {
    this.#isOpen = true;
    for (const response of this.#held.splice(0)) response.end(JSON.stringify(ANSWER));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
