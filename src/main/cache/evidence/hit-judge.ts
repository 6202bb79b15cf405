import type { Clock } from '../../../shared/clock.ts';
import type { Random } from '../../../shared/random.ts';
import type { CountedPart } from '../exchange/evidence-totals.ts';
import type { Precedent, PrecedentPrediction } from '../exchange/precedent.ts';
import { HABIT_INPUTS, Habits } from '../habits/habits.ts';
import type { LearnedPart } from '../learned/learned-part.ts';
import type { BudgetStats, BudgetVerdict } from './error-budget.ts';
import { type Circumstances, Evidence, type Prediction } from './evidence.ts';
import { TierJudge } from './tier-judge.ts';

/** A prediction, its certainty, and what to do with it. Kept until its outcome is known. */
export interface HitJudgement {
  readonly circumstances: Circumstances;
  /** What would be served. Undefined if nothing is known about such states. */
  readonly prediction: Prediction | undefined;
  /** The class of its risk. Undefined if it was not judged, because it may not be served anyway. */
  readonly riskClass: number | undefined;
  readonly verdict: BudgetVerdict;
}

export interface JudgeStats extends BudgetStats {
  /** The part of it that habits have. The risks are apart: the others are those of answers for the same state or a similar one. */
  readonly habit: Omit<BudgetStats, 'budget'>;
}

/** Maximum number of contexts with evidence, up to nine for each state. */
const CONTEXTS_MAX = 200_000;

/**
 * Decides for every hit whether it may be served within the error budget, and learns from the answers of models. Habits have a budget
 * of their own, of the same size: what is known of the answers for a state does not let them serve, and their mistakes do not stop those.
 */
export class HitJudge {
  readonly #evidence = new Evidence(CONTEXTS_MAX);
  readonly #habits: Habits;
  readonly #ofStates: TierJudge;
  readonly #ofHabits: TierJudge;
  readonly #random: Random;
  /** Receives what is learned here, for other nodes. */
  onPrecedent: ((precedent: Precedent) => void) | undefined;

  /** A decision is part of a habit until it is `habitLifeMs` old. */
  constructor(budget: number, random: Random, habitLifeMs = Number.POSITIVE_INFINITY) {
    this.#ofStates = new TierJudge(budget);
    this.#ofHabits = new TierJudge(budget, HABIT_INPUTS);
    this.#habits = new Habits(habitLifeMs);
    this.#random = random;
  }

  /** Predicts an action for such states, without a verdict. */
  predict(actions: readonly string[], circumstances: Circumstances): HitJudgement {
    return unjudged(circumstances, this.#evidence.predict(actions, circumstances));
  }

  /** Predicts what is usually done in such circumstances, in whatever state, without a verdict. */
  predictHabit(actions: readonly string[], circumstances: Circumstances): HitJudgement {
    const common = this.#evidence.common(circumstances);
    return unjudged(circumstances, this.#habits.predict(actions, circumstances, common));
  }

  /** Decides on a prediction that could be served, and counts it. */
  judge(judgement: HitJudgement): HitJudgement {
    const { prediction, circumstances } = judgement;
    if (prediction === undefined) return judgement;
    const tier = this.#tierOf(prediction);
    return { ...judgement, ...tier.judge(prediction, sceneOf(circumstances), this.#random.next()) };
  }

  /** Whether a prediction would be served now. Counts nothing. */
  allows(prediction: Prediction, circumstances: Pick<Circumstances, 'scene'> = {}): boolean {
    return this.#tierOf(prediction).allows(prediction, sceneOf(circumstances));
  }

  /**
   * Learns what models decided in the circumstances of a judgement. How often predictions are right is learned only from those that
   * were judged: what the guard, values or expiry held back is no evidence of what is served. `isCounted`: the decision is part of the
   * evidence already, because another request shares it, and only shows whether this prediction was right.
   */
  learn(judgement: HitJudgement, action: string, isCounted = false): void {
    const { circumstances, prediction, riskClass, verdict } = judgement;
    const told = predictedOf(judgement);
    if (!isCounted || told?.features !== undefined) {
      this.onPrecedent?.({ circumstances, action, prediction: told, isCounted });
    }
    const predicted = prediction?.habitAtMs === undefined ? prediction?.action : undefined;
    if (!isCounted) this.#tally(circumstances, action, predicted);
    if (prediction === undefined || riskClass === undefined) return;
    const isRight = prediction.action === action;
    this.#tierOf(prediction).learn(prediction, sceneOf(circumstances), { riskClass, verdict }, isRight);
  }

  #tally(circumstances: Circumstances, action: string, predicted: string | undefined): void {
    this.#evidence.learn(circumstances, action, predicted);
    this.#habits.learn(circumstances, action);
  }

  /** Learns what another node has learned, except for what its totals count. Returns false if it cannot be from a node. */
  hear({ circumstances, action, prediction, isCounted }: Precedent): boolean {
    const { action: predicted, isHabit = false, features } = prediction ?? {};
    const tier = isHabit ? this.#ofHabits : this.#ofStates;
    if (features !== undefined && !tier.rank(features, sceneOf(circumstances), predicted === action)) return false;
    if (!isCounted) this.#tally(circumstances, action, isHabit ? undefined : predicted);
    return true;
  }

  /** What several nodes can add. */
  totalsParts(): CountedPart[] {
    return [this.#ofStates.totalsPart(''), this.#ofHabits.totalsPart('OfHabits')];
  }

  /** The same as parts that outlive the process. */
  summedParts(): LearnedPart[] {
    return [this.#ofStates.budgetPart(''), this.#ofHabits.budgetPart('OfHabits')];
  }

  /** What outlives the process, the largest part first. */
  learnedParts(clock: Clock): LearnedPart[] {
    const { tallies } = this.#evidence;
    return [
      { name: 'tallies', saved: () => tallies.saved(), restore: (chunk) => tallies.restore(chunk) },
      this.#habits.learnedPart(clock),
      {
        name: 'records',
        saved: () => this.#evidence.savedRecords(),
        restore: (chunk) => this.#evidence.restoreRecords(chunk),
      },
      ...this.#ofStates.learnedParts(''),
      ...this.#ofHabits.learnedParts('OfHabits'),
    ];
  }

  clear(): void {
    this.#evidence.clear();
    this.#habits.clear();
    this.#ofStates.clear();
    this.#ofHabits.clear();
  }

  stats(): JudgeStats {
    const states = this.#ofStates.stats();
    const { budget: _, ...habit } = this.#ofHabits.stats();
    return {
      ...states,
      judged: states.judged + habit.judged,
      served: states.served + habit.served,
      probes: states.probes + habit.probes,
      habit,
    };
  }

  #tierOf({ habitAtMs }: Prediction): TierJudge {
    return habitAtMs === undefined ? this.#ofStates : this.#ofHabits;
  }
}

function sceneOf({ scene = '' }: Pick<Circumstances, 'scene'>): string {
  return scene;
}

function predictedOf({ prediction, riskClass }: HitJudgement): PrecedentPrediction | undefined {
  if (prediction === undefined) return undefined;
  const { action, habitAtMs, features } = prediction;
  return { action, isHabit: habitAtMs !== undefined, features: riskClass === undefined ? undefined : features };
}

function unjudged(circumstances: Circumstances, prediction: Prediction | undefined): HitJudgement {
  return { circumstances, prediction, riskClass: undefined, verdict: 'ask' };
}
