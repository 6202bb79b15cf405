import { expectedLevel, indexOfBest } from '../../../shared/reads/reading.ts';
import { isRecord } from '../../../shared/untrusted-json.ts';
import type { MachineUsage } from '../machine-job.ts';
import type { ReadAnswer } from './read-answer.ts';
import {
  type AskedRead,
  type ReadLimits,
  type ReadOption,
  type ReadQuestion,
  stateOf,
  withQuestions,
  wrongWith,
} from './read-request.ts';
import { asText, type ReadIdentity, unknownMember } from './systemone.ts';

/** `POST /v1/decisions`: requests and answers in the format of OpenAI's Decisions API, according to the types of its client. */
const REQUEST_MEMBERS = [
  'model',
  'input',
  'questions',
  'prompt_cache_key',
  'prompt_cache_options',
  'safety_identifier',
];
const QUESTION_MEMBERS: Readonly<Record<ReadQuestion['type'], readonly string[]>> = {
  choice: ['type', 'name', 'instructions', 'choices'],
  truth: ['type', 'name', 'instructions'],
  score: ['type', 'name', 'instructions', 'levels'],
};

/** The request, or a sentence that describes what is wrong with it. */
export function parseDecisions(body: Readonly<Record<string, unknown>>, limits: ReadLimits): AskedRead | string {
  const unknown = limits.isStrict ? unknownMember(body, REQUEST_MEMBERS) : undefined;
  if (unknown !== undefined) return `unknown field '${unknown}'`;
  const { input, questions: told } = body as { readonly input?: unknown; readonly questions?: unknown };
  if (typeof input !== 'string' && !Array.isArray(input)) return "'input' must be a text or a list of messages";
  if (!Array.isArray(told) || told.length === 0) return "'questions' must be a list that is not empty";
  if (told.length > limits.questionsMax) return `questions: at most ${limits.questionsMax} for this model`;
  const questions = told.map((question, index) => readQuestion(question, index, limits));
  const wrong = questions.find((question) => typeof question === 'string');
  if (wrong !== undefined) return wrong;
  return requestOf(body, questions as ReadQuestion[]);
}

function requestOf(body: Readonly<Record<string, unknown>>, questions: readonly ReadQuestion[]): AskedRead {
  const { model, input } = body;
  const { text, prompt: state } = stateOf(typeof input === 'string' ? input : (input as unknown[]).map(asMessage));
  const prompt = withQuestions(state, questions);
  return { form: 'decisions', model: typeof model === 'string' ? model : '', text, state, prompt, questions };
}

/** Tool calls and their outputs become text in the chat. */
function asMessage(item: unknown): object {
  const part = isRecord(item) ? item : {};
  if (!('role' in part)) return { role: 'tool', content: JSON.stringify(part) };
  const { role, content } = part;
  return { role, content: Array.isArray(content) ? content.map(asChatPart) : content };
}

function asChatPart(part: unknown): unknown {
  const { type, image_url: url } = isRecord(part) ? part : {};
  return type === 'input_image' ? { type: 'image_url', image_url: { url } } : part;
}

const TYPES: Readonly<Record<string, ReadQuestion['type']>> = { choice: 'choice', predicate: 'truth', score: 'score' };

function readQuestion(told: unknown, index: number, limits: ReadLimits): ReadQuestion | string {
  const where = `questions[${index}]`;
  if (!isRecord(told)) return `${where}: must be an object`;
  const type = TYPES[String(told.type)];
  if (type === undefined) return `${where}: type must be one of choice, predicate, score`;
  const unknown = limits.isStrict ? unknownMember(told, QUESTION_MEMBERS[type]) : undefined;
  if (unknown !== undefined) return `${where}: unknown field '${unknown}'`;
  const options = optionsOf(type, told);
  if (options === undefined) return `${where}: its options do not fit its type`;
  const name = typeof told.name === 'string' ? told.name : undefined;
  const question = { name, type, instructions: instructionsOf(told.instructions), options };
  return wrongWith(question, limits) ?? question;
}

function instructionsOf(told: unknown): string {
  if (!Array.isArray(told)) return asText(told);
  return told.map((part) => asText(isRecord(part) ? (part.text ?? part) : part)).join('\n');
}

function optionsOf(
  type: ReadQuestion['type'],
  told: Readonly<Record<string, unknown>>,
): readonly ReadOption[] | undefined {
  if (type === 'truth') return [true, false].map((value) => ({ value, description: undefined }));
  const list = told[type === 'choice' ? 'choices' : 'levels'];
  if (!Array.isArray(list)) return undefined;
  const options = list.map((item) => optionOf(isRecord(item) ? item : {}, type === 'choice' ? 'value' : 'label'));
  return options.includes(undefined) ? undefined : (options as ReadOption[]);
}

function optionOf(item: Readonly<Record<string, unknown>>, member: 'value' | 'label'): ReadOption | undefined {
  const { [member]: value, description } = item;
  const isTyped = typeof value === 'string' || (member === 'value' && typeof value === 'boolean');
  return isTyped ? { value, description: asText(description) || undefined } : undefined;
}

export function decisionsBody(answers: readonly ReadAnswer[], usage: MachineUsage, { model }: ReadIdentity): object {
  const { promptTokens, cachedTokens } = usage;
  return {
    model,
    answers: answers.map(answerBody),
    usage: {
      input_tokens: promptTokens,
      input_tokens_details: { cache_write_tokens: 0, cached_tokens: cachedTokens },
      output_tokens: answers.length,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: promptTokens + answers.length,
    },
  };
}

/** Probability of the options below which a model declines a question, and only that one. */
const REFUSED_BELOW = 0.5;

function answerBody({ question, probabilities, mass }: ReadAnswer): object {
  const { type, options } = question;
  const name = question.name ?? null;
  if (mass < REFUSED_BELOW) return { type: 'refusal', name };
  const best = indexOfBest(probabilities);
  const confidence = probabilities[best];
  switch (type) {
    case 'choice': {
      const told = options.map(({ value }, index) => ({ value, probability: probabilities[index] }));
      return { type: 'choice', name, choice: options[best]?.value, probabilities: told, confidence };
    }
    case 'truth':
      return { type: 'predicate', name, probability: probabilities[0] };
    case 'score': {
      const told = options.map(({ value: label }, value) => ({ label, value, probability: probabilities[value] }));
      return { type: 'score', name, score: expectedLevel(probabilities), probabilities: told, confidence };
    }
    default:
      return type satisfies never;
  }
}
