import type { Clock } from '../../shared/clock.ts';
import type { Decision } from '../../shared/decision.ts';
import { type Domain, sceneOf } from '../../shared/domain.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import type { Signature } from '../../shared/signature.ts';
import type { StoreEntry } from '../../shared/store/store-reader.ts';
import type { ResolvedCache } from './cache-options.ts';
import type { DecisionMemory } from './decision-memory.ts';
import type { HitJudge } from './evidence/hit-judge.ts';
import type { FalseHits, SampledHits, SharedHits } from './false-hits.ts';
import type { AdaptiveTtl } from './freshness/adaptive-ttl.ts';
import type { Hit, Look, Said, Shadow } from './look.ts';
import type { LoopGuard } from './loop-guard.ts';
import type { TierStanding } from './standing/tier-standing.ts';
import { mergedDecision, ownKind, weakenedDecision } from './tally-change.ts';

export interface LearnerParts {
  readonly options: ResolvedCache;
  readonly domain: Domain;
  readonly clock: Clock;
  readonly memory: DecisionMemory;
  readonly guard: LoopGuard;
  readonly judge: HitJudge | undefined;
  readonly falseHits: FalseHits;
  readonly standing: TierStanding;
  readonly adaptiveTtl: AdaptiveTtl | undefined;
}

/** A request that was not served, and what was known of it. */
export interface AskedRequest {
  readonly request: PlanRequest;
  readonly signature: Signature;
  readonly look: Look;
}

/** Updates the cache when models decide: stores the decision, and judges what the cache served or withheld. */
export class DecisionLearner {
  readonly #parts: LearnerParts;
  /** Requests whose outcome is known: what models decide about one of them later is no second sample. */
  readonly #judged = new WeakSet<Look>();

  constructor(parts: LearnerParts) {
    this.#parts = parts;
  }

  /** Learns from a decision of models for a request that was not served. `others` are requests in the same state that share it. */
  learn(asked: AskedRequest, decision: Decision, others: readonly AskedRequest[]): void {
    const { request, signature, look } = asked;
    const scene = sceneOf(this.#parts.domain, request.observation);
    if (look.kind === 'miss' && look.stale !== undefined) this.#aged(scene, look.stale, decision);
    this.learnOutcomes([asked, ...others], decision);
    if (look.kind === 'hit') return this.#remember(request, signature, scene, decision);
    if (look.shadow !== undefined) this.#compareShadow(look.shadow, scene, decision);
    // Votes learned since the lookup (from a late answer, for example) count together with the new ones, and so does a doubted
    // entry. If the agent was in a cycle, the old entry does not count.
    const isJoined = look.tier === 'similar' || look.shadow?.exact !== undefined;
    this.#remember(request, signature, scene, isJoined ? this.#withHeld(signature, decision) : decision);
  }

  /** Adds votes of models that were asked later. Returns the decision that is now remembered. */
  addVotes(request: PlanRequest, signature: Signature, decision: Decision): Decision {
    const scene = sceneOf(this.#parts.domain, request.observation);
    const held = this.#parts.memory.peek(signature, this.#parts.clock.now());
    if (held.kind === 'hit') {
      const { decision: older } = held.entry;
      this.#parts.standing.compare(ownKind(older), scene, 0, decision.action === older.action);
    }
    const merged = this.#withHeld(signature, decision);
    this.#remember(request, signature, scene, merged);
    return merged;
  }

  /** Remembers what models decided for a state that an agent is expected to be in. */
  foreseen(request: PlanRequest, signature: Signature, decision: Decision): void {
    const scene = sceneOf(this.#parts.domain, request.observation);
    this.#remember(request, signature, scene, this.#withHeld(signature, { ...decision, foreseen: true }));
  }

  /**
   * Records the outcome of requests that were not served and share one decision. That is one answer of models, so it is counted once,
   * however many they are; and not at all if it is part of the evidence already (`isCounted`).
   */
  learnOutcomes(asked: readonly AskedRequest[], { action }: Decision, isCounted = false): void {
    const fresh = asked.filter(({ look }) => !this.#judged.has(look));
    for (const { look } of fresh) this.#judged.add(look);
    const cycle = fresh.find(({ look }) => look.kind === 'miss' && look.isCycle);
    if (cycle?.look.kind === 'miss') this.#parts.guard.answered(cycle.signature, action, cycle.look.inVain);
    this.#judge(
      fresh.map(({ look }) => look),
      action,
      isCounted,
    );
    this.#parts.falseHits.probed(
      fresh.flatMap((each) => this.#probeOf(each)),
      action,
    );
  }

  /** A probe is a sample of the served answers, as a check is. */
  #probeOf({ request, look }: AskedRequest): SampledHits[] {
    const { judgement } = look;
    const { action, habitAtMs } = judgement?.prediction ?? {};
    if (look.kind === 'hit' || judgement?.verdict !== 'probe' || action === undefined) return [];
    const scene = sceneOf(this.#parts.domain, request.observation);
    return [{ hit: { tier: habitAtMs === undefined ? look.tier : 'habit', scene, action }, count: 1 }];
  }

  /**
   * Records that models were asked again, in the background, about a hit, and about others of its state that share the answer.
   * `isCounted`: the answer is part of the evidence already.
   */
  checked(hit: Hit, decision: Decision, others: readonly SharedHits[], isCounted = false): void {
    if (hit.tier !== 'habit') this.#aged(hit.scene, hit.decision, decision);
    const checks = [{ hit, count: 1 }, ...others].filter((each) => each.hit.again === 'check');
    // One answer is one comparison of the tier and one observation, but a sample of each judgement: hits were drawn, and not answers.
    if (checks[0] !== undefined) this.#compareTier(checks[0].hit, decision);
    this.#parts.falseHits.answered(checks, decision.action);
    this.#judge(
      checks.map((each) => each.hit),
      decision.action,
      isCounted,
    );
  }

  /** Learns one answer of models from all judgements that it shows to be right or wrong. */
  #judge(looks: readonly Look[], action: string, isCounted: boolean): void {
    const judgements = looks.flatMap(({ judgement }) => judgement ?? []);
    for (const [nth, judgement] of judgements.entries())
      this.#parts.judge?.learn(judgement, action, isCounted || nth > 0);
  }

  /** Adds the votes of a check to what is remembered. A check that agrees does not wait for a reason, so the served one stays. Habits have none. */
  addChecked(request: PlanRequest, signature: Signature, hit: Hit, decision: Decision): void {
    const keeps = hit.again === 'check' && hit.tier !== 'habit' && decision.action === hit.decision.action;
    const { reason, model } = keeps ? hit.decision : decision;
    this.#remember(request, signature, hit.scene, this.#withHeld(signature, { ...decision, reason, model }));
  }

  #compareTier({ scene, action, near, decision: served }: Hit, decision: Decision): void {
    const isRight = decision.action === action;
    if (near !== undefined) this.#parts.standing.compare(near.kind, scene, near.distance, isRight);
    else this.#parts.standing.compare(ownKind(served), scene, 0, isRight);
  }

  /** Reduces the weight of an action that had no effect twice for an agent. */
  weaken(signature: Signature, entry: StoreEntry, action: string): void {
    const { decision } = entry;
    const weakened = weakenedDecision(decision, action);
    const hasVotes = decision.tally.some((voted) => voted.action === action && voted.count > 0);
    // Nothing is left to take away. Otherwise, every request of a stuck agent would write the slot again.
    if (weakened.action === decision.action && !hasVotes) return;
    this.#parts.memory.amend(signature, weakened, entry.expiresAtMs);
  }

  #compareShadow({ exact, old, near }: Shadow, scene: string, { action, decidedAtMs }: Decision): void {
    const standing = this.#parts.standing;
    const isRight = (said: Said): boolean => said.action === action;
    if (exact !== undefined) standing.compare(ownKind(exact.decision), scene, 0, isRight(exact));
    const ageMs = old && decidedAtMs - old.decision.decidedAtMs;
    if (old !== undefined && ageMs !== undefined) standing.compare('old', scene, ageMs, isRight(old));
    for (const { kind, distance, action: said } of near) standing.compare(kind, scene, distance, said === action);
  }

  /** Merges a newer decision with the remembered one, unless that has expired: merging would make it fresh again. */
  #withHeld(signature: Signature, decision: Decision): Decision {
    const held = this.#parts.memory.peek(signature, this.#parts.clock.now());
    return held.kind === 'hit' ? mergedDecision(held.entry.decision, decision) : decision;
  }

  #remember(request: PlanRequest, signature: Signature, scene: string, decision: Decision): void {
    const expiresAtMs = this.#parts.clock.now() + (this.#parts.adaptiveTtl?.ttlMs(scene) ?? this.#parts.options.ttlMs);
    this.#parts.memory.remember(request, signature, scene, decision, expiresAtMs);
  }

  #aged(scene: string, older: Decision, newer: Decision): void {
    const ageMs = newer.decidedAtMs - older.decidedAtMs;
    if (ageMs >= 0) this.#parts.adaptiveTtl?.answerSeen(scene, ageMs, older.action !== newer.action);
  }
}
