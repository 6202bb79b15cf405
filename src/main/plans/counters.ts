import { PLAN_SOURCES, type PlanSource } from '../../shared/decision.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import type { CallReport } from '../../shared/tasks.ts';
import { DurationHistogram, type Durations } from '../measure/durations.ts';
import type { AttemptStep } from '../models/calls/attempt.ts';
import type { AttemptSubject } from '../models/calls/attempt-log.ts';
import { type CallLedger, noTries } from '../models/calls/call-ledger.ts';
import { CallTimes, type Distributions, planTimes } from './distributions.ts';
import { WHY_CODE_LIST, type WhyCode } from './ladder/why.ts';

/** Number of plans, and of requests that ended without a plan, by how. */
export interface PlanCounts {
  readonly settled: number;
  /** Plans that shared the model work of another plan. */
  readonly coalesced: number;
  /** Answered with the best answer in hand because their agent asked for a newer plan. */
  readonly superseded: number;
  /** Ended by their caller's signal. */
  readonly cancelled: number;
  /** Rejected at the limit of plans in flight. */
  readonly refused: number;
  /** Rejected because the request was invalid. */
  readonly invalid: number;
}

/** How a call ended: with a vote, out of time, unwanted, or in any other failure. */
export type CallOutcome = 'useful' | 'timeout' | 'cancelled' | 'failed';

export function callOutcome(code: 'OK' | ErrorCode): CallOutcome {
  if (code === 'OK') return 'useful';
  if (code === 'ERR_CANCELLED') return 'cancelled';
  const isTimeout = code.startsWith('ERR_MODEL_TIMEOUT') || code === 'ERR_WORKER_STUCK' || code === 'ERR_PLAN_SETTLED';
  return isTimeout ? 'timeout' : 'failed';
}

export interface CallCounts {
  readonly made: number;
  readonly useful: number;
  readonly timeouts: number;
  readonly cancelled: number;
  readonly failed: number;
  readonly running: number;
  /** Useful calls as a share of all that were not cancelled, 0 to 1; 0 while there are none. */
  readonly successRate: number;
}

export interface ModelStats extends CallCounts {
  readonly endpoint: string;
  readonly model: string;
  readonly step: CallStep;
  readonly latencyMs: Durations;
  readonly firstTokenMs: Durations;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  /** Tokens among these that are estimated: their streams were cut before the server reported usage. */
  readonly promptTokensEstimated: number;
  readonly completionTokensEstimated: number;
}

/** The step by which calls are counted: a fallback is a synthesis by another model. */
export type CallStep = 'read' | 'expert' | 'synthesis';

function stepOf(step: AttemptStep): CallStep {
  return step === 'fallback' ? 'synthesis' : step;
}

function addCounts(to: object, from: object): void {
  const sums = to as Record<string, number>;
  for (const [name, count] of Object.entries(from)) sums[name] = (sums[name] ?? 0) + count;
}

class CallTally {
  made = 0;
  readonly ended: Record<CallOutcome, number> = { useful: 0, timeout: 0, cancelled: 0, failed: 0 };

  add(other: CallTally): void {
    this.made += other.made;
    addCounts(this.ended, other.ended);
  }

  counts(): CallCounts {
    const { useful, timeout, cancelled, failed } = this.ended;
    const wanted = useful + timeout + failed;
    return {
      made: this.made,
      useful,
      timeouts: timeout,
      cancelled,
      failed,
      running: this.made - wanted - cancelled,
      successRate: wanted === 0 ? 0 : useful / wanted,
    };
  }
}

class ModelTally extends CallTally {
  readonly subject: AttemptSubject;
  readonly latency = new DurationHistogram();
  readonly firstToken = new DurationHistogram();
  readonly times = new CallTimes();
  promptTokens = 0;
  completionTokens = 0;
  cachedTokens = 0;
  promptTokensEstimated = 0;
  completionTokensEstimated = 0;

  constructor(subject: AttemptSubject) {
    super();
    this.subject = subject;
  }

  addModel(other: ModelTally): void {
    this.add(other);
    this.latency.add(other.latency);
    this.firstToken.add(other.firstToken);
    this.times.add(other.times);
    this.promptTokens += other.promptTokens;
    this.completionTokens += other.completionTokens;
    this.cachedTokens += other.cachedTokens;
    this.promptTokensEstimated += other.promptTokensEstimated;
    this.completionTokensEstimated += other.completionTokensEstimated;
  }

  stats(): ModelStats {
    return {
      ...this.#name(),
      ...this.counts(),
      latencyMs: this.latency.summary(),
      firstTokenMs: this.firstToken.summary(),
      promptTokens: this.promptTokens,
      completionTokens: this.completionTokens,
      cachedTokens: this.cachedTokens,
      promptTokensEstimated: this.promptTokensEstimated,
      completionTokensEstimated: this.completionTokensEstimated,
    };
  }

  distributions(): Distributions['models'][number] {
    const { durations, firstChunk, inputTokens, outputTokens } = this.times;
    return { ...this.#name(), durations, firstChunk, inputTokens, outputTokens };
  }

  #name(): Pick<ModelStats, 'endpoint' | 'model' | 'step'> {
    const { endpoint, model, step } = this.subject;
    return { endpoint, model, step: stepOf(step) };
  }
}

/** Everything the planner counts. Bounded: one tally for each configured model and step. */
export class PlannerCounters implements CallLedger {
  readonly sources: Record<PlanSource, number>;
  /** Plans that no model decided. */
  readonly why = Object.fromEntries(WHY_CODE_LIST.map((code) => [code, 0])) as Record<WhyCode, number>;
  readonly planning = new DurationHistogram();
  readonly lateness = new DurationHistogram();
  readonly planTimes = planTimes();
  readonly codes = new Map<string, number>();
  readonly #calls = new CallTally();
  readonly #models = new Map<string, ModelTally>();
  readonly plans = {
    settled: 0,
    coalesced: 0,
    superseded: 0,
    cancelled: 0,
    refused: 0,
    invalid: 0,
  } satisfies PlanCounts;
  readonly tries = noTries();
  /** Flights in which model A was asked and gave no decision. */
  fallbacks = 0;
  /** Votes that counted before their answers had ended. */
  earlyChoices = 0;

  constructor() {
    this.sources = Object.fromEntries(PLAN_SOURCES.map((source) => [source, 0])) as Record<PlanSource, number>;
  }

  callStarted(subject: AttemptSubject): void {
    this.#calls.made++;
    this.#model(subject).made++;
  }

  callEnded(subject: AttemptSubject, code: 'OK' | ErrorCode, report: CallReport): void {
    // A choice counts even if the plan did not wait for its reason.
    const isOfUse = code === 'ERR_CANCELLED' && report.choiceMs !== undefined;
    const outcome = isOfUse ? 'useful' : callOutcome(code);
    const model = this.#model(subject);
    // The server does not know the form of a read: that was no call to its model.
    if (subject.step === 'read' && code === 'ERR_METHOD_UNKNOWN') {
      this.#calls.made--;
      model.made--;
      return;
    }
    this.#calls.ended[outcome]++;
    model.ended[outcome]++;
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
    model.times.ended(code, report);
    if (outcome !== 'cancelled') model.latency.record(report.totalMs);
    if (report.firstTokenMs !== undefined) model.firstToken.record(report.firstTokenMs);
    const { promptTokens = 0, completionTokens = 0, estimated } = report;
    model.promptTokens += promptTokens;
    model.completionTokens += completionTokens;
    if (estimated === 'prompt' || estimated === 'both') model.promptTokensEstimated += promptTokens;
    if (estimated === 'completion' || estimated === 'both') model.completionTokensEstimated += completionTokens;
    model.cachedTokens += report.cachedTokens ?? 0;
  }

  /** Adds what others have counted. */
  add(other: PlannerCounters): void {
    addCounts(this.sources, other.sources);
    addCounts(this.why, other.why);
    addCounts(this.plans, other.plans);
    addCounts(this.tries, other.tries);
    this.planning.add(other.planning);
    this.lateness.add(other.lateness);
    for (const source of PLAN_SOURCES) this.planTimes[source].add(other.planTimes[source]);
    for (const [code, count] of other.codes) this.codes.set(code, (this.codes.get(code) ?? 0) + count);
    this.#calls.add(other.#calls);
    for (const model of other.#models.values()) this.#model(model.subject).addModel(model);
    this.fallbacks += other.fallbacks;
    this.earlyChoices += other.earlyChoices;
  }

  calls(): CallCounts {
    return this.#calls.counts();
  }

  models(): ModelStats[] {
    return [...this.#models.values()].filter(({ made }) => made > 0).map((model) => model.stats());
  }

  distributions(): Distributions {
    return { plans: this.planTimes, models: [...this.#models.values()].map((model) => model.distributions()) };
  }

  #model(subject: AttemptSubject): ModelTally {
    const step = stepOf(subject.step);
    const key = `${step}\n${subject.endpoint}\n${subject.model}`;
    let tally = this.#models.get(key);
    if (tally === undefined) {
      tally = new ModelTally(subject);
      this.#models.set(key, tally);
    }
    return tally;
  }
}
