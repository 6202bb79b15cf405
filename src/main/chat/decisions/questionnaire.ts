import type { z } from 'zod';
import { indexOfBest } from '../../../shared/reads/reading.ts';

/** A part of a message in a chat: a text, or a picture as chat servers take it. */
export type DecisionPart = { readonly type: string } & Readonly<Record<string, unknown>>;

export interface DecisionMessage {
  readonly role: string;
  readonly content: string | readonly DecisionPart[];
}

/** `truth` is the predicate of the Decisions API and the noul of System One. Its options are true and false. */
export type QuestionType = 'choice' | 'truth' | 'score';

export interface Option {
  readonly value: string | boolean;
  readonly description?: string | undefined;
}

export interface Question {
  /** The key of a System One question, the name of another one; null if it has none. */
  readonly name: string | null;
  readonly type: QuestionType;
  readonly instructions: readonly DecisionPart[];
  /** At least two options; the levels of a score in their order. */
  readonly options: readonly Option[];
}

/** A request of either protocol, in a form that can be asked in chats: the state is the same for all questions, and comes first. */
export interface Questionnaire {
  readonly state: readonly DecisionMessage[];
  readonly questions: readonly Question[];
}

/** A model's answer to one question. */
export interface QuestionAnswer {
  readonly question: Question;
  /** For each option, in order. If the sum is below 1, the model wanted to say something else with the remaining probability. */
  readonly probabilities: readonly number[];
}

/** Token counts of all chats together, as the server reported them. */
export interface DecisionUsage {
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

/** A protocol of decisions: reads its requests and writes its answers. */
export interface DecisionForm {
  /** Schema of a request that is asked in chats. */
  readonly request: z.ZodType;
  /** Returns the questionnaire. Throws ERR_REQUEST_INVALID. */
  read(body: unknown): Questionnaire;
  answer(model: string, answers: readonly QuestionAnswer[], usage: DecisionUsage): object;
}

/** The figures of an answer that both protocols report. */
interface Told {
  /** Shares of all options; their sum is 1. */
  readonly shares: readonly number[];
  /** The sum of the probabilities of all options. */
  readonly mass: number;
  /** Index of the most probable option. */
  readonly best: number;
  /** Confidence of the most probable option; lower if the model wanted to say something else. */
  readonly confidence: number;
}

export function toldOf({ probabilities }: QuestionAnswer): Told {
  const mass = probabilities.reduce((sum, each) => sum + each, 0);
  const shares = probabilities.map((each) => (mass > 0 ? each / mass : 1 / probabilities.length));
  const best = indexOfBest(probabilities);
  return { shares, mass: Math.min(1, mass), best, confidence: probabilities[best] as number };
}

export function textPart(text: string): DecisionPart {
  return { type: 'text', text };
}

export function picturePart(url: string, detail?: unknown): DecisionPart {
  return { type: 'image_url', image_url: { url, ...(typeof detail === 'string' ? { detail } : {}) } };
}
