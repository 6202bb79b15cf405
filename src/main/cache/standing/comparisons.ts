import { type Interval, wilson } from '../../measure/wilson.ts';

/** Number of later comparisons of a kind after which one counts for 1/e: the latest few hundred decide. */
const MEMORY = 300;
/** Number of latest comparisons that are watched separately, so that a change of the world is noticed before older ones fade. */
const RECENT = 32;
/** The z of their interval: 99 %, because it is tested at every comparison. */
const RECENT_Z = 2.58;
/** Number of latest comparisons that decide how closely a serving tier is watched. */
const LATEST = 4;

/**
 * How often two opinions on a state agreed recently. If the latest 32 clearly differ from all before them, the world has
 * changed: only they count from then on.
 */
export class Comparisons {
  /** Number of comparisons ever made. */
  total = 0;
  totalWrong = 0;
  /** Number of comparisons since the last fresh start. */
  seen = 0;
  #weight = 0;
  #wrong = 0;
  /** The latest 32 results, the newest in the lowest bit; 1 is wrong. */
  #recent = 0;

  add(isRight: boolean): void {
    const wrong = isRight ? 0 : 1;
    this.total++;
    this.totalWrong += wrong;
    this.seen++;
    this.#weight += 1 - this.#weight / MEMORY;
    this.#wrong += wrong - this.#wrong / MEMORY;
    this.#recent = (this.#recent << 1) | wrong;
    if (this.seen > RECENT) this.#noticeChange();
  }

  /** Share of the comparisons that count now that were right; undefined while there are none. */
  get rate(): number | undefined {
    return this.#weight === 0 ? undefined : 1 - this.#wrong / this.#weight;
  }

  /** The 95 % interval of the share that was right. */
  right(): Interval {
    return complement(wilson(Math.min(this.#wrong, this.#weight), this.#weight));
  }

  /** Number of wrong ones among the latest four. */
  get latestWrong(): number {
    return bits(this.#recent & (2 ** LATEST - 1));
  }

  saved(): number[] {
    return [this.total, this.totalWrong, this.seen, this.#weight, this.#wrong, this.#recent];
  }

  /** Takes over what `saved` returned. */
  restore([total = 0, totalWrong = 0, seen = 0, weight = 0, wrong = 0, recent = 0]: readonly number[]): void {
    this.total = total;
    this.totalWrong = totalWrong;
    this.seen = seen;
    this.#weight = weight;
    this.#wrong = wrong;
    this.#recent = recent;
  }

  #noticeChange(): void {
    const wrong = bits(this.#recent);
    const recent = complement(wilson(wrong, RECENT, RECENT_Z));
    const all = this.right();
    if (recent.high >= all.low && recent.low <= all.high) return;
    this.seen = RECENT;
    this.#weight = RECENT;
    this.#wrong = wrong;
  }
}

function complement({ low, high }: Interval): Interval {
  return { low: 1 - high, high: 1 - low };
}

function bits(word: number): number {
  let count = 0;
  for (let left = word; left !== 0; left &= left - 1) count++;
  return count;
}
