import { z } from 'zod';
import { expectedLevel } from '../../../shared/reads/reading.ts';
import { areDistinct, checkDecision, listOf, optionList, QUESTIONS_MAX, questionOf } from './decision-schemas.ts';
import {
  type DecisionForm,
  type DecisionMessage,
  type DecisionPart,
  type DecisionUsage,
  picturePart,
  type Question,
  type QuestionAnswer,
  textPart,
  toldOf,
} from './questionnaire.ts';

const part = z.looseObject({ type: z.string() });
const instructions = z.union([z.string(), z.array(part)]);
const description = z.string().optional();
const common = { name: z.string().optional(), instructions };

const choices = optionList(z.strictObject({ value: z.union([z.string(), z.boolean()]), description })).refine(
  (list) => areDistinct(list.map(({ value }) => value)),
  'must not have the same value twice',
);
const levels = optionList(z.strictObject({ label: z.string(), description })).refine(
  (list) => areDistinct(list.map(({ label }) => label)),
  'must not have the same label twice',
);
const question = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('predicate'), ...common }),
  z.strictObject({ type: z.literal('choice'), ...common, choices }),
  z.strictObject({ type: z.literal('score'), ...common, levels }),
]);
const request = z.strictObject({
  model: z.string(),
  input: z.union([z.string(), listOf(z.looseObject({}), 1, 100_000)]),
  questions: listOf(questionOf(['predicate', 'choice', 'score'], question), 1, QUESTIONS_MAX),
  prompt_cache_key: z.unknown().optional(),
  prompt_cache_options: z.unknown().optional(),
  safety_identifier: z.unknown().optional(),
});

/** OpenAI's Decisions API: its requests and its answers. */
export const DECISIONS: DecisionForm = {
  request,
  read(body) {
    const { input, questions } = checkDecision(request, body);
    const state = typeof input === 'string' ? [{ role: 'user', content: input }] : input.map(messageOf);
    return { state, questions: questions.map(toQuestion) };
  },
  answer: (model, answers, usage) => ({ model, answers: answers.map(answerOf), usage: usageOf(usage) }),
};

function toQuestion(asked: z.output<typeof question>): Question {
  const parts = partsOf(asked.instructions);
  const common = { name: asked.name ?? null, instructions: parts };
  switch (asked.type) {
    case 'predicate':
      return { ...common, type: 'truth', options: [{ value: true }, { value: false }] };
    case 'choice':
      return { ...common, type: 'choice', options: asked.choices };
    case 'score': {
      const options = asked.levels.map(({ label: value, description }) => ({ value, description }));
      return { ...common, type: 'score', options };
    }
    default:
      return asked satisfies never;
  }
}

/** Tool calls and their outputs become texts in the chat, so that no template of a model has to know them. */
function messageOf(item: Readonly<Record<string, unknown>>): DecisionMessage {
  const { role, content } = item;
  if (typeof role !== 'string') return { role: 'user', content: JSON.stringify(item) };
  const told = typeof content === 'string' ? content : partsOf(content);
  return { role: role === 'developer' ? 'system' : role, content: told };
}

function partsOf(content: unknown): readonly DecisionPart[] {
  return typeof content === 'string' || !Array.isArray(content)
    ? [textPart(String(content ?? ''))]
    : content.map(partOf);
}

function partOf(told: unknown): DecisionPart {
  const { type, text, refusal, data, image_url: url, detail } = (told ?? {}) as Readonly<Record<string, unknown>>;
  if (type === 'input_image' && typeof url === 'string') return picturePart(url, detail);
  const said = text ?? refusal;
  return textPart(typeof said === 'string' ? said : JSON.stringify(data ?? told));
}

/** Probability of the options below which a model declines a question, and only that one. */
const DECLINED_BELOW = 0.5;

function answerOf(answer: QuestionAnswer): object {
  const { question } = answer;
  const { name, type, options } = question;
  const { shares, mass, best, confidence } = toldOf(answer);
  if (mass < DECLINED_BELOW) return { type: 'refusal', name };
  switch (type) {
    case 'truth':
      return { type: 'predicate', name, probability: shares[0] };
    case 'choice': {
      const probabilities = options.map(({ value }, index) => ({ value, probability: shares[index] }));
      return { type: 'choice', name, choice: options[best]?.value, probabilities, confidence };
    }
    case 'score': {
      const probabilities = options.map((option, value) => ({
        label: option.value,
        value,
        probability: shares[value],
      }));
      return { type: 'score', name, score: expectedLevel(shares), probabilities, confidence };
    }
    default:
      return type satisfies never;
  }
}

function usageOf({ inputTokens, cachedTokens, outputTokens }: DecisionUsage): object {
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cache_write_tokens: 0, cached_tokens: cachedTokens },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: inputTokens + outputTokens,
  };
}
