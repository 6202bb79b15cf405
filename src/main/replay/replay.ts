import { type Clock, systemClock } from '../../shared/clock.ts';
import type { Decision } from '../../shared/decision.ts';
import type { Domain } from '../../shared/domain.ts';
import { forkRandom } from '../../shared/random.ts';
import { SIGNATURE_WORDS, type Signature, Signer, signatureText } from '../../shared/signature.ts';
import { wilson } from '../../shared/wilson.ts';
import type { CacheStats, ResolvedCache } from '../cache/cache-options.ts';
import { type Hit, PlanCache } from '../cache/plan-cache.ts';
import type { TraceRecord } from '../session/trace-reader.ts';

/**
 * Judges the cache alone against what was really chosen, in order: a request is served or not. If not, `chosen` is
 * learned, as if a model had answered. If so, it is not, but for the share that a background check would have asked.
 * Time is the trace's own.
 */
export interface ReplayOptions {
  readonly cache: ResolvedCache;
  readonly seed: number;
}

export interface TierOutcome {
  /** Share of all decisions. */
  readonly served: number;
  /** Share of the served. */
  readonly wrong: number;
  readonly wrongLow: number;
  readonly wrongHigh: number;
}

export interface ReplayOutcome extends TierOutcome {
  readonly decisions: number;
  /** Records that do not tell what was chosen, or chose what was not offered: looked up, neither judged nor learned. */
  readonly unjudged: number;
  /** Share of the served that equal the agent's last recorded action in an unchanged state. */
  readonly looped: number;
  /** Served answers that equal the agent's last two recorded actions, its state unchanged throughout. */
  readonly thirdInARow: number;
  readonly exact: TierOutcome;
  readonly similar: TierOutcome;
  readonly lookupsPerSecond: number;
  readonly cache: CacheStats;
}

interface Count {
  served: number;
  wrong: number;
}

/** What an agent was recorded to do last. Kept apart from the cache's own memory, which is what is judged. */
interface LastSeen {
  readonly state: string;
  readonly action: string;
  readonly times: number;
}

/** The trace's time. It stands still where the trace goes backwards. */
class TraceClock implements Clock {
  #nowMs = 0;
  #originMs: number | undefined;
  advanceTo(seconds: number): void {
    this.#originMs ??= seconds * 1_000;
    this.#nowMs = Math.max(this.#nowMs, seconds * 1_000 - this.#originMs);
  }
  now(): number {
    return this.#nowMs;
  }
  wallNow(): number {
    return this.#nowMs;
  }
  setTimer(): never {
    throw new Error('nothing waits in a replay');
  }
}

export class Replay {
  readonly #cache: PlanCache;
  readonly #signer: Signer;
  readonly #clock = new TraceClock();
  readonly #words: Signature = new Int32Array(SIGNATURE_WORDS);
  readonly #lastSeen = new Map<string, LastSeen>();
  readonly #exact: Count = { served: 0, wrong: 0 };
  readonly #similar: Count = { served: 0, wrong: 0 };
  #decisions = 0;
  #unjudged = 0;
  #looped = 0;
  #thirdInARow = 0;
  #lookups = 0;
  #lookingMs = 0;

  constructor(domain: Domain, { cache, seed }: ReplayOptions) {
    this.#signer = new Signer(domain);
    this.#cache = new PlanCache(cache, domain, this.#clock, forkRandom(seed, 'replay'));
  }

  /** One record, in the order of the trace. */
  next({ t, request, chosen }: TraceRecord): void {
    this.#clock.advanceTo(t);
    const startedAtMs = systemClock.now();
    const signature = this.#signer.sign(request.observation, request.actions, this.#words);
    const look = this.#cache.look(request, signature);
    this.#lookingMs += systemClock.now() - startedAtMs;
    this.#lookups++;
    if (chosen === undefined || !request.actions.includes(chosen)) {
      this.#unjudged++;
      return;
    }
    this.#decisions++;
    const state = signatureText(signature);
    const decision = this.#decisionOf(chosen);
    if (look.kind === 'hit') {
      this.#judge(look, this.#lastSeen.get(request.agent), state, chosen);
      if (look.again === 'check') this.#cache.checked(request, signature, look, decision);
    } else this.#cache.learn(request, signature, look, decision);
    this.#cache.took(request, signature, chosen);
    this.#see(request.agent, state, chosen);
  }

  outcome(): ReplayOutcome {
    const all = { served: this.#exact.served + this.#similar.served, wrong: this.#exact.wrong + this.#similar.wrong };
    return {
      decisions: this.#decisions,
      unjudged: this.#unjudged,
      ...this.#tier(all),
      looped: all.served === 0 ? 0 : this.#looped / all.served,
      thirdInARow: this.#thirdInARow,
      exact: this.#tier(this.#exact),
      similar: this.#tier(this.#similar),
      lookupsPerSecond: this.#lookups === 0 ? 0 : Math.round(this.#lookups / Math.max(1e-6, this.#lookingMs / 1_000)),
      cache: this.#cache.stats(),
    };
  }

  #judge({ tier, action }: Hit, last: LastSeen | undefined, state: string, chosen: string): void {
    const count = tier === 'exact' ? this.#exact : this.#similar;
    count.served++;
    if (action !== chosen) count.wrong++;
    if (last === undefined || last.state !== state || last.action !== action) return;
    this.#looped++;
    if (last.times >= 2) this.#thirdInARow++;
  }

  #see(agent: string, state: string, action: string): void {
    const last = this.#lastSeen.get(agent);
    const isSame = last !== undefined && last.state === state && last.action === action;
    this.#lastSeen.set(agent, { state, action, times: isSame ? last.times + 1 : 1 });
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
    };
  }
}
