import { areNumbers } from '../learned/learned-part.ts';
import { FEATURES } from './evidence.ts';

/**
 * Estimates the chance that a prediction is right, by logistic regression that learns online from every outcome, with a separate
 * step for each weight (AdaGrad: Duchi, Hazan, Singer, JMLR 2011). It only ranks predictions: the error budget measures what a
 * rank means.
 */
const STEP = 0.2;
/** Initial sum of squared gradients, so that the first outcomes do not upset the start weights. */
const SQUARES_AT_START = 3;

/** What a risk model learns from. */
export interface RiskInputs {
  /** Names of the inputs. The first one is always 1. */
  readonly names: readonly string[];
  /** Initial weights. The others start at 0. */
  readonly start: Readonly<Partial<Record<string, number>>>;
}

/** Initial weights of the features that matter for very different agents. The others start at 0. */
const START: Partial<Record<(typeof FEATURES)[number], number>> = {
  one: -0.6,
  logOdds: 0.7,
  margin: 0.3,
  record: 0.4,
  logOddsState: 0.4,
  logOddsActionsMoving: 0.3,
  inARowGates: 0.3,
  inARowState: 0.1,
  noState: -0.2,
  streak: 0.2,
  isLastAction: 0.1,
  shareState: 0.1,
};

export class RiskModel {
  readonly #inputs: RiskInputs;
  #weights: Float64Array;
  #squares: Float64Array;

  constructor(inputs: RiskInputs = { names: FEATURES, start: START }) {
    this.#inputs = inputs;
    this.#weights = startWeights(inputs);
    this.#squares = startSquares(inputs);
  }

  /** Number of inputs. */
  get inputs(): number {
    return this.#inputs.names.length;
  }

  /** Returns the estimated chance of being right, 0 to 1. */
  chance(features: Float64Array): number {
    let sum = 0;
    for (let i = 0; i < features.length; i++) sum += (this.#weights[i] as number) * (features[i] as number);
    return 1 / (1 + Math.exp(-sum));
  }

  learn(features: Float64Array, isRight: boolean): void {
    const error = (isRight ? 1 : 0) - this.chance(features);
    for (let i = 0; i < features.length; i++) {
      const gradient = error * (features[i] as number);
      this.#squares[i] = (this.#squares[i] as number) + gradient * gradient;
      this.#weights[i] = (this.#weights[i] as number) + (STEP * gradient) / Math.sqrt(this.#squares[i] as number);
    }
  }

  saved(): { readonly weights: number[]; readonly squares: number[] } {
    return { weights: [...this.#weights], squares: [...this.#squares] };
  }

  /** Returns false, and changes nothing, if the value is not what `saved` returns. */
  restore(value: unknown): boolean {
    const { weights, squares } = (value ?? {}) as Partial<Record<string, unknown>>;
    const { length } = this.#inputs.names;
    if (!areNumbers(weights, length) || !areNumbers(squares, length)) return false;
    this.#weights.set(weights);
    this.#squares.set(squares);
    return true;
  }

  clear(): void {
    this.#weights = startWeights(this.#inputs);
    this.#squares = startSquares(this.#inputs);
  }
}

function startWeights({ names, start }: RiskInputs): Float64Array {
  return Float64Array.from(names, (name) => start[name] ?? 0);
}

function startSquares({ names }: RiskInputs): Float64Array {
  return new Float64Array(names.length).fill(SQUARES_AT_START);
}
