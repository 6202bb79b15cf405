import type { Clock } from '../../shared/clock.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import type { Random } from '../../shared/random.ts';
import type { CallReport } from '../../shared/tasks.ts';
import type { ChatCaller } from '../../shared/vote-answer.ts';
import type { Features } from '../options/features.ts';
import type { ResolvedEndpoint } from '../options/planner-options.ts';
import { type EndpointFacts, NO_FACTS } from './discovery/endpoint-facts.ts';
import { type AskFacts, FactsWatch } from './discovery/facts-watch.ts';
import { type BreakerStats, CircuitBreaker } from './health/circuit-breaker.ts';
import { referenceCall } from './health/reference-call.ts';
import { ServerDoubt } from './health/server-doubt.ts';
import { type AskLoaded, MemoryWatch } from './memory/memory-watch.ts';
import { type MemoryVisit, ModelMemory, type ModelMemoryStats } from './memory/model-memory.ts';
import { ModelTurns } from './memory/model-turns.ts';
import type { CallShows } from './memory/swap-times.ts';
import { AdaptiveLimit } from './slots/adaptive-limit.ts';
import { CallWidth } from './slots/call-width.ts';
import { type Ask, EndpointGate, type Slot, type SlotNeed } from './slots/endpoint-gate.ts';
import { type AskBusy, HoldWatch } from './slots/hold-watch.ts';
import type { Machine } from './slots/machine.ts';
import { callToGiveUp, companyToGiveUp, leftMs, type RoomQuestion, type Work } from './slots/room.ts';
import { holdAfterAbort } from './slots/slot-hold.ts';
import {
  type CallKind,
  LatencyProfile,
  type PhaseTimeouts,
  type ProfileStats,
  type SavedProfile,
} from './time/latency-profile.ts';
import { profileKey } from './time/profile-file.ts';
import type { ProfileEntry } from './time/profile-text.ts';
import { TokenRatios } from './time/token-ratios.ts';

/** What `stats()` tells of one endpoint. */
export interface EndpointStats {
  readonly endpoint: string;
  readonly kind: EndpointFacts['kind'];
  /** Calls it is given at once now, and whether the server told so. */
  readonly slots: number;
  readonly slotsKnown: boolean;
  /** The machine whose slots it shares with other endpoints, as configured. */
  readonly machine?: string;
  /** Of these, calls with a deadline that are made at once: fewer where more would all be late. */
  readonly width: number;
  readonly busy: number;
  /** Of the busy ones, those whose aborted calls are thought to be at work still. */
  readonly held: number;
  readonly waiting: number;
  /** Calls that nobody waited for, given up for somebody who could make a deadline with their slots. */
  readonly givenUp: number;
  readonly breaker: BreakerStats;
  /** Requests known to be good, made to find out whether failures were the server's or those of the requests. */
  readonly referenceCalls: number;
  /** Times that the server was asked again what it is and has. */
  readonly factsAsked: number;
  /** What is known of the models in its memory. */
  readonly memory: ModelMemoryStats;
  readonly profiles: readonly (ProfileStats & { readonly model: string; readonly kind: CallKind })[];
}

/** How a call ended, as far as its endpoint learns from it. */
export type CallEnd =
  | { readonly ok: true; readonly report: CallReport }
  | { readonly ok: false; readonly error: { readonly code: ErrorCode }; readonly report: CallReport };

/** What is known of a call as it begins. */
export interface CallBegin {
  /** Whether it may have to wait until its model is loaded. */
  readonly isCold: boolean;
  readonly visit?: MemoryVisit;
}

export interface EndpointParts {
  readonly endpoint: ResolvedEndpoint;
  readonly features: Features;
  readonly clock: Clock;
  readonly random: Random;
  /** The longest timeout configured, for what profiles show. */
  readonly ceilingMs: number;
  /** Makes reference calls; without one, unclear failures in a row are the server's. */
  readonly caller?: ChatCaller | undefined;
  /** Asks the server again what it is and has; without it, what was learnt stays. */
  readonly askFacts?: AskFacts | undefined;
  /** How many slots of the server are at work, where it tells; without it, what is held is estimated. */
  readonly askBusy?: AskBusy | undefined;
  /** The models that are configured to be asked here. */
  readonly models?: ReadonlySet<string>;
  /** Asks which models are in its memory now; undefined where it does not tell. Never rejects. */
  readonly askLoaded?: AskLoaded | undefined;
  /** Where it shares its machine with other endpoints. */
  readonly machine?: Machine | undefined;
}

/** A model that nobody asked for longer than this may have been put out of memory (Ollama does so after 5 minutes). */
const IDLE_MS_MAX = 240_000;
const PROFILES_MAX = 256;
const PROBE_MS_MIN = 3_000;
const PROBE_MARGIN = 2;
/** Calls that fail so soon after one another have failed of the same cause, and count once for health and slots. */
const BURST_MS = 100;
/** Of a model's calls, this share is done after the usual time, */
const USUAL = 0.95;
/** which is this where times are not known. */
const USUAL_MS = 1_000;
/** Calls that take this many times as long beside another one slow one another. */
const SLOWED = 1.15;
/** So many calls of a model make up what is known of its use. */
const USE_MEMORY = 20;
const TRY_EVERY_MS = 2_000;
/** A place that is not asked since it is slow is tried again after so long. */
const CHECK_EVERY_MS = 5_000;
/** Where no call of a model gives anything, another place is preferred as if these took so much longer. */
const USELESS_MS = 5_000;
const USEFUL_MIN = 0.05;
/** Weight of the latest call in how long a slot is occupied. */
const OCCUPIED_WEIGHT = 0.1;
/** A call that was given up before anything came, after longer than this share of calls takes to begin, was silent; */
const SILENT_QUANTILE = 0.99;
/** or after so long, where times are not known. */
const SILENT_MS = 2_000;
/** A load may take this many times as long as usual; then its silence is like any other. */
const LOADING_TIMES = 2;

/** Everything known of one model server: its slots, its health, its times. */
export class ModelEndpoint {
  readonly name: string;
  readonly gate: EndpointGate;
  readonly breaker: CircuitBreaker;
  readonly #parts: EndpointParts;
  readonly #doubt: ServerDoubt;
  readonly #tokens = new TokenRatios();
  readonly #watch: FactsWatch | undefined;
  readonly #holds: HoldWatch | undefined;
  readonly #width = new CallWidth();
  readonly memory: ModelMemory;
  readonly #modelTurns: ModelTurns;
  readonly #memoryWatch: MemoryWatch | undefined;
  #limit: AdaptiveLimit;
  #facts: EndpointFacts = NO_FACTS;
  readonly #profiles = new Map<string, { model: string; kind: CallKind; profile: LatencyProfile }>();
  /** When each model last answered. */
  readonly #answeredAtMs = new Map<string, number>();
  #failedAtMs = Number.NEGATIVE_INFINITY;
  /** Of the latest calls of each model, the share that gave a vote. */
  readonly #usefulShares = new Map<string, number>();
  /** When each kind of call was last let through against what is known of its times. */
  readonly #triedAtMs = new Map<string, number>();
  /** When the latest call of each kind was begun. */
  readonly #beganAtMs = new Map<string, number>();
  /** Calls of plans at work here. */
  readonly #works = new Set<Work>();
  #givenUp = 0;
  /** How long calls of all models occupy a slot, of late. */
  #occupiedMs: number | undefined;

  constructor(parts: EndpointParts) {
    const { endpoint, features, clock, random, caller, askFacts, askBusy, askLoaded } = parts;
    this.#parts = parts;
    this.name = endpoint.name;
    this.breaker = new CircuitBreaker(clock, random);
    this.#limit = new AdaptiveLimit(endpoint.maxConcurrent, this.#slotsKnown());
    const slots = features.adaptiveSlots ? () => this.#limit.now : endpoint.maxConcurrent;
    this.gate = new EndpointGate(clock, slots, endpoint.staggerMs, parts.machine);
    this.memory = new ModelMemory(clock, features.residency, parts.models);
    this.#modelTurns = new ModelTurns(clock, this.memory);
    this.gate.turns = this.#modelTurns;
    this.#memoryWatch = askLoaded && features.residency ? new MemoryWatch(clock, this.memory, askLoaded) : undefined;
    this.gate.onPressure = (ask) => this.#makeRoom(ask);
    this.#holds = askBusy && new HoldWatch(clock, this.gate, askBusy);
    this.gate.isHeldOn = () => this.#holds?.isBusy === true;
    this.#watch = askFacts && new FactsWatch(clock, askFacts, (facts) => this.#apply(facts));
    const { gate } = this;
    this.#doubt = new ServerDoubt(
      this.breaker,
      caller && ((model, signal) => referenceCall({ caller, gate, clock }, model, signal)),
    );
    this.gate.usefulCompany = () => this.#usefulCompany;
    // A number of slots that is learned is itself as many calls as get more done together.
    if (features.callWidth)
      this.gate.widthMax = () => (this.#limit.isKnown ? this.#width.now(clock.now()) : Number.POSITIVE_INFINITY);
  }

  get facts(): EndpointFacts {
    return this.#facts;
  }

  /** What the server told at start. */
  learn(facts: EndpointFacts): void {
    this.#watch?.learnt(facts);
    this.#apply(facts);
  }

  #apply(facts: EndpointFacts): void {
    const slotsBefore = this.#slotsKnown();
    this.#facts = facts;
    this.#memoryWatch?.learnt(facts);
    // A number that was learned from times stays where the server tells none.
    if (this.#slotsKnown() === slotsBefore) return;
    this.#limit = new AdaptiveLimit(this.#parts.endpoint.maxConcurrent, this.#slotsKnown());
    this.gate.wake();
  }

  /** Whether the number of its slots was told, by the server or the user, and not learned. */
  get hasKnownSlots(): boolean {
    return this.#parts.features.adaptiveSlots && this.#limit.isKnown;
  }

  /** Whether the breaker lets nobody in. */
  get isResting(): boolean {
    return this.#parts.features.breaker && this.breaker.isOpen;
  }

  /** Whether a call that is let in now is the one that decides whether the breaker closes. */
  get isProbed(): boolean {
    return this.#parts.features.breaker && this.breaker.stats().state === 'half-open';
  }

  /**
   * How long the one call may take that decides whether the breaker closes: no longer than the model is known to need, so that the
   * endpoint does not rest for long, but a server that is slow must have its time. Infinite where nothing is known.
   */
  probeMs(model: string, kind: CallKind): number {
    const usualMs = this.workMs(model, kind);
    return usualMs === undefined ? Number.POSITIVE_INFINITY : Math.max(PROBE_MS_MIN, PROBE_MARGIN * usualMs);
  }

  /** Takes a place at the breaker: every `true` is followed by `ended`. */
  tryEnter(): boolean {
    return !this.#parts.features.breaker || this.breaker.tryEnter();
  }

  profileOf(model: string, kind: CallKind): LatencyProfile {
    const key = `${kind}\n${model}`;
    let known = this.#profiles.get(key);
    if (known === undefined) {
      if (this.#profiles.size >= PROFILES_MAX) this.#profiles.clear();
      known = { model, kind, profile: new LatencyProfile() };
      this.#profiles.set(key, known);
    }
    return known.profile;
  }

  /** What is known of its times, for a restart. */
  *savedProfiles(): Generator<ProfileEntry> {
    for (const { model, kind, profile } of this.#profiles.values()) {
      yield [profileKey(this.#parts.endpoint.baseURL, model, kind), profile.save()];
    }
  }

  /** Takes up what was known of a model before a restart. */
  restoreProfile(model: string, kind: CallKind, saved: ReadonlyMap<string, SavedProfile>): void {
    const known = saved.get(profileKey(this.#parts.endpoint.baseURL, model, kind));
    if (known !== undefined) this.profileOf(model, kind).restore(known);
  }

  /** The timeouts of a call that begins now. */
  timeouts(model: string, kind: CallKind, ceilingMs: number): PhaseTimeouts {
    if (!this.#parts.features.learnedTimeouts) {
      return { headersMs: ceilingMs, firstTokenMs: ceilingMs, gapMs: ceilingMs, totalMs: ceilingMs };
    }
    return this.profileOf(model, kind).timeouts(ceilingMs, this.isCold(model));
  }

  /** Whether the server says that a model takes no pictures. */
  isBlind(model: string): boolean {
    return this.#facts.models.find(({ id }) => id === model)?.vision === false;
  }

  /** The model that a call was let in for. */
  modelOf(slot: Slot): string | undefined {
    return this.#modelTurns.modelOf(slot);
  }

  /** Whether a call of another model is at work, whose answer a load would end. */
  isBusyWithOthers(model: string): boolean {
    return this.#modelTurns.isBusyWithOthers(model);
  }

  /** Asks which models are in memory, where the server tells. Never rejects. */
  async lookAtMemory(): Promise<void> {
    await this.#memoryWatch?.look();
  }

  /** A call begins now: what is told of its end. */
  begins(model: string): CallBegin {
    const isCold = this.isCold(model);
    const visit = this.memory.begins(model);
    // Whoever waits can be asked of this model now.
    if (visit.isLoad && this.memory.isShort) this.#parts.clock.nextTurn(() => this.gate.wake());
    this.#memoryWatch?.used();
    return { isCold: isCold || (visit.isLoad && this.memory.isShort), visit };
  }

  /** Whether a call may have to wait until the model is loaded. */
  isCold(model: string): boolean {
    if (this.memory.loadMs(model) > 0) return true;
    const answeredAtMs = this.#answeredAtMs.get(model);
    if (answeredAtMs !== undefined) return this.#parts.clock.now() - answeredAtMs > IDLE_MS_MAX;
    return this.#facts.models.find(({ id }) => id === model)?.loaded !== true;
  }

  /** How long the call itself is expected to take once it is let in, with a load; milliseconds, undefined while nothing is known. */
  workMs(model: string, kind: CallKind): number | undefined {
    const ms = this.profileOf(model, kind).expectedMs;
    return ms === undefined ? undefined : ms + this.memory.loadMs(model);
  }

  /**
   * When a call that is asked for now is expected to be done, milliseconds from now: its turn at the slots, and its work.
   * Undefined while nothing is known of the model here.
   */
  expectedMs(model: string, kind: CallKind, rankMs: number): number | undefined {
    const workMs = this.workMs(model, kind);
    if (workMs === undefined) return undefined;
    return workMs + this.#waitMs(rankMs, workMs);
  }

  /**
   * Until it is the turn of a call, by what is left of those at work. An estimate: background work is taken to make room, though it
   * does so only where that helps the newcomer.
   */
  #waitMs(rankMs: number, workMs: number): number {
    const { gate } = this;
    const ahead = gate.ahead(rankMs);
    if (ahead < gate.free + gate.inBackground) return 0;
    const question = this.#roomQuestion(0);
    const { slots: width } = question;
    const lefts = question.works
      .filter(({ slot }) => !slot.isBackground)
      .map((work) => leftMs(work, question))
      .map((ms) => (ms === Number.POSITIVE_INFINITY ? workMs : ms))
      .concat(gate.heldLeftMs)
      .sort((a, b) => a - b);
    // More are at work than may be by now: the first to end make room for nobody.
    lefts.splice(0, Math.max(0, lefts.length - width));
    const free = Math.max(0, gate.free + gate.inBackground);
    const taken = Math.max(0, width - lefts.length - free);
    // Calls of which nothing is known here end one after the other.
    for (let nth = 1; nth <= taken; nth++) lefts.push((workMs * nth) / taken);
    while (lefts.length < width) lefts.push(0);
    lefts.sort((a, b) => a - b);
    return (lefts[ahead % width] as number) + Math.floor(ahead / width) * workMs;
  }

  /**
   * The same to compare places by: what is not known yet is tried where a slot is idle, and where no call of the model gives
   * anything, that counts as time.
   */
  rankedMs(model: string, kind: CallKind, rankMs: number): number {
    const known = this.expectedMs(model, kind, rankMs) ?? (this.gate.idle > 0 ? 0 : Number.MAX_VALUE);
    const share = Math.max(this.usefulShare(model), USEFUL_MIN);
    return known / share + (1 - share) * USELESS_MS;
  }

  /**
   * When a call that is asked for now is expected to have answered, milliseconds from now, by the latest calls: its turn at the
   * slots, the company it will have, the spread of its times, and what is known of calls that were cut or still run. Where nothing
   * is known, one call after the other finds out: its work is taken for `quickestMs`, or for nothing where that is infinite.
   */
  foreseenMs(model: string, kind: CallKind, rankMs: number, quickestMs: number): number {
    const { gate } = this;
    const company = Math.min(gate.width, gate.busy - gate.inBackground + 1);
    const loadMs = this.memory.loadMs(model);
    const workMs = this.meanMs(model, kind, company);
    if (workMs === undefined) {
      if (loadMs > 0) return loadMs + (quickestMs === Number.POSITIVE_INFINITY ? 0 : quickestMs);
      if (quickestMs === Number.POSITIVE_INFINITY) return gate.idle > 0 ? 0 : Number.MAX_VALUE;
      return this.#works.size === 0 && gate.idle > 0 ? quickestMs : Number.MAX_VALUE;
    }
    const share = Math.max(this.usefulShare(model), USEFUL_MIN);
    const untilMs = loadMs + workMs + this.#waitMs(rankMs, this.#occupiedMs ?? workMs);
    return untilMs / share + (1 - share) * USELESS_MS;
  }

  /** How long calls of a model take on average, in that company; where nothing is known of the model, of all others here. */
  meanMs(model: string, kind: CallKind, company: number): number | undefined {
    const own = this.profileOf(model, kind).meanMs(company, this.#agesMs(model, kind));
    if (own !== undefined) return own;
    let sum = 0;
    let count = 0;
    for (const other of this.#profiles.values()) {
      if (other.kind === 'chat') continue;
      const ms = other.profile.meanMs(company, this.#agesMs(other.model, other.kind));
      if (ms === undefined) continue;
      sum += ms;
      count++;
    }
    return count === 0 ? undefined : sum / count;
  }

  #agesMs(model: string, kind: CallKind): number[] {
    const nowMs = this.#parts.clock.now();
    const agesMs: number[] = [];
    for (const work of this.#works) {
      if (work.model === model && work.kind === kind) agesMs.push(nowMs - work.startedAtMs);
    }
    return agesMs;
  }

  /** Of the latest calls of a model here, the share that gave a vote; 1 while nothing is known. */
  usefulShare(model: string): number {
    return this.#usefulShares.get(model) ?? 1;
  }

  /**
   * Whether a call may be made although its times say that it comes too late: now and then one is, where nobody waits, since
   * nothing else would show that the model is quicker by now.
   */
  mayTry(model: string, kind: CallKind): boolean {
    const nowMs = this.#parts.clock.now();
    const key = `${kind}\n${model}`;
    if (this.gate.waiting > 0 || nowMs - (this.#triedAtMs.get(key) ?? Number.NEGATIVE_INFINITY) < TRY_EVERY_MS)
      return false;
    if (this.#triedAtMs.size >= PROFILES_MAX) this.#triedAtMs.clear();
    this.#triedAtMs.set(key, nowMs);
    return true;
  }

  #noteUse(model: string, kind: CallKind, code: 'OK' | ErrorCode): void {
    if (code === 'ERR_CANCELLED' || code.startsWith('ERR_WORKER')) return;
    // What others ask says nothing of the worth of the model for plans.
    if (kind === 'chat' && (isUnclear(code) || REFUSALS.has(code))) return;
    const share = this.usefulShare(model);
    if (this.#usefulShares.size >= PROFILES_MAX) this.#usefulShares.clear();
    this.#usefulShares.set(model, share + ((code === 'OK' ? 1 : 0) - share) / USE_MEMORY);
  }

  /** The report of a call with the tokens that its server did not tell, estimated. */
  counted(model: string, report: CallReport): CallReport {
    return this.#tokens.counted(model, report);
  }

  /**
   * Whether it can work for nobody without delaying anybody: a slot is idle, and where calls slow one another, all of them are.
   */
  get isIdle(): boolean {
    if (!this.gate.isIdle) return false;
    if (this.gate.busy === 0) return true;
    for (const { profile } of this.#profiles.values()) if (profile.besideAnother > SLOWED) return false;
    return true;
  }

  get #usefulCompany(): number {
    let useful = Number.POSITIVE_INFINITY;
    for (const { profile } of this.#profiles.values()) useful = Math.min(useful, profile.usefulCompany);
    return useful;
  }

  /** Whether no call of the kind was begun here for so long that it is worth a try to see how long it takes by now. */
  isDueForCheck(model: string, kind: CallKind, everyMs: number = CHECK_EVERY_MS): boolean {
    return this.#parts.clock.now() - (this.#beganAtMs.get(`${kind}\n${model}`) ?? 0) >= everyMs;
  }

  /** A call is at work from now until the result is called. */
  working(model: string, kind: CallKind, slot: Slot, giveUp: () => void): () => void {
    const work: Work = { model, kind, startedAtMs: this.#parts.clock.now(), slot, giveUp, isGivenUp: false };
    this.#works.add(work);
    if (this.#beganAtMs.size >= PROFILES_MAX) this.#beganAtMs.clear();
    this.#beganAtMs.set(`${kind}\n${model}`, work.startedAtMs);
    return () => void this.#works.delete(work);
  }

  /**
   * The chance that a call which begins now has ended in `ms`, in the company of `company` calls, itself
   * included. Undefined while nothing is known of the model here.
   */
  chanceWithin(model: string, kind: CallKind, ms: number, company: number): number | undefined {
    const workMs = Math.max(0, ms - this.memory.loadMs(model));
    return this.profileOf(model, kind).chanceWithin(workMs, company, this.#agesMs(model, kind));
  }

  /** A call that somebody waits for has begun: work that nobody waits for gives way, where it would slow that one too much. */
  begun(need: SlotNeed): void {
    this.#width.began(need.deadlineMs - this.#parts.clock.now());
    if (this.gate.ownInBackground === 0) return;
    for (;;) {
      const work = companyToGiveUp({ ...this.#roomQuestion(0), need });
      if (work === undefined) return;
      this.#giveUp(work);
    }
  }

  /** Somebody has to wait for a slot: work that nobody waits for gives way, where that helps. */
  #makeRoom({ need, rankMs = Number.POSITIVE_INFINITY }: Ask): boolean {
    if (this.gate.ownInBackground === 0) return false;
    // The newcomer itself stands in the queue.
    const ahead = Math.max(0, this.gate.ahead(rankMs) - 1);
    const work = callToGiveUp({ ...this.#roomQuestion(ahead), need });
    if (work !== undefined) this.#giveUp(work);
    return work !== undefined;
  }

  #roomQuestion(ahead: number): Omit<RoomQuestion, 'need'> {
    return {
      ahead,
      slots: this.gate.width,
      waiting: this.gate.waiting,
      nowMs: this.#parts.clock.now(),
      works: [...this.#works],
      strangers: Math.max(0, this.gate.busy - this.#works.size),
      profileOf: (model, kind) => this.profileOf(model, kind),
      holdMs: (work) => this.#holdMs(work),
    };
  }

  #giveUp(work: Work): void {
    work.isGivenUp = true;
    this.#givenUp++;
    work.giveUp();
  }

  #holdMs({ model, kind, startedAtMs }: Work): number {
    if (!this.#parts.features.slotHolds) return 0;
    const report = { totalMs: this.#parts.clock.now() - startedAtMs };
    return holdAfterAbort(report, this.profileOf(model, kind), this.#parts.features.streaming);
  }

  /** The answer of a call that was let in has begun: the server is well, however long it goes on. Its end is told as well. */
  answering(): void {
    if (this.isProbed) this.breaker.succeeded();
  }

  /**
   * How a call of this endpoint ended. `slot` was its slot, `isStreamed` how it was asked for. Returns for how long the slot is
   * held, milliseconds.
   */
  ended(model: string, kind: CallKind, result: CallEnd, slot: Slot, isStreamed: boolean, begin: CallBegin): number {
    const told = result.ok ? 'OK' : result.error.code;
    const isLoading = this.#isLoading(begin, result.report);
    // Where the number of slots is not known, a call beside others may wait in the server.
    const isComparable = kind === 'text' && (this.hasKnownSlots || slot.inFlight === 1);
    this.#toMemory(begin, result.report, { isComparable, isBroken: BROKEN.has(told) });
    const profile = this.profileOf(model, kind);
    const company = slot.meanCompany();
    // A call that began late and was cut by its plan before most calls are done says nothing of the server; and one whose choice was
    // certain was of use: its server is slow, and well.
    const hasChosen = told === 'ERR_PLAN_SETTLED' && result.report.choiceMs !== undefined;
    const isEarly = result.report.totalMs < (profile.quantile('total', USUAL) ?? USUAL_MS);
    const isCutShort = isTimeout(told) && (hasChosen || isEarly);
    const code = isCutShort || (isLoading && isTimeout(told)) ? 'ERR_CANCELLED' : told;
    this.#noteUse(model, kind, code);
    // What was given up for somebody else is silent only where the model is known to begin sooner.
    const unknownMs = slot.isBackground ? Number.POSITIVE_INFINITY : SILENT_MS;
    const isSilent = code === 'ERR_CANCELLED' && !isLoading && isSilence(result.report, profile, unknownMs);
    const isNew = (isSilent || isFailure(code)) && this.#isNewFailure();
    this.#toBreaker(model, code, isNew);
    this.#toWatch(code);
    if (isWork(code)) {
      profile.answered(result.report, begin.isCold, company);
      this.#answeredAtMs.set(model, this.#parts.clock.now());
      this.#toLimit(kind === 'chat' ? `chat\n${model}` : model, result.report, slot, begin.isCold);
    } else if (isTimeout(code)) {
      profile.timedOut(result.report, company);
      if (isNew) this.#limit.dropped();
    } else if (code === 'ERR_MODEL_OVERLOADED') {
      if (isNew) this.#limit.dropped();
    } else if (isSilent) profile.silent(result.report, company);
    else if (code === 'ERR_CANCELLED' && !isLoading) profile.cancelled(result.report, company);
    if (kind !== 'chat') this.#width.learned(model, kind, profile, this.gate.slots, this.#parts.clock.now());
    const isAborted = isTimeout(told) || told === 'ERR_CANCELLED';
    const holds = this.#parts.features.slotHolds && isAborted;
    const holdMs = holds ? holdAfterAbort(result.report, profile, isStreamed) : 0;
    const occupiedMs = result.report.totalMs + holdMs;
    this.#occupiedMs =
      (this.#occupiedMs ?? occupiedMs) + OCCUPIED_WEIGHT * (occupiedMs - (this.#occupiedMs ?? occupiedMs));
    slot.release(holdMs);
    if (this.#facts.tellsSlots) this.#holds?.began(holdMs);
    return holdMs;
  }

  /** Ends what it does by itself, and holds no slot any more. */
  close(): void {
    this.#doubt.close();
    this.#watch?.close();
    this.#holds?.close();
    this.#memoryWatch?.close();
    this.gate.close();
  }

  stats(): EndpointStats {
    const { gate, breaker } = this;
    const { machine } = this.#parts.endpoint;
    return {
      endpoint: this.name,
      kind: this.#facts.kind,
      slots: gate.ownSlots,
      slotsKnown: this.hasKnownSlots,
      ...(machine === undefined ? {} : { machine }),
      width: Math.min(gate.ownSlots, gate.width),
      busy: gate.ownBusy,
      held: gate.held,
      waiting: gate.ownWaiting,
      givenUp: this.#givenUp,
      breaker: breaker.stats(),
      referenceCalls: this.#doubt.asked,
      factsAsked: this.#watch?.asked ?? 0,
      memory: this.memory.stats(),
      profiles: [...this.#profiles.values()].map(({ model, kind, profile }) => ({
        model,
        kind,
        ...profile.stats(this.#parts.ceilingMs),
      })),
    };
  }

  /** A call that was cut while its model was being loaded says nothing of the server, and nothing of how the model answers. */
  #isLoading({ visit }: CallBegin, { firstTokenMs, totalMs }: CallReport): boolean {
    if (visit?.mayLoad !== true || firstTokenMs !== undefined) return false;
    return totalMs < LOADING_TIMES * this.memory.usualLoadMs(visit.model);
  }

  #toMemory({ visit }: CallBegin, report: CallReport, shows: CallShows): void {
    if (visit !== undefined) this.memory.ended(visit, report, shows);
    this.#memoryWatch?.used();
  }

  #slotsKnown(): number | undefined {
    return this.#parts.endpoint.slots ?? this.#facts.slots;
  }

  #toBreaker(model: string, code: 'OK' | ErrorCode, isNew: boolean): void {
    if (isAnswer(code)) {
      this.breaker.succeeded();
      this.#doubt.cleared();
    } else if (isNew && isUnclear(code)) this.#doubt.raised(model);
    else if (isNew) this.breaker.failed();
    else this.breaker.left();
  }

  #toWatch(code: 'OK' | ErrorCode): void {
    if (CUT_OFF.has(code) || this.isResting) this.#watch?.doubted();
    else if (isAnswer(code)) this.#watch?.answered();
  }

  /** Whether a failure is one of its own: the experts of a plan fail at the same moment. */
  #isNewFailure(): boolean {
    const nowMs = this.#parts.clock.now();
    const isNew = nowMs - this.#failedAtMs > BURST_MS;
    if (isNew) this.#failedAtMs = nowMs;
    return isNew;
  }

  /** Prompts of chats are of other lengths than those of plans, so that their first tokens are held against their own. */
  #toLimit(model: string, report: CallReport, slot: Slot, wasCold: boolean): void {
    // Without a stream, the time of the whole answer stands for that to its first token.
    const firstTokenMs = report.firstTokenMs ?? report.totalMs;
    if (!wasCold) this.#limit.observe({ model, firstTokenMs, inFlight: slot.inFlight });
  }
}

/** The server failed, or did not answer in time. */
function isFailure(code: 'OK' | ErrorCode): boolean {
  if (isAnswer(code) || code === 'ERR_CANCELLED' || code === 'ERR_POOL_FULL' || code === 'ERR_INTERNAL') return false;
  return !code.startsWith('ERR_WORKER');
}

/**
 * A plan whose other experts agree does not wait for one that is silent, so that its calls never time out: without this,
 * a server that hangs would cost every plan the time until another expert is asked. Of how long the model takes it says
 * nothing.
 */
function isSilence({ firstTokenMs, totalMs }: CallReport, profile: LatencyProfile, unknownMs: number): boolean {
  if (firstTokenMs !== undefined) return false;
  const usualMs = profile.quantile('firstToken', SILENT_QUANTILE) ?? profile.quantile('total', SILENT_QUANTILE);
  return totalMs > (usualMs ?? unknownMs);
}

/** A status from 500 up that tells no more, or the same in an event: of the server, or of this one request. */
function isUnclear(code: 'OK' | ErrorCode): boolean {
  return code === 'ERR_MODEL_STATUS';
}

/** The server is well, whatever the answer is worth; what it refuses is the fault of the request, or of one model's name. */
function isAnswer(code: 'OK' | ErrorCode): boolean {
  return isWork(code) || code.startsWith('ERR_VOTE') || code === 'ERR_MODEL_EMPTY' || REFUSALS.has(code);
}

/** The server may have been restarted, and be another one when it is back. */
const CUT_OFF: ReadonlySet<string> = new Set(['ERR_MODEL_REFUSED', 'ERR_MODEL_RESET', 'ERR_MODEL_OVERLOADED']);

/** Answers that the server did not finish. */
const BROKEN: ReadonlySet<string> = new Set(['ERR_MODEL_STATUS', 'ERR_MODEL_RESET']);

const REFUSALS: ReadonlySet<string> = new Set([
  'ERR_MODEL_SCHEMA',
  'ERR_MODEL_REJECTED',
  'ERR_MODEL_INVALID_ID',
  'ERR_METHOD_UNKNOWN',
]);

/** The model did its work. Useless answers are often very quick, and would make the others seem slow. */
function isWork(code: 'OK' | ErrorCode): boolean {
  return code === 'OK';
}

function isTimeout(code: 'OK' | ErrorCode): boolean {
  return code.startsWith('ERR_MODEL_TIMEOUT') || code === 'ERR_PLAN_SETTLED';
}
