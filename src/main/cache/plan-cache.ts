import type { Clock } from '../../shared/clock.ts';
import type { Decision } from '../../shared/decision.ts';
import { type Domain, sceneOf } from '../../shared/domain.ts';
import { Placer, type StatePoint } from '../../shared/place.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import type { Random } from '../../shared/random.ts';
import { type Signature, Signer } from '../../shared/signature.ts';
import { DomainRulesWriter, ServingRulesWriter } from '../../shared/store/serving-rules.ts';
import type { AdoptedDecision } from './adopted-decision.ts';
import { AnswerFinder } from './answer-finder.ts';
import { BudgetedAnswers } from './budgeted-answers.ts';
import { type CacheStats, emptyCounts, type ResolvedCache, ttlMaxOf } from './cache-options.ts';
import type { AgentAct, AgentNews, DecisionJournal } from './decision-journal.ts';
import { type AskedRequest, DecisionLearner } from './decision-learner.ts';
import { DecisionMemory } from './decision-memory.ts';
import type { DecisionStore } from './decision-store.ts';
import type { DecisionDisk } from './disk/decision-disk.ts';
import { HitJudge } from './evidence/hit-judge.ts';
import { Exchange } from './exchange/exchange.ts';
import type { Precedent } from './exchange/precedent.ts';
import { FalseHits, type SharedHits } from './false-hits.ts';
import { AdaptiveTtl } from './freshness/adaptive-ttl.ts';
import type { LearnedFile } from './learned/learned-file.ts';
import type { LearnedPart } from './learned/learned-part.ts';
import type { Hit, Look } from './look.ts';
import { isUnchanged, LoopGuard } from './loop-guard.ts';
import { NearAnswers } from './similar/near-answers.ts';
import { NO_AGREEMENT, type PanelAgreement, TierStanding } from './standing/tier-standing.ts';

/** What the caches of several domains have in common. */
export interface SharedStore {
  readonly store: DecisionStore;
  readonly rules: ServingRulesWriter;
}

/** Earlier decisions by state: the coordinator's side of the shared store, with the rules for what may be served. */
export class PlanCache {
  readonly buffer: SharedArrayBuffer;
  /** What of other nodes is part of the evidence here, and what they are told of it. */
  readonly exchange: Exchange;
  readonly #options: ResolvedCache;
  readonly #domain: Domain;
  readonly #clock: Clock;
  readonly #placer: Placer;
  readonly #memory: DecisionMemory;
  readonly #guard: LoopGuard;
  readonly #judge: HitJudge | undefined;
  readonly #budgeted: BudgetedAnswers | undefined;
  readonly #finder: AnswerFinder;
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
    const signer = new Signer(domain);
    this.#placer = new Placer(domain, signer);
    this.#memory = new DecisionMemory(options, this.#placer, shared?.store);
    this.buffer = this.#memory.buffer;
    const near = new NearAnswers(options, this.#memory, this.#placer);
    this.#guard = new LoopGuard(options.agentsMax);
    if (options.errorBudget !== false) {
      this.#judge = new HitJudge(options.errorBudget, random, ttlMaxOf(options));
      this.#budgeted = new BudgetedAnswers({
        domain,
        habit: options.habit,
        judge: this.#judge,
        memory: this.#memory,
        near,
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
    this.#finder = new AnswerFinder({
      options,
      domain,
      clock,
      random,
      memory: this.#memory,
      near,
      guard: this.#guard,
      falseHits: this.#falseHits,
      learner: this.#learner,
      standing: this.#standing,
      budgeted: this.#budgeted,
      counts: this.#counts,
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
    return this.#finder.look(request, signature, nowMs);
  }

  /** Returns a fresh decision for the same state that may be served. Counts nothing and changes nothing. */
  peek(request: PlanRequest, signature: Signature): Decision | undefined {
    return this.#finder.peek(request, signature);
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

  /**
   * Records the outcome of requests that were not served and share a decision of another node. The decision itself, and what is to be
   * learned from it, come through the log of the cluster.
   */
  learnOutcomes(asked: readonly AskedRequest[], decision: Decision): void {
    this.#learner.learnOutcomes(asked, decision, true);
  }

  /**
   * Records that models were asked again, in the background, about a hit. `others` are hits of the same state that share the answer.
   * `isElsewhere`: by another node, so that the votes, and what is to be learned from them, come through the log of the cluster.
   */
  checked(
    request: PlanRequest,
    signature: Signature,
    hit: Hit,
    decision: Decision,
    others: readonly SharedHits[] = [],
    isElsewhere = false,
  ): void {
    this.#learner.checked(hit, decision, others, isElsewhere);
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
}
