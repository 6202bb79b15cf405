import { expectedLevel, indexOfBest } from '../../../shared/reads/reading.ts';
import { isRecord } from '../../../shared/untrusted-json.ts';
import type { MachineUsage } from '../machine-job.ts';
import { promptTokens } from '../machine-job.ts';
import type { ServerFlavour } from '../options.ts';
import type { ReadAnswer } from './read-answer.ts';
import {
  type AskedRead,
  type ReadLimits,
  type ReadOption,
  type ReadQuestion,
  type ReadRequest,
  stateOf,
  withQuestions,
  wrongWith,
} from './read-request.ts';

/** `POST /v1/systemone`: requests and answers in the format of TypeSafe's System One API, as in llama.cpp, Ollama and vLLM. */
const REQUEST_MEMBERS = [
  'model',
  'state',
  'questions',
  'instructions',
  'chat_template_kwargs',
  'seed',
  'priority',
  'request_id',
];
const QUESTION_MEMBERS = ['type', 'instructions', 'criteria'];

/** The request, or a sentence that describes what is wrong with it. */
export function parseSystemOne(body: Readonly<Record<string, unknown>>, limits: ReadLimits): AskedRead | string {
  const unknown = limits.isStrict ? unknownMember(body, REQUEST_MEMBERS) : undefined;
  if (unknown !== undefined) return `unknown field '${unknown}'`;
  if (body.state === undefined) return "'state' is required";
  const questions = readQuestions(body.questions, limits);
  if (typeof questions === 'string') return questions;
  const { text, prompt: state } = stateOf(body.state, picturesOf(body));
  const model = typeof body.model === 'string' ? body.model : '';
  return { form: 'systemone', model, text, state, prompt: withQuestions(state, questions), questions };
}

export function unknownMember(value: Readonly<Record<string, unknown>>, known: readonly string[]): string | undefined {
  return Object.keys(value).find((name) => !known.includes(name));
}

function picturesOf(body: Readonly<Record<string, unknown>>): string[] {
  return [body.files, body.images].flat().filter((url) => typeof url === 'string');
}

function readQuestions(told: unknown, limits: ReadLimits): ReadQuestion[] | string {
  if (!isRecord(told) || Object.keys(told).length === 0) return "'questions' must be an object that is not empty";
  const entries = Object.entries(told);
  if (entries.length > limits.questionsMax) return `questions: at most ${limits.questionsMax} for this model`;
  const questions: ReadQuestion[] = [];
  for (const [id, value] of entries) {
    const question = readQuestion(id, value, limits);
    if (typeof question === 'string') return question;
    questions.push(question);
  }
  return questions;
}

function readQuestion(id: string, told: unknown, limits: ReadLimits): ReadQuestion | string {
  if (!isRecord(told)) return `question '${id}': must be an object`;
  const unknown = limits.isStrict ? unknownMember(told, QUESTION_MEMBERS) : undefined;
  if (unknown !== undefined) return `question '${id}': unknown field(s) ['${unknown}']`;
  const type = TYPES[String(told.type)];
  if (type === undefined) return `unknown question type '${String(told.type)}'; supported: choice, noul, score`;
  const options = OPTIONS[type](told.criteria);
  if (options === undefined) return `question '${id}': its criteria do not fit its type`;
  const question = { name: id, type, instructions: asText(told.instructions), options };
  return wrongWith(question, limits) ?? question;
}

const TYPES: Readonly<Record<string, ReadQuestion['type']>> = { choice: 'choice', noul: 'truth', score: 'score' };

const OPTIONS: Readonly<Record<ReadQuestion['type'], (criteria: unknown) => ReadOption[] | undefined>> = {
  choice: (criteria) =>
    isRecord(criteria)
      ? Object.entries(criteria).map(([value, description]) => ({ value, description: optionalText(description) }))
      : undefined,
  truth: (criteria = {}) => {
    const described = criteria ?? {};
    if (!isRecord(described)) return undefined;
    return [true, false].map((value) => ({ value, description: optionalText(described[String(value)]) }));
  },
  score: (criteria) =>
    Array.isArray(criteria)
      ? criteria.map((level, index) => ({ value: String(index), description: asText(level) }))
      : undefined,
};

/** Instructions may be any JSON. */
export function asText(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function optionalText(value: unknown): string | undefined {
  return asText(value) || undefined;
}

export interface ReadIdentity {
  readonly flavour: ServerFlavour;
  readonly id: string;
  readonly model: string;
  /** Seconds since the Unix epoch. */
  readonly created: number;
}

/** The body of the response. vLLM also reports an id, and the share of the probability on the labels. */
export function systemOneBody(
  request: ReadRequest,
  answers: readonly ReadAnswer[],
  usage: MachineUsage,
  { flavour, id, model, created }: ReadIdentity,
): object {
  const isVllm = flavour === 'vllm';
  const told = (tell: (answer: ReadAnswer) => object): object =>
    Object.fromEntries(answers.map((answer) => [answer.question.name, tell(answer)]));
  return {
    ...(isVllm ? { id, object: 'structured_decision', created } : {}),
    model,
    answers: told((answer) => answerBody(answer, isVllm)),
    usage: { input_tokens: inputTokens(request, usage), output_tokens: isVllm ? answers.length : 0 },
    ...(isVllm ? { diagnostics: told(({ mass }) => ({ label_mass: mass, argmax_is_label: mass > 0.5 })) } : {}),
  };
}

/** The servers count the state once for each question, although they read it only once. */
function inputTokens({ state, questions }: ReadRequest, usage: MachineUsage): number {
  return usage.promptTokens + (questions.length - 1) * promptTokens(state);
}

function answerBody({ question, probabilities }: ReadAnswer, isVllm: boolean): object {
  const best = indexOfBest(probabilities);
  const { type, options } = question;
  const confidence = isVllm ? (probabilities[best] as number) : overChance(probabilities);
  const byValue = Object.fromEntries(options.map(({ value }, index) => [String(value), probabilities[index]]));
  switch (type) {
    case 'choice':
      return { type: 'choice', choice: options[best]?.value, probabilities: byValue, confidence };
    case 'truth':
      return { type: 'noul', noul: probabilities[0], ...(isVllm ? yesAndNo(probabilities, confidence) : {}) };
    case 'score': {
      const legend = Object.fromEntries(options.map(({ value, description }) => [value, description ?? '']));
      return { type: 'score', score: expectedLevel(probabilities), legend, probabilities: byValue, confidence };
    }
    default:
      return type satisfies never;
  }
}

function yesAndNo([yes, no]: readonly number[], confidence: number): object {
  return { probabilities: { yes, no }, confidence };
}

/** llama.cpp's measure: 0 if all options are equally likely, 1 if one is certain. */
function overChance(probabilities: readonly number[]): number {
  const even = 1 / probabilities.length;
  return Math.max(0, (Math.max(...probabilities) - even) / (1 - even));
}
