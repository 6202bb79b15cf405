import type { CallReport } from '../../../shared/tasks.ts';
import { DecayedQuantiles, durationAt, type SavedQuantiles } from '../../measure/decayed-quantiles.ts';
import { CompanySlope } from './company-slope.ts';
import { SurvivalTimes } from './survival-times.ts';

/**
 * What is known of the times of one model at one endpoint, for one kind of request: how long it waits for a slot, how long
 * the model takes to load, to read the prompt, between two tokens, and in all. From that come the timeouts of each phase:
 * a margin over a high quantile. After a timeout they widen, and with each answer they return.
 */
export const PHASES = ['queue', 'load', 'firstToken', 'gap', 'total'] as const;
export type Phase = (typeof PHASES)[number];
/** What plans ask, with and without a picture, and read; and chats of others, whose prompts and answers may be of any length. */
export const CALL_KINDS = ['text', 'vision', 'read', 'chat'] as const;
export type CallKind = (typeof CALL_KINDS)[number];

/** The longest that a call may take in each phase, milliseconds. */
export interface PhaseTimeouts {
  /** From its start to the response headers. */
  readonly headersMs: number;
  /** From its start to the first token. */
  readonly firstTokenMs: number;
  /** Between two tokens. */
  readonly gapMs: number;
  readonly totalMs: number;
}

/** What `stats()` and `doctor` show of a profile, milliseconds. Phases that were never seen are absent. */
export interface ProfileStats {
  readonly samples: number;
  readonly phases: Readonly<
    Partial<Record<Phase, { readonly p50: number; readonly p95: number; readonly p99: number }>>
  >;
  readonly timeouts: PhaseTimeouts;
  /** What timeouts are wider by, after some: 1 when all is well. */
  readonly widening: number;
}

/** What people are told of a model's times, milliseconds. */
export interface UsualTimes {
  /** Half of its answers are whole by then. */
  readonly totalMs?: number | undefined;
  /** Nearly all of its answers have begun by then. */
  readonly begunMs?: number | undefined;
}

export type SavedProfile = Readonly<Record<Phase, SavedQuantiles>>;

/** With fewer samples than this the ceiling is the timeout. */
const SAMPLES_MIN = 20;
/** With fewer, nobody is told how long answers usually take. Weights fade a little: a sample counts for less than 1. */
const USUAL_SAMPLES_MIN = 2.9;
const QUANTILE = 0.99;
const MARGIN = 2;
/** Phases that are rarely long: a call that waits for a slot behind others is no sign of trouble. */
const FLOOR_MS = 1_000;
/**
 * High: a call that times out teaches nothing, so where a server has become slower for good only a timeout as wide as that
 * lets the first answer through from which to learn.
 */
const WIDENING_MAX = 64;
/** After an answer, this much of the widening is left. */
const RETURN = 0.9;
/** What did not end in time is taken to need so many times as long. */
const LONGER = 2;
/** A restart may have changed the machine: what was saved counts for less than what is seen. */
const RESTORED_SHARE = 0.5;

/** A call that runs for so many times as long as nearly all others is not waited for. */
const OUTLIVED = 4;

/** A change of the machine shows within so many calls. */
const RECENT_MEMORY = 10;
/** An answer that came sooner than all but so few were expected to, of so many calls, is one of a machine that got quicker. */
const QUICKER_CHANCE = 0.1;
const QUICKER_CALLS = 3;

/** Of company: up to 256 calls. */
const LEVELS_MAX = 17;
const LEVEL_MEMORY = 30;
const LEVEL_MIN = 3;
/** What fewer calls than this have shown is not reckoned with. */
const RARE = 0.05;

/** A call that was cut: how long it ran, after how long it began to answer, and its choice was certain. */
type CutCall = Pick<CallReport, 'totalMs' | 'choiceMs' | 'firstTokenMs' | 'queueMs'>;

export class LatencyProfile {
  readonly #phases: Readonly<Record<Phase, DecayedQuantiles>> = {
    queue: new DecayedQuantiles(),
    load: new DecayedQuantiles(50),
    firstToken: new DecayedQuantiles(),
    gap: new DecayedQuantiles(),
    total: new DecayedQuantiles(),
  };
  /** All that is known of how long calls take, also of those that were not waited for to their end; of late. */
  readonly #lengths = new DecayedQuantiles(50);
  /** How long calls take until their choice is certain, as if each were alone at its server; and until they end. */
  readonly #choices = new SurvivalTimes();
  readonly #wholes = new SurvivalTimes();
  /** The same until the first token. */
  readonly #readings = new SurvivalTimes();
  /** The last of the latest few, by which places are compared: a server may become slower or quicker at any moment. */
  readonly #recent = new SurvivalTimes(RECENT_MEMORY);
  readonly #company = new CompanySlope();
  /** The same of the times until a choice is certain. */
  readonly #choiceCompany = new CompanySlope();
  /** Times until a choice as they were, by company: each level is of half as many calls again as the one before. */
  readonly #byCompany: SurvivalTimes[] = [];
  #widening = 1;

  /**
   * An answer, useful or not: the model did its work. `cold` where it may have been loaded for it. `company`: calls at work
   * while it ran, on average, itself included.
   */
  answered(report: CallReport, cold: boolean, company = 1): void {
    const { queueMs, firstTokenMs, gapMsMax, totalMs } = report;
    this.#widening = Math.max(1, this.#widening * RETURN);
    if (cold) {
      // A load says nothing of how long the model takes when it is there.
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
   * A call that nobody waited for any longer. It would have taken at least as long as it did; without these, only the fast
   * calls of each panel would be known.
   */
  cancelled(report: CutCall, company = 1): void {
    const { totalMs } = report;
    this.#cut(report, company);
    const median = this.#phases.total.quantile(0.5);
    if (median !== undefined && totalMs > median) this.#phases.total.record(totalMs);
  }

  /** A call given up before anything came, by a server that may hang: that it would have taken longer is all that it says. */
  silent(report: CutCall, company = 1): void {
    this.#cut(report, company);
  }

  #chose(choiceMs: number, company: number): void {
    this.#choiceCompany.observe(choiceMs, company);
    this.#levelOf(company)?.ended(choiceMs);
    this.#choices.ended(choiceMs / this.#choiceCompany.factor(company));
  }

  /**
   * A call that did not end in time would have taken longer, nobody knows how much: twice as long is taken for it. One that
   * was cut short early says nothing.
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
   * How long a call takes on average with `company` calls at work, itself included, by the latest few calls and by those that
   * still run, whose ages are `agesMs`. What was cut took longer; a spread counts. Undefined while no call has ended or was cut.
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

  /** The share `q` of calls is done after so long; undefined while too little is known. */
  quantile(phase: Phase, q: number): number | undefined {
    const phaseOf = this.#phases[phase];
    return phaseOf.count < SAMPLES_MIN ? undefined : phaseOf.quantile(q);
  }

  /**
   * The chance, 0 to 1, that a call that begins now ends within `ms`, with `company` calls at work, itself included. `agesMs`
   * are the ages of calls of the model that still run. Undefined while nothing is known.
   */
  chanceWithin(ms: number, company = 1, agesMs: readonly number[] = []): number | undefined {
    const factor = this.besides(company);
    return this.#choices.chanceWithin(
      ms / factor,
      agesMs.map((ageMs) => ageMs / factor),
    );
  }

  /** How many times as long as alone a call takes to its choice with `company` calls at work, itself included. */
  besides(company: number): number {
    return this.#choiceCompany.factor(company);
  }

  /**
   * The chance that a call ends within `ms` with `company` calls at work, itself included, by those that ran in such company; by what
   * company adds where there were few. Undefined while nothing is known.
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

  /** Whether it is known what company does to the times of calls. */
  get knowsCompany(): boolean {
    return this.#choiceCompany.isKnown;
  }

  /** How many times as long a call takes beside one other as alone. */
  get besideAnother(): number {
    return this.#company.factor(2);
  }

  /** The number of calls at once beyond which one more adds little to what they get done together. */
  get usefulCompany(): number {
    return this.#company.useful;
  }

  /** The chance that a call which has run for `ageMs` ends within `ms` more. Undefined while nothing is known. */
  chanceAfter(ageMs: number, ms: number, company = 1): number | undefined {
    const factor = this.besides(company);
    return this.#choices.chanceAfter(ageMs / factor, ms / factor);
  }

  /** How much longer a call runs that has run for `ageMs`, milliseconds, as a median. Undefined while nothing is known. */
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
   * How much longer a call reads its prompt that has not begun to answer after `ageMs`, milliseconds, as a median: as long again
   * where calls that were cut have read for as long. Undefined while no call has begun to answer.
   */
  readingLeftMs(ageMs: number): number | undefined {
    if (this.#phases.firstToken.count === 0) return undefined;
    return this.#readings.survival(ageMs) < RARE ? 0 : (this.#readings.remainingMs(ageMs) ?? ageMs);
  }

  /** How long a call is expected to take, milliseconds; undefined while nothing is known. */
  get expectedMs(): number | undefined {
    return this.#lengths.quantile(0.5);
  }

  /** How long answers take, for sentences about a call; empty while too few have come. */
  get usual(): UsualTimes {
    const { total, firstToken } = this.#phases;
    return {
      totalMs: total.count < USUAL_SAMPLES_MIN ? undefined : total.quantile(0.5),
      begunMs: firstToken.count < USUAL_SAMPLES_MIN ? undefined : firstToken.quantile(QUANTILE),
    };
  }

  /** `cold`: the model may have to be loaded first, which only the ceiling bounds. */
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

  restore(saved: SavedProfile): void {
    for (const phase of PHASES) this.#phases[phase].restore(saved[phase], RESTORED_SHARE);
    this.#lengths.restore(saved.total, RESTORED_SHARE);
    const firsts = this.#phases.firstToken.save().map(([bucket, weight]) => [durationAt(bucket), weight] as const);
    this.#readings.restore(firsts);
    const totals = this.#phases.total.save().map(([bucket, weight]) => [durationAt(bucket), weight] as const);
    for (const times of [this.#choices, this.#wholes, this.#recent]) times.restore(totals);
  }

  #cut({ totalMs, choiceMs, firstTokenMs, queueMs }: CutCall, company: number): void {
    if (firstTokenMs !== undefined) this.#readings.ended(firstTokenMs);
    // One without a response may have waited for its turn, or for nothing.
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
