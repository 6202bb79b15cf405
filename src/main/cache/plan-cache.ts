import type { Clock } from '../../shared/clock.ts';
import type { Decision } from '../../shared/decision.ts';
import { type Domain, sceneOf } from '../../shared/domain.ts';
import { fingerprintNumber, type Place, Placer } from '../../shared/place.ts';
import { type PlanRequest, valueScale } from '../../shared/plan-request.ts';
import type { Random } from '../../shared/random.ts';
import { SIGNATURE_WORDS, type Signature, Signer } from '../../shared/signature.ts';
import type { Lookup, StoreEntry } from '../../shared/store/store-reader.ts';
import { type CacheStats, emptyCounts, type ResolvedCache } from './cache-options.ts';
import { DecisionMemory } from './decision-memory.ts';
import type { DecisionDisk } from './disk/decision-disk.ts';
import { HitJudge, type Judgement } from './evidence/hit-judge.ts';
import { FalseHits, type HitTier } from './false-hits.ts';
import { AdaptiveTtl } from './freshness/adaptive-ttl.ts';
import { isRefreshDue } from './freshness/refresh-ahead.ts';
import type { Hit, Look, Miss } from './look.ts';
import { type AgentMemory, actionInVain, isUnchanged, LoopGuard } from './loop-guard.ts';
import { decisionFor, rememberedAction } from './remembered-action.ts';
import { mergedDecision, weakenedDecision } from './tally-change.ts';

/**
 * An entry that has more than this many times what it took to compute left is not looked at for a refresh: the chance of
 * one is below e^-40.
 */
const REFRESH_HORIZON = 40;

/** What was decided before, by state: the coordinator's side of the shared store, and whether it may be served. */
export class PlanCache {
  readonly buffer: SharedArrayBuffer;
  readonly #options: ResolvedCache;
  readonly #domain: Domain;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #signer: Signer;
  readonly #placer: Placer;
  readonly #memory: DecisionMemory;
  readonly #guard: LoopGuard;
  readonly #judge: HitJudge | undefined;
  readonly #falseHits = new FalseHits();
  readonly #adaptiveTtl: AdaptiveTtl | undefined;
  readonly #words: Signature = new Int32Array(SIGNATURE_WORDS);
  readonly #counts = emptyCounts();

  constructor(options: ResolvedCache, domain: Domain, clock: Clock, random: Random) {
    this.#options = options;
    this.#domain = domain;
    this.#clock = clock;
    this.#random = random;
    this.#signer = new Signer(domain);
    this.#placer = new Placer(domain, this.#signer);
    this.#memory = new DecisionMemory(options, this.#placer);
    this.buffer = this.#memory.buffer;
    this.#guard = new LoopGuard(options.agentsMax);
    if (options.errorBudget !== false) this.#judge = new HitJudge(options.errorBudget, random);
    if (options.ttl === 'adaptive') {
      const { ttlMs: initialMs, ttlMinMs: minMs, ttlMaxMs: maxMs } = options;
      this.#adaptiveTtl = new AdaptiveTtl({ initialMs, minMs, maxMs });
    }
  }

  /** Decisions of earlier runs are looked for there too, and new ones are written there. */
  useDisk(disk: DecisionDisk): Promise<void> {
    return this.#memory.useDisk(disk);
  }

  /** Looks for a remembered answer that may be served now. */
  look(request: PlanRequest, signature: Signature, nowMs = this.#clock.now()): Look {
    const memory = this.#guard.recall(request.agent);
    const inVain = this.#options.loopGuard ? actionInVain(memory, signature) : undefined;
    const exact = this.#memory.look(signature, nowMs);
    if (this.#judge !== undefined) return this.#lookWithinBudget(request, signature, exact, memory, inVain, nowMs);
    if (exact.kind === 'hit') {
      const { decision } = exact.entry;
      const action = rememberedAction(request, decision);
      const isGood = action !== undefined && action !== inVain;
      const isContradicted = isGood && this.#contradicts(request, action);
      if (isGood && !isContradicted) return this.#hit('exact', request, exact.entry, action, nowMs, undefined);
      if (isContradicted) this.#counts.contradicted++;
      if (action !== undefined && action === inVain) {
        this.#counts.loopsBroken++;
        this.#weaken(signature, exact.entry, action);
      }
    } else {
      const similar = this.#lookSimilar(request, inVain, nowMs);
      if (similar !== undefined) {
        const action = rememberedAction(request, similar.decision) as string;
        return this.#hit('similar', request, similar, action, nowMs, undefined);
      }
    }
    return this.#miss(request, exact, inVain, undefined);
  }

  /** A fresh decision for exactly this state that may be served, without counting and without any effect. */
  peek(request: PlanRequest, signature: Signature): Decision | undefined {
    const lookup = this.#memory.peek(signature, this.#clock.now());
    if (lookup.kind !== 'hit') return undefined;
    const { decision } = lookup.entry;
    const memory = this.#guard.recall(request.agent);
    const inVain = this.#options.loopGuard ? actionInVain(memory, signature) : undefined;
    if (this.#judge !== undefined) {
      const place = this.#placer.place(request.observation, request.actions);
      const prediction = place && this.#predict(this.#judge, request, signature, place, memory).prediction;
      if (prediction === undefined || prediction.action === inVain || !this.#judge.allows(prediction)) return undefined;
      if (this.#contradicts(request, prediction.action)) return undefined;
      return decisionFor(decision, prediction.action);
    }
    const action = rememberedAction(request, decision);
    if (action === undefined || action === inVain || this.#contradicts(request, action)) return undefined;
    return decisionFor(decision, action);
  }

  /** Models have decided for a request that was not served. */
  learn(request: PlanRequest, signature: Signature, look: Look, decision: Decision): void {
    const scene = sceneOf(this.#domain, request.observation);
    if (look.kind === 'miss' && look.stale !== undefined) this.#aged(scene, look.stale, decision);
    this.learnOutcome(request, look, decision);
    // What was learned of the state since it was looked for, from a late answer say, counts as well.
    if (look.kind === 'miss' && look.tier === 'similar') this.addVotes(request, signature, decision);
    else this.#remember(request, signature, scene, decision);
  }

  /** More votes for a state, of models that were asked for later. Returns what is remembered of it now. */
  addVotes(request: PlanRequest, signature: Signature, decision: Decision): Decision {
    const scene = sceneOf(this.#domain, request.observation);
    const held = this.#memory.peek(signature, this.#clock.now());
    const merged = held.kind === 'hit' ? mergedDecision(held.entry.decision, decision) : decision;
    this.#remember(request, signature, scene, merged);
    return merged;
  }

  /** What came of a prediction that was not served, when another request is the one that the decision is remembered for. */
  learnOutcome(request: PlanRequest, look: Look, { action }: Decision): void {
    const { judgement } = look;
    if (judgement === undefined) return;
    this.#judge?.learn(judgement, action);
    // A probe is a sample of what is served, as a check is.
    if (look.kind === 'hit' || judgement.verdict !== 'probe') return;
    const scene = sceneOf(this.#domain, request.observation);
    this.#falseHits.checked(look.tier, scene, action !== judgement.prediction?.action);
  }

  /** Models were asked again, in the background, about a hit. */
  checked(request: PlanRequest, signature: Signature, hit: Hit, decision: Decision): void {
    const { scene } = hit;
    this.#aged(scene, hit.decision, decision);
    this.compared(hit, decision);
    // What has expired has no say: it would be fresh again.
    const held = this.#memory.peek(signature, this.#clock.now());
    this.#remember(
      request,
      signature,
      scene,
      held.kind === 'hit' ? mergedDecision(held.entry.decision, decision) : decision,
    );
  }

  /** A hit that was to be checked is held against what models decided since. Nothing is remembered of it. */
  compared({ again, scene, tier, action, judgement }: Hit, decision: Decision): void {
    if (again !== 'check') return;
    this.#falseHits.checked(tier, scene, decision.action !== action);
    if (judgement !== undefined) this.#judge?.learn(judgement, decision.action);
  }

  /** The agent is in this state and is told to do this, or was seen to. */
  took(request: PlanRequest, signature: Signature, action: string, nowMs = this.#clock.now()): void {
    const scene = sceneOf(this.#domain, request.observation);
    const left = this.#guard.took(request.agent, signature, scene, action, nowMs);
    if (left !== undefined) this.#adaptiveTtl?.stateSeen(left.scene, left.ms);
  }

  clear(): void {
    this.#memory.clear();
    this.#guard.clear();
    this.#judge?.clear();
  }

  /** Ends the writing to disk. What was remembered is there when this resolves. */
  close(): Promise<void> {
    return this.#memory.close();
  }

  stats(): CacheStats {
    const { exactHits, stale, misses, ...held } = this.#memory.stats();
    const { similarHits, loopsBroken, contradicted } = this.#counts;
    const hits = exactHits + similarHits;
    const lookups = hits + stale + misses;
    const { entries: entriesMax, ttl, ttlMs } = this.#options;
    return {
      ...held,
      entriesMax,
      bytes: this.buffer.byteLength,
      ttl,
      ttlMs,
      ttlByScene: this.#adaptiveTtl?.stats() ?? [],
      hits,
      similarHits,
      misses: misses + stale,
      expired: stale,
      hitRate: lookups === 0 ? 0 : hits / lookups,
      loopsBroken,
      contradicted,
      falseHits: this.#falseHits.stats(),
      budget: this.#judge?.stats() ?? false,
    };
  }

  // Looking ---------------------------------------------------------------------------------------------------------

  /** The nearest entry that is fresh, legal now, and not shown to be without effect. */
  #lookSimilar(request: PlanRequest, inVain: string | undefined, nowMs: number): StoreEntry | undefined {
    const { similar } = this.#options;
    if (similar === false) return undefined;
    const place = this.#placer.place(request.observation, request.actions);
    if (place === undefined) return undefined;
    const { valuesMin } = this.#options;
    const placeOf = valuesMin === false ? () => undefined : valueScale(request);
    let isHeldBack = false;
    const search = (distanceMax: number, isGood: (value: number | undefined) => boolean): StoreEntry | undefined =>
      this.#memory.nearest(place, distanceMax, nowMs, (entry) => {
        const action = rememberedAction(request, entry.decision);
        if (action === undefined || !isGood(placeOf(action))) return false;
        if (action !== inVain) return true;
        isHeldBack = true;
        return false;
      });
    // What the values of now confirm may come from further away.
    const isConfirmed = (value: number | undefined): boolean => value !== undefined && value >= (valuesMin as number);
    const isConfirming = valuesMin !== false && request.qValues !== undefined;
    const confirmed = isConfirming ? search(similar.confirmedMax, isConfirmed) : undefined;
    if (confirmed !== undefined) return confirmed;
    // From nearby, what they do not speak against.
    let isContradicted = false;
    const nearest = search(similar.distanceMax, (value) => {
      if (value === undefined || isConfirmed(value)) return true;
      isContradicted = true;
      return false;
    });
    if (nearest === undefined && isHeldBack) this.#counts.loopsBroken++;
    else if (nearest === undefined && isContradicted) this.#counts.contradicted++;
    return nearest;
  }

  #lookWithinBudget(
    request: PlanRequest,
    signature: Signature,
    exact: Lookup,
    memory: AgentMemory | undefined,
    inVain: string | undefined,
    nowMs: number,
  ): Look {
    const judge = this.#judge as HitJudge;
    const place = this.#placer.place(request.observation, request.actions);
    if (place === undefined) return this.#miss(request, exact, inVain, undefined);
    const predicted = this.#predict(judge, request, signature, place, memory);
    const { prediction } = predicted;
    if (prediction === undefined) return this.#miss(request, exact, inVain, predicted);
    // What is served must stand on an entry that is fresh: of this state, or of one with equal gates.
    const base = exact.kind === 'hit' ? exact.entry : this.#freshNeighbour(place, nowMs);
    if (base === undefined) return this.#miss(request, exact, inVain, predicted);
    if (prediction.action === inVain) {
      if (judge.allows(prediction)) this.#counts.loopsBroken++;
      if (exact.kind === 'hit') this.#weaken(signature, exact.entry, inVain);
      return this.#miss(request, exact, inVain, predicted);
    }
    if (this.#contradicts(request, prediction.action)) {
      if (judge.allows(prediction)) this.#counts.contradicted++;
      return this.#miss(request, exact, inVain, predicted);
    }
    const judgement = judge.judge(predicted);
    if (judgement.verdict !== 'serve') return this.#miss(request, exact, inVain, judgement);
    return this.#hit(exact.kind === 'hit' ? 'exact' : 'similar', request, base, prediction.action, nowMs, judgement);
  }

  /** An entry with equal gates, however far: with a budget, evidence says how much nearness matters. */
  #freshNeighbour(place: Place, nowMs: number): StoreEntry | undefined {
    return this.#memory.nearest(place, Number.POSITIVE_INFINITY, nowMs, () => true);
  }

  /** Whether the values given now speak against an action. */
  #contradicts(request: PlanRequest, action: string): boolean {
    const { valuesMin } = this.#options;
    if (valuesMin === false || request.qValues === undefined) return false;
    const place = valueScale(request)(action);
    return place !== undefined && place < valuesMin;
  }

  #predict(
    judge: HitJudge,
    request: PlanRequest,
    signature: Signature,
    place: Place,
    memory: AgentMemory | undefined,
  ): Judgement {
    const { actions } = request;
    return judge.predict(actions, {
      state: fingerprintNumber(signature),
      gates: place.gate,
      actionSet: fingerprintNumber(this.#signer.signActions(actions, this.#words)),
      momentum: memory && {
        action: memory.action,
        repeats: memory.repeats,
        streak: memory.streak,
        isUnchanged: isUnchanged(memory, signature),
      },
    });
  }

  #hit(
    tier: HitTier,
    request: PlanRequest,
    entry: StoreEntry,
    action: string,
    nowMs: number,
    judgement: Judgement | undefined,
  ): Hit {
    const { decision, slot } = entry;
    this.#memory.touch(slot);
    const scene = sceneOf(this.#domain, request.observation);
    if (tier === 'exact') {
      this.#memory.count('hit');
      this.#memory.noteScene(slot, scene);
    } else this.#counts.similarHits++;
    this.#falseHits.served(tier, scene);
    const again = this.#again(tier, entry, nowMs);
    const reason = decision.action === action ? decision.reason : reasonOf(judgement);
    return { kind: 'hit', tier, action, reason, decision, scene, again, judgement };
  }

  #miss(request: PlanRequest, exact: Lookup, inVain: string | undefined, judgement: Judgement | undefined): Miss {
    this.#memory.count(exact.kind === 'stale' ? 'stale' : 'miss');
    // What had no effect twice is not served a third time by this rung either.
    const expired = exact.kind === 'stale' ? exact.entry.decision : undefined;
    const isInVain = expired !== undefined && rememberedAction(request, expired) === inVain;
    const stale = isInVain ? undefined : expired;
    return { kind: 'miss', stale, inVain, tier: exact.kind === 'hit' ? 'exact' : 'similar', judgement };
  }

  #again(tier: HitTier, { decision, expiresAtMs }: StoreEntry, nowMs: number): Hit['again'] {
    const { checkShare, refreshAhead } = this.#options;
    if (checkShare > 0 && this.#random.next() < checkShare) return 'check';
    if (!refreshAhead || tier === 'similar') return undefined;
    const { latencyMs: computeMs } = decision;
    if (expiresAtMs - nowMs > computeMs * REFRESH_HORIZON) return undefined;
    return isRefreshDue({ nowMs, expiresAtMs, computeMs, random: this.#random.next() }) ? 'refresh' : undefined;
  }

  // Learning --------------------------------------------------------------------------------------------------------

  #remember(request: PlanRequest, signature: Signature, scene: string, decision: Decision): void {
    const expiresAtMs = this.#clock.now() + (this.#adaptiveTtl?.ttlMs(scene) ?? this.#options.ttlMs);
    this.#memory.remember(request, signature, scene, decision, expiresAtMs);
  }

  #weaken(signature: Signature, entry: StoreEntry, action: string): void {
    const { decision } = entry;
    const weakened = weakenedDecision(decision, action);
    const hasVotes = decision.tally.some((voted) => voted.action === action && voted.count > 0);
    // Nothing to take away any more: the slot would be written again at every request of a stuck agent.
    if (weakened.action === decision.action && !hasVotes) return;
    this.#memory.amend(signature, weakened, entry.expiresAtMs);
  }

  #aged(scene: string, older: Decision, newer: Decision): void {
    const ageMs = newer.decidedAtMs - older.decidedAtMs;
    if (ageMs >= 0) this.#adaptiveTtl?.answerSeen(scene, ageMs, older.action !== newer.action);
  }
}

function reasonOf(judgement: Judgement | undefined): string {
  const prediction = judgement?.prediction;
  if (prediction === undefined) return 'the best legal one of the votes for this state';
  const { agreeing, inState, inGates } = prediction;
  return inState > 0
    ? `${agreeing} of ${inState} decisions in this state chose it`
    : `${agreeing} of ${inGates} decisions in similar states chose it`;
}
