/**
 * Decides which predictions may be served so that at most `budget` of everything served is wrong. The rule and its origin are in
 * docs/decisions/0007-error-budget.md.
 *
 * Predictions fall into classes by estimated risk. The real outcomes of each class are observed: on requests that were not
 * served, on checks of served ones, and on a share of servable requests that are asked anyway (probes). Classes are served from
 * the surest on, as long as the upper bound of their risk together meets the budget. Observations fade with every request of
 * their class, so a class that is served on old evidence alone loses it and must earn it again.
 */
const CLASSES = 24;
/** Number of requests of a class after which an observation counts for 1/e. */
const MEMORY = 2_000;
/** Number of requests after which the mix of classes is forgotten. */
const MIX_MEMORY = 4_000;
const MIX_FADES_EVERY = 64;
/** Number of predictions after which the cut is recomputed. */
const CUT_EVERY = 8;
/** Share of servable requests that are asked anyway. */
const PROBE_SHARE = 0.06;
/** Standard errors added to the bound at first: while little was served, each mistake weighs more in the total. */
const CAUTION_AT_FIRST = 2.2;
const CAUTION_LATER = 0.8;
const SERVED_UNTIL_LATER = 2_500;
/** Actual errors vary around their risk: one standard error for this many served answers is kept in reserve. */
const STRAY_SERVED = 1_500;
/** Number of observations that the prior risk of each class counts for. */
const PRIOR_OBSERVATIONS = 1;

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

export type BudgetVerdict = 'serve' | 'probe' | 'ask';

export class ErrorBudget {
  readonly #budget: number;
  /** The target risk, a little below the budget. */
  readonly #target: number;
  readonly #priors = Float64Array.from({ length: CLASSES }, (_, i) => Math.min(0.95, 0.01 + 1.5 * classRisk(i)));
  readonly #observed = new Float64Array(CLASSES);
  readonly #wrong = new Float64Array(CLASSES);
  readonly #mix = new Float64Array(CLASSES);
  /** The last class that is served; -1 for none. */
  #cut = -1;
  #risk: number | null = null;
  #riskHigh: number | null = null;
  #judged = 0;
  #served = 0;
  #probes = 0;

  constructor(budget: number) {
    this.#budget = budget;
    this.#target = budget - Math.sqrt((budget * (1 - budget)) / STRAY_SERVED);
  }

  /** Returns the class of an estimated chance of being right; 0 is the surest. */
  classOf(chance: number): number {
    return Math.min(CLASSES - 1, Math.floor(Math.sqrt(1 - chance) * CLASSES));
  }

  /** Decides what to do with a prediction of this class. `random` is a number in [0, 1). */
  judge(riskClass: number, random: number): BudgetVerdict {
    if (this.#judged % CUT_EVERY === 0) this.#findCut();
    this.#judged++;
    this.#fade(riskClass);
    if (riskClass > this.#cut) return 'ask';
    if (random < PROBE_SHARE) {
      this.#probes++;
      return 'probe';
    }
    this.#served++;
    return 'serve';
  }

  /** Whether a prediction of this class may be served now. Counts nothing. */
  allows(riskClass: number): boolean {
    return riskClass <= this.#cut;
  }

  /** Records the outcome of a prediction of this class. */
  observe(riskClass: number, isWrong: boolean): void {
    this.#observed[riskClass] = (this.#observed[riskClass] as number) + 1;
    if (isWrong) this.#wrong[riskClass] = (this.#wrong[riskClass] as number) + 1;
  }

  clear(): void {
    for (const counts of [this.#observed, this.#wrong, this.#mix]) counts.fill(0);
    this.#cut = -1;
    this.#risk = null;
    this.#riskHigh = null;
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
    this.#observed[riskClass] = (this.#observed[riskClass] as number) * (1 - 1 / MEMORY);
    this.#wrong[riskClass] = (this.#wrong[riskClass] as number) * (1 - 1 / MEMORY);
    if (this.#judged % MIX_FADES_EVERY !== 0) return;
    for (let i = 0; i < CLASSES; i++) this.#mix[i] = (this.#mix[i] as number) * (1 - MIX_FADES_EVERY / MIX_MEMORY);
  }

  #findCut(): void {
    const caution = CAUTION_LATER + (CAUTION_AT_FIRST - CAUTION_LATER) * Math.exp(-this.#served / SERVED_UNTIL_LATER);
    const risks = this.#risks();
    this.#cut = -1;
    this.#risk = null;
    this.#riskHigh = null;
    let mix = 0;
    let wrong = 0;
    let variance = 0;
    let observed = 0;
    for (let i = 0; i < CLASSES; i++) {
      const weight = this.#mix[i] as number;
      if (weight <= 0) continue;
      const risk = risks[i] as number;
      mix += weight;
      wrong += weight * risk;
      variance += (weight * weight * risk * (1 - risk)) / ((this.#observed[i] as number) + PRIOR_OBSERVATIONS);
      observed += this.#observed[i] as number;
      // The last term is the width that remains if nothing wrong was ever seen (as in Wilson's interval).
      const high = (wrong + caution * Math.sqrt(variance)) / mix + (caution * caution) / (4 * (observed + 1));
      if (high > this.#target) continue;
      this.#cut = i;
      this.#risk = wrong / mix;
      this.#riskHigh = high;
    }
  }

  /** Observed risk of each class, made to rise from class to class (pool adjacent violators: Ayer et al., 1955). */
  #risks(): Float64Array {
    const pools: { wrong: number; weight: number; classes: number }[] = [];
    for (let i = 0; i < CLASSES; i++) {
      const weight = (this.#observed[i] as number) + PRIOR_OBSERVATIONS;
      const wrong = (this.#wrong[i] as number) + PRIOR_OBSERVATIONS * (this.#priors[i] as number);
      pools.push({ wrong, weight, classes: 1 });
      for (;;) {
        const last = pools.at(-1);
        const before = pools.at(-2);
        if (last === undefined || before === undefined || before.wrong / before.weight <= last.wrong / last.weight)
          break;
        pools.pop();
        before.wrong += last.wrong;
        before.weight += last.weight;
        before.classes += last.classes;
      }
    }
    const risks = new Float64Array(CLASSES);
    let at = 0;
    for (const pool of pools) {
      risks.fill(pool.wrong / pool.weight, at, at + pool.classes);
      at += pool.classes;
    }
    return risks;
  }
}

/** Estimated risk in the middle of a class. Classes are narrow where the risk is small. */
function classRisk(riskClass: number): number {
  return ((riskClass + 0.5) / CLASSES) ** 2;
}
