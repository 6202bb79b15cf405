import { LRUCache } from 'lru-cache';

/**
 * Predicts which of many outcomes follows from several contexts at once, as compressors of the PAQ family do (M. Mahoney, "Adaptive
 * Weighing of Context Models", 2005): each context counts what followed it, an outcome's score is the weighted sum of the logarithms
 * of its counts, and each weight follows the gradient of the probability given to what really came. So it learns which contexts matter
 * in a domain. Counts decay; tables, and outcomes in a table, are bounded: the least used go first.
 */
const TABLES_MAX = 8_192;
const OUTCOMES_MAX = 16;
const CANDIDATES_MAX = 32;
/** After this many samples of a context, a count has decayed to a third. */
const MEMORY = 200;
const KEPT = 1 - 1 / MEMORY;
/** A count of this size is as much evidence as none. */
const COUNT_MIN = 0.025;
/** What all contexts together weigh at first, and how fast all their weights follow the gradient: more contexts say more of the same. */
const WEIGHTS_FIRST = 3;
const RATE = 0.08;

/** What followed a context. Parallel lists, because a table has few outcomes. */
interface Table<V> {
  readonly ids: number[];
  readonly counts: number[];
  readonly values: V[];
}

export interface Candidate<V> {
  readonly id: number;
  readonly value: V;
  /** Probability, if one of the candidates comes. */
  share: number;
}

/** What the contexts of one moment say. It is given back to `learn`, once the outcome is known. */
export interface Mixture<V> {
  readonly contexts: Int32Array;
  /** Most likely first. */
  readonly candidates: readonly Candidate<V>[];
}

export class ContextMixer<V> {
  readonly #tables = new LRUCache<number, Table<V>>({ max: TABLES_MAX });
  readonly #weights: Float64Array;
  #foreseen = 0;
  #learned = 0;

  constructor(contexts: number) {
    this.#weights = new Float64Array(contexts).fill(WEIGHTS_FIRST / contexts);
  }

  /** How often what came was among the candidates, lately: without it, a candidate's share says little. */
  get coverage(): number {
    return (this.#foreseen + 1) / (this.#learned + 2);
  }

  /** `contexts` has one word for each context, always in the same order. */
  mix(contexts: Int32Array): Mixture<V> {
    const found = new Map<number, Candidate<V>>();
    for (let i = 0; i < contexts.length; i++) {
      const table = this.#tables.get(keyOf(contexts, i));
      if (table !== undefined) addScores(found, table, this.#weights[i] as number);
    }
    const candidates = [...found.values()].sort((a, b) => b.share - a.share);
    return { contexts, candidates: normalized(candidates.slice(0, CANDIDATES_MAX)) };
  }

  /** Learns what followed the contexts of a mixture. */
  learn({ contexts, candidates }: Mixture<V>, id: number, value: V): void {
    const isForeseen = candidates.some((candidate) => candidate.id === id);
    this.#learned = KEPT * this.#learned + 1;
    this.#foreseen = KEPT * this.#foreseen + (isForeseen ? 1 : 0);
    const rate = RATE / contexts.length;
    for (let i = 0; i < contexts.length; i++) {
      const key = keyOf(contexts, i);
      const table = this.#tables.get(key) ?? { ids: [], counts: [], values: [] };
      if (isForeseen) this.#weights[i] = (this.#weights[i] as number) + rate * gradient(table, candidates, id);
      addCount(table, id, value);
      this.#tables.set(key, table);
    }
  }
}

/** The evidence of a table for an outcome: the logarithm of its count. */
function evidence({ ids, counts }: Table<unknown>, id: number): number {
  const place = ids.indexOf(id);
  return place < 0 ? 0 : Math.log1p((counts[place] as number) / COUNT_MIN);
}

/** Adds the weighted evidence of one table to its outcomes. */
function addScores<V>(found: Map<number, Candidate<V>>, { ids, counts, values }: Table<V>, weight: number): void {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] as number;
    const score = weight * Math.log1p((counts[i] as number) / COUNT_MIN);
    const candidate = found.get(id);
    if (candidate === undefined) found.set(id, { id, value: values[i] as V, share: score });
    else candidate.share += score;
  }
}

/** How much more evidence a table had for what came than for what was expected. */
function gradient(table: Table<unknown>, candidates: readonly Candidate<unknown>[], came: number): number {
  let expected = 0;
  for (const { id, share } of candidates) expected += share * evidence(table, id);
  return evidence(table, came) - expected;
}

function addCount<V>({ ids, counts, values }: Table<V>, id: number, value: V): void {
  for (let i = 0; i < counts.length; i++) counts[i] = KEPT * (counts[i] as number);
  const known = ids.indexOf(id);
  const place = known >= 0 ? known : ids.length < OUTCOMES_MAX ? ids.length : counts.indexOf(Math.min(...counts));
  counts[place] = (known >= 0 ? (counts[place] as number) : 0) + 1;
  ids[place] = id;
  values[place] = value;
}

/** Equal words of different contexts have different tables. */
function keyOf(contexts: Int32Array, index: number): number {
  return (contexts[index] as number) + index * 2 ** 32;
}

/** Turns scores, highest first, into shares that sum to 1. */
function normalized<V>(candidates: Candidate<V>[]): Candidate<V>[] {
  const [{ share: highest } = { share: 0 }] = candidates;
  let sum = 0;
  for (const candidate of candidates) {
    candidate.share = Math.exp(candidate.share - highest);
    sum += candidate.share;
  }
  for (const candidate of candidates) candidate.share /= sum;
  return candidates;
}
