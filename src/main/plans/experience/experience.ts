import { LRUCache } from 'lru-cache';
import { isFromTier } from '../../../shared/decision.ts';
import { defined } from '../../../shared/defined.ts';
import { type Domain, imageFeaturesOf, sceneOf } from '../../../shared/domain.ts';
import { messageOf } from '../../../shared/errors.ts';
import { isLong } from '../../../shared/owned-request.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import { SIGNATURE_WORDS, type Signature, Signer, signatureText } from '../../../shared/signature.ts';
import type { PlanCache } from '../../cache/plan-cache.ts';
import { Foreseer } from '../../foresight/foreseer.ts';
import type { GuessKind } from '../../foresight/guess-record.ts';
import { OpenGuesses } from '../../foresight/open-guesses.ts';
import { DecayedQuantiles } from '../../measure/decayed-quantiles.ts';
import type { ResolvedOptions } from '../../options/planner-options.ts';
import type { AskShares } from '../expectations/ask-shares.ts';
import type { Guess } from '../expectations/future.ts';
import type { IdleRoom } from '../expectations/idle-room.ts';
import type { FlightParts } from '../flights/flight-parts.ts';
import { keptRequest } from '../kept-request.ts';
import type { Plan } from '../plan.ts';
import type { Settling } from '../plan-call.ts';
import { GuessGates, type HeldBack, HORIZONS, NONE_HELD_BACK } from './guess-gates.ts';

/**
 * Guesses what agents ask next from what followed before, and hands over the guesses that pass the gates. It works in later turns of
 * the event loop, one plan a turn, and never while a plan is answered. Bounded in memory, and in time: it takes a small share of the
 * thread, follows only agents that needed models of late, and rests while no slot is ever idle. Plans that it skips are counted.
 */

/** An agent is followed for this many plans from the cache after one that was not. */
const FOLLOWED_HITS = 16;
const AGENTS_MAX = 1_000;
const VALUES_MAX = 1_000;
const QUEUE_MAX = 64;
/** Share of the thread's time that guessing takes at most, and how much of it is saved up. */
const THREAD_SHARE = 0.05;
const THREAD_MS_MAX = 20;
/** After this many plans in a row without an idle slot, nothing is learned until there is one. */
const BUSY_MAX = 64;
const ANSWERS_MEMORY = 100;
const ANSWERS_MIN = 4;
const DECIDED: ReadonlySet<Plan['source']> = new Set(['quorum', 'synthesis', 'fallback', 'vote']);

/** A guess with its signature, which is taken once. */
export interface SignedGuess extends Guess {
  readonly signature: Signature;
}

export interface ExperienceStats {
  /** Why nothing is asked ahead from experience; null if it is. */
  readonly off: string | null;
  /** Guesses that the gates let through. */
  readonly passed: number;
  /** Decisions whose guesses were all held back, by the gate. */
  readonly heldBack: Readonly<HeldBack>;
  /** Plans of agents that are followed which were not looked at: the thread or all slots were busy. */
  readonly skipped: number;
}

export interface ExperienceParts {
  readonly parts: Pick<FlightParts, 'options' | 'clock' | 'endpoints' | 'ahead'>;
  readonly cache: Pick<PlanCache, 'remembers'>;
  readonly room: Pick<IdleRoom, 'isIdle' | 'chanceNeeded'>;
  readonly asks: Pick<AskShares, 'watch' | 'othersShare'>;
  readonly take: (guesses: readonly SignedGuess[]) => void;
}

/** A plan that has settled. */
interface Settled {
  readonly request: PlanRequest;
  readonly action: string;
  readonly askedAtMs: number;
  readonly decidedAtMs: number;
  /** How long models took, if they decided it from the start. */
  readonly answerMs: number | undefined;
}

interface Open {
  readonly guess: SignedGuess;
  readonly key: string;
  readonly kind: GuessKind;
  readonly atMs: number;
  readonly answerMs: number;
}

/** Why guesses from experience are of no use with these options; null if they may be. */
export function whyNoExperience({ foresight, domain }: Pick<ResolvedOptions, 'foresight' | 'domain'>): string | null {
  if (!foresight.experience) return 'it is switched off (foresight.experience)';
  const needed = neededImage(domain);
  return needed === undefined ? null : `the domain needs ${needed}, and pictures are not foreseen`;
}

function neededImage(domain: Domain): string | undefined {
  return imageFeaturesOf(domain).find((name) => domain.features[name]?.optional !== true);
}

export function noExperience(off: string | null): ExperienceStats {
  return { off, passed: 0, heldBack: { ...NONE_HELD_BACK }, skipped: 0 };
}

export class Experience {
  readonly #given: ExperienceParts;
  readonly #domain: Domain;
  readonly #foreseer: Foreseer;
  readonly #gates: GuessGates;
  readonly #signer: Signer;
  readonly #words: Signature = new Int32Array(SIGNATURE_WORDS);
  readonly #answerMs = new DecayedQuantiles(ANSWERS_MEMORY);
  readonly #open = new OpenGuesses<Open>(AGENTS_MAX);
  /** By agent, the plans from the cache for which it is still followed. */
  readonly #followed = new LRUCache<string, number>({ max: AGENTS_MAX });
  /** The latest Q-values of requests with such actions in such a scene: what is decided without them is often contradicted by them. */
  readonly #values = new LRUCache<string, Readonly<Record<string, number>>>({ max: VALUES_MAX });
  readonly #queue: Settled[] = [];
  #isAwake = false;
  #isClosed = false;
  /** The error that ended it. */
  #fault: string | undefined;
  #threadMs = THREAD_MS_MAX;
  #lastMs: number;
  #busy = 0;
  #passed = 0;
  #skipped = 0;

  constructor(given: ExperienceParts) {
    const { domain, foresight } = given.parts.options;
    this.#given = given;
    this.#domain = domain;
    this.#foreseer = new Foreseer(domain, { horizons: HORIZONS, agentsMax: AGENTS_MAX });
    this.#signer = new Signer(domain);
    const gates = [...given.parts.endpoints.values()].map(({ gate }) => gate);
    const workedMs = (): number => gates.reduce((sum, gate) => sum + gate.ownWorked(), 0);
    this.#gates = new GuessGates(this.#foreseer.times, foresight.share, workedMs, given.parts.ahead?.credit);
    this.#lastMs = given.parts.clock.now();
  }

  /** A plan has settled, `request` being the state that its agent acts in. It is looked at in a later turn. */
  settled(call: Settling, request: PlanRequest, plan: Plan, nowMs: number): void {
    if (!this.#follows(request.agent, plan.source)) return;
    if (this.#queue.length >= QUEUE_MAX || isLong(request.actions)) return this.#skip(request.agent);
    const { action } = plan;
    const answerMs = isFromStart(plan) ? plan.latencyMs : undefined;
    const kept = keptRequest(request);
    this.#queue.push({ request: kept, action, askedAtMs: call.startedAtMs, decidedAtMs: nowMs, answerMs });
    this.#wake();
  }

  /** A plan of the agent was given up: what it does instead is not known. */
  lost(agent: string): void {
    if (this.#followed.size > 0 && this.#followed.has(agent)) this.#forget(agent);
  }

  close(): void {
    this.#isClosed = true;
    this.#queue.length = 0;
  }

  stats(): ExperienceStats {
    const off = this.#fault ?? (this.#busy >= BUSY_MAX ? 'no slot is idle' : this.#gates.whySilent);
    return { off, passed: this.#passed, heldBack: { ...this.#gates.heldBack }, skipped: this.#skipped };
  }

  #follows(agent: string, source: Plan['source']): boolean {
    if (this.#isClosed) return false;
    if (!isFromTier(source)) {
      this.#followed.set(agent, FOLLOWED_HITS);
      this.#given.asks.watch(agent);
      return true;
    }
    const left = this.#followed.size === 0 ? undefined : this.#followed.get(agent);
    if (left === undefined) return false;
    if (left > 1) this.#followed.set(agent, left - 1);
    else this.#unfollow(agent);
    return left > 1;
  }

  #unfollow(agent: string): void {
    this.#followed.delete(agent);
    this.#forget(agent);
  }

  #skip(agent: string): void {
    this.#skipped++;
    this.#forget(agent);
  }

  /** What follows is not known to follow what was seen last. */
  #forget(agent: string): void {
    this.#foreseer.forget(agent);
    this.#open.forget(agent);
  }

  #wake(): void {
    if (this.#isAwake || this.#queue.length === 0) return;
    this.#isAwake = true;
    this.#given.parts.clock.nextTurn(() => {
      this.#isAwake = false;
      const next = this.#isClosed ? undefined : this.#queue.shift();
      if (next !== undefined) this.#look(next);
      this.#wake();
    });
  }

  #look(settled: Settled): void {
    const { clock } = this.#given.parts;
    const startedMs = clock.now();
    if (!this.#hasTime(startedMs) || this.#isBusy()) return this.#skip(settled.request.agent);
    try {
      this.#learn(settled);
      this.#guess(settled);
    } catch (error) {
      // A bug here must not end the process: what is guessed is a convenience.
      this.#fault = `it failed: ${messageOf(error)}`;
      this.close();
    }
    this.#threadMs -= clock.now() - startedMs;
  }

  #hasTime(nowMs: number): boolean {
    this.#threadMs = Math.min(THREAD_MS_MAX, this.#threadMs + THREAD_SHARE * (nowMs - this.#lastMs));
    this.#lastMs = nowMs;
    return this.#threadMs > 0;
  }

  #isBusy(): boolean {
    this.#busy = this.#given.room.isIdle ? 0 : this.#busy + 1;
    return this.#busy >= BUSY_MAX;
  }

  #learn({ request, action, askedAtMs, decidedAtMs, answerMs }: Settled): void {
    const { agent, observation, actions } = request;
    if (answerMs !== undefined) this.#answerMs.record(answerMs);
    const judged = this.#open.came(agent);
    const key = judged.length === 0 ? '' : signatureText(this.#sign(request));
    for (const open of judged) {
      this.#gates.judged(open.kind, open.key === key && askedAtMs - open.atMs >= open.answerMs);
    }
    if (request.qValues !== undefined) this.#values.set(this.#choiceOf(request), request.qValues);
    this.#foreseer.asked(agent, observation, actions, askedAtMs);
    this.#foreseer.decided(agent, action, decidedAtMs);
  }

  #guess({ request, decidedAtMs }: Settled): void {
    const answerMs = this.#answerMs.count < ANSWERS_MIN ? undefined : this.#answerMs.quantile(0.5);
    if (answerMs === undefined) return;
    const { agent } = request;
    const scene = sceneOf(this.#domain, request.observation);
    const horizon = this.#gates.horizon(agent, scene, answerMs);
    if (horizon === undefined) return;
    const open = this.#unknown(agent, horizon, decidedAtMs).map((guess): Open => {
      const kind = { source: guess.source, scene, likelihood: guess.likelihood ?? 0, horizon };
      return { guess, key: signatureText(guess.signature), kind, atMs: decidedAtMs, answerMs };
    });
    const askedChance = this.#given.room.chanceNeeded(this.#given.asks.othersShare(agent));
    const passed = this.#gates.passing(open, { answerMs, askedChance });
    const heldBack = open.filter((each) => !passed.includes(each));
    this.#open.set(agent, horizon, heldBack);
    this.#passed += passed.length;
    if (passed.length > 0) this.#given.take(passed.map((each) => this.#judgedAtEnd(each)));
  }

  #judgedAtEnd({ guess, kind }: Open): SignedGuess {
    const onEnd: Guess['onEnd'] = (outcome, spentMs) => {
      this.#gates.ended(kind, outcome, spentMs);
      // Without foresight, this would have been no plan from the cache.
      if (outcome === 'used') this.#followed.set(guess.agent, FOLLOWED_HITS);
    };
    return { ...guess, onEnd };
  }

  /** The guesses without a fresh decision when they are due. Where the cache holds one back, another would be held back, too. */
  #unknown(agent: string, horizon: number, nowMs: number): SignedGuess[] {
    return this.#foreseer
      .guesses(agent, horizon)
      .map(({ observation, actions, likelihood, source, inMs }): SignedGuess => {
        const qValues = this.#values.get(this.#choiceOf({ observation, actions }));
        const request = { agent, observation, actions, likelihood, source, ...defined({ inMs, qValues }) };
        return { ...request, signature: this.#sign(request).slice() };
      })
      .filter((guess) => !this.#given.cache.remembers(guess.signature, nowMs + (guess.inMs ?? 0)));
  }

  #choiceOf({ observation, actions }: Pick<PlanRequest, 'observation' | 'actions'>): string {
    return [sceneOf(this.#domain, observation), ...actions.toSorted()].join('\n');
  }

  /** The words are overwritten by the next call. */
  #sign({ observation, actions }: PlanRequest): Signature {
    return this.#signer.sign(observation, actions, this.#words);
  }
}

/** Whether models decided a plan in calls of its own. */
function isFromStart({ source, coalesced, attempts }: Plan): boolean {
  return DECIDED.has(source) && !coalesced && attempts.every(({ startMs }) => startMs >= 0);
}
