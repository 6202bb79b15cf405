import type { Clock } from '../../../shared/clock.ts';
import type { ModelEndpoint } from '../../models/model-endpoint.ts';
import type { CallKind } from '../../models/time/latency-profile.ts';
import type { ExpertRecords } from './expert-records.ts';

/**
 * Decides when a model is loaded in place of another although a loaded one could be asked: if its votes are known to be better,
 * and so that no model is forgotten. Rarely, by a plan that has enough time, and usually while the server has no other calls: a
 * load delays the next plans.
 */
export interface SwapParts {
  readonly clock: Clock;
  readonly endpoints: ReadonlyMap<string, ModelEndpoint>;
  readonly records: ExpertRecords;
}

/** A model is better if its votes are decided more often by at least this share. */
const BETTER = 0.1;
/** Minimum time between two such loads, as a multiple of the time of one. */
const SWAP_LOADS = 50;
const SWAP_MS_MIN = 60_000;
/** A plan that loads a model needs this many times the required time; `SPARE_AMONG_OTHERS` while others wait for the server. */
const SPARE = 1.5;
const SPARE_AMONG_OTHERS = 2.5;
/** While other calls use the server, a forgotten model waits this many times as long for its load. */
const PUT_OFF = 3;

export class ModelSwaps {
  readonly #parts: SwapParts;
  /** The model that is loaded next at an endpoint, until a call to it has started. */
  readonly #next = new Map<string, string>();

  constructor(parts: SwapParts) {
    this.#parts = parts;
  }

  /** From now on, all calls ask for this model. */
  choose(name: string, model: string): string {
    this.#next.set(name, model);
    return model;
  }

  /** The model that should be loaded now, among the configured ones; undefined if a loaded model is to be used. */
  nextAt(name: string, models: readonly string[], kind: CallKind, leftMs: number): string | undefined {
    const { memory } = this.#at(name);
    const chosen = this.#next.get(name);
    if (chosen !== undefined && memory.needsLoad(chosen)) {
      return this.#costMs(name, chosen, kind) <= leftMs ? chosen : undefined;
    }
    this.#next.delete(name);
    const absent = models.filter((model) => memory.needsLoad(model) && this.#isAffordable(name, model, kind, leftMs));
    const there = models.filter((model) => !memory.needsLoad(model));
    const next = this.#better(absent, there) ?? this.#forgotten(name, absent);
    return next === undefined ? undefined : this.choose(name, next);
  }

  /** The best model; among equals, the first configured one. */
  best(models: readonly string[]): string | undefined {
    const share = (model: string): number => this.#parts.records.shareOf(model) ?? 0;
    return models.toSorted((a, b) => share(b) - share(a))[0];
  }

  #isAffordable(name: string, model: string, kind: CallKind, leftMs: number): boolean {
    const { memory } = this.#at(name);
    const isAlone = this.#isAlone(name, model);
    const restMs = memory.isProven ? Math.max(SWAP_MS_MIN, SWAP_LOADS * memory.usualLoadMs(model)) : 0;
    const spare = isAlone ? SPARE : SPARE_AMONG_OTHERS;
    return this.#sinceMs(name) >= restMs && spare * this.#costMs(name, model, kind) <= leftMs;
  }

  #isAlone(name: string, model: string): boolean {
    const at = this.#at(name);
    return at.gate.waiting === 0 && !at.isBusyWithOthers(model);
  }

  #sinceMs(name: string): number {
    return this.#parts.clock.now() - this.#at(name).memory.changedAtMs;
  }

  /** The time of a call including its load; an unknown model is assumed to take as long as the others there, or as its load. */
  #costMs(name: string, model: string, kind: CallKind): number {
    const at = this.#at(name);
    const loadMs = at.memory.usualLoadMs(model);
    return loadMs + (at.forecast.meanMs(model, kind, 1) ?? loadMs);
  }

  /** A model whose votes are decided more often than those of the best loaded one. */
  #better(absent: readonly string[], there: readonly string[]): string | undefined {
    const { records } = this.#parts;
    const best = this.best(absent);
    const now = this.best(there);
    if (best === undefined || now === undefined) return undefined;
    const [share, shareNow] = [records.shareOf(best), records.shareOf(now)];
    return share !== undefined && shareNow !== undefined && share >= shareNow + BETTER ? best : undefined;
  }

  /** The model that was idle longest, if nothing has been loaded for a long time. */
  #forgotten(name: string, absent: readonly string[]): string | undefined {
    const { memory } = this.#at(name);
    const usedAtMs = (model: string): number => memory.usedAtMs(model) ?? Number.NEGATIVE_INFINITY;
    const [oldest] = absent.toSorted((a, b) => usedAtMs(a) - usedAtMs(b));
    if (oldest === undefined) return undefined;
    const dueMs = memory.recheckMs * (this.#isAlone(name, oldest) ? 1 : PUT_OFF);
    return this.#sinceMs(name) >= dueMs ? oldest : undefined;
  }

  #at(name: string): ModelEndpoint {
    return this.#parts.endpoints.get(name) as ModelEndpoint;
  }
}
