import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { wrap } from 'comlink';
import { expect } from 'vitest';
import type { PlanCallWire, PlannerApi } from '../../../src/main/faces/ipc/messages.ts';
import type { PlannerOptions } from '../../../src/main/options/planner-options.ts';
import type { Door } from './door.ts';
import { apart } from './held-up.ts';

const ENTRY = new URL('../../../src/main/service/entries/thread-entry.ts', import.meta.url);

/** The planner in a thread of its own, as a host without any checks reaches it: any value may come. */
export class ThreadDoor implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #api: ReturnType<typeof wrap<PlannerApi>>;
  #calls = 0;

  private constructor(worker: Worker) {
    this.#worker = worker;
    const hearers = new Map<unknown, (data: unknown) => void>();
    this.#api = wrap<PlannerApi>({
      postMessage: (message) => worker.postMessage(message),
      addEventListener: (_type, listener) => {
        const hear = (data: unknown): void => (listener as (event: MessageEvent) => void)({ data } as MessageEvent);
        hearers.set(listener, hear);
        worker.on('message', hear);
      },
      removeEventListener: (_type, listener) => {
        const hear = hearers.get(listener);
        if (hear !== undefined) worker.off('message', hear);
      },
    });
  }

  static async open(options: PlannerOptions): Promise<ThreadDoor> {
    const worker = new Worker(ENTRY, { name: 'planner' });
    worker.postMessage({ kind: 'start', options });
    const [said] = (await once(worker, 'message')) as [{ kind: string }];
    expect(said).toMatchObject({ kind: 'ready' });
    return new ThreadDoor(worker);
  }

  readonly send: Door = async (bytes) => {
    const request = apart(() => parsedOrText(bytes)) as PlanCallWire['request'];
    const asked = { request, timeoutMs: 500, priority: undefined, wantsAttempts: false, sentAtMs: undefined };
    const reply = await apart(() => this.#api.plan({ ...asked, call: this.#calls++ }));
    if (!reply.ok) expect(reply.error.code, reply.error.message).not.toBe('ERR_INTERNAL');
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#api.close({});
    await this.#worker.terminate();
  }
}

/** What cannot be parsed crosses as text. */
function parsedOrText(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return bytes.toString('latin1');
  }
}
