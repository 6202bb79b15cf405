import type { Clock } from '../../shared/clock.ts';
import type { Decision } from '../../shared/decision.ts';
import { type Domain, sceneOf } from '../../shared/domain.ts';
import { fingerprintNumber, type Place, Placer } from '../../shared/place.ts';
import { type PlanRequest, valueScale } from '../../shared/plan-request.ts';
import type { Random } from '../../shared/random.ts';
import { SIGNATURE_WORDS, type Signature, Signer } from '../../shared/signature.ts';
import type { SlotIndex } from '../../shared/store/store-layout.ts';
import { type Lookup, readStoreCounts, type StoreEntry, StoreReader } from '../../shared/store/store-reader.ts';
import { type CacheStats, emptyCounts, type ResolvedCache } from './cache-options.ts';
import type { DecisionDisk, RestoredDecision } from './disk/decision-disk.ts';
import { HitJudge, type Judgement } from './evidence/hit-judge.ts';
import { FalseHits, type HitTier } from './false-hits.ts';
import { AdaptiveTtl } from './freshness/adaptive-ttl.ts';
import { isRefreshDue } from './freshness/refresh-ahead.ts';
import { type AgentMemory, actionInVain, isUnchanged, LoopGuard } from './loop-guard.ts';
import { decisionFor, rememberedAction } from './remembered-action.ts';
import { SimilarIndex } from './similar/similar-index.ts';
import { StoreWriter } from './store-writer.ts';
import { mergedDecision, weakenedDecision } from './tally-change.ts';

/** A remembered answer that is served. */
export interface Hit {
  readonly kind: 'hit';
  readonly tier: HitTier;
  /** One of the request's own. */
  readonly action: string;
  readonly reason: string;
  readonly decision: Decision;
  readonly scene: string;
  /** Models are to be asked again in the background: to see whether this was right, or because it expires soon. */
  readonly again: 'check' | 'refresh' | undefined;
  readonly judgement: Judgement | undefined;
}

export interface Miss {
  readonly kind: 'miss';
  /** An expired decision for the same state. */
  readonly stale: Decision | undefined;
  /** What the agent did here twice without effect. */
  readonly inVain: string | undefined;
  /** Where an answer would have come from, had it been served. */
  readonly tier: HitTier;
  /** What was predicted and not served, to be held against what models decide. */
  readonly judgement: Judgement | undefined;
}

export type Look = Hit | Miss;

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
  readonly #writer: StoreWriter;
  readonly #reader: StoreReader;
  readonly #signer: Signer;
  readonly #placer: Placer;
  readonly #similar: SimilarIndex | undefined;
  readonly #guard: LoopGuard;
  readonly #judge: HitJudge | undefined;
  readonly #falseHits = new FalseHits();
  readonly #adaptiveTtl: AdaptiveTtl | undefined;
  readonly #words: Signature = new Int32Array(SIGNATURE_WORDS);
  readonly #counts = emptyCounts();
  #disk: DecisionDisk | undefined;
  #isClosed = false;

  constructor(options: ResolvedCache, domain: Domain, clock: Clock, random: Random) {
    this.#options = options;
    this.#domain = domain;
    this.#clock = clock;
    this.#random = random;
    this.#writer = new StoreWriter(options.entries, (slot) => this.#similar?.remove(slot));
    this.buffer = this.#writer.buffer;
    this.#reader = new StoreReader(this.buffer, { marksTouched: false });
    this.#signer = new Signer(domain);
    this.#placer = new Placer(domain, this.#signer);
    if (options.similar !== false) {
      this.#similar = new SimilarIndex(options.entries, this.#placer.dimensions, this.#placer.softWeights);
    }
    this.#guard = new LoopGuard(options.agentsMax);
    if (options.errorBudget !== false) this.#judge = new HitJudge(options.errorBudget, random);
    if (options.ttl === 'adaptive') {
      const { ttlMs: initialMs, ttlMinMs: minMs, ttlMaxMs: maxMs } = options;
      this.#adaptiveTtl = new AdaptiveTtl({ initialMs, minMs, maxMs });
    }
  }

  /**
   * Decisions of earlier runs are looked for there too, and new ones are written there. A miss finds them from the first
   * moment; meanwhile those written last are brought into memory, so that similar states find them as well. Resolves
   * when that is done, or the cache is full.
   */
  async useDisk(disk: DecisionDisk): Promise<void> {
    this.#disk = disk;
    for await (const decisions of disk.newest(this.#options.entries)) {
      for (const restored of decisions) {
        if (this.#isClosed || this.#writer.size >= this.#options.entries) return;
        if (this.#reader.find(restored.signature) === undefined) this.#restore(restored, true);
      }
    }
  }

  /** Looks for a remembered answer that may be served now. */
  look(request: PlanRequest, signature: Signature, nowMs = this.#clock.now()): Look {
    const memory = this.#guard.recall(request.agent);
    const inVain = this.#options.loopGuard ? actionInVain(memory, signature) : undefined;
    const exact = this.#lookExactly(signature, nowMs);
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
    const lookup = this.#reader.look(signature, this.#clock.now());
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
    this.#remember(request, signature, scene, decision);
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
    const held = this.#reader.look(signature, this.#clock.now());
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
    // The index first: the writer tells it of every slot that it empties.
    this.#similar?.clear();
    this.#writer.clear();
    this.#guard.clear();
    this.#judge?.clear();
    this.#disk?.clear();
  }

  /** Ends the writing to disk. What was remembered is there when this resolves. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#disk?.close();
  }

  stats(): CacheStats {
    const { hits: exactHits, stale, misses } = readStoreCounts(this.buffer);
    const counts = this.#counts;
    const hits = exactHits + counts.similarHits;
    const lookups = hits + stale + misses;
    const { entries, ttl, ttlMs } = this.#options;
    return {
      entries: this.#writer.size,
      entriesMax: entries,
      bytes: this.buffer.byteLength,
      ttl,
      ttlMs,
      ttlByScene: this.#adaptiveTtl?.stats() ?? [],
      hits,
      similarHits: counts.similarHits,
      misses: misses + stale,
      expired: stale,
      hitRate: lookups === 0 ? 0 : hits / lookups,
      loopsBroken: counts.loopsBroken,
      contradicted: counts.contradicted,
      evictions: this.#writer.evictions,
      cut: counts.cut,
      tooLarge: counts.tooLarge,
      falseHits: this.#falseHits.stats(),
      budget: this.#judge?.stats() ?? false,
      disk: this.#disk?.stats() ?? false,
    };
  }

  // Looking ---------------------------------------------------------------------------------------------------------

  #lookExactly(signature: Signature, nowMs: number): Lookup {
    const lookup = this.#reader.look(signature, nowMs);
    if (lookup.kind === 'hit' || this.#disk === undefined) return lookup;
    const found = this.#disk.read(signature);
    if (found === undefined) return lookup;
    if (lookup.kind === 'stale') {
      // Another process may have decided since. The same decision again would only begin its life anew.
      const isNewer = found.decision.decidedAtMs > lookup.entry.decision.decidedAtMs;
      if (!isNewer || found.expiresAtMs <= nowMs) return lookup;
    }
    this.#restore(found, false);
    return this.#reader.look(signature, nowMs);
  }

  /** Puts a decision of an earlier run back, as the one used last, or as the first to go. */
  #restore({ signature, place, decision, expiresAtMs }: RestoredDecision, isCold: boolean): void {
    const outcome = this.#writer.write(signature, decision, expiresAtMs);
    if (outcome.kind !== 'stored') return;
    if (place !== undefined) this.#similar?.set(outcome.slot, place);
    if (isCold) this.#writer.demote(outcome.slot);
  }

  /** The nearest entry that is fresh, legal now, and not shown to be without effect. */
  #lookSimilar(request: PlanRequest, inVain: string | undefined, nowMs: number): StoreEntry | undefined {
    const { similar } = this.#options;
    if (this.#similar === undefined || similar === false) return undefined;
    const place = this.#placer.place(request.observation, request.actions);
    if (place === undefined) return undefined;
    const { valuesMin } = this.#options;
    const placeOf = valuesMin === false ? () => undefined : valueScale(request);
    let isHeldBack = false;
    const search = (distanceMax: number, isGood: (value: number | undefined) => boolean): StoreEntry | undefined =>
      this.#nearestFresh(this.#similar as SimilarIndex, place, distanceMax, nowMs, (entry) => {
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

  /**
   * The nearest fresh entry that `accept` takes. The expired ones it met are taken out of the index, so that they do not
   * use up the next search; when they are decided anew, they are put back.
   */
  #nearestFresh(
    index: SimilarIndex,
    place: Place,
    distanceMax: number,
    nowMs: number,
    accept: (entry: StoreEntry) => boolean,
  ): StoreEntry | undefined {
    const expired: SlotIndex[] = [];
    const nearest = index.nearest(place, distanceMax, (slot) => {
      const entry = this.#reader.entryAt(slot);
      if (entry === undefined) return false;
      if (entry.expiresAtMs > nowMs) return accept(entry);
      expired.push(slot);
      return false;
    });
    for (const slot of expired) index.remove(slot);
    return nearest === undefined ? undefined : this.#reader.entryAt(nearest.slot);
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
    return this.#similar && this.#nearestFresh(this.#similar, place, Number.POSITIVE_INFINITY, nowMs, () => true);
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
    this.#writer.touch(slot);
    if (tier === 'exact') this.#reader.count('hit');
    else this.#counts.similarHits++;
    const scene = sceneOf(this.#domain, request.observation);
    this.#falseHits.served(tier, scene);
    const again = this.#again(tier, entry, nowMs);
    const reason = decision.action === action ? decision.reason : reasonOf(judgement);
    return { kind: 'hit', tier, action, reason, decision, scene, again, judgement };
  }

  #miss(request: PlanRequest, exact: Lookup, inVain: string | undefined, judgement: Judgement | undefined): Miss {
    this.#reader.count(exact.kind === 'stale' ? 'stale' : 'miss');
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
    const place = this.#similar || this.#disk ? this.#placer.place(request.observation, request.actions) : undefined;
    const outcome = this.#writer.write(signature, decision, expiresAtMs);
    if (outcome.kind === 'too-large') {
      this.#counts.tooLarge++;
      return;
    }
    if (outcome.cut) this.#counts.cut++;
    if (place !== undefined) this.#similar?.set(outcome.slot, place);
    this.#disk?.write(signature, place, decision, expiresAtMs);
  }

  #weaken(signature: Signature, entry: StoreEntry, action: string): void {
    const { decision } = entry;
    const weakened = weakenedDecision(decision, action);
    const hasVotes = decision.tally.some((voted) => voted.action === action && voted.count > 0);
    // Nothing to take away any more: the slot would be written again at every request of a stuck agent.
    if (weakened.action === decision.action && !hasVotes) return;
    this.#writer.write(signature, weakened, entry.expiresAtMs);
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
