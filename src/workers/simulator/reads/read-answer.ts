import type { Random } from '../../../shared/random.ts';
import type { ResolvedRates } from '../options.ts';
import { type PromptReading, readPrompt } from '../prompt-reader.ts';
import { labelMass, type ReadingModel, readDistribution, strayRate } from './distribution.ts';
import type { ReadOption, ReadQuestion } from './read-request.ts';

/** A model's answer to one question. */
export interface ReadAnswer {
  readonly question: ReadQuestion;
  /** For each option, in order; their sum is 1. */
  readonly probabilities: readonly number[];
  /** The sum of the probabilities of all options. */
  readonly mass: number;
}

/** Pure: the same question about the same text, with the same luck, has the same answer, whatever else is asked. */
export function answerQuestion(
  text: string,
  question: ReadQuestion,
  model: ReadingModel,
  rates: ResolvedRates,
  luck: (part: string) => Random,
): ReadAnswer {
  const reading = readingOf(text, question);
  return {
    question,
    probabilities: readDistribution(reading, model, luck('read')),
    mass: labelMass(strayRate(rates), luck('mass')),
  };
}

/** The situation of the text, the role of the question, and its options for actions. */
function readingOf(text: string, question: ReadQuestion): PromptReading {
  const reading = readPrompt(text);
  const actions = question.options.map((option) => actionOf(option, reading.actions));
  return { ...reading, actions, role: roleOf(question) };
}

/** The role is named in the instructions, or is the question's name; otherwise only the instructions are known of it. */
function roleOf({ name = '', instructions }: ReadQuestion): PromptReading['role'] {
  const told = readPrompt(instructions).role;
  return told ?? { name: /^(?:q?\d+|.?)$/.test(name) ? instructions : name, text: instructions };
}

/** The action of an option: its name, or its description if that is an offered action or the name is only a letter or a number. */
function actionOf({ value, description }: ReadOption, offered: readonly string[]): string {
  const name = String(value);
  if (description === undefined || offered.includes(name)) return name;
  return offered.includes(description) || /^(?:[A-Za-z]|\d+)$/.test(name) ? description : name;
}
