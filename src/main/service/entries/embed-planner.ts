import { Worker } from 'node:worker_threads';
import { z } from 'zod';
import { checkOptions } from '../../../shared/check-options.ts';
import { type Clock, systemClock } from '../../../shared/clock.ts';
import type { Decision } from '../../../shared/decision.ts';
import { defined } from '../../../shared/defined.ts';
import type { DomainDefinition } from '../../../shared/domain.ts';
import { entryUrl } from '../../../shared/entry-url.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import { openCache, type SharedCache } from '../../cache/shared-cache.ts';
import type { Peer, PeerEnd } from '../../faces/ipc/peer.ts';
import { checkCrossing, remoteShape } from '../../faces/ipc/peer-options.ts';
import { PlannerClient } from '../../faces/ipc/planner-client.ts';
import type { EmbeddedPlanner, RemoteOptions } from '../../faces/ipc/remote-planner.ts';
import type { AnyPlannerOptions, PlannerOptions } from '../../options/planner-options.ts';
import { withLoadedDomains } from '../config/loaded-domains.ts';

export type EmbedOptions = RemoteOptions;

const embedSchema = z.strictObject(remoteShape);

/** Collaborators of a planner elsewhere that tests replace. */
export interface EntryParts {
  readonly clock?: Clock;
  /** The entry file of the thread or process. */
  readonly entryUrl?: URL;
}

/**
 * A thread inherits the arguments of its process, for example for a proxy or certificates; but with `--input-type`, which is meant for `node -e`, no
 * thread starts from a file.
 */
function threadArgs(): { execArgv?: string[] } {
  return process.execArgv.some((arg) => arg.startsWith('--input-type')) ? { execArgv: [] } : {};
}

/**
 * Starts a planner in a worker thread: the host's event loop handles only two messages for each plan, and none for `peek`. Rejects like
 * `createPlanner`, with ERR_OPTIONS_INVALID also for options that are not plain data, and with ERR_PEER_EXITED if the thread does not start; no
 * thread is left then. Close it, or declare it with `await using`.
 */
export async function embedPlanner<const D extends DomainDefinition>(
  options: PlannerOptions<D>,
  embedOptions?: EmbedOptions,
  parts?: EntryParts,
): Promise<EmbeddedPlanner<D>>;
export async function embedPlanner(
  options: AnyPlannerOptions,
  embedOptions?: EmbedOptions,
  parts?: EntryParts,
): Promise<EmbeddedPlanner>;
export async function embedPlanner(
  options: AnyPlannerOptions,
  embedOptions: EmbedOptions = {},
  parts: EntryParts = {},
): Promise<EmbeddedPlanner> {
  const remote = checkOptions(embedSchema, embedOptions, 'embedOptions.');
  const loaded = await withLoadedDomains(options);
  const planner = checkCrossing(loaded);
  const clock = parts.clock ?? systemClock;
  const peer = new ThreadPeer(
    new Worker(parts.entryUrl ?? entryUrl(import.meta.url, './thread-entry'), { name: 'planner', ...threadArgs() }),
  );
  const client = new EmbeddedClient({ peer, clock, planner, remote });
  client.opened(await client.start(loaded), clock);
  return client;
}

class EmbeddedClient extends PlannerClient implements EmbeddedPlanner {
  #cacheBuffer: SharedArrayBuffer | undefined;
  #cache: SharedCache | undefined;

  opened(buffer: SharedArrayBuffer | undefined, clock: Clock): void {
    this.#cacheBuffer = buffer;
    this.#cache = buffer === undefined ? undefined : openCache(buffer, { domains: this.domains }, { clock });
  }

  get cacheBuffer(): SharedArrayBuffer | undefined {
    return this.#cacheBuffer;
  }

  peek(request: PlanRequest): Decision | undefined {
    if (this.#cache !== undefined) return this.#cache.peek(request);
    this.check(request);
    return undefined;
  }
}

class ThreadPeer implements Peer {
  readonly name = 'thread';
  readonly sharesClock = true;
  readonly ended: Promise<PeerEnd>;
  readonly #worker: Worker;
  #reason: string | undefined;
  #hasLeft = false;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('error', (error: unknown) => {
      this.#reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    });
    // It is unknown which reply this was: its call would wait indefinitely.
    worker.on('messageerror', (error) => {
      this.#reason = `a message could not be read: ${error.message}`;
      this.kill();
    });
    this.ended = new Promise((resolve) => {
      worker.once('exit', (code) => {
        const reason = defined({ reason: this.#reason });
        // A thread that ends on request is terminated, which gives exit code 1.
        resolve({ code: this.#hasLeft ? 0 : code, signal: null, ...reason });
      });
    });
  }

  post(message: unknown): void {
    this.#worker.postMessage(message);
  }

  listen(hear: (message: unknown) => void): void {
    this.#worker.on('message', hear);
  }

  hold(isHeld: boolean): void {
    if (isHeld) this.#worker.ref();
    else this.#worker.unref();
  }

  leave(): void {
    this.#hasLeft = true;
    this.kill();
  }

  kill(): void {
    void this.#worker.terminate();
  }
}
