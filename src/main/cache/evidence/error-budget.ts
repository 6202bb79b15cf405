import type { CountedPart } from '../exchange/evidence-totals.ts';
import { areAll, areNumbers } from '../learned/learned-part.ts';
import { type BudgetCounts, BudgetTotals } from './budget-totals.ts';
import { CLASSES, ClassOutcomes, fadeOf, spreadOf } from './class-outcomes.ts';
import { ServedShare } from './served-share.ts';

/**
 * Decides which predictions may be served so that at most `budget` of everything served is wrong. The rule and its origin are in
 * docs/decisions/0007-error-budget.md.
 *
 * Predictions fall into classes by estimated risk. The real outcomes of each class are observed: on requests that were not
 * served, and on samples of those that could be (checks, and probes: servable requests that are asked anyway). Classes are
 * served from the surest on, as long as the upper bound of their risk together meets the budget. The share of samples that is
 * wrong shrinks what is served if it is higher than the classes say; if it is lower, nothing grows.
 */
/** Number of requests after which the mix of classes is forgotten. */
const MIX_MEMORY = 800;
const MIX_FADES_EVERY = 64;
/** Number of predictions after which the cut is recomputed. */
const CUT_EVERY = 8;
/** Share of servable requests that are asked anyway, and the same at first and in doubt. */
const PROBE_SHARE = 0.08;
const PROBE_SHARE_WARY = 0.13;
/** Standard errors added to the bound at first and after an alarm: while little was served, each mistake weighs more in the total. */
const CAUTION_AT_FIRST = 2;
const CAUTION_LATER = 0.6;
const SERVED_UNTIL_LATER = 600;
/**
 * A class riskier than this many budgets is not served, even if surer ones would make up for it. Such classes add little to what
 * is served and much to what is wrong, and the less sure a class, the more often it is worse than observed.
 */
const RISK_MAX = 3;
/** The same at least, for classes of which little is known. */
const CAUTION_UNKNOWN = 1.2;
/** Actual errors vary around their risk: a part of the standard error for this many served answers and more is kept in reserve. */
const STRAY_SERVED = 1_500;
const STRAY_SHARE = 0.8;
const STRAY_GROWTH = 0.3;
/** Number of served answers in which a debt is to be paid back. */
const REPAID_IN = 500;
/** Share of the observations that still counts after an alarm. */
const KEPT_AFTER_ALARM = 0.1;
/** No class has as many outcomes or requests as this. */
const COUNT_MAX = 1e9;
/** Samples of another node that are taken over one by one. More come only after a long absence: then this many in their proportion. */
const SAMPLES_HEARD_MAX = 600;

export interface BudgetStats {
  readonly budget: number;
  /** Predictions judged, and how many of them could be served. */
  readonly judged: number;
  readonly served: number;
  readonly probes: number;
  /** Estimated risk of the predictions served now, and its upper bound. Null while none is served. */
  readonly risk: number | null;
  readonly riskHigh: number | null;
}

/** What outlives the process. */
interface SavedBudget {
  readonly budget: number;
  readonly outcomes: number[][];
  readonly mix: number[];
  readonly share: number[];
  readonly served: number;
  readonly servedSinceAlarm: number;
}

export type BudgetVerdict = 'serve' | 'probe' | 'ask';

export class ErrorBudget {
  readonly #budget: number;
  readonly #outcomes = new ClassOutcomes();
  readonly #share: ServedShare;
  readonly #mix = new Float64Array(CLASSES);
  readonly #own = new BudgetTotals();
  /** The last class that is served; -1 for none. */
  #cut = -1;
  #risk: number | null = null;
  #riskHigh: number | null = null;
  #judged = 0;
  #served = 0;
  /** The same of earlier processes, and of other nodes. */
  #servedElsewhere = 0;
  #servedSinceAlarm = 0;
  #probes = 0;

  constructor(budget: number) {
    this.#budget = budget;
    this.#share = new ServedShare(budget);
  }

  /** Returns the class of an estimated chance of being right; 0 is the surest. */
  classOf(chance: number): number {
    return Math.min(CLASSES - 1, Math.floor(Math.sqrt(1 - chance) * CLASSES));
  }

  /** Decides what to do with a prediction of this class. `random` is a number in [0, 1). If in doubt, more is probed. */
  judge(riskClass: number, random: number, isInDoubt = false): BudgetVerdict {
    if (this.#judged % CUT_EVERY === 0) this.#findCut();
    this.#judged++;
    this.#own.count('judged', riskClass);
    this.#fade(riskClass);
    if (riskClass > this.#cut) return 'ask';
    this.#share.servable();
    if (random < (isInDoubt || this.#share.isWary ? PROBE_SHARE_WARY : PROBE_SHARE)) {
      this.#probes++;
      this.#own.count('probed', riskClass);
      return 'probe';
    }
    this.#served++;
    this.#own.count('served', riskClass);
    this.#servedSinceAlarm++;
    this.#share.served(this.#risk ?? this.#budget);
    return 'serve';
  }

  /** Whether a prediction of this class may be served now. Counts nothing. */
  allows(riskClass: number): boolean {
    return riskClass <= this.#cut;
  }

  /** Records the outcome of a prediction of this class. `isSample` says that it could be served: it is of a probe or a check. */
  observe(riskClass: number, isWrong: boolean, isSample = this.allows(riskClass)): void {
    this.#outcomes.add(riskClass, isWrong, isSample);
    this.#own.observe(riskClass, isWrong, isSample);
    if (isSample) this.#sampled(riskClass, isWrong);
  }

  #sampled(riskClass: number, isWrong: boolean): void {
    if (!this.#share.sampled(isWrong, this.#outcomes.askedRisk(riskClass))) return;
    this.#outcomes.discount(KEPT_AFTER_ALARM);
    this.#servedSinceAlarm = 0;
  }

  /** What this node counts by itself, under a name that tells the budget: what was served under another one says nothing about this one. */
  totalsPart(name: string): CountedPart {
    return this.#own.part(`${name} ${this.#budget}`, (riskClass, more) => this.#hear(riskClass, more));
  }

  /** Takes over what another node has counted of a class, as if it had happened here. */
  #hear(riskClass: number, more: BudgetCounts): void {
    const { judged, served, probed, sampled, sampledWrong } = more;
    this.#outcomes.fade(riskClass, this.allows(riskClass), judged);
    this.#outcomes.hear(riskClass, more, judged);
    for (let i = 0; i < CLASSES; i++) this.#mix[i] = (this.#mix[i] as number) * fadeOf(MIX_MEMORY, judged);
    this.#mix[riskClass] = (this.#mix[riskClass] as number) + judged * spreadOf(MIX_MEMORY, judged);
    this.#share.judged(judged);
    this.#share.servable(served + probed);
    const samples = Math.min(sampled, SAMPLES_HEARD_MAX);
    for (let i = 0; i < samples; i++) {
      const wrongSoFar = (at: number): number => Math.floor((at * sampledWrong) / sampled);
      this.#sampled(riskClass, wrongSoFar(i + 1) > wrongSoFar(i));
    }
    this.#share.served(this.#risk ?? this.#budget, served);
    this.#servedElsewhere += served;
    this.#servedSinceAlarm += served;
    this.#findCut();
  }

  saved(): SavedBudget {
    return {
      budget: this.#budget,
      outcomes: this.#outcomes.saved(),
      mix: [...this.#mix],
      share: this.#share.saved(),
      served: this.#servedElsewhere + this.#served,
      servedSinceAlarm: this.#servedSinceAlarm,
    };
  }

  /**
   * Takes over what `saved` returned in an earlier process. What was served under another budget says nothing about this one: only
   * what is known of the classes counts then. Returns false, and changes nothing, if the value is none.
   */
  restore(saved: unknown): boolean {
    if (!isSavedBudget(saved)) return false;
    this.#outcomes.restore(saved.outcomes);
    this.#mix.set(saved.mix);
    if (saved.budget === this.#budget) {
      this.#share.restore(saved.share);
      this.#servedElsewhere = saved.served;
      this.#servedSinceAlarm = saved.servedSinceAlarm;
    }
    this.#findCut();
    return true;
  }

  clear(): void {
    this.#own.clear();
    this.#outcomes.clear();
    this.#share.clear();
    this.#mix.fill(0);
    this.#cutAt(-1, null, null);
    this.#servedSinceAlarm = 0;
  }

  stats(): BudgetStats {
    return {
      budget: this.#budget,
      judged: this.#judged,
      served: this.#served,
      probes: this.#probes,
      risk: this.#risk,
      riskHigh: this.#riskHigh,
    };
  }

  #fade(riskClass: number): void {
    this.#mix[riskClass] = (this.#mix[riskClass] as number) + 1;
    this.#outcomes.fade(riskClass, this.allows(riskClass));
    this.#share.judged();
    if (this.#judged % MIX_FADES_EVERY !== 0) return;
    for (let i = 0; i < CLASSES; i++) this.#mix[i] = (this.#mix[i] as number) * (1 - MIX_FADES_EVERY / MIX_MEMORY);
  }

  /** The risk that may be shown: a little below the budget, less what is to be paid back. */
  #target(): number {
    const variance =
      (this.#budget * (1 - this.#budget)) / (STRAY_SERVED + STRAY_GROWTH * (this.#servedElsewhere + this.#served));
    return this.#budget - STRAY_SHARE * Math.sqrt(variance) - this.#share.debt / REPAID_IN;
  }

  #caution(): number {
    return CAUTION_LATER + (CAUTION_AT_FIRST - CAUTION_LATER) * Math.exp(-this.#servedSinceAlarm / SERVED_UNTIL_LATER);
  }

  #findCut(): void {
    const caution = this.#caution();
    const width = Math.max(caution, CAUTION_UNKNOWN) ** 2;
    const target = this.#target();
    const risks = this.#outcomes.risks(this.#share.bias);
    this.#cutAt(-1, null, null);
    let mix = 0;
    let wrong = 0;
    let variance = 0;
    let observed = 0;
    for (let i = 0; i < CLASSES; i++) {
      const weight = this.#mix[i] as number;
      if (weight <= 0) continue;
      const risk = risks[i] as number;
      if (risk > RISK_MAX * this.#budget) break;
      mix += weight;
      wrong += weight * risk;
      const count = this.#outcomes.countOf(i);
      variance += (weight * weight * risk * (1 - risk)) / (count + 1);
      observed += count;
      // The last term is the width that remains if nothing wrong was ever seen (as in Wilson's interval).
      const high = (wrong + caution * Math.sqrt(variance)) / mix + width / (4 * (observed + 1));
      if (high <= target) this.#cutAt(i, wrong / mix, high);
    }
  }

  #cutAt(riskClass: number, risk: number | null, riskHigh: number | null): void {
    this.#cut = riskClass;
    this.#risk = risk;
    this.#riskHigh = riskHigh;
  }
}

function isSavedBudget(value: unknown): value is SavedBudget {
  const { outcomes, mix, share, ...counts } = (value ?? {}) as Partial<Record<string, unknown>>;
  const isOfClasses = (list: unknown): list is number[] =>
    areNumbers(list, CLASSES) && list.every((count) => count >= 0 && count <= COUNT_MAX);
  const isWhole = areAll(outcomes, isOfClasses) && outcomes.length === 4 && isOfClasses(mix) && areNumbers(share, 9);
  return isWhole && areNumbers([counts.budget, counts.served, counts.servedSinceAlarm]);
}
