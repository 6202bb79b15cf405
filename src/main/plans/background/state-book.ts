import { LRUCache } from 'lru-cache';
import type { Decision } from '../../../shared/decision.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import type { Random } from '../../../shared/random.ts';
import { type Signature, signatureText } from '../../../shared/signature.ts';
import { isWellKnown, votesOf } from '../../cache/tally-change.ts';
import { keptRequest } from '../kept-request.ts';

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
  /** How often models were asked about it for later: another expert each time. */
  readonly asked: number;
}

interface Entry extends BookedState {
  request: PlanRequest;
  visits: number;
  votes: number;
  asked: number;
  /** Times in a row that it was asked about and nothing came of it. */
  failures: number;
  /** Its agent goes round in a cycle there: it is asked about first, once, whatever is known of it. */
  isUrgent: boolean;
}

const STATES_MAX = 1_000;
/** All requests of the book together, and one of them, in characters. */
const CHARS_MAX = 8_000_000;
const REQUEST_CHARS_MAX = 100_000;
/** States that were met at least this often come back. */
const VISITS_MIN = 2;
/** A state of which nothing comes is given up after this many tries. */
const FAILURES_MAX = 8;
/** Worth of one more vote where this many are known: a second one shows a slip of the first, a third decides between two. */
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
   * A request was in this state, of which so much is remembered. What is known well enough is not kept, nor is a request that
   * is too long. The newest request of a state is what models are shown.
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

  /** What is remembered of a state now. */
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

  /** Nothing came of asking about a state. */
  failed(key: string): void {
    const entry = this.#states.peek(key);
    if (entry !== undefined && ++entry.failures >= FAILURES_MAX) this.#states.delete(key);
  }

  /** The state to ask about next, of those that `isOpen` says may be asked about: one that comes back, or undefined. */
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

  /** Any of the states that were met once. */
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

/** About how long a request is. At least 1. */
function charsOf({ observation, actions }: PlanRequest): number {
  let chars = 1;
  for (const action of actions) chars += action.length;
  for (const value of Object.values(observation)) {
    if (typeof value === 'string') chars += value.length;
    else if (Array.isArray(value)) for (const each of value) chars += String(each).length;
  }
  return chars;
}
