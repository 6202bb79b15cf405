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
  /** At least two. The levels of a score are in their order. */
  readonly options: readonly Option[];
}

/** A request of either protocol, as it can be asked in chats: the state is the same for all questions, and comes first. */
export interface Questionnaire {
  readonly state: readonly DecisionMessage[];
  readonly questions: readonly Question[];
}

/** What a model answered. */
export interface QuestionAnswer {
  readonly question: Question;
  /** For each option, in order. What is missing of 1 lies on none of them: the model wanted to say something else. */
  readonly probabilities: readonly number[];
}

/** Tokens of all chats together, as the server counted them. */
export interface DecisionUsage {
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

/** A protocol of decisions: how its requests are read, and its answers written. */
export interface DecisionForm {
  /** What is checked of a request that is asked in chats. */
  readonly request: z.ZodType;
  /** Returns the questionnaire. Throws ERR_REQUEST_INVALID. */
  read(body: unknown): Questionnaire;
  answer(model: string, answers: readonly QuestionAnswer[], usage: DecisionUsage): object;
}

/** What is told of an answer in either protocol. */
export interface Told {
  /** Of all options; their sum is 1. */
  readonly shares: readonly number[];
  /** The share of all probability that lies on the options. */
  readonly mass: number;
  /** Index of the most probable option. */
  readonly best: number;
  /** Of the most probable option; less where the model wanted to say something else. */
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
