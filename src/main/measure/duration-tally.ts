import type { Durations } from './durations.ts';
import { rounded } from './shares.ts';

/**
 * A distribution of durations that can be added to another one: counts in buckets 4.4 % wide (16 per octave), from a microsecond
 * to a day. A percentile is the upper end of its bucket, but at most the longest duration. Rejected: the HdrHistogram of
 * `DurationHistogram`. It is finer and can be merged too, but each record costs a call into native code, and there may be
 * 100,000 cached plans a second.
 */
const BUCKETS_PER_OCTAVE = 16;
const LOWEST_OCTAVE = -10;
const HIGHEST_OCTAVE = 27;
const BUCKETS = (HIGHEST_OCTAVE - LOWEST_OCTAVE) * BUCKETS_PER_OCTAVE;

/** The contents of a tally: its counts from bucket `from` on. */
export interface DurationCounts {
  readonly count: number;
  readonly sum: number;
  readonly max: number;
  readonly from: number;
  readonly counts: Uint32Array;
}

export class DurationTally {
  readonly #counts = new Uint32Array(BUCKETS);
  #count = 0;
  #sum = 0;
  #max = 0;
  #low = BUCKETS;
  #high = -1;

  record(ms: number): void {
    this.#count++;
    this.#sum += ms;
    if (ms > this.#max) this.#max = ms;
    this.#add(bucketOf(ms), 1);
  }

  add(other: DurationCounts): void {
    this.#count += other.count;
    this.#sum += other.sum;
    if (other.max > this.#max) this.#max = other.max;
    for (let i = 0; i < other.counts.length; i++) this.#add(other.from + i, other.counts[i] as number);
  }

  /** Returns what was recorded since the last call, and starts again from zero. */
  take(): DurationCounts {
    const isEmpty = this.#high < 0;
    const from = isEmpty ? 0 : this.#low;
    const taken: DurationCounts = {
      count: this.#count,
      sum: this.#sum,
      max: this.#max,
      from,
      counts: this.#counts.slice(from, this.#high + 1),
    };
    if (!isEmpty) this.#counts.fill(0, this.#low, this.#high + 1);
    this.#count = 0;
    this.#sum = 0;
    this.#max = 0;
    this.#low = BUCKETS;
    this.#high = -1;
    return taken;
  }

  #add(bucket: number, count: number): void {
    if (count === 0) return;
    this.#counts[bucket] = (this.#counts[bucket] as number) + count;
    if (bucket < this.#low) this.#low = bucket;
    if (bucket > this.#high) this.#high = bucket;
  }
}

/** All zero if nothing was recorded. */
export function durationsOf({ count, sum, max, from, counts }: DurationCounts): Durations {
  if (count === 0) return { count: 0, mean: 0, p50: 0, p95: 0, p99: 0, max: 0 };
  const at = (share: number): number => {
    let left = Math.ceil(share * count);
    let bucket = 0;
    for (; bucket < counts.length - 1; bucket++) {
      left -= counts[bucket] as number;
      if (left <= 0) break;
    }
    return rounded(Math.min(max, upperEndOf(from + bucket)));
  };
  return { count, mean: rounded(sum / count), p50: at(0.5), p95: at(0.95), p99: at(0.99), max: rounded(max) };
}

export function mergedCounts(parts: Iterable<DurationCounts>): DurationCounts {
  const tally = new DurationTally();
  for (const part of parts) tally.add(part);
  return tally.take();
}

function bucketOf(ms: number): number {
  const bucket = Math.floor((Math.log2(ms) - LOWEST_OCTAVE) * BUCKETS_PER_OCTAVE);
  // Written so that 0 ms, whose logarithm is -Infinity, is in the first bucket.
  return bucket > 0 ? Math.min(bucket, BUCKETS - 1) : 0;
}

function upperEndOf(bucket: number): number {
  return 2 ** ((bucket + 1) / BUCKETS_PER_OCTAVE + LOWEST_OCTAVE);
}
