import type { ErrorCode } from '../../shared/errors.ts';
import type { CallReport } from '../../shared/tasks.ts';
import { DecayedRate } from '../measure/decayed-rate.ts';
import { type EndpointFacts, NO_FACTS } from './discovery/endpoint-facts.ts';
import { FactsWatch } from './discovery/facts-watch.ts';
import type { CallBegin, CallEnd, EndpointParts, EndpointStats } from './endpoint-parts.ts';
import { judgeEnd } from './health/call-end.ts';
import { BROKEN, CUT_OFF, isAnswer, isTimeout, isUnclear, isWork } from './health/call-outcomes.ts';
import { CircuitBreaker } from './health/circuit-breaker.ts';
import { referenceCall } from './health/reference-call.ts';
import { SeatUse } from './health/seat-use.ts';
import { ServerDoubt } from './health/server-doubt.ts';
import { MemoryWatch } from './memory/memory-watch.ts';
import { ModelMemory } from './memory/model-memory.ts';
import { ModelTurns } from './memory/model-turns.ts';
import type { CallShows } from './memory/swap-times.ts';
import { AdaptiveLimit } from './slots/adaptive-limit.ts';
import type { Slot, SlotNeed } from './slots/ask.ts';
import { CallWidth } from './slots/call-width.ts';
import { CallsAtWork } from './slots/calls-at-work.ts';
import { EndpointGate } from './slots/endpoint-gate.ts';
import { HoldWatch } from './slots/hold-watch.ts';
import type { SharedEndpoint } from './slots/leased-gates.ts';
import type { Work } from './slots/room.ts';
import { holdAfterAbort } from './slots/slot-hold.ts';
import { SlotsLeft } from './slots/slots-left.ts';
import { Forecast } from './time/forecast.ts';
import type { CallKind, LatencyProfile, PhaseTimeouts } from './time/latency-profile.ts';
import { Profiles } from './time/profiles.ts';
import { TokenRatios } from './time/token-ratios.ts';

/** A model that was idle for longer than this may have been unloaded (Ollama does so after 5 minutes). */
const IDLE_MS_MAX = 240_000;
const PROBE_MS_MIN = 3_000;
const PROBE_MARGIN = 2;
/** Failures this close together have the same cause, and count once for health and slots. */
const BURST_MS = 100;
/** A load may take this many times its usual time; after that, its silence counts like any other. */
const LOADING_TIMES = 2;
/** Memory of the rate at which calls that plans wait for start. */
const STARTS_MEMORY_MS = 20_000;

/** Everything known about one model server: its slots, its health, its times. */
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
  /** The kinds of calls that plans have made here. */
  readonly #awaitedKinds = new Set<CallKind>();
  readonly memory: ModelMemory;
  readonly #modelTurns: ModelTurns;
  readonly #memoryWatch: MemoryWatch | undefined;
  #limit: AdaptiveLimit;
  #facts: EndpointFacts = NO_FACTS;
  readonly profiles: Profiles;
  readonly use: SeatUse;
  #failedAtMs = Number.NEGATIVE_INFINITY;
  readonly #works: CallsAtWork;
  readonly #starts = new DecayedRate(STARTS_MEMORY_MS);
  readonly forecast: Forecast;
  /** What calls that plans wait for have left idle when they started. */
  readonly slotsLeft = new SlotsLeft();

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
    const { gate } = this;
    this.profiles = new Profiles(endpoint.baseURL);
    this.use = new SeatUse(clock);
    this.#works = new CallsAtWork({ clock, gate, profiles: this.profiles, holdMs: (work) => this.#holdMs(work) });
    const { profiles, memory, use } = this;
    this.forecast = new Forecast({ gate, profiles, memory, use, works: this.#works });
    this.gate.onPressure = (ask) => this.#works.makeRoom(ask);
    this.#holds = askBusy && new HoldWatch(clock, this.gate, askBusy);
    this.gate.isHeldOn = () => this.#holds?.isBusy === true;
    this.#watch = askFacts && new FactsWatch(clock, askFacts, (facts) => this.#apply(facts));
    this.#doubt = new ServerDoubt(
      this.breaker,
      caller && ((model, signal) => referenceCall({ caller, gate, clock }, model, signal)),
    );
    this.gate.usefulCompany = () => this.profiles.usefulCompany;
    // A learned number of slots is already the number of calls that get most done together.
    if (features.callWidth)
      this.gate.widthMax = (kind) =>
        this.#limit.isKnown ? this.#width.now(clock.now(), kind) : Number.POSITIVE_INFINITY;
  }

  get facts(): EndpointFacts {
    return this.#facts;
  }

  /** Applies the facts that the server reported. */
  learn(facts: EndpointFacts): void {
    this.#watch?.learnt(facts);
    this.#apply(facts);
  }

  #apply(facts: EndpointFacts): void {
    const slotsBefore = this.#slotsKnown();
    this.#facts = facts;
    this.#memoryWatch?.learnt(facts);
    // If the server reports no number, one that was learned from times stays.
    if (this.#slotsKnown() === slotsBefore) return;
    this.#limit = new AdaptiveLimit(this.#parts.endpoint.maxConcurrent, this.#slotsKnown());
    this.gate.wake();
  }

  /** Whether the number of slots was given by the server or the user, not learned. */
  get hasKnownSlots(): boolean {
    return this.#parts.features.adaptiveSlots && this.#limit.isKnown;
  }

  /** What other nodes that share its slots learn from it, and it from them. */
  get shared(): SharedEndpoint {
    const { gate, breaker } = this;
    const { adaptiveSlots, breaker: hasBreaker } = this.#parts.features;
    const limit = (): AdaptiveLimit => this.#limit;
    return {
      gate,
      get learnedSlots() {
        return adaptiveSlots ? limit().learned : undefined;
      },
      adoptSlots: (slots) => limit().adopt(slots),
      get restMs() {
        return hasBreaker ? breaker.restMs : 0;
      },
      doubt: (restMs) => breaker.warn(restMs),
    };
  }

  /** Whether the breaker lets no call through. */
  get isResting(): boolean {
    return this.#parts.features.breaker && this.breaker.isOpen;
  }

  /** Whether the next call to start decides whether the breaker closes. */
  get isProbed(): boolean {
    return this.#parts.features.breaker && this.breaker.stats().state === 'half-open';
  }

  /**
   * Time limit for the one call that decides whether the breaker closes: no longer than the model is known to need, so that the
   * endpoint does not rest for long, but long enough for a slow server. Infinite while nothing is known.
   */
  probeMs(model: string, kind: CallKind): number {
    const usualMs = this.forecast.workMs(model, kind);
    return usualMs === undefined ? Number.POSITIVE_INFINITY : Math.max(PROBE_MS_MIN, PROBE_MARGIN * usualMs);
  }

  /** Takes a place at the breaker: every `true` must be followed by `ended`. */
  tryEnter(): boolean {
    return !this.#parts.features.breaker || this.breaker.tryEnter();
  }

  profileOf(model: string, kind: CallKind): LatencyProfile {
    return this.profiles.of(model, kind);
  }

  /** The timeouts for a call that starts now. */
  timeouts(model: string, kind: CallKind, ceilingMs: number): PhaseTimeouts {
    if (!this.#parts.features.learnedTimeouts) {
      return { headersMs: ceilingMs, firstTokenMs: ceilingMs, gapMs: ceilingMs, totalMs: ceilingMs };
    }
    return this.profileOf(model, kind).timeouts(ceilingMs, this.isCold(model));
  }

  /** Whether the server reports that a model accepts no pictures. */
  isBlind(model: string): boolean {
    return this.#facts.models.find(({ id }) => id === model)?.vision === false;
  }

  /** The model for which a slot was given. */
  modelOf(slot: Slot): string | undefined {
    return this.#modelTurns.modelOf(slot);
  }

  /** Whether a call to another model is running, whose answer a load would cut off. */
  isBusyWithOthers(model: string): boolean {
    return this.#modelTurns.isBusyWithOthers(model);
  }

  /** Asks which models are in memory, if the server reports it. Never rejects. */
  async lookAtMemory(): Promise<void> {
    await this.#memoryWatch?.look();
  }

  /** Records the start of a call. Pass the result to `ended`. */
  begins(model: string): CallBegin {
    const isCold = this.isCold(model);
    const visit = this.memory.begins(model);
    // Calls that wait can now be made to this model.
    if (visit.isLoad && this.memory.isShort) this.#parts.clock.nextTurn(() => this.gate.wake());
    this.#memoryWatch?.used();
    return { isCold: isCold || (visit.isLoad && this.memory.isShort), visit };
  }

  /** Whether a call may have to wait until the model is loaded. */
  isCold(model: string): boolean {
    if (this.memory.loadMs(model) > 0) return true;
    const answeredAtMs = this.use.answeredAtMs(model);
    if (answeredAtMs !== undefined) return this.#parts.clock.now() - answeredAtMs > IDLE_MS_MAX;
    return this.#facts.models.find(({ id }) => id === model)?.loaded !== true;
  }

  /**
   * Whether a call may be made although its times predict that it comes too late. Occasionally allowed if no other call waits,
   * because nothing else would show that the model has become quicker.
   */
  mayTry(model: string, kind: CallKind): boolean {
    return this.gate.waiting === 0 && this.use.mayTry(model, kind);
  }

  /** Completes a report with estimated tokens where the server reported none. */
  counted(model: string, report: CallReport): CallReport {
    return this.#tokens.counted(model, report);
  }

  /** Records how many tokens a prompt of this length has. */
  learnTokens(model: string, chars: number, tokens: number): void {
    this.#tokens.learn(model, chars, tokens);
  }

  /** The characters of a prompt that has this many tokens, by the model's own ratio as far as it is known. */
  charsOf(model: string, tokens: number): number {
    return this.#tokens.charsOf(model, tokens);
  }

  /**
   * Whether background work can start here without delaying anyone: a slot is idle, or, where calls slow one another, all of them
   * are.
   */
  get isIdle(): boolean {
    if (!this.gate.isIdle) return false;
    if (this.gate.busy === 0) return true;
    return !this.profiles.areSlowed;
  }

  /** Marks a call as running until the returned function is called. */
  working(model: string, kind: CallKind, slot: Slot, giveUp: () => void): () => void {
    this.use.began(model, kind);
    return this.#works.add(model, kind, slot, giveUp);
  }

  /** A call that a plan waits for has started. */
  begun(need: SlotNeed): void {
    const nowMs = this.#parts.clock.now();
    this.#starts.add(nowMs);
    this.#awaitedKinds.add(need.kind);
    this.#width.began(need.deadlineMs - nowMs);
    this.#works.begun(need);
    this.slotsLeft.record(this.gate.idle, this.gate.waiting);
  }

  /** The number of calls that plans are expected to start here within this time. */
  expectedStarts(withinMs: number): number {
    return this.#starts.perMs(this.#parts.clock.now()) * withinMs;
  }

  #holdMs({ model, kind, startedAtMs }: Work): number {
    if (!this.#parts.features.slotHolds) return 0;
    const report = { totalMs: this.#parts.clock.now() - startedAtMs };
    return holdAfterAbort(report, this.profileOf(model, kind), this.#parts.features.streaming);
  }

  /** The answer of a call has started: the server is well, however long the answer takes. `ended` is called as well. */
  answering(): void {
    if (this.isProbed) this.breaker.succeeded();
  }

  /**
   * Records how a call of this endpoint ended. `slot` was its slot; `isStreamed` is whether a stream was requested. Returns how
   * long the slot is held, in milliseconds.
   */
  ended(model: string, kind: CallKind, result: CallEnd, slot: Slot, isStreamed: boolean, begin: CallBegin): number {
    const { report } = result;
    const profile = this.profileOf(model, kind);
    const isLoading = this.#isLoading(begin, report);
    const { told, code, isSilent, isIll } = judgeEnd(kind, result, { profile, isLoading, slot });
    // If the number of slots is not known, a call made next to others may wait in the server.
    const isComparable = kind === 'text' && (this.hasKnownSlots || slot.inFlight === 1);
    this.#toMemory(begin, report, { isComparable, isBroken: BROKEN.has(told) });
    const company = slot.meanCompany();
    this.use.ended(model, kind, code);
    const isNew = (isSilent || isIll) && this.#isNewFailure();
    this.#toBreaker(model, code, isNew);
    this.#toWatch(code);
    if (isWork(code)) {
      profile.answered(report, begin.isCold, company);
      this.use.answered(model);
      const isUsual = kind === 'text' || kind === 'vision';
      this.#toLimit(isUsual ? model : `${kind}\n${model}`, report, slot, begin.isCold);
    } else if (isTimeout(code)) {
      profile.timedOut(report, company);
      if (isNew) this.#limit.dropped();
    } else if (code === 'ERR_MODEL_OVERLOADED' && isNew) this.#limit.dropped();
    else if (isSilent) profile.silent(report, company);
    else if (code === 'ERR_CANCELLED' && !isLoading) profile.cancelled(report, company);
    if (this.#awaitedKinds.has(kind) && kind !== 'chat')
      this.#width.learned(model, kind, profile, this.gate.slots, this.#parts.clock.now());
    const isAborted = isTimeout(told) || told === 'ERR_CANCELLED';
    const holds = this.#parts.features.slotHolds && isAborted;
    const holdMs = holds ? holdAfterAbort(report, profile, isStreamed) : 0;
    this.forecast.occupied(report.totalMs + holdMs);
    if (isAborted) this.forecast.held(holdMs);
    slot.release(holdMs);
    if (this.#facts.tellsSlots) this.#holds?.began(holdMs);
    return holdMs;
  }

  /** Stops all activity of its own and releases its held slots. */
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
      givenUp: this.#works.givenUp,
      breaker: breaker.stats(),
      referenceCalls: this.#doubt.asked,
      factsAsked: this.#watch?.asked ?? 0,
      memory: this.memory.stats(),
      profiles: this.profiles.stats(this.#parts.ceilingMs),
    };
  }

  /** A call that was cut while its model was being loaded says nothing about the server or about the model's times. */
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

  /** Whether this failure is separate from the one before: the experts of a plan fail at the same moment. */
  #isNewFailure(): boolean {
    const nowMs = this.#parts.clock.now();
    const isNew = nowMs - this.#failedAtMs > BURST_MS;
    if (isNew) this.#failedAtMs = nowMs;
    return isNew;
  }

  /** Feeds the slot limit. Chats and reads have prompts of other lengths than votes, so each kind is compared with itself. */
  #toLimit(model: string, report: CallReport, slot: Slot, wasCold: boolean): void {
    // Without a stream, the time of the whole answer is used as the time to the first token.
    const firstTokenMs = report.firstTokenMs ?? report.totalMs;
    if (!wasCold) this.#limit.observe({ model, firstTokenMs, inFlight: slot.inFlight });
  }
}
