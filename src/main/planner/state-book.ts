import { LRUCache } from 'lru-cache';
import type { Decision } from '../../shared/decision.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import type { Random } from '../../shared/random.ts';
import { type Signature, signatureText } from '../../shared/signature.ts';
import { isWellKnown, votesOf } from '../cache/tally-change.ts';
import { keptWithout } from './kept-request.ts';

/**
 * States that models should be asked about for the next time: those that no model answered in time, and those remembered by
 * too few votes. The states that come back most are asked about first, and those of which least is known. One that was met
 * once may never come back: a tenth of the calls is for those, whichever. A state leaves the book when its votes agree, or are many. Bounded: of
 * more than `STATES_MAX` states the one that came back longest ago is dropped.
 */
export interface BookedState {
  readonly key: string;
  readonly request: PlanRequest;
  readonly signature: Signature;
  /** How often it was met without a good answer. */
  readonly visits: number;
  /** Votes known of it. */
  readonly votes: number;
}

interface Entry extends BookedState {
  visits: number;
  votes: number;
  /** Its agent goes round in a cycle there: it is asked about first, whatever is known of it. */
  isUrgent: boolean;
}

const STATES_MAX = 1_000;
/** States that were met at least this often come back. */
const VISITS_MIN = 2;
/** Worth of one more vote where this many are known: a second one shows a slip of the first, a third decides between two. */
const WORTHS = [1, 0.5, 0.4, 0.2, 0.1] as const;

export class StateBook {
  readonly #random: Random;
  readonly #left: readonly string[];
  readonly #states = new LRUCache<string, Entry>({ max: STATES_MAX });

  /** `left`: features that are not kept, such as pictures. */
  constructor(random: Random, left: readonly string[] = []) {
    this.#random = random;
    this.#left = left;
  }

  get size(): number {
    return this.#states.size;
  }

  /** A request was in this state, of which so much is remembered. What is known well enough is not kept. */
  note(request: PlanRequest, signature: Signature, known: Decision | undefined, isUrgent = false): void {
    const key = signatureText(signature);
    const entry = this.#states.get(key) ?? this.#create(key, request, signature);
    entry.visits++;
    entry.isUrgent ||= isUrgent;
    this.#know(entry, known);
  }

  /** What is remembered of a state now. */
  learned(key: string, known: Decision): void {
    const entry = this.#states.peek(key);
    if (entry === undefined) return;
    entry.isUrgent = false;
    this.#know(entry, known);
  }

  /** The state to ask about next, of those that `isOpen` says may be asked about: one that comes back, or undefined. */
  next(isOpen: (key: string) => boolean): BookedState | undefined {
    let best: Entry | undefined;
    let bestWorth = 0;
    for (const entry of this.#states.values()) {
      const worth = entry.isUrgent ? Number.POSITIVE_INFINITY : worthOf(entry);
      if (worth > bestWorth && isOpen(entry.key)) {
        best = entry;
        bestWorth = worth;
      }
    }
    return best;
  }

  /** Any of the states that were met once. */
  any(isOpen: (key: string) => boolean): BookedState | undefined {
    const open = [...this.#states.values()].filter(({ key, visits }) => visits < VISITS_MIN && isOpen(key));
    return open[Math.floor(this.#random.next() * open.length)];
  }

  clear(): void {
    this.#states.clear();
  }

  #create(key: string, request: PlanRequest, signature: Signature): Entry {
    const entry = {
      key,
      request: keptWithout(request, this.#left),
      signature: signature.slice(),
      visits: 0,
      votes: 0,
      isUrgent: false,
    };
    this.#states.set(key, entry);
    return entry;
  }

  #know(entry: Entry, known: Decision | undefined): void {
    if (known === undefined) return;
    entry.votes = votesOf(known);
    if (isWellKnown(known) && !entry.isUrgent) this.#states.delete(entry.key);
  }
}

function worthOf({ visits, votes }: Entry): number {
  return visits < VISITS_MIN ? 0 : visits * (WORTHS[votes] ?? 0);
}
