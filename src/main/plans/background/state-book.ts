import { LRUCache } from 'lru-cache';
import type { Decision } from '../../../shared/decision.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import type { Random } from '../../../shared/random.ts';
import { type Signature, signatureText } from '../../../shared/signature.ts';
import { isWellKnown, votesOf } from '../../cache/tally-change.ts';
import { charsOf, keptRequest, REQUEST_CHARS_MAX } from '../kept-request.ts';

/**
 * States that models should be asked about for the next time: those that no model answered in time, and those remembered by too
 * few votes. The states that come back most are asked about first, and those about which least is known. A state met once may
 * never come back: a tenth of the calls is for any of those. A state leaves the book when its votes agree, or are many. Bounded:
 * beyond `STATES_MAX` states, the one that came back longest ago is dropped.
 */
export interface BookedState {
  readonly key: string;
  readonly request: PlanRequest;
  readonly signature: Signature;
  /** Number of times it was met without a good answer. */
  readonly visits: number;
  /** Number of known votes for it. */
  readonly votes: number;
  /** Number of times models were asked about it for later: another expert each time. */
  readonly asked: number;
}

interface Entry extends BookedState {
  request: PlanRequest;
  visits: number;
  votes: number;
  asked: number;
  /** Number of times in a row that asking about it gave no result. */
  failures: number;
  /** Whether its agent is in a loop there: then it is asked about first, once, whatever is known about it. */
  isUrgent: boolean;
}

const STATES_MAX = 1_000;
/** Maximum size of all requests in the book together, in characters; `REQUEST_CHARS_MAX` limits each. */
const CHARS_MAX = 8_000_000;
/** A state met at least this often counts as coming back. */
const VISITS_MIN = 2;
/** A state is given up after this many tries without a result. */
const FAILURES_MAX = 8;
/** Value of one more vote, by the number of known votes: a second one exposes a mistake of the first, a third decides between two. */
const WORTHS = [1, 0.5, 0.4, 0.2, 0.1] as const;

export class StateBook {
  readonly #random: Random;
  readonly #states = new LRUCache<string, Entry>({
    max: STATES_MAX,
    maxSize: CHARS_MAX,
    sizeCalculation: ({ request }) => charsOf(request),
  });

  constructor(random: Random) {
    this.#random = random;
  }

  get size(): number {
    return this.#states.size;
  }

  /**
   * Notes a request in this state, with what is remembered for it. A state that is known well enough is not kept, nor is a
   * request that is too long. Models are shown the newest request of a state.
   */
  note(request: PlanRequest, signature: Signature, known: Decision | undefined, isUrgent = false): void {
    const key = signatureText(signature);
    const entry = this.#states.get(key) ?? this.#create(key, request, signature);
    if (entry === undefined) return;
    if (entry.visits > 0 && charsOf(request) <= charsOf(entry.request)) entry.request = keptRequest(request);
    entry.visits++;
    entry.isUrgent ||= isUrgent;
    this.#know(entry, known);
  }

  /** Updates what is remembered for a state. */
  learned(key: string, known: Decision): void {
    const entry = this.#states.peek(key);
    if (entry === undefined) return;
    entry.isUrgent = false;
    entry.failures = 0;
    this.#know(entry, known);
  }

  /** Models are asked about a state. */
  asked(key: string): void {
    const entry = this.#states.peek(key);
    if (entry === undefined) return;
    entry.asked++;
    entry.isUrgent = false;
  }

  /** Asking about a state gave no result. */
  failed(key: string): void {
    const entry = this.#states.peek(key);
    if (entry !== undefined && ++entry.failures >= FAILURES_MAX) this.#states.delete(key);
  }

  /** The state to ask about next, among those that `isOpen` accepts: one that comes back, or undefined. */
  next(isOpen: (state: BookedState) => boolean): BookedState | undefined {
    let best: Entry | undefined;
    let bestWorth = 0;
    for (const entry of this.#states.values()) {
      const worth = entry.isUrgent ? Number.POSITIVE_INFINITY : worthOf(entry);
      if (worth > bestWorth && isOpen(entry)) {
        best = entry;
        bestWorth = worth;
      }
    }
    return best;
  }

  /** Any state that was met once, if `isOpen` accepts it. */
  any(isOpen: (state: BookedState) => boolean): BookedState | undefined {
    const states = [...this.#states.values()];
    const from = Math.floor(this.#random.next() * states.length);
    return [...states.slice(from), ...states.slice(0, from)].find(
      (state) => state.visits < VISITS_MIN && isOpen(state),
    );
  }

  clear(): void {
    this.#states.clear();
  }

  #create(key: string, request: PlanRequest, signature: Signature): Entry | undefined {
    if (charsOf(request) > REQUEST_CHARS_MAX) return undefined;
    const counts = { visits: 0, votes: 0, asked: 0, failures: 0, isUrgent: false };
    const entry = { key, request: keptRequest(request), signature: signature.slice(), ...counts };
    this.#states.set(key, entry);
    return entry;
  }

  #know(entry: Entry, known: Decision | undefined): void {
    if (known === undefined) return;
    entry.votes = votesOf(known);
    if (isWellKnown(known) && !entry.isUrgent) this.#states.delete(entry.key);
  }
}

function worthOf({ visits, votes, failures }: Entry): number {
  return visits < VISITS_MIN ? 0 : (visits * (WORTHS[votes] ?? 0)) / (1 + failures);
}
