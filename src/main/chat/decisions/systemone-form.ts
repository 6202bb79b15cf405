import { z } from 'zod';
import { expectedLevel } from '../../../shared/reads/reading.ts';
import { checkDecision, optionList, QUESTIONS_MAX, questionOf } from './decision-schemas.ts';
import {
  type DecisionForm,
  type DecisionMessage,
  type DecisionPart,
  type Option,
  picturePart,
  type Question,
  type QuestionAnswer,
  textPart,
  toldOf,
} from './questionnaire.ts';

const instructions = z.unknown().optional();
const described = z.unknown();
const choices = z
  .record(z.string(), described)
  .refine((options) => isBetween(Object.keys(options).length, 2, 255), 'must have 2 to 255 options');
const question = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('choice'), instructions, criteria: choices }),
  z.strictObject({
    type: z.literal('noul'),
    instructions,
    criteria: z.strictObject({ true: described.optional(), false: described.optional() }).nullish(),
  }),
  z.strictObject({ type: z.literal('score'), instructions, criteria: optionList(described) }),
]);
const request = z.strictObject({
  model: z.string(),
  state: z.unknown().refine((state) => state !== undefined, 'must be given'),
  instructions,
  questions: z
    .record(z.string().min(1), questionOf(['choice', 'noul', 'score'], question))
    .refine(
      (asked) => isBetween(Object.keys(asked).length, 1, QUESTIONS_MAX),
      `must have 1 to ${QUESTIONS_MAX} questions`,
    ),
  files: z.array(z.string()).optional(),
  images: z.array(z.string()).optional(),
  chat_template_kwargs: z.unknown().optional(),
  seed: z.unknown().optional(),
  priority: z.unknown().optional(),
  request_id: z.unknown().optional(),
});

/** System One: its requests and its answers. */
export const SYSTEM_ONE: DecisionForm = {
  request,
  read(body) {
    const { state, instructions, images = [], files = [], questions } = checkDecision(request, body);
    const pictures = [...files, ...images].map((url) => picturePart(url));
    return {
      state: [...system(instructions), ...withPictures(messagesOf(state), pictures)],
      questions: Object.entries(questions).map(([name, question]) => toQuestion(name, question)),
    };
  },
  answer: (model, answers, { inputTokens, outputTokens }) => ({
    model,
    answers: byName(answers, answerOf),
    usage: { input_tokens: inputTokens, output_tokens: outputTokens },
    diagnostics: byName(answers, diagnosticsOf),
  }),
};

function isBetween(value: number, least: number, most: number): boolean {
  return value >= least && value <= most;
}

function toQuestion(name: string, asked: z.output<typeof question>): Question {
  const common = { name, instructions: [textPart(textOf(asked.instructions))] };
  switch (asked.type) {
    case 'choice': {
      const options = Object.entries(asked.criteria).map(([value, told]) => option(value, told));
      return { ...common, type: 'choice', options };
    }
    case 'noul':
      return { ...common, type: 'truth', options: [true, false].map((value) => truth(value, asked.criteria)) };
    case 'score': {
      const options = asked.criteria.map((level, index) => option(String(index), level));
      return { ...common, type: 'score', options };
    }
    default:
      return asked satisfies never;
  }
}

function truth(
  value: boolean,
  criteria: { readonly true?: unknown; readonly false?: unknown } | null | undefined,
): Option {
  return option(value, value ? criteria?.true : criteria?.false);
}

function option(value: string | boolean, told: unknown): Option {
  return { value, description: textOf(told) || undefined };
}

/** Instructions and descriptions may be any JSON. */
function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function system(told: unknown): DecisionMessage[] {
  const content = textOf(told);
  return content === '' ? [] : [{ role: 'system', content }];
}

/** A state of messages is asked as a chat; any other state becomes the text of one message. */
function messagesOf(state: unknown): readonly DecisionMessage[] {
  const list = (state as { readonly messages?: unknown } | null)?.messages ?? state;
  const isChat = Array.isArray(list) && list.length > 0 && list.every(isMessage);
  return isChat ? list : [{ role: 'user', content: textOf(state) }];
}

function isMessage(item: unknown): item is DecisionMessage {
  const { role, content } = (item ?? {}) as { readonly role?: unknown; readonly content?: unknown };
  return typeof role === 'string' && (typeof content === 'string' || Array.isArray(content));
}

function withPictures(
  messages: readonly DecisionMessage[],
  pictures: readonly DecisionPart[],
): readonly DecisionMessage[] {
  if (pictures.length === 0) return messages;
  const at = messages.findIndex(({ role }) => role === 'user');
  const { content } = messages[at] ?? { content: [] };
  const parts = typeof content === 'string' ? [textPart(content)] : content;
  const shown: DecisionMessage = { role: 'user', content: [...pictures, ...parts] };
  return at === -1 ? [...messages, shown] : messages.with(at, shown);
}

function byName(answers: readonly QuestionAnswer[], tell: (answer: QuestionAnswer) => object): object {
  return Object.fromEntries(answers.map((answer) => [answer.question.name, tell(answer)]));
}

function answerOf(answer: QuestionAnswer): object {
  const { type, options } = answer.question;
  const { shares, best, confidence } = toldOf(answer);
  const probabilities = Object.fromEntries(options.map(({ value }, index) => [String(value), shares[index]]));
  switch (type) {
    case 'choice':
      return { type, choice: options[best]?.value, probabilities, confidence };
    case 'truth':
      return { type: 'noul', noul: shares[0], probabilities: { yes: shares[0], no: shares[1] }, confidence };
    case 'score': {
      const legend = Object.fromEntries(options.map(({ value, description = '' }) => [value, description]));
      return { type, score: expectedLevel(shares), legend, probabilities, confidence };
    }
    default:
      return type satisfies never;
  }
}

/** This protocol has no refusals: vLLM reports separately how likely the model was to choose any of the options. */
function diagnosticsOf(answer: QuestionAnswer): object {
  const { mass, confidence } = toldOf(answer);
  return { label_mass: mass, argmax_is_label: confidence > 1 - mass };
}
