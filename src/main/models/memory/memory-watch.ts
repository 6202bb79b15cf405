import type { Clock } from '../../../shared/clock.ts';
import type { EndpointFacts, ServerKind } from '../discovery/endpoint-facts.ts';
import { loadedOf } from '../discovery/loaded-models.ts';
import type { ModelMemory } from './model-memory.ts';

/** The models that a server has in memory, and how many those are: one may go by several names. */
export interface LoadedModels {
  readonly names: ReadonlySet<string>;
  readonly count: number;
}

/** Undefined where the server does not tell. Never rejects. */
export type AskLoaded = (kind: ServerKind, signal: AbortSignal) => Promise<LoadedModels | undefined>;

/** While calls are made, a server is asked this often: chats, other clients and the server itself load and unload models too. */
const EVERY_MS = 5_000;
/** After a call on a model that was not there, not sooner than this after the last time. */
const UNSURE_MS = 500;

/**
 * Keeps what is known of a server's memory true where the server has several models and tells which of them are loaded. Asked
 * when calls begin and end, by no timer: what is in memory is of use to calls alone.
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

  /** What the server told of itself. */
  learnt({ kind, models }: EndpointFacts): void {
    const telling = models.filter(({ loaded }) => loaded !== undefined);
    const isOfUse = models.length > 1 && telling.length > 0;
    const isFirst = this.#kind === undefined;
    this.#kind = isOfUse ? kind : undefined;
    if (!isOfUse) return;
    this.#memory.lists(loadedOf(telling.map(({ id }) => ({ id, loaded: true }))).names);
    // Later, what the facts tell may be older than the calls that have begun since.
    if (!isFirst) return;
    this.#memory.told(loadedOf(models));
  }

  /** A call begins or has ended. */
  used(): void {
    const sinceMs = this.#clock.now() - this.#askedAtMs;
    if (sinceMs >= (this.#memory.isUnsure ? UNSURE_MS : EVERY_MS)) void this.look();
  }

  /** Asks now, or waits for the answer that is on its way. */
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
    // A call that began meanwhile may have changed it.
    if (this.#memory.begun === begun) this.#memory.told(loaded);
    else this.#askedAtMs = Number.NEGATIVE_INFINITY;
  }
}
