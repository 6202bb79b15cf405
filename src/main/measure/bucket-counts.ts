/** A distribution in fixed buckets, as in Prometheus: values above the last bound are counted in `count` only. */
export interface Buckets {
  /** Ascending and inclusive: a value equal to a bound is in its bucket. */
  readonly bounds: readonly number[];
  /** Counts by bound, not cumulative. */
  readonly counts: ArrayLike<number>;
  readonly count: number;
  readonly sum: number;
}

/** Counts values by bucket, at a few comparisons and two additions each. */
export class BucketCounts implements Buckets {
  readonly bounds: readonly number[];
  readonly counts: Float64Array;
  count = 0;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length);
  }

  /** Adds counts in the same buckets. */
  add(other: BucketCounts): void {
    this.count += other.count;
    this.sum += other.sum;
    for (let i = 0; i < this.counts.length; i++) this.counts[i] = (this.counts[i] as number) + (other.counts[i] ?? 0);
  }

  observe(value: number): void {
    this.count++;
    this.sum += value;
    const { bounds, counts } = this;
    for (let i = 0; i < bounds.length; i++) {
      if (value > (bounds[i] as number)) continue;
      counts[i] = (counts[i] as number) + 1;
      return;
    }
  }
}
