/**
 * Times of the calls to one model, by the number of calls running when each started. Bounded by the number of levels; old samples
 * fade, and a level that was not seen for long is forgotten.
 */
const COUNT_MAX = 30;
/** A level is forgotten after this many calls to the model of which none started at it. */
const EXPIRY_CALLS = 500;

interface Level {
  count: number;
  /** Mean of the logarithms, because times are skewed. */
  mean: number;
  seenAt: number;
}

export interface LevelMean {
  /** Number of samples, for each level at most about the latest thirty. */
  readonly count: number;
  readonly logMs: number;
}

export class LevelTimes {
  readonly #levels = new Map<number, Level>();
  #calls = 0;

  record(level: number, ms: number): void {
    this.#calls++;
    const logMs = Math.log(ms);
    const known = this.#levels.get(level);
    if (known === undefined || this.#isExpired(known)) {
      this.#levels.set(level, { count: 1, mean: logMs, seenAt: this.#calls });
      return;
    }
    known.count = Math.min(known.count + 1, COUNT_MAX);
    known.mean += (logMs - known.mean) / known.count;
    known.seenAt = this.#calls;
  }

  /** Mean of the levels above `above`, up to and including `to`. */
  mean(above: number, to: number): LevelMean {
    let count = 0;
    let sum = 0;
    for (const [level, known] of this.#levels) {
      if (level <= above || level > to || this.#isExpired(known)) continue;
      count += known.count;
      sum += known.count * known.mean;
    }
    return { count, logMs: count === 0 ? 0 : sum / count };
  }

  #isExpired({ seenAt }: Level): boolean {
    return this.#calls - seenAt > EXPIRY_CALLS;
  }
}
