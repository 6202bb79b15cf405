import type { Clock } from '../../shared/clock.ts';
import type { Decision } from '../../shared/decision.ts';
import { type Domain, sceneOf } from '../../shared/domain.ts';
import { fingerprintNumber, Placer, type StatePoint } from '../../shared/place.ts';
import { type PlanRequest, valueScale } from '../../shared/plan-request.ts';
import type { Random } from '../../shared/random.ts';
import { SIGNATURE_WORDS, type Signature, Signer } from '../../shared/signature.ts';
import type { Lookup, StoreEntry } from '../../shared/store/store-reader.ts';
import { type CacheStats, emptyCounts, type ResolvedCache } from './cache-options.ts';
import { DecisionMemory, type NearEntry } from './decision-memory.ts';
import type { DecisionDisk } from './disk/decision-disk.ts';
import { HitJudge, type HitJudgement } from './evidence/hit-judge.ts';
import { FalseHits, type HitTier } from './false-hits.ts';
import { AdaptiveTtl } from './freshness/adaptive-ttl.ts';
import { isRefreshDue } from './freshness/refresh-ahead.ts';
import type { Hit, Look, Miss, Near, Said, Shadow, Standing } from './look.ts';
import { type AgentMemory, actionInVain, isUnchanged, LoopGuard } from './loop-guard.ts';
import { decisionFor, rememberedAction } from './remembered-action.ts';
import { NO_AGREEMENT, type PanelAgreement, TierStanding } from './standing/tier-standing.ts';
import { isSingle, mergedDecision, weakenedDecision } from './tally-change.ts';

/**
 * An entry that has more than this many times what it took to compute left is not looked at for a refresh: the chance of
 * one is below e^-40.
 */
const REFRESH_HORIZON = 40;

/** What is found near a state, and what was passed over. */
interface Neighbours {
  /** The values of now confirm it: it may come from further away. */
  readonly confirmed: NearAnswer | undefined;
  /** From nearby; the values say nothing against it. */
  readonly similar: NearAnswer | undefined;
  /** The only ones nearby were those that had no effect, or that the values speak against. */
  readonly passedOver: 'loop' | 'contradicted' | undefined;
}

interface NearAnswer extends Near, Said {
  readonly entry: StoreEntry;
}

/** What a miss is told beside what was found. */
type MissParts = Partial<Pick<Miss, 'inVain' | 'standing' | 'isCycle' | 'shadow' | 'judgement'>>;

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
  /** Without a say where there is an error budget, which judges by evidence of its own. */
  readonly #standing: TierStanding;
  readonly #adaptiveTtl: AdaptiveTtl | undefined;
  readonly #words: Signature = new Int32Array(SIGNATURE_WORDS);
  readonly #counts = emptyCounts();

  /** `models` tells how often models agree with each other: what a tier is held against. */
  constructor(
    options: ResolvedCache,
    domain: Domain,
    clock: Clock,
    random: Random,
    models: PanelAgreement = NO_AGREEMENT,
  ) {
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
    this.#standing = new TierStanding(options.trust, models);
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
    return exact.kind === 'hit'
      ? this.#lookExact(request, signature, exact, memory, inVain, nowMs)
      : this.#lookNear(request, signature, exact, memory, inVain, nowMs);
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
    if (this.#options.cycleGuard && this.#guard.isCycle(memory, signature, action)) return undefined;
    if (this.#isDoubted(request, decision)) return undefined;
    return decisionFor(decision, action);
  }

  /** Models have decided for a request that was not served. */
  learn(request: PlanRequest, signature: Signature, look: Look, decision: Decision): void {
    const scene = sceneOf(this.#domain, request.observation);
    if (look.kind === 'miss' && look.stale !== undefined) this.#aged(scene, look.stale, decision);
    this.learnOutcome(request, signature, look, decision);
    if (look.kind === 'hit') return this.#remember(request, signature, scene, decision);
    if (look.shadow !== undefined) this.#compareShadow(look.shadow, scene, decision);
    // What was learned of the state since it was looked for, from a late answer say, has its say beside the votes of now, and
    // so has an entry that was doubted; where its agent went round in a cycle, an entry has not.
    const isJoined = look.tier === 'similar' || look.shadow?.exact !== undefined;
    this.#remember(request, signature, scene, isJoined ? this.#withHeld(signature, decision) : decision);
  }

  /** More votes for a state, of models that were asked for later. Returns what is remembered of it now. */
  addVotes(request: PlanRequest, signature: Signature, decision: Decision): Decision {
    const scene = sceneOf(this.#domain, request.observation);
    const held = this.#memory.peek(signature, this.#clock.now());
    if (held.kind === 'hit') {
      const { decision: older } = held.entry;
      this.#standing.compare(isSingle(older) ? 'single' : 'exact', scene, 0, decision.action === older.action);
    }
    const merged = this.#withHeld(signature, decision);
    this.#remember(request, signature, scene, merged);
    return merged;
  }

  /** What came of what was not served, when another request is the one that the decision is remembered for. */
  learnOutcome(request: PlanRequest, signature: Signature, look: Look, { action }: Decision): void {
    const { judgement } = look;
    if (look.kind === 'miss' && look.isCycle) {
      this.#guard.answered(signature, action, look.inVain);
    }
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
    this.#remember(request, signature, scene, this.#withHeld(signature, decision));
  }

  /** A hit that was to be checked is held against what models decided since. Nothing is remembered of it. */
  compared(hit: Hit, decision: Decision): void {
    const { again, scene, action, near } = hit;
    if (again !== 'check') return;
    const isRight = decision.action === action;
    if (near !== undefined) this.#standing.compare(near.kind, scene, near.distance, isRight);
    else this.#standing.compare(isSingle(hit.decision) ? 'single' : 'exact', scene, 0, isRight);
    this.counted(hit, decision);
  }

  /**
   * The same for a further hit of the state, for which one answer is enough: it counts among what was served, and says nothing
   * more of its tier.
   */
  counted({ again, scene, tier, action, judgement }: Hit, decision: Decision): void {
    if (again !== 'check') return;
    this.#falseHits.checked(tier, scene, decision.action !== action);
    if (judgement !== undefined) this.#judge?.learn(judgement, decision.action);
  }

  /** The agent is in this state and is told to do this, by memory or otherwise, or was seen to. */
  took(
    request: PlanRequest,
    signature: Signature,
    action: string,
    nowMs = this.#clock.now(),
    isFromMemory = false,
  ): void {
    const scene = sceneOf(this.#domain, request.observation);
    const left = this.#guard.took(request.agent, signature, scene, action, nowMs, isFromMemory);
    if (left !== undefined) this.#adaptiveTtl?.stateSeen(left.scene, left.ms);
  }

  clear(): void {
    this.#memory.clear();
    this.#guard.clear();
    this.#judge?.clear();
    this.#standing.clear();
  }

  /** A miss was answered by what memory had to say after all: no model had answered in time. */
  stood(): void {
    this.#counts.stood++;
  }

  /** Ends the writing to disk. What was remembered is there when this resolves. */
  close(): Promise<void> {
    return this.#memory.close();
  }

  stats(): CacheStats {
    const { exactHits, stale, misses, ...held } = this.#memory.stats();
    const { similarHits, loopsBroken, contradicted, cyclesBroken, withheld, probes, stood } = this.#counts;
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
      cyclesBroken,
      withheld,
      probes,
      stood,
      standing: this.#judge === undefined ? this.#standing.stats() : false,
      falseHits: this.#falseHits.stats(),
      budget: this.#judge?.stats() ?? false,
    };
  }

  // Looking ---------------------------------------------------------------------------------------------------------

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
      this.#counts.loopsBroken++;
      this.#weaken(signature, exact.entry, action);
      return this.#miss(request, exact, { inVain });
    }
    if (this.#contradicts(request, action)) {
      this.#counts.contradicted++;
      return this.#miss(request, exact, { inVain });
    }
    const isInCycle = this.#goesRound(memory, signature, action);
    if (!isInCycle && !this.#isDoubted(request, decision)) {
      return this.#hit('exact', request, exact.entry, action, nowMs, undefined);
    }
    const standing: Standing = { tier: 'exact', action, reason: reasonFor(decision, action), decision };
    if (isInCycle) return this.#cycle(request, exact, action, standing);
    this.#counts.withheld++;
    const shadow: Shadow = { exact: { action, decision }, old: undefined, near: [] };
    return this.#miss(request, exact, { inVain, standing, shadow });
  }

  /** The state itself has no fresh decision: a near one may serve. */
  #lookNear(
    request: PlanRequest,
    signature: Signature,
    exact: Lookup,
    memory: AgentMemory | undefined,
    inVain: string | undefined,
    nowMs: number,
  ): Look {
    const { confirmed, similar, passedOver } = this.#neighbours(request, inVain, nowMs);
    const found = [confirmed, similar].filter((near) => near !== undefined);
    const scene = sceneOf(this.#domain, request.observation);
    const served = found.find(({ kind, distance }) => this.#standing.serves(kind, scene, distance));
    if (served === undefined) {
      if (found.length > 0) this.#counts.withheld++;
      else if (passedOver === 'loop') this.#counts.loopsBroken++;
      else if (passedOver === 'contradicted') this.#counts.contradicted++;
      return this.#miss(request, exact, { inVain, shadow: this.#shadowOf(request, exact, found, inVain) });
    }
    const { entry, action, kind, distance } = served;
    const { decision } = entry;
    const standing: Standing = { tier: 'similar', action, reason: reasonFor(decision, action), decision };
    if (this.#goesRound(memory, signature, action)) return this.#cycle(request, exact, action, standing);
    const probeShare = this.#standing.probeShare(kind, scene, distance);
    if (probeShare > 0 && this.#random.next() < probeShare) {
      this.#counts.probes++;
      const shadow = this.#shadowOf(request, exact, found, inVain);
      return this.#miss(request, exact, { inVain, standing, shadow });
    }
    return this.#hit('similar', request, entry, action, nowMs, undefined, { kind, distance });
  }

  #cycle(request: PlanRequest, exact: Lookup, action: string, standing: Standing): Miss {
    this.#counts.cyclesBroken++;
    return this.#miss(request, exact, { inVain: action, standing, isCycle: true });
  }

  #goesRound(memory: AgentMemory | undefined, signature: Signature, action: string): boolean {
    return this.#options.cycleGuard && this.#guard.goesRound(memory, signature, action);
  }

  #isDoubted(request: PlanRequest, decision: Decision): boolean {
    return this.#standing.isDoubted(isSingle(decision), sceneOf(this.#domain, request.observation));
  }

  /** Entries near a state that are fresh, legal now, and not shown to be without effect. */
  #neighbours(request: PlanRequest, inVain: string | undefined, nowMs: number): Neighbours {
    const none: Neighbours = { confirmed: undefined, similar: undefined, passedOver: undefined };
    const { similar, valuesMin, trust } = this.#options;
    if (similar === false) return none;
    const place = this.#placer.place(request.observation, request.actions);
    if (place === undefined) return none;
    const placeOf = valuesMin === false ? () => undefined : valueScale(request);
    let isHeldBack = false;
    const search = (
      kind: Near['kind'],
      distanceMax: number,
      isGood: (value: number | undefined) => boolean,
    ): NearAnswer | undefined => {
      const found: NearEntry | undefined = this.#memory.nearest(place, distanceMax, nowMs, (entry) => {
        const action = rememberedAction(request, entry.decision);
        if (action === undefined || !isGood(placeOf(action))) return false;
        if (action !== inVain) return true;
        isHeldBack = true;
        return false;
      });
      if (found === undefined) return undefined;
      const { decision } = found.entry;
      return { ...found, kind, decision, action: rememberedAction(request, decision) as string };
    };
    // What the values of now confirm may come from further away.
    const isConfirmed = (value: number | undefined): boolean => value !== undefined && value >= (valuesMin as number);
    const isConfirming = valuesMin !== false && request.qValues !== undefined;
    const confirmed = isConfirming ? search('confirmed', similar.confirmedMax, isConfirmed) : undefined;
    // It serves then, whatever is nearer.
    if (confirmed !== undefined && trust === 'always') return { ...none, confirmed };
    // From nearby, what they do not speak against.
    let isContradicted = false;
    const nearest = search('similar', similar.distanceMax, (value) => {
      if (value === undefined || isConfirmed(value)) return true;
      isContradicted = true;
      return false;
    });
    const passedOver = isHeldBack ? 'loop' : isContradicted ? 'contradicted' : undefined;
    return { confirmed, similar: nearest, passedOver };
  }

  /** What the tiers that were found and not served would have said. */
  #shadowOf(
    request: PlanRequest,
    exact: Lookup,
    near: readonly NearAnswer[],
    inVain: string | undefined,
  ): Shadow | undefined {
    const expired = exact.kind === 'stale' ? exact.entry.decision : undefined;
    const action = expired && rememberedAction(request, expired);
    const old = expired && action !== undefined && action !== inVain ? { action, decision: expired } : undefined;
    return old === undefined && near.length === 0 ? undefined : { exact: undefined, old, near };
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
    if (place === undefined) return this.#miss(request, exact, { inVain });
    const predicted = this.#predict(judge, request, signature, place, memory);
    const { prediction } = predicted;
    if (prediction === undefined) return this.#miss(request, exact, { inVain, judgement: predicted });
    // What is served must stand on an entry that is fresh: of this state, or of one with equal gates.
    const base = exact.kind === 'hit' ? exact.entry : this.#freshNeighbour(place, nowMs);
    if (base === undefined) return this.#miss(request, exact, { inVain, judgement: predicted });
    if (prediction.action === inVain) {
      if (judge.allows(prediction)) this.#counts.loopsBroken++;
      if (exact.kind === 'hit') this.#weaken(signature, exact.entry, inVain);
      return this.#miss(request, exact, { inVain, judgement: predicted });
    }
    if (this.#contradicts(request, prediction.action)) {
      if (judge.allows(prediction)) this.#counts.contradicted++;
      return this.#miss(request, exact, { inVain, judgement: predicted });
    }
    const judgement = judge.judge(predicted);
    if (judgement.verdict !== 'serve') return this.#miss(request, exact, { inVain, judgement });
    return this.#hit(exact.kind === 'hit' ? 'exact' : 'similar', request, base, prediction.action, nowMs, judgement);
  }

  /** An entry with equal gates, however far: with a budget, evidence says how much nearness matters. */
  #freshNeighbour(place: StatePoint, nowMs: number): StoreEntry | undefined {
    return this.#memory.nearest(place, Number.POSITIVE_INFINITY, nowMs, () => true)?.entry;
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
    place: StatePoint,
    memory: AgentMemory | undefined,
  ): HitJudgement {
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
    judgement: HitJudgement | undefined,
    near?: Near,
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
    const reason = judgement === undefined ? reasonFor(decision, action) : reasonOf(decision, action, judgement);
    return { kind: 'hit', tier, action, reason, decision, scene, near, again, judgement };
  }

  #miss(request: PlanRequest, exact: Lookup, parts: MissParts): Miss {
    this.#memory.count(exact.kind === 'stale' ? 'stale' : 'miss');
    const { inVain, standing, isCycle = false, shadow, judgement } = parts;
    // What had no effect twice is not served a third time by this rung either.
    const expired = exact.kind === 'stale' ? exact.entry.decision : undefined;
    const isInVain = expired !== undefined && rememberedAction(request, expired) === inVain;
    const stale = isInVain ? undefined : expired;
    const tier = exact.kind === 'hit' ? 'exact' : 'similar';
    return { kind: 'miss', stale, inVain, standing, isCycle, shadow, tier, judgement };
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

  #compareShadow({ exact, old, near }: Shadow, scene: string, { action, decidedAtMs }: Decision): void {
    const standing = this.#standing;
    const isRight = (said: Said): boolean => said.action === action;
    if (exact !== undefined) standing.compare(isSingle(exact.decision) ? 'single' : 'exact', scene, 0, isRight(exact));
    const ageMs = old && decidedAtMs - old.decision.decidedAtMs;
    if (old !== undefined && ageMs !== undefined) standing.compare('old', scene, ageMs, isRight(old));
    for (const { kind, distance, action: said } of near) standing.compare(kind, scene, distance, said === action);
  }

  /** A newer decision with that which is remembered. What has expired has no say: it would be fresh again. */
  #withHeld(signature: Signature, decision: Decision): Decision {
    const held = this.#memory.peek(signature, this.#clock.now());
    return held.kind === 'hit' ? mergedDecision(held.entry.decision, decision) : decision;
  }

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

function reasonFor(decision: Decision, action: string): string {
  return decision.action === action ? decision.reason : 'the best legal one of the votes for this state';
}

function reasonOf(decision: Decision, action: string, { prediction }: HitJudgement): string {
  if (decision.action === action || prediction === undefined) return reasonFor(decision, action);
  const { agreeing, inState, inGates } = prediction;
  return inState > 0
    ? `${agreeing} of ${inState} decisions in this state chose it`
    : `${agreeing} of ${inGates} decisions in similar states chose it`;
}
