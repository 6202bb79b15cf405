import type { CountedPart } from '../exchange/evidence-totals.ts';
import type { LearnedPart } from '../learned/learned-part.ts';
import { type BudgetStats, type BudgetVerdict, ErrorBudget } from './error-budget.ts';
import type { Prediction } from './evidence.ts';
import { type RiskInputs, RiskModel } from './risk-model.ts';
import { Surprise } from './surprise.ts';

/** What was decided about a prediction. */
export interface TierVerdict {
  /** The class of its risk. */
  readonly riskClass: number;
  readonly verdict: BudgetVerdict;
}

/** Decides which predictions of one kind may be served, by what became of earlier ones of that kind alone. */
export class TierJudge {
  readonly #risk: RiskModel;
  readonly #surprise = new Surprise();
  readonly #budget: ErrorBudget;

  constructor(budget: number, inputs?: RiskInputs) {
    this.#risk = new RiskModel(inputs);
    this.#budget = new ErrorBudget(budget);
  }

  /** Decides on a prediction that could be served, and counts it. `random` is a number in [0, 1). */
  judge(prediction: Prediction, scene: string, random: number): TierVerdict {
    const riskClass = this.#classOf(prediction, scene);
    return { riskClass, verdict: this.#budget.judge(riskClass, random, this.#surprise.isMarked(scene)) };
  }

  /** Whether a prediction would be served now. Counts nothing. */
  allows(prediction: Prediction, scene: string): boolean {
    return this.#budget.allows(this.#classOf(prediction, scene));
  }

  /** Learns whether a prediction that was judged was right. */
  learn({ features }: Prediction, scene: string, { riskClass, verdict }: TierVerdict, isRight: boolean): void {
    this.rank(features, scene, isRight);
    this.#budget.observe(riskClass, !isRight, verdict !== 'ask');
  }

  /** Learns the same of a prediction of another node, whose outcome its totals count. Returns false if these are no features. */
  rank(features: Float64Array, scene: string, isRight: boolean): boolean {
    if (features.length !== this.#risk.inputs) return false;
    this.#surprise.add(scene, this.#risk.chance(features), isRight);
    this.#risk.learn(features, isRight);
    return true;
  }

  /** What this node counts of the predictions by itself. The name of its group starts with `budget` and the suffix. */
  totalsPart(suffix: string): CountedPart {
    return this.#budget.totalsPart(`budget${suffix}`);
  }

  /** What outlives the process. The names of its parts end in `suffix`. */
  learnedParts(suffix: string): LearnedPart[] {
    return [
      { name: `risk${suffix}`, saved: () => [this.#risk.saved()], restore: (saved) => this.#risk.restore(saved) },
      {
        name: `surprise${suffix}`,
        saved: () => [this.#surprise.saved()],
        restore: (saved) => this.#surprise.restore(saved),
      },
      this.budgetPart(suffix),
    ];
  }

  /** The part of it that consists of sums. */
  budgetPart(suffix: string): LearnedPart {
    const saved = () => [this.#budget.saved()];
    return { name: `budget${suffix}`, saved, restore: (value) => this.#budget.restore(value) };
  }

  clear(): void {
    this.#risk.clear();
    this.#surprise.clear();
    this.#budget.clear();
  }

  stats(): BudgetStats {
    return this.#budget.stats();
  }

  #classOf({ features }: Prediction, scene: string): number {
    return this.#budget.classOf(this.#surprise.lowered(this.#risk.chance(features), scene));
  }
}
