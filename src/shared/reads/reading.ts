import type { PlannerError } from '../errors.ts';
import type { Refusal } from '../model-client/answer-reader.ts';
import type { CallPhase } from '../model-client/failures.ts';
import type { CallReport } from '../tasks.ts';

/**
 * Reading a decision: the probabilities that a model gives the offered actions, instead of words. Three protocols have them: OpenAI's
 * Decisions API, System One, and chats of one token with log probabilities.
 */
export const READ_FORMS = ['decisions', 'systemone', 'logprobs'] as const;
export type ReadForm = (typeof READ_FORMS)[number];

/** What a model is asked about one situation, in one request. */
export interface ReadCall {
  readonly form: ReadForm;
  readonly model: string;
  /** Who the agent is. */
  readonly system?: string;
  /** The situation, for `logprobs` with its list of actions under their labels. */
  readonly state?: string;
  /** The whole chat of the form `logprobs`, in place of `system`, `state` and the role. */
  readonly messages?: readonly object[];
  /** Names of roles that the shared part describes: one question each. The form `logprobs` asks the first alone. */
  readonly roles: readonly string[];
  readonly actions: readonly string[];
  /** Total time of the call, milliseconds. */
  readonly timeoutMs: number;
  /** How many alternatives of a token the server tells at most; of the form `logprobs`. */
  readonly alternativesMax: number;
  /** Whether the server has a switch that keeps a model from thinking first. */
  readonly hasThinkingSwitch: boolean;
  readonly onPhase?: ((phase: CallPhase) => void) | undefined;
}

/** The probability of each action, in the order of the actions. What is missing of 1 is doubt: the model wanted to say something else. */
export interface Reading {
  readonly role: string;
  readonly probabilities: readonly number[];
}

export type ReadOutcome =
  /** Without the questions that the model declined. At least one reading. */
  | { readonly ok: true; readonly readings: readonly Reading[]; readonly report: CallReport }
  | { readonly ok: false; readonly failure: PlannerError; readonly refusal?: Refusal; readonly report: CallReport };

/** The mean of some readings. */
export function pooled(readings: readonly Reading[]): number[] {
  const [first] = readings;
  if (first === undefined) return [];
  return first.probabilities.map(
    (_, index) =>
      readings.reduce((sum, { probabilities }) => sum + (probabilities[index] as number), 0) / readings.length,
  );
}

/** The first one of several that are the same. */
export function indexOfBest(values: readonly number[]): number {
  return values.reduce((best, value, at) => (value > (values[best] as number) ? at : best), 0);
}

/** The mean of the levels of a score, from 0 on. */
export function expectedLevel(shares: readonly number[]): number {
  return shares.reduce((sum, share, level) => sum + level * share, 0);
}
