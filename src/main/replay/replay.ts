import { systemClock } from '../../shared/clock.ts';
import type { Decision } from '../../shared/decision.ts';
import type { Domain } from '../../shared/domain.ts';
import { fingerprintNumber } from '../../shared/place.ts';
import { forkRandom } from '../../shared/random.ts';
import { SIGNATURE_WORDS, type Signature, Signer, signatureText } from '../../shared/signature.ts';
import type { CacheStats, ResolvedCache } from '../cache/cache-options.ts';
import type { HitTier } from '../cache/false-hits.ts';
import type { Hit } from '../cache/look.ts';
import { PlanCache } from '../cache/plan-cache.ts';
import { wilson } from '../measure/wilson.ts';
import type { TraceRecord } from '../session/trace-reader.ts';
import { Repeats } from './repeats.ts';
import { RunningShare, type SharePoint } from './running-share.ts';
import { SelfAgreement } from './self-agreement.ts';
import { TraceClock } from './trace-clock.ts';

/**
 * Judges the cache alone against the recorded choices, in order. A request that is not served learns `chosen`, as if a model had answered. One that
 * is served does not, except for the share that a background check would have asked. Time is the trace's own.
 */
export interface ReplayOptions {
  readonly cache: ResolvedCache;
  readonly seed: number;
}

export interface TierOutcome {
  /** Share of all decisions that was served. */
  readonly served: number;
  /** Share of the served that was wrong, followed by its 95 % interval. */
  readonly wrong: number;
  readonly wrongLow: number;
  readonly wrongHigh: number;
  readonly servedCount: number;
  readonly wrongCount: number;
}

export interface ReplayOutcome extends TierOutcome {
  readonly decisions: number;
  /** Records without a usable choice (none is recorded, or it was not offered): looked up, but neither judged nor learned. */
  readonly unjudged: number;
  /** Records a little older than a previous one, for which time stood still. */
  readonly disordered: number;
  /** How often the trace jumped back; time then continued from where it was. */
  readonly restarts: number;
  /** Share of the served that equals the agent's last recorded action in an unchanged state. */
  readonly looped: number;
  readonly loopedCount: number;
  /** Served answers that equal the agent's last two recorded actions, its state unchanged throughout. */
  readonly thirdInARow: number;
  readonly exact: TierOutcome;
  readonly similar: TierOutcome;
  /** What is usually done next. Only with an error budget. */
  readonly habit: TierOutcome;
  /** Rate of the cache alone: the signature and the lookup. */
  readonly lookupsPerSecond: number;
  readonly cache: CacheStats;
  /** What was served and wrong up to some points of the trace, the last of them at its end. */
  readonly running: readonly SharePoint[];
}

interface Count {
  served: number;
  wrong: number;
}

export class Replay {
  readonly #cache: PlanCache;
  readonly #signer: Signer;
  readonly #clock = new TraceClock();
  readonly #words: Signature = new Int32Array(SIGNATURE_WORDS);
  readonly #repeats = new Repeats();
  readonly #agreement = new SelfAgreement();
  readonly #tiers: Readonly<Record<HitTier, Count>> = {
    exact: { served: 0, wrong: 0 },
    similar: { served: 0, wrong: 0 },
    habit: { served: 0, wrong: 0 },
  };
  readonly #running = new RunningShare();
  #decisions = 0;
  #unjudged = 0;
  #looped = 0;
  #thirdInARow = 0;
  #lookups = 0;
  #lookingMs = 0;

  constructor(domain: Domain, { cache, seed }: ReplayOptions) {
    this.#signer = new Signer(domain);
    this.#cache = new PlanCache(cache, domain, this.#clock, forkRandom(seed, 'replay'), this.#agreement);
  }

  /** Replays one record, in the order of the trace. Returns whether it could be judged. */
  next({ t, request, chosen }: TraceRecord): boolean {
    this.#clock.advanceTo(t);
    const startedAtMs = systemClock.now();
    const signature = this.#signer.sign(request.observation, request.actions, this.#words);
    const look = this.#cache.look(request, signature);
    this.#lookingMs += systemClock.now() - startedAtMs;
    this.#lookups++;
    const state = signatureText(signature);
    const isJudged = chosen !== undefined && request.actions.includes(chosen);
    if (isJudged) {
      this.#decisions++;
      const decision = this.#decisionOf(chosen);
      if (look.kind === 'hit') {
        this.#judge(look, request.agent, state, chosen);
        if (look.again === 'check') this.#cache.checked(request, signature, look, decision);
      } else this.#cache.learn(request, signature, look, decision);
      this.#agreement.chosen(fingerprintNumber(signature), chosen);
      this.#running.add(this.#decisions, this.soFar());
    } else this.#unjudged++;
    if (chosen !== undefined) {
      // Treated as coming from the cache if the cache would have given the same answer.
      const isFromMemory = look.kind === 'hit' && look.action === chosen;
      this.#cache.took(request, signature, chosen, this.#clock.now(), isFromMemory);
    }
    this.#repeats.done(request.agent, state, chosen);
    return isJudged;
  }

  /** What was served so far, and how much of it was wrong. */
  soFar(): Count {
    const { exact, similar, habit } = this.#tiers;
    return {
      served: exact.served + similar.served + habit.served,
      wrong: exact.wrong + similar.wrong + habit.wrong,
    };
  }

  outcome(): ReplayOutcome {
    const all = this.soFar();
    return {
      decisions: this.#decisions,
      unjudged: this.#unjudged,
      disordered: this.#clock.disordered,
      restarts: this.#clock.restarts,
      ...this.#tier(all),
      looped: all.served === 0 ? 0 : this.#looped / all.served,
      loopedCount: this.#looped,
      thirdInARow: this.#thirdInARow,
      exact: this.#tier(this.#tiers.exact),
      similar: this.#tier(this.#tiers.similar),
      habit: this.#tier(this.#tiers.habit),
      lookupsPerSecond: this.#lookups === 0 ? 0 : Math.round(this.#lookups / Math.max(1e-6, this.#lookingMs / 1_000)),
      cache: this.#cache.stats(),
      running: this.#running.points(this.#decisions, all),
    };
  }

  #judge({ tier, action }: Hit, agent: string, state: string, chosen: string): void {
    const count = this.#tiers[tier];
    count.served++;
    if (action !== chosen) count.wrong++;
    const repeat = this.#repeats.of(agent, state, action);
    if (repeat !== 'none') this.#looped++;
    if (repeat === 'third') this.#thirdInARow++;
  }

  #decisionOf(chosen: string): Decision {
    const decidedAtMs = this.#clock.wallNow();
    const tally = [{ action: chosen, count: 1, weight: 1 }];
    return { action: chosen, reason: '', source: 'vote', model: '', decidedAtMs, latencyMs: 0, tally };
  }

  #tier({ served, wrong }: Count): TierOutcome {
    const { low, high } = wilson(wrong, served);
    const share = this.#decisions === 0 ? 0 : served / this.#decisions;
    const isServed = served > 0;
    return {
      served: share,
      wrong: isServed ? wrong / served : 0,
      wrongLow: isServed ? low : 0,
      wrongHigh: isServed ? high : 0,
      servedCount: served,
      wrongCount: wrong,
    };
  }
}
