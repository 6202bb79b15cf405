import type { Clock, Timer } from '../../../shared/clock.ts';
import { type ErrorCode, type ErrorWire, encodeError } from '../../../shared/errors.ts';
import type { ReadForm } from '../../../shared/reads/reading.ts';
import type { CallTerms, ExpertResult } from '../../../shared/tasks.ts';
import { UNWANTED } from '../../../shared/unwanted.ts';
import type { OnChoice, PhaseReader } from '../../../shared/vote-answer.ts';
import type { ResolvedOptions } from '../../options/planner-options.ts';
import type { AnswerForms } from '../forms/answer-form.ts';
import type { ModelEndpoint } from '../model-endpoint.ts';
import type { Ask, Lane, Slot } from '../slots/ask.ts';
import { cuttable } from '../slots/cuttable.ts';
import type { CallKind } from '../time/latency-profile.ts';
import type { AttemptLog, AttemptSubject } from './attempt-log.ts';
import type { CallLedger } from './call-ledger.ts';
import { enterEndpoint } from './enter-endpoint.ts';
import { HedgeBudget } from './hedge-budget.ts';
import type { LoopTurns } from './loop-turns.ts';
import { placesFor } from './places.ts';
import { type RunningCalls, type Silence, Silences } from './silence.ts';

/**
 * Makes model calls for flights: at the endpoint that is expected to answer first, on one of its slots, with timeouts learned
 * there. Retries if there is no answer yet, and makes a second try elsewhere if the first takes unusually long. A call never
 * rejects. Each try is a separate attempt, with its end and its time.
 */
export interface CallPlan {
  readonly subject: AttemptSubject;
  /** Other endpoints that serve the same model. */
  readonly alternatives: readonly string[];
  readonly kind: CallKind;
  /** Chooses the model at an endpoint, once its slot is there; undefined: the model of the subject. */
  readonly seat?: CallSeat | undefined;
  /** The configured timeout, in milliseconds. */
  readonly ceilingMs: number;
  /** The time by which it must have ended. */
  readonly endMs: number;
  readonly lane: CallLane;
  /** Whether its plan has a raised priority. */
  readonly isRaised?: boolean | undefined;
  /** Its place in the queue: lower is served first. */
  readonly rankMs: number;
  /** The deadline of the plan that it is made for. */
  readonly deadlineMs: number;
  readonly holder: CallHolder;
  readonly query: ModelQuery;
}

/** `reserved`: no plan waits for it, but it waits like one for its slot, and does not yield. */
export type CallLane = Lane | 'reserved';

/** The owner of a call: it is notified of the call's progress, and knows whether the call is still wanted. */
export interface CallHolder {
  /** Whether no plan waits for the call any more: then it is not retried. */
  readonly isLate: boolean;
  /** A try starts to wait for a slot. */
  waits(): void;
  /** A try has its slot, and its call starts. */
  works(slot: Slot): void;
  /** Cancels the call if no plan waits for it, because another call can use its slot. */
  giveUp(): void;
}

/** The question of a call, sent to a model each time a try has its slot. */
export interface ModelQuery {
  run(subject: AttemptSubject, terms: CallTerms, signal: AbortSignal, listeners: QueryListeners): Promise<ExpertResult>;
}

/** Callbacks for what is recorded about a query before its result. */
export interface QueryListeners {
  readonly onChoice: OnChoice;
  /** Called once, when the query is sent. `phaseOf` reads how far it has come. */
  readonly onSent: (phaseOf: PhaseReader) => void;
  /** Called by a read with the form that it uses, and with the role if it asks only one. */
  readonly onForm: (form: ReadForm, role: string | undefined) => void;
  /** Called with what was left out of the prompt, if anything was. */
  readonly onTrimmed: (what: string | undefined) => void;
}

/** A role, or a rung of the ladder, that may be asked of another model than its own. */
export interface CallSeat {
  readonly model: string;
  readonly modelAt: (endpoint: string) => string;
}

/** What all tries of one call share. */
interface Call {
  readonly plan: CallPlan;
  readonly attempts: AttemptLog;
  /** A check of a place takes a slot that does not count as one of its plan's. */
  readonly isPlaceCheck: boolean;
}

export interface CallMakerParts {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly endpoints: ReadonlyMap<string, ModelEndpoint>;
  readonly forms: AnswerForms;
  readonly ledger: CallLedger;
  readonly turns: LoopTurns;
  /** Called when a call has ended and its model's times have been updated. */
  readonly onMeasured?: () => void;
  /** The running calls of all call makers that share these endpoints. Default: its own alone. */
  readonly running?: RunningCalls;
}

/** A try is not started if fewer than this share of calls finish in the time it has. */
const HOPE = 0.05;
/** As `HOPE`, while other calls wait for the same slots. */
const HOPE_IN_A_CROWD = 0.5;
const HEDGE_QUANTILE = 0.95;
/** A call with a lower chance than this is started only as the first of its plan: otherwise its prompt would be read for nothing. */
const CHANCE_MIN = 0.15;
/** A try against the known times is made only with at least this share of a plan's time left. */
const FAIR_TRY = 0.9;

export class CallMaker {
  readonly #parts: CallMakerParts;
  readonly #hedges = new HedgeBudget();
  /** Budget for checks of places that were slow. */
  readonly #checks = new HedgeBudget();
  readonly #silences: Silences;

  constructor(parts: CallMakerParts) {
    this.#parts = parts;
    this.#silences = new Silences(parts.clock, parts.running ?? new Map());
  }

  async make(plan: CallPlan, attempts: AttemptLog, signal: AbortSignal): Promise<ExpertResult> {
    const { options, ledger } = this.#parts;
    const call: Call = { plan, attempts, isPlaceCheck: false };
    const failedAt = new Set<string>();
    for (let retries = 0; ; retries++) {
      const at = this.#choose(plan, failedAt);
      const settled = await this.#try(call, at, signal);
      if (settled.ok || signal.aborted || plan.holder.isLate || retries >= options.callRetries) return settled;
      failedAt.add(at.name);
      const isElsewhere = isOfServer(settled.error.code) && this.#others(plan, failedAt).length > 0;
      if (!settled.error.retryable && !isElsewhere) return settled;
      ledger.tries.retries++;
    }
  }

  /** The calls that hold all slots of an endpoint if none of them has had a token; undefined if one has. */
  silenceAt(endpoint: string): Silence | undefined {
    return this.#silences.at(endpoint, this.#at(endpoint).gate);
  }

  /** Whether any endpoint of the call accepts it now. */
  isReachable({ subject, alternatives }: Pick<CallPlan, 'subject' | 'alternatives'>): boolean {
    return [subject.endpoint, ...alternatives].some((name) => !this.#at(name).isResting);
  }

  #at(name: string): ModelEndpoint {
    return this.#parts.endpoints.get(name) as ModelEndpoint;
  }

  #others({ subject, alternatives }: CallPlan, failedAt: ReadonlySet<string>): ModelEndpoint[] {
    const names = [subject.endpoint, ...alternatives].filter((name) => !failedAt.has(name));
    return names.map((name) => this.#at(name)).filter((at) => !at.isResting);
  }

  /** The endpoint where the call is expected to finish first. Unknown endpoints are tried; an endpoint that fails fast is not preferred. */
  #choose(plan: CallPlan, failedAt: ReadonlySet<string>): ModelEndpoint {
    const { subject, kind, rankMs } = plan;
    if (plan.alternatives.length === 0) return this.#at(subject.endpoint);
    if (this.#parts.options.features.bestPlace) {
      const [first] = placesFor(this.#others(plan, failedAt), subject.model, kind, rankMs);
      return first?.at ?? this.#at(subject.endpoint);
    }
    let best: ModelEndpoint | undefined;
    let bestMs = Number.POSITIVE_INFINITY;
    for (const at of this.#others(plan, failedAt)) {
      const expectedMs = at.forecast.rankedMs(subject.model, kind, rankMs);
      if (expectedMs < bestMs) {
        best = at;
        bestMs = expectedMs;
      }
    }
    return best ?? this.#at(subject.endpoint);
  }

  /** Makes one try, and if it takes unusually long a second one elsewhere: the first vote counts. */
  async #try(call: Call, at: ModelEndpoint, signal: AbortSignal): Promise<ExpertResult> {
    const { plan } = call;
    this.#hedges.called();
    this.#checks.called();
    const slowMs = this.#hedgeAfterMs(plan, at);
    const unsure = this.#placeToCheck(plan, at);
    // A signal that has already aborted no longer emits an event.
    if ((slowMs === undefined && unsure === undefined) || signal.aborted) return this.#tryAt(call, at, signal);
    const { clock, ledger, options } = this.#parts;
    const won = Promise.withResolvers<ExpertResult>();
    const controllers: AbortController[] = [];
    const cancel = (reason: unknown): void => {
      for (const controller of controllers) controller.abort(reason);
    };
    const onAbort = (): void => cancel(signal.reason);
    let open = 0;
    const begin = (where: ModelEndpoint, of = call): void => {
      const controller = new AbortController();
      controllers.push(controller);
      open++;
      void this.#tryAt(of, where, controller.signal).then((result) => {
        open--;
        if (result.ok || open === 0) won.resolve(result);
      }, won.reject);
    };
    const startedAtMs = clock.now();
    let timer: Timer | undefined;
    const hedgeAfter = (delayMs: number): void => {
      timer = clock.setTimer(delayMs, () => {
        if (plan.holder.isLate) return;
        const ageMs = clock.now() - startedAtMs;
        const other = this.#hedgeAt(plan, at, ageMs);
        if (other !== undefined && this.#hedges.take()) {
          ledger.tries.hedges++;
          begin(other);
        } else if (options.features.bestPlace) hedgeAfter(Math.max(1, ageMs));
      });
    };
    if (slowMs !== undefined) hedgeAfter(slowMs);
    signal.addEventListener('abort', onAbort, { once: true });
    begin(at);
    if (unsure !== undefined) {
      ledger.tries.placeChecks++;
      // It counts as no slot of its plan: plans that wait for that one are served elsewhere.
      begin(unsure, { ...call, isPlaceCheck: true });
    }
    try {
      return await won.promise;
    } finally {
      timer?.cancel();
      signal.removeEventListener('abort', onAbort);
      cancel(UNWANTED);
    }
  }

  /** Where to try a call again that has taken `ageMs`: an endpoint that is expected to answer sooner than the first try. */
  #hedgeAt(plan: CallPlan, at: ModelEndpoint, ageMs: number): ModelEndpoint | undefined {
    const { subject, kind, rankMs } = plan;
    const others = this.#others(plan, new Set([at.name]));
    if (!this.#parts.options.features.bestPlace) return others.find(({ gate }) => gate.idle > 0);
    const leftMs = at.profileOf(subject.model, kind).remainingMs(ageMs, at.gate.busy) ?? Number.POSITIVE_INFINITY;
    const [best] = placesFor(others, subject.model, kind, rankMs);
    return best !== undefined && best.foreseenMs <= leftMs ? best.at : undefined;
  }

  /** A place that is too slow to be preferred. Occasionally it is called in addition to a better one, because nothing else would show a change. */
  #placeToCheck(plan: CallPlan, at: ModelEndpoint): ModelEndpoint | undefined {
    const { subject, kind, alternatives, lane } = plan;
    if (!this.#parts.options.features.bestPlace || alternatives.length === 0 || lane !== 'foreground') return undefined;
    for (const other of this.#others(plan, new Set([at.name]))) {
      if (other.gate.idle > 0 && other.use.isDueForCheck(subject.model, kind) && this.#checks.take()) return other;
    }
    return undefined;
  }

  #hedgeAfterMs({ subject, kind, alternatives, lane }: CallPlan, at: ModelEndpoint): number | undefined {
    if (!this.#parts.options.features.hedging || alternatives.length === 0 || lane !== 'foreground') return undefined;
    return at.profileOf(subject.model, kind).quantile('total', HEDGE_QUANTILE);
  }

  async #tryAt({ plan, attempts, isPlaceCheck }: Call, at: ModelEndpoint, signal: AbortSignal): Promise<ExpertResult> {
    const { clock, turns, ledger, options } = this.#parts;
    const modelNow = (): string => plan.seat?.modelAt(at.name) ?? plan.subject.model;
    let subject: AttemptSubject = { ...plan.subject, endpoint: at.name, model: modelNow() };
    plan.holder.waits();
    const attempt = attempts.begin(subject, clock.now());
    const refuse = (code: ErrorCode, message: string): ExpertResult => {
      const error: ErrorWire = { code, message, retryable: false };
      attempt.failed(error, undefined, clock.now());
      return { ok: false, error, report: { totalMs: 0 } };
    };
    const { kind, lane, isRaised = false, rankMs, deadlineMs } = plan;
    const need = { model: subject.model, kind, deadlineMs };
    const ask: Ask = { lane: lane === 'background' ? lane : 'foreground', isRaised, rankMs, modelNow, need };
    const askedAtMs = clock.now();
    const entry = await enterEndpoint(at, ask, turns, signal, () =>
      this.#isHopeless({ ...plan, subject: { ...plan.subject, model: modelNow() } }, at, askedAtMs),
    );
    if (entry.kind === 'refused') return refuse(entry.code, entry.message);
    const { slot } = entry;
    subject = { ...subject, model: entry.model ?? subject.model };
    if (plan.seat !== undefined && plan.seat.model !== subject.model) ledger.tries.seatsMoved++;
    attempt.called(clock.now(), subject);
    const running = this.#silences.runningAt(at.name).add(attempt);
    if (!isPlaceCheck) plan.holder.works(slot);
    if (!slot.isBackground && lane !== 'reserved') at.begun({ model: subject.model, kind, deadlineMs });
    const rest = at.working(subject.model, kind, slot, () => plan.holder.giveUp());
    const begin = at.begins(subject.model);
    const terms = this.#terms(plan, at);
    if (kind !== 'read') attempt.asked(terms.answer);
    ledger.callStarted(subject);
    const startedAtMs = clock.now();
    let choiceMs: number | undefined;
    const onChoice = (action: string | undefined): void => {
      choiceMs = action === undefined ? undefined : clock.now() - startedAtMs;
      attempt.chose(action);
    };
    let result: ExpertResult;
    try {
      const listeners = {
        onChoice,
        onSent: (phaseOf: PhaseReader) => attempt.sent(phaseOf),
        onForm: (form: ReadForm, role: string | undefined) => attempt.asked(form, role),
        onTrimmed: (what: string | undefined) => attempt.trimmed(what),
      };
      const stop = cuttable(at.gate, slot, signal);
      result = endedBy(await plan.query.run(subject, terms, stop, listeners), signal);
    } catch (error) {
      // A bug: reported as such, counted like any other end, and not retried.
      result = { ok: false, error: encodeError(error), report: { totalMs: clock.now() - startedAtMs } };
    }
    running.delete(attempt);
    result = { ...result, report: at.counted(subject.model, result.report) };
    rest();
    if (choiceMs !== undefined) result = { ...result, report: { ...result.report, choiceMs } };
    if (kind !== 'read') this.#parts.forms.observe(at.name, subject.model, terms.answer, result);
    at.ended(subject.model, kind, result, slot, options.features.streaming && kind !== 'read', begin);
    this.#parts.onMeasured?.();
    ledger.callEnded(subject, result.ok ? 'OK' : result.error.code, result.report);
    if (result.ok && subject.model !== plan.subject.model) result = { ...result, model: subject.model };
    if (kind === 'read' && !result.ok && result.error.code === 'ERR_METHOD_UNKNOWN') attempt.wasNone();
    else if (result.ok && result.readings !== undefined) attempt.read(result.vote, result.report, clock.now());
    else if (result.ok) attempt.voted(result.vote, result.report, clock.now());
    else attempt.failed(result.error, result.report, clock.now());
    return result;
  }

  /**
   * Whether a plan should leave its slot to another because it cannot make its deadline. If no other plan waits for the slot, an
   * answer that comes too late is still worth having.
   */
  #isHopeless({ subject, kind, lane, endMs, deadlineMs }: CallPlan, at: ModelEndpoint, askedAtMs: number): boolean {
    const { options, clock } = this.#parts;
    const { learnedTimeouts, chanceFit } = options.features;
    if (!learnedTimeouts || lane !== 'foreground') return false;
    const isAwaited = at.gate.waiting > 0;
    if (options.keepsLate && !isAwaited) return false;
    const byMs = Math.min(endMs, deadlineMs);
    const leftMs = byMs - clock.now();
    const leastMs = at.profileOf(subject.model, kind).quantile('total', isAwaited ? HOPE_IN_A_CROWD : HOPE);
    const chance = chanceFit ? at.forecast.chanceWithin(subject.model, kind, leftMs, at.gate.busy) : undefined;
    const isLate =
      (leastMs !== undefined && leftMs - at.memory.loadMs(subject.model) < leastMs) ||
      (chance !== undefined && chance < CHANCE_MIN);
    const isFairTry = leftMs >= FAIR_TRY * (byMs - askedAtMs);
    return isLate && !(isFairTry && at.mayTry(subject.model, kind));
  }

  #terms({ subject, kind, ceilingMs, endMs }: CallPlan, at: ModelEndpoint): CallTerms {
    const { options, clock, forms } = this.#parts;
    const { features } = options;
    const isRead = kind === 'read';
    const leftMs = Math.min(
      endMs - clock.now(),
      at.isProbed ? at.probeMs(subject.model, kind) : Number.POSITIVE_INFINITY,
    );
    const { totalMs, ...phases } = at.timeouts(subject.model, kind, ceilingMs);
    const isPhased = features.learnedTimeouts && features.streaming && !isRead;
    return {
      timeoutMs: Math.max(1, Math.min(totalMs, leftMs)),
      ...(isPhased ? { phases } : {}),
      answer: features.constrainedAnswers && !isRead ? forms.formFor(at.name, subject.model) : 'text',
      stream: features.streaming,
      ...(at.facts.kind === 'llamacpp' ? { tellsTokens: true } : {}),
    };
  }
}

/** The reason for which a flight cancels its calls at its deadline; calls cancelled for any other reason were no longer wanted. */
export const OUT_OF_TIME: Error = Object.assign(new Error('the deadline of the plan was reached'), {
  name: 'TimeoutError',
});

/** A call that was cancelled because its plan ran out of time counts as a timeout. */
function endedBy(result: ExpertResult, signal: AbortSignal): ExpertResult {
  if (result.ok || result.error.code !== 'ERR_CANCELLED' || signal.reason !== OUT_OF_TIME) return result;
  const { queueMs, firstTokenMs } = result.report;
  const phase = firstTokenMs !== undefined ? 'stream' : queueMs !== undefined ? 'first-token' : 'headers';
  const message = `${OUT_OF_TIME.message} (phase: ${phase})`;
  return { ...result, error: { code: 'ERR_PLAN_SETTLED', message, retryable: false } };
}

/** Whether another server might not fail in this way. */
function isOfServer(code: ErrorCode): boolean {
  return code.startsWith('ERR_MODEL') || code === 'ERR_ENDPOINT_RESTING' || code === 'ERR_ENDPOINT_BUSY';
}
