import type { JsonReader } from '../models/discovery/discover-endpoint.ts';
import type { ServerKind } from '../models/discovery/endpoint-facts.ts';
import { loadedModels } from '../models/discovery/loaded-models.ts';
import type { DisplacedModel, TimedCall } from './examine.ts';

const LOOK_MS = 1_000;
/** A first token this much later than the next one, and this many times as late, waited for a load. */
const LOAD_MS = 1_000;
const LOAD_TIMES = 2;

/** Detects which models evict one another from a server's memory while they are called one after the other. */
export class MemoryLook {
  readonly #client: JsonReader;
  readonly #kind: ServerKind;
  readonly #signal: AbortSignal;
  #loaded: ReadonlySet<string> | undefined;
  readonly #called: string[] = [];
  readonly #displaced: DisplacedModel[] = [];

  constructor(client: JsonReader, kind: ServerKind, signal: AbortSignal) {
    this.#client = client;
    this.#kind = kind;
    this.#signal = signal;
  }

  /** Checks which models are in memory after a call. */
  async called(model: string): Promise<void> {
    const told = await loadedModels(this.#client, this.#kind, LOOK_MS, this.#signal);
    const gone = this.#called.filter(
      (other) => told !== undefined && this.#loaded?.has(other) && !told.names.has(other),
    );
    for (const other of gone) this.#displaced.push({ model: other, by: model });
    this.#loaded = told?.names;
    this.#called.push(model);
  }

  /** If the server does not report it, the first model is called twice more: if only the first of these calls is slow, it had been evicted. */
  async displaced(
    calls: readonly TimedCall[],
    again: (model: string) => Promise<TimedCall>,
  ): Promise<readonly DisplacedModel[]> {
    const [first] = calls;
    const isOfUse = this.#loaded === undefined && calls.length > 1 && calls.every(({ code }) => code === 'OK');
    if (first === undefined || !isOfUse || this.#signal.aborted) return this.#displaced;
    const [back, warm] = [await again(first.model), await again(first.model)];
    return isLoad(back, warm) ? [{ model: first.model }] : [];
  }
}

function isLoad(back: TimedCall, warm: TimedCall): boolean {
  const [ms, usualMs] = [back, warm].map(({ firstTokenMs, totalMs }) => firstTokenMs ?? totalMs) as [number, number];
  return warm.code === 'OK' && ms > LOAD_TIMES * usualMs + LOAD_MS;
}
