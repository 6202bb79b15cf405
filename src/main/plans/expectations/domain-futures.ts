import type { Clock } from '../../../shared/clock.ts';
import { type Domain, imageFeaturesOf, type Observation } from '../../../shared/domain.ts';
import { PlannerError } from '../../../shared/errors.ts';
import { NEXT_CALL_MS_MAX, type NextStates, type NextTask } from '../../../shared/next-states.ts';
import { isLong } from '../../../shared/owned-request.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import { charsOf, keptRequest, REQUEST_CHARS_MAX } from '../kept-request.ts';
import type { NextRunner } from './domain-thread.ts';
import { checkedFutures, type Guess } from './future.ts';

/** Agents whose next states are to be computed; at the bound the oldest is dropped. */
const WAITING_MAX = 64;
/** A call that takes longer than this, in milliseconds, is ended with its thread. */
const STUCK_MS = 1_000;
/** The domain is not asked any more once this many of its latest calls were slow. */
const SLOW_MAX = 3;
const LATEST = 100;

/** What came of asking a domain for next states. What became of the states is counted by source. */
export interface DomainFuturesStats {
  /** Decided actions about which the domain was asked. */
  readonly calls: number;
  /** Calls of its functions that took more than 5 ms. */
  readonly slow: number;
  /** States that are not valid requests, and were dropped. */
  readonly invalid: number;
  /** States and decided actions that were dropped, because there were too many or because they were too long. */
  readonly dropped: number;
  /** Why the domain is not asked; null if it is. */
  readonly off: string | null;
}

/** Takes the guesses, and emits warnings: the planner. */
export interface FuturesHost {
  take(guesses: readonly Guess[]): void;
  warn(message: string): void;
}

export interface DomainFuturesParts {
  readonly domain: Domain;
  readonly clock: Clock;
  readonly thread: NextRunner;
}

/**
 * Asks a domain which states may follow each decided action, on a thread of its own, one action at a time. Of an agent only the
 * newest action counts. A domain whose functions throw, hang or are slow is switched off, with a warning.
 */
export class DomainFutures {
  /** Set when there is a planner. */
  host: FuturesHost | undefined;
  readonly #given: DomainFuturesParts;
  readonly #imageNames: readonly string[];
  readonly #waiting = new Map<string, NextTask>();
  readonly #counts = { calls: 0, slow: 0, invalid: 0, dropped: 0 };
  /** The numbers of the latest calls that were slow. */
  #slowCalls: number[] = [];
  #isAsking = false;
  #off: string | null = null;

  constructor(given: DomainFuturesParts) {
    this.#given = given;
    this.#imageNames = imageFeaturesOf(given.domain);
  }

  /** An action was decided for an agent in this state. Copies what it needs. */
  decided(request: PlanRequest, action: string): void {
    if (this.#off !== null) return;
    if (isLong(request.actions) || charsOf(request) > REQUEST_CHARS_MAX) return void this.#counts.dropped++;
    const { agent, observation } = keptRequest(request);
    this.#waiting.delete(agent);
    this.#waiting.set(agent, { kind: 'next', observation: this.#withoutImages(observation), action });
    if (this.#waiting.size > WAITING_MAX) this.#dropOldest();
    if (this.#isAsking) return;
    this.#isAsking = true;
    // A plan does not wait for messages to a thread.
    this.#given.clock.nextTurn(() => void this.#askAll());
  }

  stats(): DomainFuturesStats {
    return { ...this.#counts, off: this.#off };
  }

  /** Ends the thread. No warning follows. */
  async close(): Promise<void> {
    this.#off ??= 'the planner is closed';
    this.#waiting.clear();
    await this.#given.thread.close();
  }

  /** Pictures show one moment. */
  #withoutImages(observation: Observation): Observation {
    const rest = { ...observation };
    for (const name of this.#imageNames) delete rest[name];
    return rest;
  }

  #dropOldest(): void {
    const [oldest] = this.#waiting.keys();
    this.#waiting.delete(oldest as string);
    this.#counts.dropped++;
  }

  async #askAll(): Promise<void> {
    for (let next = this.#oldest(); next !== undefined; next = this.#oldest()) await this.#ask(...next);
    this.#isAsking = false;
  }

  #oldest(): [agent: string, task: NextTask] | undefined {
    const [oldest] = this.#waiting;
    if (oldest !== undefined) this.#waiting.delete(oldest[0]);
    return oldest;
  }

  async #ask(agent: string, task: NextTask): Promise<void> {
    this.#counts.calls++;
    const found = await this.#run(task);
    if (found === undefined || this.#off !== null) return;
    this.#counts.dropped += found.left;
    this.#judge(found.slow);
    // A newer action has been decided meanwhile.
    if (!this.#waiting.has(agent)) this.host?.take(this.#guessesOf(agent, found));
  }

  async #run(task: NextTask): Promise<NextStates | undefined> {
    const { clock, thread } = this.#given;
    const ending = new AbortController();
    let isOver = false;
    // In the turn after: a result that came while this thread was busy is read first.
    const timer = clock.setTimer(STUCK_MS, () => clock.nextTurn(() => isOver || ending.abort()));
    try {
      return await thread.run(task, ending.signal);
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      this.#switchOff(ending.signal.aborted ? `a call took more than ${STUCK_MS} ms` : `it failed: ${what}`);
      return undefined;
    } finally {
      isOver = true;
      timer.cancel();
    }
  }

  #judge(slow: number): void {
    const { calls } = this.#counts;
    this.#counts.slow += slow;
    const isLatest = (call: number): boolean => call > calls - LATEST;
    this.#slowCalls = [...this.#slowCalls.filter(isLatest), ...Array<number>(slow).fill(calls)];
    if (this.#slowCalls.length >= SLOW_MAX) {
      this.#switchOff(`${this.#slowCalls.length} of its latest calls took more than ${NEXT_CALL_MS_MAX} ms each`);
    }
  }

  #guessesOf(agent: string, { states }: NextStates): Guess[] {
    return states.flatMap((state) => this.#checked({ agent, ...state, likelihood: 1 / states.length }));
  }

  /** A state is checked as one that a host tells. */
  #checked(future: object): Guess[] {
    try {
      return checkedFutures(this.#given.domain, [future]).map((guess) => ({ ...guess, source: 'domain' }));
    } catch (error) {
      if (!(error instanceof PlannerError)) throw error;
      if (this.#counts.invalid++ === 0) this.#warnOfInvalid(error.cause instanceof Error ? error.cause : error);
      return [];
    }
  }

  #warnOfInvalid({ message }: Error): void {
    this.host?.warn(`domain.next returned an invalid state, and such states are dropped: ${message}`);
  }

  #switchOff(reason: string): void {
    if (this.#off !== null) return;
    this.#off = reason;
    this.#waiting.clear();
    this.host?.warn(`domain.next is switched off: ${reason}`);
    void this.#given.thread.close();
  }
}
