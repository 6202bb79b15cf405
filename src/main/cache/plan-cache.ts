import { type Clock, stampOffsetMs } from '../../shared/clock.ts';
import type { Decision } from '../../shared/decision.ts';
import { type Domain, sceneOf } from '../../shared/domain.ts';
import { Placer, type StatePoint } from '../../shared/place.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import type { Random } from '../../shared/random.ts';
import { type Signature, Signer } from '../../shared/signature.ts';
import { DomainRulesWriter, ServingRulesWriter } from '../../shared/store/serving-rules.ts';
import type { SlotIndex } from '../../shared/store/store-layout.ts';
import type { Lookup, StoreEntry } from '../../shared/store/store-reader.ts';
import type { AdoptedDecision } from './adopted-decision.ts';
import { type AskingAgent, BudgetedAnswers } from './budgeted-answers.ts';
import { type CacheStats, emptyCounts, type ResolvedCache, ttlMaxOf } from './cache-options.ts';
import type { AgentAct, AgentNews, DecisionJournal } from './decision-journal.ts';
import { type AskedRequest, DecisionLearner } from './decision-learner.ts';
import { DecisionMemory } from './decision-memory.ts';
import type { DecisionStore } from './decision-store.ts';
import type { DecisionDisk } from './disk/decision-disk.ts';
import type { Prediction } from './evidence/evidence.ts';
import { HitJudge, type HitJudgement } from './evidence/hit-judge.ts';
import { Exchange } from './exchange/exchange.ts';
import type { Precedent } from './exchange/precedent.ts';
import { FalseHits, type HitTier, type SharedHits } from './false-hits.ts';
import { AdaptiveTtl } from './freshness/adaptive-ttl.ts';
import { isRefreshDue } from './freshness/refresh-ahead.ts';
import type { LearnedFile } from './learned/learned-file.ts';
import type { LearnedPart } from './learned/learned-part.ts';
import type { Hit, Look, Miss, Near, Shadow, Standing } from './look.ts';
import { type AgentMemory, actionInVain, isUnchanged, LoopGuard } from './loop-guard.ts';
import { evidenceReason, rememberedReason } from './reasons.ts';
import { decisionFor, rememberedAction } from './remembered-action.ts';
import { NearAnswers, shadowOf } from './similar/near-answers.ts';
import { NO_AGREEMENT, type PanelAgreement, TierStanding } from './standing/tier-standing.ts';
import { ownKind } from './tally-change.ts';

/** An entry is not considered for a refresh while its time left exceeds this many times its compute time: the chance of a refresh is below e^-40. */
const REFRESH_HORIZON = 40;

/** What a miss reports in addition to what was found. */
type MissParts = Partial<Pick<Miss, 'inVain' | 'standing' | 'isCycle' | 'shadow' | 'judgement'>>;

/** What the caches of several domains have in common. */
export interface SharedStore {
  readonly store: DecisionStore;
  readonly rules: ServingRulesWriter;
}
/** What a hit rests on: an entry of the store, or a habit, which has no slot. */
type HitEntry = Pick<StoreEntry, 'decision' | 'expiresAtMs'> & { readonly slot: SlotIndex | undefined };

/** Earlier decisions by state: the coordinator's side of the shared store, with the rules for what may be served. */
export class PlanCache {
  readonly buffer: SharedArrayBuffer;
  /** What of other nodes is part of the evidence here, and what they are told of it. */
  readonly exchange: Exchange;
  readonly #options: ResolvedCache;
  readonly #domain: Domain;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #placer: Placer;
  readonly #memory: DecisionMemory;
  readonly #near: NearAnswers;
  readonly #guard: LoopGuard;
  readonly #judge: HitJudge | undefined;
  readonly #budgeted: BudgetedAnswers | undefined;
  readonly #falseHits = new FalseHits();
  readonly #learner: DecisionLearner;
  /** Not used if there is an error budget, which has its own evidence. */
  readonly #standing: TierStanding;
  /** What other readers of the store are told. */
  readonly #rules: Pick<ServingRulesWriter, 'doubt' | 'clear'>;
  readonly #adaptiveTtl: AdaptiveTtl | undefined;
  readonly #counts = emptyCounts();
  #learned: LearnedFile | undefined;

  /** `models` reports how often models agree with each other, the measure for tiers. `shared`: what several domains have in common. */
  constructor(
    options: ResolvedCache,
    domain: Domain,
    clock: Clock,
    random: Random,
    models: PanelAgreement = NO_AGREEMENT,
    shared?: SharedStore,
  ) {
    this.#options = options;
    this.#domain = domain;
    this.#clock = clock;
    this.#random = random;
    const signer = new Signer(domain);
    this.#placer = new Placer(domain, signer);
    this.#memory = new DecisionMemory(options, this.#placer, shared?.store);
    this.buffer = this.#memory.buffer;
    this.#near = new NearAnswers(options, this.#memory, this.#placer);
    this.#guard = new LoopGuard(options.agentsMax);
    if (options.errorBudget !== false) {
      this.#judge = new HitJudge(options.errorBudget, random, ttlMaxOf(options));
      this.#budgeted = new BudgetedAnswers({
        domain,
        habit: options.habit,
        judge: this.#judge,
        memory: this.#memory,
        near: this.#near,
        placer: this.#placer,
        signer,
      });
    }
    const hasBudget = options.errorBudget !== false;
    this.#rules = shared
      ? new DomainRulesWriter(shared.rules, domain.scope ?? domain.name, hasBudget)
      : new ServingRulesWriter(this.buffer, { hasBudget, valuesMin: options.valuesMin });
    this.#standing = new TierStanding(options.trust, models, (...doubt) => this.#rules.doubt(...doubt));
    this.exchange = new Exchange(this.#judge?.totalsParts() ?? [this.#standing.totalsPart()]);
    if (options.ttl === 'adaptive') {
      const { ttlMs: initialMs, ttlMinMs: minMs, ttlMaxMs: maxMs } = options;
      this.#adaptiveTtl = new AdaptiveTtl({ initialMs, minMs, maxMs });
    }
    this.#learner = new DecisionLearner({
      options,
      domain,
      clock,
      memory: this.#memory,
      guard: this.#guard,
      judge: this.#judge,
      falseHits: this.#falseHits,
      standing: this.#standing,
      adaptiveTtl: this.#adaptiveTtl,
    });
  }

  /** Connects the disk tier: decisions of earlier runs are looked up there, and new ones are written there. */
  useDisk(disk: DecisionDisk): Promise<void> {
    return this.#memory.useDisk(disk);
  }

  /** What the cache knows in addition to decisions and outlives the process, the largest part first. */
  learnedParts(): readonly LearnedPart[] {
    const evidence = this.#judge?.learnedParts(this.#clock) ?? this.#standing.learnedParts();
    const ofAgents = this.#guard.learnedParts(this.#clock, ttlMaxOf(this.#options));
    return [...evidence, ...ofAgents, ...this.exchange.learnedParts()];
  }

  /** What of the evidence consists of sums, with the totals that are part of it. */
  summedParts(): readonly LearnedPart[] {
    const summed = this.#judge?.summedParts() ?? this.#standing.learnedParts();
    return [...summed, this.exchange.totals.learnedPart()];
  }

  /** Connects the file that keeps `learnedParts`. */
  useLearned(file: LearnedFile): void {
    this.#learned = file;
  }

  /** Connects the other nodes of a cluster: they are told what this cache learns, and it is told by `adopt` and `heard`. */
  share(journal: DecisionJournal, onNews: () => void): void {
    this.#memory.journal = journal;
    this.#guard.onNews = onNews;
    this.exchange.onLearned = () => this.#learned?.changed();
    this.exchange.onClear = () => this.#learned?.cleared();
    if (this.#judge !== undefined) this.#judge.onPrecedent = (precedent) => journal.learned(precedent);
  }

  /** Learns from a precedent of another node. Returns false if it cannot be from a node. */
  hearPrecedent(precedent: Precedent): boolean {
    this.#learned?.changed();
    return this.#judge?.hear(precedent) ?? true;
  }

  /** Remembers what another node has decided, in place of what is remembered. */
  adopt(adopted: AdoptedDecision, isAmended: boolean): void {
    if (isAmended) this.#memory.adoptAmended(adopted);
    else this.#memory.adopt(adopted);
  }

  /** Whether the disk has a decision for a state that was made later than this. */
  hasNewer(signature: Signature, decidedAtMs: number): boolean {
    return this.#memory.hasNewer(signature, decidedAtMs);
  }

  /** Records what an agent did at another node, as if it had asked here. */
  heard(act: AgentAct): void {
    const left = this.#guard.heard(act, this.#clock.now());
    if (left !== undefined) this.#adaptiveTtl?.stateSeen(left.scene, left.ms);
    this.#learned?.changed();
  }

  /** Takes the last acts of agents since the last time, for other nodes. */
  takeNews(): AgentNews {
    return this.#guard.takeNews();
  }

  /** Whether the place of a state can be one of this cache's domain. */
  fits({ coordinates, soft }: StatePoint): boolean {
    return coordinates.length === this.#placer.dimensions && soft.length === this.#placer.softWeights.length;
  }

  /** Looks for a remembered answer that may be served now. */
  look(request: PlanRequest, signature: Signature, nowMs = this.#clock.now()): Look {
    const memory = this.#guard.recall(request.agent);
    const inVain = this.#options.loopGuard ? actionInVain(memory, signature) : undefined;
    const exact = this.#memory.look(signature, nowMs);
    const budgeted = this.#budgeted;
    if (budgeted !== undefined) {
      return this.#lookWithinBudget(request, signature, exact, budgeted, { memory, inVain, nowMs });
    }
    return exact.kind === 'hit'
      ? this.#lookExact(request, signature, exact, memory, inVain, nowMs)
      : this.#lookNear(request, signature, exact, memory, inVain, nowMs);
  }

  /** Returns a fresh decision for the same state that may be served. Counts nothing and changes nothing. */
  peek(request: PlanRequest, signature: Signature): Decision | undefined {
    const lookup = this.#memory.peek(signature, this.#clock.now());
    if (lookup.kind !== 'hit') return undefined;
    const { decision } = lookup.entry;
    const memory = this.#guard.recall(request.agent);
    const inVain = this.#options.loopGuard ? actionInVain(memory, signature) : undefined;
    if (this.#budgeted !== undefined) {
      const predicted = this.#budgeted.peek(request, signature, { memory, inVain });
      return predicted === undefined ? undefined : decisionFor(decision, predicted);
    }
    const action = rememberedAction(request, decision);
    if (action === undefined || action === inVain || this.#near.contradicts(request, action)) return undefined;
    if (this.#options.cycleGuard && this.#guard.isCycle(memory, signature, action)) return undefined;
    if (this.#isDoubted(request, decision)) return undefined;
    return decisionFor(decision, action);
  }

  /** Learns from a decision of models for a request that was not served. `others` are requests in the same state that share it. */
  learn(
    request: PlanRequest,
    signature: Signature,
    look: Look,
    decision: Decision,
    others: readonly AskedRequest[] = [],
  ): void {
    this.#learner.learn({ request, signature, look }, decision, others);
    this.#learned?.changed();
  }

  /** Remembers what models decided for a state that an agent is expected to be in. `asked` are requests in it that wait for that by now. */
  foreseen(request: PlanRequest, signature: Signature, decision: Decision, asked: readonly AskedRequest[] = []): void {
    // With an error budget, only evidence serves: the decision becomes part of it.
    if (asked.length === 0) this.#budgeted?.foreseen(request, signature, decision.action);
    else this.#learner.learnOutcomes(asked, decision);
    this.#learner.foreseen(request, signature, decision);
    this.#learned?.changed();
  }

  /** Whether a state will have a fresh decision at some time that would be served now. Counts nothing. */
  knows(request: PlanRequest, signature: Signature, atMs: number): boolean {
    return this.remembers(signature, atMs) && this.peek(request, signature) !== undefined;
  }

  /** Whether a state will have a fresh decision at some time, served or not. Counts nothing. */
  remembers(signature: Signature, atMs: number): boolean {
    return this.#memory.peek(signature, atMs).kind === 'hit';
  }

  /** Whether an agent acted last in this state. */
  wasIn(agent: string, signature: Signature): boolean {
    const memory = this.#guard.recall(agent);
    return memory !== undefined && isUnchanged(memory, signature);
  }

  /** The expired decision for a state. Counts nothing. */
  expired(signature: Signature): Decision | undefined {
    const lookup = this.#memory.peek(signature, this.#clock.now());
    return lookup.kind === 'stale' ? lookup.entry.decision : undefined;
  }

  /** Adds votes of models that were asked later. Returns the decision that is now remembered. */
  addVotes(request: PlanRequest, signature: Signature, decision: Decision): Decision {
    return this.#learner.addVotes(request, signature, decision);
  }

  /** Records the outcome of requests that were not served and share a decision, if what to remember of it comes another way. */
  learnOutcomes(asked: readonly AskedRequest[], decision: Decision): void {
    this.#learner.learnOutcomes(asked, decision);
  }

  /**
   * Records that models were asked again, in the background, about a hit. `others` are hits of the same state that share the answer.
   * `isElsewhere`: by another node, so that the votes come through the log of the cluster.
   */
  checked(
    request: PlanRequest,
    signature: Signature,
    hit: Hit,
    decision: Decision,
    others: readonly SharedHits[] = [],
    isElsewhere = false,
  ): void {
    this.#learner.checked(hit, decision, others);
    if (!isElsewhere) this.#learner.addChecked(request, signature, hit, decision);
    this.#learned?.changed();
  }

  /** Records that hits that were to be checked never will be. */
  lost(hits: readonly SharedHits[]): void {
    this.#falseHits.lost(hits);
  }

  /** Whether the answer of a hit is still remembered and fresh. */
  holds(signature: Signature, { tier, expiresAtMs }: Hit): boolean {
    const nowMs = this.#clock.now();
    return tier === 'exact' ? this.#memory.peek(signature, nowMs).kind === 'hit' : nowMs < expiresAtMs;
  }

  /** Records that the agent takes this action in this state, whether memory, a model or the caller chose it. */
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
    this.#learned?.changed();
  }

  clear(): void {
    this.#memory.clear();
    this.#guard.clear();
    this.#judge?.clear();
    this.#standing.clear();
    this.exchange.totals.clear();
    this.#rules.clear();
    this.#learned?.cleared();
  }

  /** Counts a miss that memory answered after all, because no model answered in time. */
  stood(): void {
    this.#counts.stood++;
  }

  /** Closes the disk tier. Resolves when everything remembered is on disk. */
  async close(): Promise<void> {
    await Promise.all([this.#memory.close(), this.#learned?.close()]);
  }

  stats(): CacheStats {
    const { exactHits, stale, misses, ...held } = this.#memory.stats();
    const { similarHits, habitHits, ...counts } = this.#counts;
    const hits = exactHits + similarHits + habitHits;
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
      habitHits,
      misses: misses + stale,
      expired: stale,
      hitRate: lookups === 0 ? 0 : hits / lookups,
      ...counts,
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
      this.#learner.weaken(signature, exact.entry, action);
      return this.#miss(request, exact, { inVain });
    }
    if (this.#near.contradicts(request, action)) {
      this.#counts.contradicted++;
      return this.#miss(request, exact, { inVain });
    }
    const isInCycle = this.#goesRound(memory, signature, action);
    if (!isInCycle && !this.#isDoubted(request, decision)) {
      return this.#hit('exact', request, exact.entry, action, nowMs, undefined);
    }
    const standing: Standing = { tier: 'exact', action, reason: rememberedReason(decision, action), decision };
    if (isInCycle) return this.#cycle(request, exact, action, standing);
    this.#counts.withheld++;
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
    const { confirmed, similar, passedOver } = this.#near.find(request, inVain, nowMs);
    const found = [confirmed, similar].filter((near) => near !== undefined);
    const scene = sceneOf(this.#domain, request.observation);
    const served = found.find(({ kind, distance }) => this.#standing.serves(kind, scene, distance));
    if (served === undefined) {
      if (found.length > 0) this.#counts.withheld++;
      else if (passedOver === 'loop') this.#counts.loopsBroken++;
      else if (passedOver === 'contradicted') this.#counts.contradicted++;
      return this.#miss(request, exact, { inVain, shadow: shadowOf(request, exact, found, inVain) });
    }
    const { entry, action, kind, distance } = served;
    const { decision } = entry;
    const standing: Standing = { tier: 'similar', action, reason: rememberedReason(decision, action), decision };
    if (this.#goesRound(memory, signature, action)) return this.#cycle(request, exact, action, standing);
    const probeShare = this.#standing.probeShare(kind, scene, distance);
    if (probeShare > 0 && this.#random.next() < probeShare) {
      this.#counts.probes++;
      const shadow = shadowOf(request, exact, found, inVain);
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
    return this.#standing.isDoubted(ownKind(decision), sceneOf(this.#domain, request.observation));
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
    if (heldBackBy !== undefined) this.#counts[heldBackBy]++;
    const prediction = judgement?.prediction;
    if (exact.kind === 'hit' && inVain !== undefined && prediction?.action === inVain) {
      this.#learner.weaken(signature, exact.entry, inVain);
    }
    if (prediction === undefined || judgement?.verdict !== 'serve') {
      return this.#miss(request, exact, { inVain, judgement });
    }
    const { action } = prediction;
    if (base === undefined) return this.#hit('habit', request, this.#habitEntry(prediction), action, nowMs, judgement);
    return this.#hit(exact.kind === 'hit' ? 'exact' : 'similar', request, base, action, nowMs, judgement);
  }

  /** A habit as if it were remembered: decided when the newest decision was that it rests on. */
  #habitEntry({ action, habitAtMs = this.#clock.now() }: Prediction): HitEntry {
    const decidedAtMs = habitAtMs + stampOffsetMs(this.#clock);
    const decision: Decision = { action, reason: '', source: 'vote', model: '', decidedAtMs, latencyMs: 0, tally: [] };
    return { decision, expiresAtMs: habitAtMs + ttlMaxOf(this.#options), slot: undefined };
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
    if (slot !== undefined) this.#memory.touch(slot);
    const scene = sceneOf(this.#domain, request.observation);
    if (tier === 'habit') this.#counts.habitHits++;
    else if (tier === 'similar') this.#counts.similarHits++;
    else this.#memory.count('hit');
    if (tier === 'exact' && slot !== undefined) this.#memory.noteScene(slot, scene);
    const again = this.#again(tier, entry, nowMs);
    this.#falseHits.served(tier, scene, again === 'check');
    const reason =
      judgement === undefined ? rememberedReason(decision, action) : evidenceReason(decision, action, judgement);
    return { kind: 'hit', tier, action, reason, decision, expiresAtMs, scene, near, again, judgement };
  }

  #miss(request: PlanRequest, exact: Lookup, parts: MissParts): Miss {
    this.#memory.count(exact.kind === 'stale' ? 'stale' : 'miss');
    const { inVain, standing, isCycle = false, shadow, judgement } = parts;
    // This rung does not serve an action a third time either if it had no effect twice.
    const expired = exact.kind === 'stale' ? exact.entry.decision : undefined;
    const isInVain = expired !== undefined && rememberedAction(request, expired) === inVain;
    const stale = isInVain ? undefined : expired;
    const tier = exact.kind === 'hit' ? 'exact' : 'similar';
    return { kind: 'miss', stale, inVain, standing, isCycle, shadow, tier, judgement };
  }

  #again(tier: HitTier, { decision, expiresAtMs }: HitEntry, nowMs: number): Hit['again'] {
    const { checkShare, refreshAhead } = this.#options;
    if (checkShare > 0 && this.#random.next() < checkShare) return 'check';
    if (!refreshAhead || tier !== 'exact') return undefined;
    const { latencyMs: computeMs } = decision;
    if (expiresAtMs - nowMs > computeMs * REFRESH_HORIZON) return undefined;
    return isRefreshDue({ nowMs, expiresAtMs, computeMs, random: this.#random.next() }) ? 'refresh' : undefined;
  }
}
