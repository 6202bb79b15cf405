import type { PlannerError } from '../errors.ts';
import type { Refusal } from '../model-client/answer-reader.ts';
import type { CallPhase } from '../model-client/failures.ts';
import type { CallReport } from '../tasks.ts';

/**
 * Ways to read a decision, which return the probabilities of the offered actions instead of words: OpenAI's Decisions API,
 * System One, and chats of one token with log probabilities.
 */
export const READ_FORMS = ['decisions', 'systemone', 'logprobs'] as const;
export type ReadForm = (typeof READ_FORMS)[number];

/** How thinking is switched off: by a variable of the chat template (llama.cpp, vLLM), or by the effort of reasoning (Ollama). */
export type ThinkingSwitch = 'template' | 'effort';

/** One request that asks a model about one situation. */
export interface ReadCall {
  readonly form: ReadForm;
  readonly model: string;
  /** Description of the agent. */
  readonly system?: string;
  /** The situation; for `logprobs`, with its actions listed by label. */
  readonly state?: string;
  /** The whole chat for the form `logprobs`, in place of `system`, `state` and the role. */
  readonly messages?: readonly object[];
  /** Names of roles described in the shared part: one question each. The form `logprobs` asks only the first. */
  readonly roles: readonly string[];
  readonly actions: readonly string[];
  /**
   * How far the options of the first question are turned, as a share of a whole turn; those of the others are turned further. Absent if all
   * show the actions in order.
   */
  readonly turn?: number | undefined;
  /** Time limit of the whole call, in milliseconds. */
  readonly timeoutMs: number;
  /** Maximum number of alternatives of a token that the server reports; for the form `logprobs`. */
  readonly alternativesMax: number;
  /** Number of tokens asked for: 2 if the model writes a blank or a mark before its answer. For the form `logprobs`; default 1. */
  readonly tokensMax?: number | undefined;
  /** The server's switch that keeps a model from thinking first; absent if it has none. For the form `logprobs`. */
  readonly thinkingSwitch?: ThinkingSwitch | undefined;
  readonly onPhase?: ((phase: CallPhase) => void) | undefined;
}

/** The probability of each action, in the order of the actions. The rest up to 1 is doubt: the model wanted to say something else. */
export interface Reading {
  readonly role: string;
  readonly probabilities: readonly number[];
  /** Number of places by which its list was turned; absent if it cannot be turned. */
  readonly offset?: number;
}

export type ReadOutcome =
  /** Questions that the model declined are left out. There is at least one reading. */
  | { readonly ok: true; readonly readings: readonly Reading[]; readonly report: CallReport }
  | { readonly ok: false; readonly failure: PlannerError; readonly refusal?: Refusal; readonly report: CallReport };

/** Returns the mean of several readings. */
export function pooled(readings: readonly Reading[]): number[] {
  const [first] = readings;
  if (first === undefined) return [];
  return first.probabilities.map(
    (_, index) =>
      readings.reduce((sum, { probabilities }) => sum + (probabilities[index] as number), 0) / readings.length,
  );
}

/** Returns the index of the highest value, the first one on a tie. */
export function indexOfBest(values: readonly number[]): number {
  return values.reduce((best, value, at) => (value > (values[best] as number) ? at : best), 0);
}

/** Returns the mean of a score whose levels, from 0 on, have these shares. */
export function expectedLevel(shares: readonly number[]): number {
  return shares.reduce((sum, share, level) => sum + level * share, 0);
}
