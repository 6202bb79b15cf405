import type { Signature } from '../../../shared/signature.ts';
import type { GuessKind } from '../../foresight/guess-record.ts';
import type { Foreseen } from '../flights/flight-board.ts';
import type { Guess } from './future.ts';

/** A future that has not ended. */
export interface Expectation {
  /** Without its request: one that is answered lives on until it comes, and there may be very many. */
  readonly guess: Pick<Guess, 'agent' | 'source' | 'onEnd'>;
  readonly signature: Signature;
  /** The text of the signature. */
  readonly key: string;
  readonly scene: string;
  /** When its agent is expected to ask, on the clock. */
  dueMs: number;
  /** From this time on, a request of its agent in another state shows that it was wrong. */
  judgedFromMs: number;
  likelihood: number;
  /** How often models were asked about it. */
  tries: number;
  /** How long models worked on it in tries that have ended. */
  spentMs: number;
  /** When the latest try began. */
  askedAtMs: number;
  work: 'waiting' | 'answered' | Foreseen;
}

/** Futures of one agent; at the bound the oldest is dropped. */
const OF_AGENT_MAX = 16;
/** A future that has not come this long after it was due does not come. */
const OVERDUE_MS_MAX = 60_000;
/** Agents are early: after this share of the time until a future is due, another request shows that it was wrong. */
const JUDGED_SHARE = 0.75;

/** When a future told now is due, and from when on it is judged. */
export function timesOf({ inMs = 0 }: Guess, nowMs: number): Pick<Expectation, 'dueMs' | 'judgedFromMs'> {
  return { dueMs: nowMs + inMs, judgedFromMs: nowMs + inMs * JUDGED_SHARE };
}

/** The kind by which it is judged. */
export function guessKindOf({ guess: { source }, scene, likelihood }: Expectation): GuessKind {
  return { source, scene, likelihood, horizon: 1 };
}

export function isOverdue({ dueMs }: Expectation, nowMs: number): boolean {
  return nowMs > dueMs + OVERDUE_MS_MAX;
}

/** In the order in which models are asked: the likeliest first, then the one that is due first. Sorts only if more than one is taken. */
export function* inOrder(expected: readonly Expectation[]): Generator<Expectation, void, void> {
  let [first] = expected;
  if (first === undefined) return;
  for (const each of expected) if (isBefore(each, first)) first = each;
  yield first;
  yield* expected.filter((each) => each !== first).sort((one, other) => (isBefore(one, other) ? -1 : 1));
}

function isBefore(one: Expectation, other: Expectation): boolean {
  return one.likelihood > other.likelihood || (one.likelihood === other.likelihood && one.dueMs < other.dueMs);
}

/** The expectations of one agent, the oldest first. */
export class AgentExpectations {
  #all: Expectation[] = [];

  get all(): readonly Expectation[] {
    return this.#all;
  }

  find(key: string): Expectation | undefined {
    return this.#all.find((each) => each.key === key);
  }

  /** Adds an expectation. Returns the one that has to go for it. */
  add(expectation: Expectation): Expectation | undefined {
    this.#all.push(expectation);
    return this.#all.length > OF_AGENT_MAX ? this.#all[0] : undefined;
  }

  remove(expectation: Expectation): void {
    this.#all = this.#all.filter((each) => each !== expectation);
  }
}
