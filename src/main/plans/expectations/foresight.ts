import { LRUCache } from 'lru-cache';
import { defined } from '../../../shared/defined.ts';
import { priorityOf, sceneOf } from '../../../shared/domain.ts';
import { isLong } from '../../../shared/owned-request.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import { type Signature, signatureText } from '../../../shared/signature.ts';
import type { PlanCache } from '../../cache/plan-cache.ts';
import { GuessRecord } from '../../foresight/guess-record.ts';
import type { Attempt } from '../../models/calls/attempt.ts';
import {
  Experience,
  type ExperienceStats,
  noExperience,
  type SignedGuess,
  whyNoExperience,
} from '../experience/experience.ts';
import type { AskedStates } from '../flights/asked-states.ts';
import type { FlightBoard, Foreseen } from '../flights/flight-board.ts';
import type { FlightParts } from '../flights/flight-parts.ts';
import { charsOf, keptRequest, REQUEST_CHARS_MAX } from '../kept-request.ts';
import { AskShares } from './ask-shares.ts';
import type { DomainFuturesStats } from './domain-futures.ts';
import { AgentExpectations, type Expectation, guessKindOf, inOrder, isOverdue, timesOf } from './expectation.ts';
import { ForesightCounts, type GuessCounts, type GuessEvent, type GuessRow } from './foresight-counts.ts';
import { GUESS_SOURCES, type Guess, type GuessOutcome } from './future.ts';
import { IdleRoom } from './idle-room.ts';
import { UnaskedFutures } from './unasked-futures.ts';

/**
 * Asks models about states that agents are expected to be in, so that the answer is there when it is asked for. It takes guesses
 * from any source, and only fills the cache: a wrong guess costs an idle slot for a while, and never an answer. The protocol is in
 * docs/concurrency.md, "Foresight". Bounded: at each bound the oldest is dropped and counted.
 */
const AGENTS_MAX = 10_000;
const WAITING_MAX = 1_024;
const FLIGHTS_MAX = 64;
/** Number of expectations that need no asking and end in one turn of the event loop. */
const ENDED_AT_ONCE = 64;
/** Number of answered expectations whose attempts are kept, for the plan that is served the answer. */
const LOGS_MAX = 1_024;
/** Models are asked this often about a future if its calls gave way to those of plans. */
const TRIES_MAX = 2;

export interface ForesightStats extends GuessCounts {
  /** Futures that models are to be asked about. */
  readonly waiting: number;
  /** Futures that models are asked about now. */
  readonly running: number;
  /** Why nothing is asked ahead; null if it is. */
  readonly off: string | null;
  /** What came of asking the domain for next states; false if it cannot tell. */
  readonly domain: false | DomainFuturesStats;
  /** What is foreseen from experience, and what holds it back. */
  readonly experience: ExperienceStats;
  /** The counts by source and scene. */
  readonly bySource: readonly GuessRow[];
}

export interface ForesightParts {
  readonly parts: FlightParts;
  readonly cache: PlanCache | undefined;
  readonly board: Pick<FlightBoard, 'foresee'>;
  readonly asked: Pick<AskedStates, 'has'>;
  /** Called when there may be something to ask. */
  readonly wake: () => void;
}

export class Foresight {
  /** Undefined if nothing is asked ahead from experience. */
  readonly experience: Experience | undefined;
  readonly #given: ForesightParts;
  readonly #room: IdleRoom;
  readonly #counts = new ForesightCounts();
  readonly #agents = new LRUCache<string, AgentExpectations>({
    max: AGENTS_MAX,
    // Those that ended by themselves leave an empty list.
    disposeAfter: ({ all }) => this.#drop(all),
  });
  readonly #asks: AskShares;
  readonly #record = new GuessRecord();
  /** Expectations that models are to be asked about, with their requests, the oldest first. */
  readonly #waiting = new Map<Expectation, PlanRequest>();
  /** What was asked about expectations that are answered; their attempts start on the clock. */
  readonly #logs = new LRUCache<Expectation, readonly Attempt[]>({ max: LOGS_MAX });
  readonly #unasked = new UnaskedFutures();
  #running = 0;
  #isClosed = false;

  constructor(given: ForesightParts) {
    this.#given = given;
    this.#room = new IdleRoom(given.parts);
    this.#asks = new AskShares(given.parts.clock, given.parts.ahead?.asks);
    this.experience = this.#makeExperience(given);
  }

  #makeExperience({ parts, cache }: ForesightParts): Experience | undefined {
    if (cache === undefined || this.#whyNoExperience !== null) return undefined;
    const take = (guesses: readonly SignedGuess[]): void => this.take(guesses, ({ signature }) => signature);
    return new Experience({ parts, cache, room: this.#room, asks: this.#asks, take });
  }

  /** Takes guesses, which are checked and which nothing changes later; `signatures` are those of their requests. */
  take<G extends Guess>(guesses: readonly G[], signatureOf: (guess: G) => Signature): void {
    if (this.#isClosed) return;
    const nowMs = this.#given.parts.clock.now();
    const isOff = this.#off !== null;
    for (const guess of guesses) {
      if (isOff || isTooLong(guess)) this.#refuse(guess);
      else this.#expect(guess, signatureOf(guess).slice(), nowMs);
    }
    this.#given.wake();
  }

  get hasWork(): boolean {
    return this.#waiting.size > 0;
  }

  /** Starts to ask models about the next future, if there is one and it is worth a slot. */
  begin(): boolean {
    if (this.#isClosed || this.#running >= FLIGHTS_MAX) return false;
    if (!this.#room.isIdle) return this.#unasked.heldBack('slot');
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      if (!this.#isWorth(next)) return this.#unasked.heldBack('price');
      if (this.#fly(next)) return true;
    }
    return false;
  }

  #isWorth(next: Expectation): boolean {
    const { aheadPerPlan } = this.#asks;
    const usedLow = this.#record.claimedLow(guessKindOf(next));
    return this.#room.isWorth(usedLow, { aheadPerPlan, othersShare: this.#asks.othersShare(next.guess.agent) });
  }

  /**
   * An agent asks for a plan; `isServed` by the cache. Ends what came true, and what did not. Returns how models were asked about the
   * answer if it was foreseen.
   */
  came(
    { agent }: PlanRequest,
    signature: Signature,
    isServed: boolean,
    askedAtMs: number,
    deadlineMs: number,
  ): readonly Attempt[] | undefined {
    if (!isServed) this.#asks.add(agent, deadlineMs - askedAtMs);
    const expected = this.#agents.size === 0 ? undefined : this.#agents.get(agent);
    if (expected === undefined) return undefined;
    const key = signatureText(signature);
    const isSame = this.#given.cache?.wasIn(agent, signature) === true;
    const nowMs = this.#given.parts.clock.now();
    const came = expected.find(key);
    const log = came && isServed ? this.#logs.get(came) : undefined;
    for (const each of expected.all) {
      if (each === came) this.#cameTrue(each, isServed);
      else if (!isSame && each.judgedFromMs <= nowMs) this.#proveWrong(each);
    }
    return log?.map((attempt) => ({ ...attempt, startMs: attempt.startMs - askedAtMs }));
  }

  /** An agent is in a state: if it was expected, it asks there soon. */
  observed({ agent }: PlanRequest, signature: Signature): void {
    const expectation = this.#agents.get(agent)?.find(signatureText(signature));
    if (expectation === undefined) return;
    expectation.likelihood = 1;
    this.#given.wake();
  }

  /** The cache was cleared: gives up all work. */
  clear(): void {
    for (const { all } of [...this.#agents.values()]) this.#drop(all);
  }

  /** Starts nothing from now on. */
  shut(): void {
    this.#isClosed = true;
    this.experience?.close();
    this.clear();
  }

  stats(): ForesightStats {
    const { total } = this.#counts;
    const domain = this.#given.parts.domainFutures?.stats() ?? false;
    const now = { waiting: this.#waiting.size, running: this.#running, off: this.#off ?? this.#unasked.why };
    const experience = this.experience?.stats() ?? noExperience(this.#whyNoExperience);
    return { ...total, ...now, domain, experience, bySource: this.#counts.rows() };
  }

  get #whyNoExperience(): string | null {
    return this.#off ?? whyNoExperience(this.#given.parts.options);
  }

  get #off(): string | null {
    const { options } = this.#given.parts;
    if (!options.features.foresight) return 'it is switched off (features.foresight)';
    if (this.#given.cache === undefined) return 'there is no cache that could keep the answers';
    return options.experts.length + options.synthesis.models.length === 0 ? 'there are no models' : null;
  }

  /** Ends a guess that is not kept at all. */
  #refuse(guess: Guess): void {
    const scene = sceneOf(this.#given.parts.options.domain, guess.observation);
    this.#count('told', { guess, scene });
    this.#count('dropped', { guess, scene });
    guess.onEnd?.('dropped', 0);
  }

  #expect(guess: Guess, signature: Signature, nowMs: number): void {
    const key = signatureText(signature);
    const agent = this.#agents.get(guess.agent) ?? new AgentExpectations();
    for (const each of agent.all) if (isOverdue(each, nowMs)) this.#proveWrong(each);
    const told = agent.find(key);
    const times = timesOf(guess, nowMs);
    const { likelihood = 1 } = guess;
    if (told !== undefined && !isAsGood(guess, told)) return;
    if (told !== undefined) return void Object.assign(told, { ...times, likelihood });
    const { domain } = this.#given.parts.options;
    const scene = sceneOf(domain, guess.observation);
    const rest = { likelihood, tries: 0, spentMs: 0, askedAtMs: nowMs, work: 'waiting' } as const;
    const kept = { agent: guess.agent, source: guess.source, ...defined({ onEnd: guess.onEnd }) };
    const expectation: Expectation = { guess: kept, signature, key, scene, ...times, ...rest };
    this.#agents.set(guess.agent, agent);
    this.#asks.watch(guess.agent);
    this.#count('told', expectation);
    this.#wait(expectation, keptRequest(guess));
    const oldest = agent.add(expectation);
    if (oldest !== undefined) this.#end(oldest, 'dropped');
  }

  #wait(expectation: Expectation, request: PlanRequest): void {
    expectation.work = 'waiting';
    this.#waiting.set(expectation, request);
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size > WAITING_MAX && oldest !== undefined) this.#end(oldest, 'dropped');
  }

  /** The expectation to ask about next. Those that need no asking end on the way. */
  #next(): Expectation | undefined {
    const { parts, cache, asked } = this.#given;
    const nowMs = parts.clock.now();
    let ended = 0;
    for (const next of inOrder([...this.#waiting.keys()].filter(({ key }) => !asked.has(key)))) {
      const request = this.#waiting.get(next) as PlanRequest;
      if (isOverdue(next, nowMs)) this.#end(next, 'dropped');
      else if (cache?.knows(request, next.signature, Math.max(nowMs, next.dueMs))) this.#end(next, 'known');
      else return next;
      if (++ended === ENDED_AT_ONCE) return void this.#given.wake();
    }
    return undefined;
  }

  #fly(expectation: Expectation): boolean {
    const { board, parts } = this.#given;
    const { signature } = expectation;
    const request = this.#waiting.get(expectation) as PlanRequest;
    const nowMs = parts.clock.now();
    const flight = board.foresee({
      ...{ request, signature, look: undefined, trace: undefined },
      priority: priorityOf(parts.options.domain, request.observation),
      startedAtMs: nowMs,
      deadlineMs: Math.min(
        nowMs + parts.options.timeoutMs,
        Math.max(nowMs, expectation.dueMs) + this.#planMs(expectation),
      ),
    });
    if (flight === undefined) return false;
    this.#waiting.delete(expectation);
    this.#running++;
    expectation.work = flight;
    expectation.askedAtMs = nowMs;
    this.#unasked.broken();
    this.#asks.addAhead();
    if (expectation.tries++ === 0) this.#count('asked', expectation);
    void flight.done.then((end) => this.#landed(expectation, request, flight, end));
    return true;
  }

  /** The time that the agent's plans have. */
  #planMs({ guess }: Expectation): number {
    return this.#asks.timeMs(guess.agent) ?? this.#given.parts.options.timeoutMs;
  }

  #landed(expectation: Expectation, request: PlanRequest, flight: Foreseen, end: Awaited<Foreseen['done']>): void {
    this.#running--;
    // Otherwise it has ended, or its plan came.
    if (expectation.work === flight) {
      expectation.spentMs += flight.workedMs;
      expectation.work = 'answered';
      if (end === 'decided') this.#logs.set(expectation, flight.attemptsFor(0));
      if (end === 'gave way' && expectation.tries < TRIES_MAX) this.#wait(expectation, request);
      else if (end !== 'decided') this.#end(expectation, 'dropped');
    }
    this.#given.wake();
  }

  #cameTrue(expectation: Expectation, isServed: boolean): void {
    const { work } = expectation;
    this.#record.judged(guessKindOf(expectation), work !== 'answered' || isServed);
    if (work === 'answered') return this.#end(expectation, isServed ? 'used' : 'withheld');
    if (work === 'waiting') return this.#end(expectation, isServed ? 'known' : 'tooLate');
    // The plan joins the work, unless it was served.
    if (!isServed) {
      this.#count('joined', expectation);
      expectation.work = 'answered';
    }
    this.#end(expectation, 'tooLate');
  }

  #proveWrong(expectation: Expectation): void {
    this.#record.judged(guessKindOf(expectation), false);
    this.#end(expectation, 'wrong');
  }

  #drop(expected: readonly Expectation[]): void {
    for (const each of expected) this.#end(each, 'dropped');
  }

  #end(expectation: Expectation, outcome: GuessOutcome): void {
    const { work, guess } = expectation;
    const agent = this.#agents.peek(guess.agent);
    agent?.remove(expectation);
    if (agent?.all.length === 0) this.#agents.delete(guess.agent);
    this.#logs.delete(expectation);
    const isWaiting = this.#waiting.delete(expectation);
    if (isWaiting && outcome !== 'known') this.#unasked.unasked();
    expectation.work = 'answered';
    const end = isWaiting && outcome === 'wrong' ? 'dropped' : outcome;
    this.#count(end, expectation);
    // Calls under way are given up, unless a plan has joined them.
    const restMs = typeof work === 'string' ? 0 : this.#given.parts.clock.now() - expectation.askedAtMs;
    guess.onEnd?.(end, expectation.spentMs + restMs);
    if (typeof work !== 'string') work.cancel();
  }

  #count(event: GuessEvent, { guess, scene }: Pick<Expectation, 'guess' | 'scene'>): void {
    this.#counts.add(event, guess.source, scene);
  }
}

/** What the host told is not changed by what its domain computes. */
function isAsGood({ source }: Guess, { guess }: Expectation): boolean {
  return GUESS_SOURCES.indexOf(source) <= GUESS_SOURCES.indexOf(guess.source);
}

function isTooLong(guess: Guess): boolean {
  return isLong(guess.actions) || charsOf(guess) > REQUEST_CHARS_MAX;
}
