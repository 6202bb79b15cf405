import type { Clock } from '../../../shared/clock.ts';
import type { EndpointFacts, ServerKind } from '../discovery/endpoint-facts.ts';
import { loadedOf } from '../discovery/loaded-models.ts';
import type { ModelMemory } from './model-memory.ts';

/** The models that a server has in memory, and their number: one model may have several names. */
export interface LoadedModels {
  readonly names: ReadonlySet<string>;
  readonly count: number;
}

/** Returns the models in memory; undefined if the server does not report them. Never rejects. */
export type AskLoaded = (kind: ServerKind, signal: AbortSignal) => Promise<LoadedModels | undefined>;

/** Interval at which a server is asked while calls are made: chats, other clients and the server itself also load and unload models. */
const EVERY_MS = 5_000;
/** Shortest interval between questions after a call to a model that was not in memory. */
const UNSURE_MS = 500;

/**
 * Keeps the known contents of a server's memory current, if the server has several models and reports which are loaded. Asks when
 * calls start and end, without a timer: only calls need to know.
 */
export class MemoryWatch {
  readonly #clock: Clock;
  readonly #memory: ModelMemory;
  readonly #ask: AskLoaded;
  readonly #closing = new AbortController();
  #kind: ServerKind | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  constructor(clock: Clock, memory: ModelMemory, ask: AskLoaded) {
    this.#clock = clock;
    this.#memory = memory;
    this.#ask = ask;
  }

  /** Applies the facts that the server reported. */
  learnt({ kind, models }: EndpointFacts): void {
    const telling = models.filter(({ loaded }) => loaded !== undefined);
    const isOfUse = models.length > 1 && telling.length > 0;
    const isFirst = this.#kind === undefined;
    this.#kind = isOfUse ? kind : undefined;
    if (!isOfUse) return;
    this.#memory.lists(loadedOf(telling.map(({ id }) => ({ id, loaded: true }))).names);
    // Later, these facts may be older than the calls that have started since.
    if (!isFirst) return;
    this.#memory.told(loadedOf(models));
  }

  /** A call starts or has ended. */
  used(): void {
    const sinceMs = this.#clock.now() - this.#askedAtMs;
    if (sinceMs >= (this.#memory.isUnsure ? UNSURE_MS : EVERY_MS)) void this.look();
  }

  /** Asks now, or waits for the pending answer. */
  async look(): Promise<void> {
    if (this.#kind === undefined || this.#closing.signal.aborted) return;
    this.#asking ??= this.#askNow(this.#kind);
    await this.#asking;
  }

  close(): void {
    this.#closing.abort();
  }

  async #askNow(kind: ServerKind): Promise<void> {
    this.#askedAtMs = this.#clock.now();
    const { begun } = this.#memory;
    const loaded = await this.#ask(kind, this.#closing.signal);
    this.#asking = undefined;
    if (this.#closing.signal.aborted || loaded === undefined) return;
    // A call that started meanwhile may have changed it.
    if (this.#memory.begun === begun) this.#memory.told(loaded);
    else this.#askedAtMs = Number.NEGATIVE_INFINITY;
  }
}
