import { type Interval, wilson } from '../../measure/wilson.ts';

/** A comparison counts for 1/e after so many more of its kind: the latest few hundred decide. */
const MEMORY = 300;
/** The latest ones are watched apart, so that a change of the world is noticed long before the old ones have faded. */
const RECENT = 32;
/** Of their interval: 99 %, as they are looked at every time. */
const RECENT_Z = 2.58;
/** So many of the latest say how closely a tier that serves is watched. */
const LATEST = 4;

/**
 * How often two opinions on a state were the same, of late. Where the latest 32 speak clearly of another share than all
 * before them, the world has changed: only they count from then on.
 */
export class Comparisons {
  /** All there ever were. */
  total = 0;
  totalWrong = 0;
  /** Since it began anew. */
  seen = 0;
  #weight = 0;
  #wrong = 0;
  /** The latest 32, the last one in the lowest bit; 1 is wrong. */
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

  /** The share that was right, of what counts now; undefined while there is nothing. */
  get rate(): number | undefined {
    return this.#weight === 0 ? undefined : 1 - this.#wrong / this.#weight;
  }

  /** The 95 % interval of the share that is right. */
  right(): Interval {
    return complement(wilson(Math.min(this.#wrong, this.#weight), this.#weight));
  }

  /** Wrong ones among the latest four. */
  get latestWrong(): number {
    return bits(this.#recent & (2 ** LATEST - 1));
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
