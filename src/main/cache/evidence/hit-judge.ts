import type { Random } from '../../../shared/random.ts';
import type { LearnedPart } from '../learned/learned-part.ts';
import { type BudgetStats, type BudgetVerdict, ErrorBudget } from './error-budget.ts';
import { type Circumstances, Evidence, type Prediction } from './evidence.ts';
import { RiskModel } from './risk-model.ts';

/** A prediction, its certainty, and what to do with it. Kept until its outcome is known. */
export interface HitJudgement {
  readonly circumstances: Circumstances;
  /** What would be served. Undefined if nothing is known about such states. */
  readonly prediction: Prediction | undefined;
  /** The class of its risk. Undefined if it was not judged, because it may not be served anyway. */
  readonly riskClass: number | undefined;
  readonly verdict: BudgetVerdict;
}

/** Maximum number of contexts with evidence, up to nine for each state. */
const CONTEXTS_MAX = 200_000;

/** Decides for every hit whether it may be served within the error budget, and learns from the answers of models. */
export class HitJudge {
  readonly #evidence = new Evidence(CONTEXTS_MAX);
  readonly #risk = new RiskModel();
  readonly #budget: ErrorBudget;
  readonly #random: Random;

  constructor(budget: number, random: Random) {
    this.#budget = new ErrorBudget(budget);
    this.#random = random;
  }

  /** Predicts an action for such states, without a verdict. */
  predict(actions: readonly string[], circumstances: Circumstances): HitJudgement {
    const prediction = this.#evidence.predict(actions, circumstances);
    return { circumstances, prediction, riskClass: undefined, verdict: 'ask' };
  }

  /** Decides on a prediction that could be served, and counts it. */
  judge(judgement: HitJudgement): HitJudgement {
    const { prediction } = judgement;
    if (prediction === undefined) return judgement;
    const riskClass = this.#budget.classOf(this.#risk.chance(prediction.features));
    return { ...judgement, riskClass, verdict: this.#budget.judge(riskClass, this.#random.next()) };
  }

  /** Whether a prediction would be served now. Counts nothing. */
  allows(prediction: Prediction): boolean {
    return this.#budget.allows(this.#budget.classOf(this.#risk.chance(prediction.features)));
  }

  /**
   * Learns what models decided in the circumstances of a judgement. How often predictions are right is learned only from those that
   * were judged: what the guard, values or expiry held back is no evidence of what is served.
   */
  learn({ circumstances, prediction, riskClass, verdict }: HitJudgement, action: string): void {
    this.#evidence.learn(circumstances, action, prediction?.action);
    if (prediction === undefined || riskClass === undefined) return;
    const isRight = prediction.action === action;
    this.#risk.learn(prediction.features, isRight);
    this.#budget.observe(riskClass, !isRight, verdict !== 'ask');
  }

  /** What outlives the process. */
  learnedParts(): LearnedPart[] {
    const { tallies } = this.#evidence;
    return [
      { name: 'tallies', saved: () => tallies.saved(), restore: (chunk) => tallies.restore(chunk) },
      {
        name: 'records',
        saved: () => this.#evidence.savedRecords(),
        restore: (chunk) => this.#evidence.restoreRecords(chunk),
      },
      { name: 'risk', saved: () => [this.#risk.saved()], restore: (saved) => this.#risk.restore(saved) },
      { name: 'budget', saved: () => [this.#budget.saved()], restore: (saved) => this.#budget.restore(saved) },
    ];
  }

  clear(): void {
    this.#evidence.clear();
    this.#risk.clear();
    this.#budget.clear();
  }

  stats(): BudgetStats {
    return this.#budget.stats();
  }
}
