import type { CallSeat } from '../../models/calls/call-maker.ts';
import type { ModelEndpoint } from '../../models/model-endpoint.ts';
import type { Seat } from '../../models/seat.ts';
import type { CallKind } from '../../models/time/latency-profile.ts';
import type { ResolvedOptions } from '../../options/planner-options.ts';
import { ModelSwaps, type SwapParts } from './model-swaps.ts';

/**
 * Chooses the model that is asked when models evict one another: for a role or a rung whose own model is not loaded, one of the
 * configured models that is. If a server holds all models, as far as is known, all are asked as configured.
 */
export interface AskedSeat extends Seat {
  readonly alternatives: readonly string[];
  readonly thinks: boolean;
  /** The configured seat, if another model is asked in its place. */
  readonly own?: AskedSeat;
}

export interface SeatParts extends SwapParts {
  readonly options: ResolvedOptions;
}

export class ResidentSeats {
  readonly #parts: SeatParts;
  readonly #swaps: ModelSwaps;
  /** The configured models of each endpoint, with whether they think. */
  readonly #models = new Map<string, Map<string, boolean>>();

  constructor(parts: SeatParts) {
    this.#parts = parts;
    this.#swaps = new ModelSwaps(parts);
    const { experts, synthesis } = parts.options;
    for (const { model, endpoint, alternatives, thinks } of [...experts, ...synthesis.models]) {
      for (const name of [endpoint, ...alternatives]) {
        const models = this.#models.get(name) ?? new Map<string, boolean>();
        this.#models.set(name, models.set(model, thinks));
      }
    }
  }

  /** The seat as it is asked now, by a plan with this much time; as configured if its model is in memory somewhere. */
  seated<T extends AskedSeat>(given: T, kind: CallKind, leftMs: number): T {
    const own = ownOf(given);
    const names = [own.endpoint, ...own.alternatives];
    if (this.#isFixed || !names.some((name) => this.#at(name).memory.isShort)) return own;
    const asked = names.map((name) => ({ name, model: this.#modelAt(name, own.model, kind, leftMs) }));
    if (asked.some(({ model }) => model === own.model)) return own;
    const { name, model } = asked.find((one) => !this.#at(one.name).isResting) ?? (asked[0] as (typeof asked)[number]);
    const others = asked.filter((one) => one.model === model && one.name !== name);
    const alternatives = others.map((one) => one.name);
    return { ...own, model, endpoint: name, alternatives, thinks: this.thinks(name, model, own.thinks), own };
  }

  /**
   * As `seated`, for a rung after the first: those before it used loaded models without success, so its own model is worth a load
   * if it can be in time and cuts off no answer.
   */
  rung<T extends AskedSeat>(given: T, leftMs: number): T {
    const at = this.#at(given.endpoint);
    const workMs = at.forecast.workMs(given.model, 'text') ?? 2 * at.memory.loadMs(given.model);
    const isInTime = workMs <= leftMs && !at.isBusyWithOthers(given.model);
    return isInTime ? ownOf(given) : this.seated(given, 'text', leftMs);
  }

  /** Whether a rung is asked of its own model although that has to be loaded. */
  isWorthLoad({ model, endpoint, own }: AskedSeat, index: number): boolean {
    return index > 0 && own === undefined && this.#at(endpoint).memory.needsLoad(model);
  }

  /** The seat for each endpoint, chosen when the call starts; undefined if that is fixed. */
  lateSeat(given: AskedSeat, kind: CallKind, deadlineMs: number): CallSeat | undefined {
    if (this.#isFixed) return undefined;
    const { model } = ownOf(given);
    return { model, modelAt: (name) => this.#modelAt(name, model, kind, deadlineMs - this.#parts.clock.now()) };
  }

  /** Whether a configured model judges better when it may think first. */
  thinks(endpoint: string, model: string, otherwise: boolean): boolean {
    return this.#models.get(endpoint)?.get(model) ?? otherwise;
  }

  get #isFixed(): boolean {
    return this.#parts.options.seats === 'fixed';
  }

  /** The model that is asked at an endpoint in place of `own`. */
  #modelAt(name: string, own: string, kind: CallKind, leftMs: number): string {
    const { memory } = this.#at(name);
    if (!memory.isShort) return own;
    const models = [...(this.#models.get(name)?.keys() ?? [])];
    const next = this.#swaps.nextAt(name, models, kind, leftMs);
    if (next !== undefined || !memory.needsLoad(own)) return next ?? own;
    const there = models.filter((model) => !memory.needsLoad(model));
    // If a model has to be loaded, all calls ask for the same one.
    return this.#swaps.best(there) ?? this.#swaps.choose(name, this.#swaps.best(models) ?? own);
  }

  #at(name: string): ModelEndpoint {
    return this.#parts.endpoints.get(name) as ModelEndpoint;
  }
}

function ownOf<T extends AskedSeat>(seat: T): T {
  return (seat.own ?? seat) as T;
}
