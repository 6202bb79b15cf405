/** More requests start at once only if each of them then takes this share of the time that it takes alone, or less. */
const SHARE_MAX = 0.8;
/** Weight of the latest requests in the usual time. */
const LATEST_WEIGHT = 0.3;
/** Number of reads that could start more requests at once, until one tries; twice as many after each try that shows no gain. */
const BETWEEN_TRIES = 16;
const BETWEEN_TRIES_MAX = 512;
const SEATS_MAX = 1_000;

/** What is known of a seat. */
class SeatTimes {
  /** Time of each request, in milliseconds, by the number that started at once. */
  readonly msEach = new Map<number, number>();
  /** The number that is being tried. */
  tried: number | undefined;
  #untilTry = BETWEEN_TRIES;
  #between = BETWEEN_TRIES;

  /** The number of requests at once, up to `max`, of which each takes least time. */
  best(max: number): number {
    let best = 1;
    for (let count = 2; count <= max; count++) {
      const [before, each] = [this.msEach.get(best), this.msEach.get(count)];
      if (before !== undefined && each !== undefined && each <= shareMax(best, count) * before) best = count;
    }
    return best;
  }

  /** Whether a try is due, asked once for each read that could make one. */
  isDue(): boolean {
    return --this.#untilTry <= 0;
  }

  /** The try has ended. */
  end(): void {
    const { tried = 1 } = this;
    const isGain = this.best(tried) === tried;
    this.#between = isGain ? BETWEEN_TRIES : Math.min(BETWEEN_TRIES_MAX, 2 * this.#between);
    this.#untilTry = this.#between;
    this.tried = undefined;
  }
}

/** The share of the time of each of `best` requests that each of `count` may take: the first step must gain most. */
function shareMax(best: number, count: number): number {
  return 1 - ((1 - SHARE_MAX) * (count - best)) / best;
}

/**
 * How many requests that share a prompt start at once at a seat, as its times show. A server that shares what it has read with all of its
 * slots gains from several. One that keeps a prompt in each slot reads it again in the others, which is mostly slower than one request
 * after the other. So one more than known is tried rarely, and kept if each request takes clearly less time.
 */
export class ReadsAtOnce {
  readonly #seats = new Map<string, SeatTimes>();

  /** How many of `wanted` requests start at once, if at most `most` can. `mayTry`: whether there is time for a slower way. */
  width(seat: string, wanted: number, most: number, mayTry: boolean): number {
    const max = Math.min(wanted, most);
    const known = this.#seats.get(seat);
    if (max <= 1 || known === undefined) return 1;
    const best = known.best(max);
    if (best >= max || !mayTry || !known.isDue()) return best;
    known.tried = best + 1;
    return known.tried;
  }

  /** Records that `count` requests which started at once took `ms` together; undefined if not all were answered. */
  took(seat: string, count: number, ms: number | undefined): void {
    const known = this.#seatOf(seat);
    if (ms === undefined) known.msEach.delete(count);
    else {
      const each = ms / count;
      const usual = known.msEach.get(count) ?? each;
      known.msEach.set(count, usual + LATEST_WEIGHT * (each - usual));
    }
    if (known.tried === count) known.end();
  }

  #seatOf(name: string): SeatTimes {
    const known = this.#seats.get(name);
    if (known !== undefined) return known;
    if (this.#seats.size >= SEATS_MAX) this.#seats.clear();
    const made = new SeatTimes();
    this.#seats.set(name, made);
    return made;
  }
}
