import type { Random } from '../../../../shared/random.ts';
import type { Seat } from '../../../models/seat.ts';
import { binOf } from '../bins.ts';
import { BinnedOutcomes } from '../reliability-curve.ts';

/** Until this many reads have been compared, further requests are made. */
const COMPARED_MIN = 30;
/** A further request that takes as long as the first, or longer, is made if it changes more than this share of such answers; a shorter one for fewer. */
const CHANGED_MIN = 0.4;
/** Share of reads that make all further requests although they add nothing, because nothing else would show a change. */
const ASKED_AGAIN = 0.05;
/** Weight of the latest request in the usual time. */
const LATEST_WEIGHT = 0.2;
const KEYS_MAX = 1_000;

/** A request for another role, or for other actions. */
export type FurtherKind = 'role' | 'group';

/** What the times of requests are known by. */
export function timeKey({ endpoint, model }: Pick<Seat, 'endpoint' | 'model'>, kind: 'first' | FurtherKind): string {
  return `${endpoint}\n${model}\n${kind}`;
}

/**
 * What further requests of a read cost and add: those for more roles where a request asks only one, and those for more actions than there
 * are labels. The surer the answer in hand is, the more rarely they change it, so the chance of a change is learned by probability.
 */
export class FurtherRequests {
  readonly #random: Random;
  readonly #unchanged = new Map<string, BinnedOutcomes>();
  readonly #usualMs = new Map<string, number>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Records whether further requests of the kind changed the answer, which had this probability. */
  compared(kind: string, probability: number, isChanged: boolean): void {
    entryOf(this.#unchanged, kind, () => new BinnedOutcomes()).add(binOf(probability), !isChanged);
  }

  /**
   * Whether an answer of this probability is so rarely changed by further requests of the kind that they are not worth their time, `cost`
   * relative to the first request.
   */
  isEnough(kind: string, probability: number, cost: number): boolean {
    const known = this.#unchanged.get(kind);
    if (known === undefined || known.total < COMPARED_MIN) return false;
    const changed = 1 - (known.curve[binOf(probability)] as number);
    return changed <= CHANGED_MIN * Math.min(1, cost);
  }

  /** Whether a read makes all further requests, whatever is known about them. */
  isTrial(): boolean {
    return this.#random.next() < ASKED_AGAIN;
  }

  /** Records that a request of the kind took `ms`. */
  took(kind: string, ms: number): void {
    const usual = entryOf(this.#usualMs, kind, () => ms);
    this.#usualMs.set(kind, usual + LATEST_WEIGHT * (ms - usual));
  }

  /** The usual time of a request of the kind, in milliseconds; undefined while there was none. */
  usualMs(kind: string): number | undefined {
    return this.#usualMs.get(kind);
  }
}

function entryOf<T>(entries: Map<string, T>, key: string, make: () => T): T {
  const known = entries.get(key);
  if (known !== undefined) return known;
  if (entries.size >= KEYS_MAX) entries.clear();
  const made = make();
  entries.set(key, made);
  return made;
}
