import type { CallReport } from '../../../shared/tasks.ts';
import { DecayedQuantiles, durationAt, type SavedQuantiles } from '../../measure/decayed-quantiles.ts';
import { CompanySlope } from './company-slope.ts';
import { SurvivalTimes } from './survival-times.ts';

/**
 * What is known about the times of one model at one endpoint, for one kind of request: waiting for a slot, loading the model,
 * reading the prompt, between two tokens, and in total. The timeouts of each phase are derived from it: a margin over a high
 * quantile. They widen after a timeout, and return with each answer.
 */
export const PHASES = ['queue', 'load', 'firstToken', 'gap', 'total'] as const;
export type Phase = (typeof PHASES)[number];
/** Kinds of calls: votes of plans without and with a picture, reads, and chats, whose prompts and answers may have any length. */
export const CALL_KINDS = ['text', 'vision', 'read', 'chat'] as const;
export type CallKind = (typeof CALL_KINDS)[number];

/** The maximum time of a call in each phase, in milliseconds. */
export interface PhaseTimeouts {
  /** From the start of the call to the response headers. */
  readonly headersMs: number;
  /** From the start of the call to the first token. */
  readonly firstTokenMs: number;
  /** Between two tokens. */
  readonly gapMs: number;
  readonly totalMs: number;
}

/** What `stats()` and `doctor` show about a profile, in milliseconds. Phases that were never seen are absent. */
export interface ProfileStats {
  readonly samples: number;
  readonly phases: Readonly<
    Partial<Record<Phase, { readonly p50: number; readonly p95: number; readonly p99: number }>>
  >;
  readonly timeouts: PhaseTimeouts;
  /** Factor by which timeouts are widened after some have occurred; 1 when all is well. */
  readonly widening: number;
}

/** The times of a model as shown to people, in milliseconds. */
export interface UsualTimes {
  /** Half of its answers are complete by then. */
  readonly totalMs?: number | undefined;
  /** Nearly all of its answers have started by then. */
  readonly begunMs?: number | undefined;
}

export type SavedProfile = Readonly<Record<Phase, SavedQuantiles>>;

/** With fewer samples than this, the ceiling is the timeout. */
const SAMPLES_MIN = 20;
/** With fewer samples, no usual time is shown. Weights fade a little: a sample counts for less than 1. */
const USUAL_SAMPLES_MIN = 2.9;
const QUANTILE = 0.99;
const MARGIN = 2;
/** Minimum timeout for phases that are rarely long: a call that waits for a slot behind others is no sign of trouble. */
const FLOOR_MS = 1_000;
/**
 * Upper bound on widening. High, because a call that times out teaches nothing: if a server has become slower for good, only a
 * timeout this wide lets through the first answer to learn from.
 */
const WIDENING_MAX = 64;
/** Share of the widening that remains after an answer. */
const RETURN = 0.9;
/** A call that did not end in time is assumed to need this many times as long. */
const LONGER = 2;
/** Weight of saved profiles next to new samples: a restart may have changed the machine. */
const RESTORED_SHARE = 0.5;

/** Number of calls as which the times of another node count: they are a start, and soon outweighed. */
const ADOPTED_CALLS = 3;

/** A call that runs this many times as long as nearly all others counts as hanging. */
const OUTLIVED = 4;

/** Number of calls within which a change of the machine shows. */
const RECENT_MEMORY = 10;
/** If an answer comes sooner than all but this share of calls would, the machine has become quicker. */
const QUICKER_CHANCE = 0.1;
const QUICKER_CALLS = 3;

/** Levels of company: enough for 256 calls. */
const LEVELS_MAX = 17;
const LEVEL_MEMORY = 30;
const LEVEL_MIN = 3;
/** If a smaller share of calls than this reads for as long, the remaining reading time is taken as 0. */
const RARE = 0.05;

/** A call that was cut: how long it ran, when it started to answer, and when its choice was certain. */
type CutCall = Pick<CallReport, 'totalMs' | 'choiceMs' | 'firstTokenMs' | 'queueMs'>;

export class LatencyProfile {
  readonly #phases: Readonly<Record<Phase, DecayedQuantiles>> = {
    queue: new DecayedQuantiles(),
    load: new DecayedQuantiles(50),
    firstToken: new DecayedQuantiles(),
    gap: new DecayedQuantiles(),
    total: new DecayedQuantiles(),
  };
  /** Recent lengths of calls, including the known part of those that were cut. */
  readonly #lengths = new DecayedQuantiles(50);
  /** Time until the choice of a call is certain, and until it ends, as if each were alone at its server. */
  readonly #choices = new SurvivalTimes();
  readonly #wholes = new SurvivalTimes();
  /** Time until the first token, as if each call were alone. */
  readonly #readings = new SurvivalTimes();
  /** Total time of the latest few calls, for comparing places: a server may become slower or quicker at any moment. */
  readonly #recent = new SurvivalTimes(RECENT_MEMORY);
  readonly #company = new CompanySlope();
  /** The effect of company on the time until a choice is certain. */
  readonly #choiceCompany = new CompanySlope();
  /** Measured times until a choice, by company: each level covers half as many calls again as the one before. */
  readonly #byCompany: SurvivalTimes[] = [];
  #widening = 1;
  /** Number of answers that were recorded in this process. */
  answers = 0;

  /**
   * Records an answer, useful or not: the model did its work. `cold`: the model may have been loaded for it. `company`: average
   * number of running calls meanwhile, itself included.
   */
  answered(report: CallReport, cold: boolean, company = 1): void {
    const { queueMs, firstTokenMs, gapMsMax, totalMs } = report;
    this.answers++;
    this.#widening = Math.max(1, this.#widening * RETURN);
    if (cold) {
      // A load says nothing about the model's time once it is loaded.
      this.#phases.load.record(firstTokenMs ?? totalMs);
      return;
    }
    if (queueMs !== undefined) this.#phases.queue.record(queueMs);
    if (firstTokenMs !== undefined) this.#phases.firstToken.record(firstTokenMs);
    this.#readings.ended(firstTokenMs ?? totalMs);
    if (gapMsMax !== undefined) this.#phases.gap.record(gapMsMax);
    this.#phases.total.record(totalMs);
    this.#lengths.record(totalMs);
    this.#company.observe(totalMs, company);
    const factor = this.#company.factor(company);
    const aloneMs = totalMs / factor;
    this.#chose(report.choiceMs ?? totalMs, company);
    this.#wholes.ended(aloneMs);
    if (this.#isQuicker(aloneMs)) this.#recent.clear();
    this.#recent.ended(aloneMs);
  }

  /**
   * Records a call that was cancelled because it was no longer needed. It would have taken at least this long; without these,
   * only the fast calls of each panel would be known.
   */
  cancelled(report: CutCall, company = 1): void {
    const { totalMs } = report;
    this.#cut(report, company);
    const median = this.#phases.total.quantile(0.5);
    if (median !== undefined && totalMs > median) this.#phases.total.record(totalMs);
  }

  /** Records a call given up without output, at a server that may hang: it shows only that the call would have taken longer. */
  silent(report: CutCall, company = 1): void {
    this.#cut(report, company);
  }

  #chose(choiceMs: number, company: number): void {
    this.#choiceCompany.observe(choiceMs, company);
    this.#levelOf(company)?.ended(choiceMs);
    this.#choices.ended(choiceMs / this.#choiceCompany.factor(company));
  }

  /**
   * Records a call that did not end in time. How much longer it would have taken is unknown: twice as long is assumed. A call
   * that was cut short early shows nothing.
   */
  timedOut(report: CutCall, company = 1): void {
    const { totalMs } = report;
    this.#cut(report, company);
    if (report.choiceMs === undefined) this.#choiceCompany.cut(LONGER * totalMs, company);
    const median = this.#lengths.quantile(0.5);
    if (median === undefined || totalMs > median) this.#lengths.record(LONGER * totalMs);
    this.#widening = Math.min(WIDENING_MAX, this.#widening * 2);
  }

  /**
   * Mean time of a call with `company` running calls, itself included, from the latest few calls and the ages `agesMs` of those
   * still running. Cut calls count as longer; the spread counts too. Undefined while no call has ended or was cut.
   */
  meanMs(company = 1, agesMs: readonly number[] = []): number | undefined {
    if (this.#recent.count === 0) return undefined;
    const factor = this.#company.factor(company);
    const aloneMs = this.#recent.meanMs(agesMs.map((ageMs) => ageMs / factor));
    return aloneMs === undefined ? undefined : aloneMs * factor;
  }

  #isQuicker(aloneMs: number): boolean {
    if (this.#recent.count < QUICKER_CALLS) return false;
    return (this.#recent.meanMs() as number) > 2 * aloneMs && this.#recent.survival(aloneMs) > 1 - QUICKER_CHANCE;
  }

  /** The time by which the share `q` of calls is done; undefined while too little is known. */
  quantile(phase: Phase, q: number): number | undefined {
    const phaseOf = this.#phases[phase];
    return phaseOf.count < SAMPLES_MIN ? undefined : phaseOf.quantile(q);
  }

  /**
   * The chance, 0 to 1, that a call started now ends within `ms`, with `company` running calls, itself included. `agesMs` are the
   * ages of running calls of the model. Undefined while nothing is known.
   */
  chanceWithin(ms: number, company = 1, agesMs: readonly number[] = []): number | undefined {
    const factor = this.besides(company);
    return this.#choices.chanceWithin(
      ms / factor,
      agesMs.map((ageMs) => ageMs / factor),
    );
  }

  /** How many times as long as alone a call takes to its choice with `company` running calls, itself included. */
  besides(company: number): number {
    return this.#choiceCompany.factor(company);
  }

  /**
   * The chance that a call ends within `ms` with `company` running calls, itself included, from calls in such company; if there
   * were few, from the effect of company. Undefined while nothing is known.
   */
  chanceAmong(ms: number, company: number): number | undefined {
    const level = this.#levelOf(company);
    return level !== undefined && level.count >= LEVEL_MIN ? level.chanceWithin(ms) : this.chanceWithin(ms, company);
  }

  #levelOf(company: number): SurvivalTimes | undefined {
    const level = Math.round(2 * Math.log2(Math.max(1, company)));
    if (level >= LEVELS_MAX) return undefined;
    this.#byCompany[level] ??= new SurvivalTimes(LEVEL_MEMORY);
    return this.#byCompany[level];
  }

  /** Whether the effect of company on the times of calls is known. */
  get knowsCompany(): boolean {
    return this.#choiceCompany.isKnown;
  }

  /** How many times as long a call takes next to one other as alone. */
  get besideAnother(): number {
    return this.#company.factor(2);
  }

  /** The number of calls at once beyond which one more adds little to their total output. */
  get usefulCompany(): number {
    return this.#company.useful;
  }

  /** Number of calls so far if all of the recent ones had the same company, so that its effect does not show; 0 if it may. */
  get callsInSameCompany(): number {
    return this.#company.isHidden ? this.#company.observed : 0;
  }

  /** The chance that a call which has run for `ageMs` ends within `ms` more. Undefined while nothing is known. */
  chanceAfter(ageMs: number, ms: number, company = 1): number | undefined {
    const factor = this.besides(company);
    return this.#choices.chanceAfter(ageMs / factor, ms / factor);
  }

  /** Median remaining time of a call that has run for `ageMs`, in milliseconds. Undefined while nothing is known. */
  remainingMs(ageMs: number, company = 1): number | undefined {
    const factor = this.#company.factor(company);
    const aloneMs = this.#wholes.remainingMs(ageMs / factor);
    return aloneMs === undefined ? undefined : aloneMs * factor;
  }

  /**
   * Whether a call that has run for `ageMs` hangs, as far as can be known: it has run several times as long as nearly all others.
   * False while too little is known.
   */
  hangs(ageMs: number, company = 1): boolean {
    const { total } = this.#phases;
    if (total.count < USUAL_SAMPLES_MIN) return false;
    return ageMs > OUTLIVED * (total.quantile(QUANTILE) as number) * this.#company.factor(company);
  }

  /**
   * Median remaining reading time of a call that has not started to answer after `ageMs`, in milliseconds: as long again if cut
   * calls have read for as long. Undefined while no call has started to answer.
   */
  readingLeftMs(ageMs: number): number | undefined {
    if (this.#phases.firstToken.count === 0) return undefined;
    return this.#readings.survival(ageMs) < RARE ? 0 : (this.#readings.remainingMs(ageMs) ?? ageMs);
  }

  /** Expected time of a call, in milliseconds; undefined while nothing is known. */
  get expectedMs(): number | undefined {
    return this.#lengths.quantile(0.5);
  }

  /** Usual times of answers, for sentences about a call; empty while there are too few. */
  get usual(): UsualTimes {
    const { total, firstToken } = this.#phases;
    return {
      totalMs: total.count < USUAL_SAMPLES_MIN ? undefined : total.quantile(0.5),
      begunMs: firstToken.count < USUAL_SAMPLES_MIN ? undefined : firstToken.quantile(QUANTILE),
    };
  }

  /** The timeouts for a call. `cold`: the model may have to be loaded first, which only the ceiling bounds. */
  timeouts(ceilingMs: number, cold: boolean): PhaseTimeouts {
    const bound = (phase: Phase): number => {
      const high = this.quantile(phase, QUANTILE);
      if (high === undefined || cold) return ceilingMs;
      return Math.min(ceilingMs, Math.max(FLOOR_MS, high * MARGIN) * this.#widening);
    };
    const totalMs = bound('total');
    return {
      headersMs: Math.min(bound('queue'), totalMs),
      firstTokenMs: Math.min(bound('firstToken'), totalMs),
      gapMs: Math.min(bound('gap'), totalMs),
      totalMs,
    };
  }

  stats(ceilingMs: number): ProfileStats {
    const phases: Partial<Record<Phase, { p50: number; p95: number; p99: number }>> = {};
    for (const phase of PHASES) {
      const quantiles = this.#phases[phase];
      if (quantiles.count === 0) continue;
      const at = (q: number): number => Math.round((quantiles.quantile(q) ?? 0) * 10) / 10;
      phases[phase] = { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
    }
    return {
      samples: Math.round(this.#phases.total.count),
      phases,
      timeouts: this.timeouts(ceilingMs, false),
      widening: Math.round(this.#widening * 100) / 100,
    };
  }

  save(): SavedProfile {
    const { queue, load, firstToken, gap, total } = this.#phases;
    return {
      queue: queue.save(),
      load: load.save(),
      firstToken: firstToken.save(),
      gap: gap.save(),
      total: total.save(),
    };
  }

  /** Takes the times that another node has measured as a start. No effect if anything is known here. */
  adopt(saved: SavedProfile): boolean {
    const calls = saved.total.reduce((sum, [, weight]) => sum + weight, 0);
    if (!(calls > 0) || !PHASES.every((phase) => this.#phases[phase].count === 0) || this.#choices.count > 0)
      return false;
    this.restore(saved, Math.min(1, ADOPTED_CALLS / calls));
    return true;
  }

  restore(saved: SavedProfile, share = RESTORED_SHARE): void {
    for (const phase of PHASES) this.#phases[phase].restore(saved[phase], share);
    this.#lengths.restore(saved.total, share);
    const firsts = this.#phases.firstToken.save().map(([bucket, weight]) => [durationAt(bucket), weight] as const);
    this.#readings.restore(firsts);
    const totals = this.#phases.total.save().map(([bucket, weight]) => [durationAt(bucket), weight] as const);
    for (const times of [this.#choices, this.#wholes, this.#recent]) times.restore(totals);
  }

  #cut({ totalMs, choiceMs, firstTokenMs, queueMs }: CutCall, company: number): void {
    if (firstTokenMs !== undefined) this.#readings.ended(firstTokenMs);
    // A call without a response may only have been waiting for its turn.
    else if (queueMs !== undefined) this.#readings.cut(totalMs);
    const factor = this.#company.factor(company);
    if (choiceMs === undefined) {
      this.#levelOf(company)?.cut(totalMs);
      this.#choices.cut(totalMs / this.besides(company));
    } else this.#chose(choiceMs, company);
    this.#wholes.cut(totalMs / factor);
    this.#recent.cut(totalMs / factor);
  }
}
