import { type Clock, stampOffsetMs } from '../../shared/clock.ts';
import type { Decision } from '../../shared/decision.ts';
import { type Domain, sceneOf } from '../../shared/domain.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import type { Random } from '../../shared/random.ts';
import type { Signature } from '../../shared/signature.ts';
import type { SlotIndex } from '../../shared/store/store-layout.ts';
import type { Lookup, StoreEntry } from '../../shared/store/store-reader.ts';
import type { AskingAgent, BudgetedAnswers } from './budgeted-answers.ts';
import { type emptyCounts, type ResolvedCache, ttlMaxOf } from './cache-options.ts';
import type { DecisionLearner } from './decision-learner.ts';
import type { DecisionMemory } from './decision-memory.ts';
import type { Prediction } from './evidence/evidence.ts';
import type { HitJudgement } from './evidence/hit-judge.ts';
import type { FalseHits, HitTier } from './false-hits.ts';
import { isRefreshDue } from './freshness/refresh-ahead.ts';
import type { Hit, Look, Miss, Near, Shadow, Standing } from './look.ts';
import { type AgentMemory, actionInVain, type LoopGuard } from './loop-guard.ts';
import { evidenceReason, rememberedReason } from './reasons.ts';
import { decisionFor, rememberedAction } from './remembered-action.ts';
import { type NearAnswers, shadowOf } from './similar/near-answers.ts';
import type { TierStanding } from './standing/tier-standing.ts';
import { ownKind } from './tally-change.ts';

/** An entry is not considered for a refresh while its time left exceeds this many times its compute time: the chance of a refresh is below e^-40. */
const REFRESH_HORIZON = 40;

/** What a miss reports in addition to what was found. */
type MissParts = Partial<Pick<Miss, 'inVain' | 'standing' | 'isCycle' | 'shadow' | 'judgement'>>;

/** What a hit rests on: an entry of the store, or a habit, which has no slot. */
type HitEntry = Pick<StoreEntry, 'decision' | 'expiresAtMs'> & { readonly slot: SlotIndex | undefined };

export interface AnswerFinderParts {
  readonly options: ResolvedCache;
  readonly domain: Domain;
  readonly clock: Clock;
  readonly random: Random;
  readonly memory: DecisionMemory;
  readonly near: NearAnswers;
  readonly guard: LoopGuard;
  readonly falseHits: FalseHits;
  readonly learner: DecisionLearner;
  readonly standing: TierStanding;
  /** Undefined without an error budget. */
  readonly budgeted: BudgetedAnswers | undefined;
  /** Counted for the figures of the cache. */
  readonly counts: ReturnType<typeof emptyCounts>;
}

/** Looks for remembered answers, and decides whether they may be served: by their tier's standing, or within an error budget. */
export class AnswerFinder {
  readonly #parts: AnswerFinderParts;

  constructor(parts: AnswerFinderParts) {
    this.#parts = parts;
  }

  /** Looks for a remembered answer that may be served now. */
  look(request: PlanRequest, signature: Signature, nowMs: number): Look {
    const memory = this.#parts.guard.recall(request.agent);
    const inVain = this.#parts.options.loopGuard ? actionInVain(memory, signature) : undefined;
    const exact = this.#parts.memory.look(signature, nowMs);
    const budgeted = this.#parts.budgeted;
    if (budgeted !== undefined) {
      return this.#lookWithinBudget(request, signature, exact, budgeted, { memory, inVain, nowMs });
    }
    return exact.kind === 'hit'
      ? this.#lookExact(request, signature, exact, memory, inVain, nowMs)
      : this.#lookNear(request, signature, exact, memory, inVain, nowMs);
  }

  /** Returns a fresh decision for the same state that may be served. Counts nothing and changes nothing. */
  peek(request: PlanRequest, signature: Signature): Decision | undefined {
    const lookup = this.#parts.memory.peek(signature, this.#parts.clock.now());
    if (lookup.kind !== 'hit') return undefined;
    const { decision } = lookup.entry;
    const memory = this.#parts.guard.recall(request.agent);
    const inVain = this.#parts.options.loopGuard ? actionInVain(memory, signature) : undefined;
    if (this.#parts.budgeted !== undefined) {
      const predicted = this.#parts.budgeted.peek(request, signature, { memory, inVain });
      return predicted === undefined ? undefined : decisionFor(decision, predicted);
    }
    const action = rememberedAction(request, decision);
    if (action === undefined || action === inVain || this.#parts.near.contradicts(request, action)) return undefined;
    if (this.#parts.options.cycleGuard && this.#parts.guard.isCycle(memory, signature, action)) return undefined;
    if (this.#isDoubted(request, decision)) return undefined;
    return decisionFor(decision, action);
  }

  #lookExact(
    request: PlanRequest,
    signature: Signature,
    exact: Extract<Lookup, { kind: 'hit' }>,
    memory: AgentMemory | undefined,
    inVain: string | undefined,
    nowMs: number,
  ): Look {
    const { decision } = exact.entry;
    const action = rememberedAction(request, decision);
    if (action === undefined) return this.#miss(request, exact, { inVain });
    if (action === inVain) {
      this.#parts.counts.loopsBroken++;
      this.#parts.learner.weaken(signature, exact.entry, action);
      return this.#miss(request, exact, { inVain });
    }
    if (this.#parts.near.contradicts(request, action)) {
      this.#parts.counts.contradicted++;
      return this.#miss(request, exact, { inVain });
    }
    const isInCycle = this.#goesRound(memory, signature, action);
    if (!isInCycle && !this.#isDoubted(request, decision)) {
      return this.#hit('exact', request, exact.entry, action, nowMs, undefined);
    }
    const standing: Standing = { tier: 'exact', action, reason: rememberedReason(decision, action), decision };
    if (isInCycle) return this.#cycle(request, exact, action, standing);
    this.#parts.counts.withheld++;
    const shadow: Shadow = { exact: { action, decision }, old: undefined, near: [] };
    return this.#miss(request, exact, { inVain, standing, shadow });
  }

  /** Looks for a similar state, because the state itself has no fresh decision. */
  #lookNear(
    request: PlanRequest,
    signature: Signature,
    exact: Lookup,
    memory: AgentMemory | undefined,
    inVain: string | undefined,
    nowMs: number,
  ): Look {
    const { confirmed, similar, passedOver } = this.#parts.near.find(request, inVain, nowMs);
    const found = [confirmed, similar].filter((near) => near !== undefined);
    const scene = sceneOf(this.#parts.domain, request.observation);
    const served = found.find(({ kind, distance }) => this.#parts.standing.serves(kind, scene, distance));
    if (served === undefined) {
      if (found.length > 0) this.#parts.counts.withheld++;
      else if (passedOver === 'loop') this.#parts.counts.loopsBroken++;
      else if (passedOver === 'contradicted') this.#parts.counts.contradicted++;
      return this.#miss(request, exact, { inVain, shadow: shadowOf(request, exact, found, inVain) });
    }
    const { entry, action, kind, distance } = served;
    const { decision } = entry;
    const standing: Standing = { tier: 'similar', action, reason: rememberedReason(decision, action), decision };
    if (this.#goesRound(memory, signature, action)) return this.#cycle(request, exact, action, standing);
    const probeShare = this.#parts.standing.probeShare(kind, scene, distance);
    if (probeShare > 0 && this.#parts.random.next() < probeShare) {
      this.#parts.counts.probes++;
      const shadow = shadowOf(request, exact, found, inVain);
      return this.#miss(request, exact, { inVain, standing, shadow });
    }
    return this.#hit('similar', request, entry, action, nowMs, undefined, { kind, distance });
  }

  #cycle(request: PlanRequest, exact: Lookup, action: string, standing: Standing): Miss {
    this.#parts.counts.cyclesBroken++;
    return this.#miss(request, exact, { inVain: action, standing, isCycle: true });
  }

  #goesRound(memory: AgentMemory | undefined, signature: Signature, action: string): boolean {
    return this.#parts.options.cycleGuard && this.#parts.guard.goesRound(memory, signature, action);
  }

  #isDoubted(request: PlanRequest, decision: Decision): boolean {
    return this.#parts.standing.isDoubted(ownKind(decision), sceneOf(this.#parts.domain, request.observation));
  }

  #lookWithinBudget(
    request: PlanRequest,
    signature: Signature,
    exact: Lookup,
    answers: BudgetedAnswers,
    asking: AskingAgent,
  ): Look {
    const { inVain, nowMs } = asking;
    const { judgement, base, heldBackBy } = answers.look(request, signature, exact, asking);
    if (heldBackBy !== undefined) this.#parts.counts[heldBackBy]++;
    const prediction = judgement?.prediction;
    if (exact.kind === 'hit' && inVain !== undefined && prediction?.action === inVain) {
      this.#parts.learner.weaken(signature, exact.entry, inVain);
    }
    if (prediction === undefined || judgement?.verdict !== 'serve') {
      return this.#miss(request, exact, { inVain, judgement });
    }
    const { action } = prediction;
    if (base === undefined) return this.#hit('habit', request, this.#habitEntry(prediction), action, nowMs, judgement);
    return this.#hit(exact.kind === 'hit' ? 'exact' : 'similar', request, base, action, nowMs, judgement);
  }

  /** A habit as if it were remembered: decided when the newest decision was that it rests on. */
  #habitEntry({ action, habitAtMs = this.#parts.clock.now() }: Prediction): HitEntry {
    const decidedAtMs = habitAtMs + stampOffsetMs(this.#parts.clock);
    const decision: Decision = { action, reason: '', source: 'vote', model: '', decidedAtMs, latencyMs: 0, tally: [] };
    return { decision, expiresAtMs: habitAtMs + ttlMaxOf(this.#parts.options), slot: undefined };
  }

  #hit(
    tier: HitTier,
    request: PlanRequest,
    entry: HitEntry,
    action: string,
    nowMs: number,
    judgement: HitJudgement | undefined,
    near?: Near,
  ): Hit {
    const { decision, slot, expiresAtMs } = entry;
    if (slot !== undefined) this.#parts.memory.touch(slot);
    const scene = sceneOf(this.#parts.domain, request.observation);
    if (tier === 'habit') this.#parts.counts.habitHits++;
    else if (tier === 'similar') this.#parts.counts.similarHits++;
    else this.#parts.memory.count('hit');
    if (tier === 'exact' && slot !== undefined) this.#parts.memory.noteScene(slot, scene);
    const again = this.#again(tier, entry, nowMs);
    this.#parts.falseHits.served(tier, scene, again === 'check');
    const reason =
      judgement === undefined ? rememberedReason(decision, action) : evidenceReason(decision, action, judgement);
    return { kind: 'hit', tier, action, reason, decision, expiresAtMs, scene, near, again, judgement };
  }

  #miss(request: PlanRequest, exact: Lookup, parts: MissParts): Miss {
    this.#parts.memory.count(exact.kind === 'stale' ? 'stale' : 'miss');
    const { inVain, standing, isCycle = false, shadow, judgement } = parts;
    // This rung does not serve an action a third time either if it had no effect twice.
    const expired = exact.kind === 'stale' ? exact.entry.decision : undefined;
    const isInVain = expired !== undefined && rememberedAction(request, expired) === inVain;
    const stale = isInVain ? undefined : expired;
    const tier = exact.kind === 'hit' ? 'exact' : 'similar';
    return { kind: 'miss', stale, inVain, standing, isCycle, shadow, tier, judgement };
  }

  #again(tier: HitTier, { decision, expiresAtMs }: HitEntry, nowMs: number): Hit['again'] {
    const { checkShare, refreshAhead } = this.#parts.options;
    if (checkShare > 0 && this.#parts.random.next() < checkShare) return 'check';
    if (!refreshAhead || tier !== 'exact') return undefined;
    const { latencyMs: computeMs } = decision;
    if (expiresAtMs - nowMs > computeMs * REFRESH_HORIZON) return undefined;
    return isRefreshDue({ nowMs, expiresAtMs, computeMs, random: this.#parts.random.next() }) ? 'refresh' : undefined;
  }
}
