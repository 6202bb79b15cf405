import { LRUCache } from 'lru-cache';
import { type Domain, sceneOf } from '../../../shared/domain.ts';
import { SIGNATURE_WORDS, type Signature, Signer, signatureText } from '../../../shared/signature.ts';
import { Foreseer } from '../../foresight/foreseer.ts';
import { share } from '../../measure/shares.ts';
import type { TraceRecord } from '../../session/trace-reader.ts';
import { TraceClock } from '../trace-clock.ts';
import { ForesightTrial, type KeyedGuess, type TrialOutcome } from './foresight-trial.ts';

/**
 * Judges foresight alone on a trace, in its order and time. Guesses are fixed when a decision has been read, before any later record
 * is; what comes later is only compared with them.
 */
export interface ForesightOutcome extends ForeseenShares {
  /** Requests with a usable choice. */
  readonly decisions: number;
  /** Records without one: none is recorded, or it was not offered. */
  readonly unjudged: number;
  /** Requests that follow a decision of their agent: those that can be foreseen. */
  readonly requests: number;
  /** Those whose state was never seen before. */
  readonly newRequests: number;
  readonly guessesPerDecision: number;
  readonly byHorizon: readonly HorizonOutcome[];
  readonly trials: readonly TrialOutcome[];
}

/** Shares of requests that were foreseen, by the first guess and by the first three; of all, and of those never seen before. */
export interface ForeseenShares {
  readonly first: number;
  readonly three: number;
  readonly newFirst: number;
  readonly newThree: number;
}

/** How far ahead the guesses were fixed: by this many requests of the agent, or at least this long before. */
type Horizon = { readonly steps: number } | { readonly seconds: number };
export type HorizonOutcome = Horizon & ForeseenShares;

const STEPS = [1, 2, 4] as const;
const SECONDS = [0.5, 1, 2, 5] as const;
const MODELS_MS = [200, 1_000, 5_000] as const;
const AGENTS_MAX = 10_000;
/** Maximum number of states that are remembered; later ones count as new each time. */
const STATES_MAX = 1_000_000;
/** Maximum number of decisions remembered for each agent, to look up the one that was the given number of seconds ago. */
const PAST_MAX = 128;
const STEPS_MAX = Math.max(...STEPS);
const MS_MAX = 1_000 * Math.max(...SECONDS);
const GUESSES_NONE: readonly KeyedGuess[] = [];

/** The guesses that were fixed after one decision. */
interface Fixed {
  readonly atMs: number;
  /** By horizon in steps. */
  readonly guesses: ReadonlyMap<number, readonly KeyedGuess[]>;
  /** By `SECONDS`: the horizon, in steps, of the guesses for so long ahead. */
  readonly stepsAhead: readonly number[];
}

/** Counts how many requests were foreseen. */
class Tally {
  #all = { judged: 0, first: 0, three: 0 };
  #unseen = { judged: 0, first: 0, three: 0 };

  add(guesses: readonly KeyedGuess[], key: string, isNew: boolean): void {
    const place = guesses.findIndex((guess) => guess.key === key);
    for (const count of isNew ? [this.#all, this.#unseen] : [this.#all]) {
      count.judged++;
      if (place === 0) count.first++;
      if (place >= 0) count.three++;
    }
  }

  get requests(): number {
    return this.#all.judged;
  }

  get newRequests(): number {
    return this.#unseen.judged;
  }

  shares(): ForeseenShares {
    return {
      first: share(this.#all.first, this.#all.judged),
      three: share(this.#all.three, this.#all.judged),
      newFirst: share(this.#unseen.first, this.#unseen.judged),
      newThree: share(this.#unseen.three, this.#unseen.judged),
    };
  }
}

export class ForesightReplay {
  readonly #domain: Domain;
  readonly #foreseer: Foreseer;
  readonly #signer: Signer;
  readonly #words: Signature = new Int32Array(SIGNATURE_WORDS);
  readonly #clock = new TraceClock();
  readonly #trials: readonly ForesightTrial[];
  /** The states that were requested, with the time of their latest request. */
  readonly #states = new Map<string, number>();
  readonly #freshMs: number;
  /** The latest decisions of each agent without a gap, oldest first. */
  readonly #past = new LRUCache<string, readonly Fixed[]>({ max: AGENTS_MAX });
  readonly #bySteps = STEPS.map(() => new Tally());
  readonly #bySeconds = SECONDS.map(() => new Tally());
  #decisions = 0;
  #unjudged = 0;
  #guesses = 0;

  /** `modelsMs`: how long the models take for which the gates are judged. `freshMs`: how long their answers are kept. */
  constructor(domain: Domain, modelsMs: readonly number[] = MODELS_MS, freshMs = Number.POSITIVE_INFINITY) {
    this.#domain = domain;
    this.#freshMs = freshMs;
    this.#foreseer = new Foreseer(domain, { horizons: STEPS, agentsMax: AGENTS_MAX });
    this.#signer = new Signer(domain);
    this.#trials = modelsMs.map((modelMs) => new ForesightTrial(modelMs, this.#foreseer.times, STEPS, freshMs));
  }

  /** Replays one record: judges the guesses about it, learns from it, and fixes new ones if it has a usable choice. */
  next({ t, request, chosen }: TraceRecord): void {
    this.#clock.advanceTo(t);
    const atMs = this.#clock.now();
    const { agent, observation, actions } = request;
    const key = this.#keyOf(observation, actions);
    const isNew = !this.#states.has(key);
    this.#judge(agent, key, isNew, atMs);
    if (!isNew || this.#states.size < STATES_MAX) this.#states.set(key, atMs);
    this.#foreseer.asked(agent, observation, actions, atMs);
    if (chosen !== undefined && actions.includes(chosen)) {
      this.#decide(agent, sceneOf(this.#domain, observation), chosen, atMs);
    } else {
      this.#unjudged++;
      this.#past.delete(agent);
    }
  }

  outcome(): ForesightOutcome {
    const [next] = this.#bySteps as [Tally];
    return {
      decisions: this.#decisions,
      unjudged: this.#unjudged,
      requests: next.requests,
      newRequests: next.newRequests,
      ...next.shares(),
      guessesPerDecision: share(this.#guesses, this.#decisions),
      byHorizon: [
        ...STEPS.map((steps, index) => ({ steps, ...(this.#bySteps[index] as Tally).shares() })),
        ...SECONDS.map((seconds, index) => ({ seconds, ...(this.#bySeconds[index] as Tally).shares() })),
      ],
      trials: this.#trials.map((trial) => trial.outcome()),
    };
  }

  /** Compares a request with what was guessed earlier. */
  #judge(agent: string, key: string, isNew: boolean, atMs: number): void {
    const past = this.#past.get(agent) ?? [];
    for (const [index, steps] of STEPS.entries()) {
      const fixed = past.at(-steps);
      if (fixed !== undefined) this.#bySteps[index]?.add(fixed.guesses.get(steps) ?? GUESSES_NONE, key, isNew);
    }
    for (const [index, seconds] of SECONDS.entries()) {
      const fixed = past.findLast((decision) => atMs - decision.atMs >= 1_000 * seconds);
      const steps = fixed?.stepsAhead[index] ?? 1;
      if (fixed !== undefined) this.#bySeconds[index]?.add(fixed.guesses.get(steps) ?? GUESSES_NONE, key, isNew);
    }
    const needsModel = !this.#isFresh(key, atMs);
    for (const trial of this.#trials) trial.asked(agent, key, needsModel, atMs);
  }

  /** Fixes the guesses after a decision. */
  #decide(agent: string, scene: string, action: string, atMs: number): void {
    this.#foreseer.decided(agent, action, atMs);
    const guesses = new Map(STEPS.map((steps) => [steps as number, this.#guessesFor(agent, steps)]));
    this.#decisions++;
    this.#guesses += guesses.get(1)?.length ?? 0;
    const stepsAhead = SECONDS.map((seconds) => this.#stepsIn(1_000 * seconds, agent, scene));
    const past = this.#past.get(agent) ?? [];
    this.#past.set(agent, [...stillNeeded(past, atMs), { atMs, guesses, stepsAhead }]);
    const decision = { agent, scene, atMs, guesses };
    for (const trial of this.#trials) trial.decided(decision, (key) => this.#isFresh(key, atMs));
  }

  /** Whether a state was requested so lately that its answer is still kept. */
  #isFresh(key: string, atMs: number): boolean {
    const askedAtMs = this.#states.get(key);
    return askedAtMs !== undefined && atMs - askedAtMs < this.#freshMs;
  }

  #guessesFor(agent: string, steps: number): readonly KeyedGuess[] {
    const guesses = this.#foreseer.guesses(agent, steps);
    return guesses.map(({ observation, actions, ...guess }) => ({ guess, key: this.#keyOf(observation, actions) }));
  }

  /** Returns the horizon by which the agent usually asks this much later, as near as there is one. */
  #stepsIn(ms: number, agent: string, scene: string): number {
    const usualMs = this.#foreseer.times.usualMs(agent, scene) ?? ms;
    return STEPS.find((steps) => steps * usualMs >= ms) ?? (STEPS.at(-1) as number);
  }

  #keyOf(observation: TraceRecord['request']['observation'], actions: readonly string[]): string {
    return signatureText(this.#signer.sign(observation, actions, this.#words));
  }
}

/** The decisions that later ones may look up: the last few, those within the longest time, and the one before. */
function stillNeeded(past: readonly Fixed[], nowMs: number): readonly Fixed[] {
  const old = past.findLastIndex(({ atMs }) => nowMs - atMs >= MS_MAX);
  return past.slice(Math.max(0, Math.min(old, past.length + 1 - STEPS_MAX), past.length + 1 - PAST_MAX));
}
