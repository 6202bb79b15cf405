import { LRUCache } from 'lru-cache';
import type { FeatureValue, Observation } from '../../shared/domain.ts';
import { type KeyedFeatures, type KeyedNumber, mixed } from './keyed-features.ts';

/** How the keyed features of one observation differ from those of an earlier one. Equal changes have equal ids. */
export interface StateChange {
  readonly id: number;
  /** What flags, categories and sets became, and numbers that were or are missing. Undefined: the feature is missing now. */
  readonly became: readonly (readonly [name: string, value: FeatureValue | undefined])[];
  /** By number of the domain, in whole steps; 0 if unchanged or missing. */
  readonly steps: readonly number[];
  /** By number of the domain: the exact difference; NaN if missing before or after. */
  readonly deltas: Float64Array;
}

const USUAL_MAX = 8_192;
/** Each new difference moves the usual one by at least this share. */
const RATE_MIN = 0.08;
/** Share of the way from the usual difference to the agent's last one: a number that drifts keeps its pace. */
const TREND = 0.5;

interface Usual {
  samples: number;
  readonly deltas: Float64Array;
}

/** Finds changes, remembers how far numbers go in each, and applies them to other observations. */
export class StateChanges {
  readonly #keyed: KeyedFeatures;
  /** By action and change, and by change alone. */
  readonly #usual = new LRUCache<number, Usual>({ max: USUAL_MAX });

  constructor(keyed: KeyedFeatures) {
    this.#keyed = keyed;
  }

  /** Returns the change from one observation to another, given the words of both. */
  between(before: Observation, after: Observation, beforeWords: Int32Array, afterWords: Int32Array): StateChange {
    const { names, numbers } = this.#keyed;
    const deltas = Float64Array.from(numbers, ({ name }) => delta(before[name], after[name]));
    const steps = numbers.map(({ step }, index) => Math.round((deltas[index] as number) / step) || 0);
    const isStepped = new Set(numbers.filter((_, index) => !Number.isNaN(deltas[index])).map(({ index }) => index));
    const became: [string, FeatureValue | undefined][] = [];
    let id = 0;
    for (const [index, name] of names.entries()) {
      if (isStepped.has(index) || beforeWords[index] === afterWords[index]) continue;
      id = mixed(mixed(id, index + 1), afterWords[index] as number);
      became.push([name, after[name]]);
    }
    return { id: steps.reduce(mixed, id), became, steps, deltas };
  }

  learn(action: number, { id, deltas }: StateChange): void {
    this.#follow(mixed(id, action), deltas);
    this.#follow(id, deltas);
  }

  /** Applies a change to an observation in which an action was decided. `last` has the agent's last differences, if any. */
  apply(change: StateChange, observation: Observation, action: number, last: Float64Array | undefined): Observation {
    const result: Record<string, FeatureValue | undefined> = { ...observation };
    const usual = this.#usual.get(mixed(change.id, action)) ?? this.#usual.get(change.id);
    for (const [index, number] of this.#keyed.numbers.entries()) {
      const value = observation[number.name];
      if (typeof value !== 'number') continue;
      const usually = usual?.deltas[index] ?? change.deltas[index] ?? 0;
      result[number.name] = moved(number, value, usually, last?.[index]);
    }
    for (const [name, value] of change.became) {
      if (value === undefined) delete result[name];
      else result[name] = value;
    }
    return result;
  }

  #follow(key: number, deltas: Float64Array): void {
    let usual = this.#usual.get(key);
    if (usual === undefined) {
      usual = { samples: 0, deltas: new Float64Array(deltas.length).fill(Number.NaN) };
      this.#usual.set(key, usual);
    }
    const rate = Math.max(RATE_MIN, 1 / ++usual.samples);
    for (const [index, value] of deltas.entries()) {
      const before = usual.deltas[index] as number;
      if (!Number.isNaN(value)) usual.deltas[index] = Number.isNaN(before) ? value : before + rate * (value - before);
    }
  }
}

function delta(before: FeatureValue | undefined, after: FeatureValue | undefined): number {
  return typeof before === 'number' && typeof after === 'number' ? after - before : Number.NaN;
}

/** Moves a number by its usual difference, nearer to the last one if that was a step of the same size. Stays in its range. */
function moved({ range, step }: KeyedNumber, value: number, usually: number, last = Number.NaN): number {
  if (Number.isNaN(usually)) return value;
  const isTrend = Math.round(last / step) === Math.round(usually / step);
  const by = isTrend ? usually + TREND * (last - usually) : usually;
  // A value that already is outside of its range is allowed, and is not pulled back.
  const [low, high] = range;
  return Math.min(Math.max(high, value), Math.max(Math.min(low, value), value + by));
}
