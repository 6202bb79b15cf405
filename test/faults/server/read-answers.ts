import type { ReadQuestion } from '../../../src/workers/simulator/reads/read-request.ts';
import type { ReadBody } from './chat-body.ts';
import type { Exchange } from './exchange.ts';

/** What is told of one question: a probability for each value, in order. Faults change it before it is sent. */
export interface ToldAnswer {
  readonly name: string | undefined;
  readonly type: ReadQuestion['type'];
  readonly values: readonly (string | boolean)[];
  readonly probabilities: readonly number[];
  /** The share of all probability that lies on the values. */
  readonly mass: number;
  readonly isRefused?: boolean;
}

export interface ReadSpoiling {
  /** Members of the whole body. */
  readonly more?: object;
  readonly spoil?: (answer: ToldAnswer, index: number) => ToldAnswer;
  /** The text that stands for a probability that is no number. */
  readonly oddNumber?: string;
}

const SURE = 0.8;

/** Answers a read in its form, in a slot, as it should be or spoiled. */
export function answerRead(exchange: Exchange, read: ReadBody, spoiling: ReadSpoiling = {}): void {
  const { more = {}, spoil = (answer: ToldAnswer): ToldAnswer => answer, oddNumber = 'null' } = spoiling;
  const answers = questionsOf(exchange, read).map((question) => wellTold(exchange, question));
  const told = answers.map(spoil);
  exchange.withSlot(() =>
    exchange.after(exchange.server.tokenMs * told.length, () => {
      if (read.form === 'logprobs') tellLabel(exchange, told[0] as ToldAnswer, read.top, oddNumber, more);
      else send(exchange, { ...bodyOf(exchange, read.form, told), ...more }, oddNumber);
    }),
  );
}

/** A chat has one question, whose options are the labels of its prompt. */
function questionsOf({ prompt }: Exchange, read: ReadBody): readonly ReadQuestion[] {
  if (read.form !== 'logprobs') return read.questions;
  const labels = prompt.labels.length > 0 ? prompt.labels : ['1'];
  const options = labels.map((value, index) => ({ value, description: prompt.actions[index] }));
  return [{ name: undefined, type: 'choice', instructions: '', options }];
}

/** This server is for the same action in all forms, whoever asks. */
function wellTold(exchange: Exchange, { name, type, options }: ReadQuestion): ToldAnswer {
  const best = exchange.choiceOf(options.length);
  const rest = (1 - SURE) / Math.max(1, options.length - 1);
  return {
    name,
    type,
    values: options.map(({ value }) => value),
    probabilities: options.map((_, index) => (options.length === 1 ? 1 : index === best ? SURE : rest)),
    mass: 0.97,
  };
}

/** Numbers that JSON does not have are put in as they are. */
function send(exchange: Exchange, body: object, oddNumber: string): void {
  if (exchange.isOpen) exchange.status(200, numbersIn(body, oddNumber));
}

function numbersIn(body: object, oddNumber: string): string {
  const mark = 'NO NUMBER';
  const text = JSON.stringify(body, (_key, value) => (Number.isNaN(value) ? mark : value));
  return text.replaceAll(JSON.stringify(mark), oddNumber);
}

function bodyOf({ model }: Exchange, form: 'systemone' | 'decisions', told: readonly ToldAnswer[]): object {
  if (form === 'decisions')
    return { model, answers: told.map(decision), usage: { input_tokens: 200, output_tokens: 1 } };
  const answers = Object.fromEntries(told.map((answer) => [answer.name, systemOne(answer)]));
  const masses = told.map(({ name, mass }) => [name, { label_mass: mass, argmax_is_label: mass > 0.5 }]);
  return { model, answers, usage: { input_tokens: 200, output_tokens: 0 }, diagnostics: Object.fromEntries(masses) };
}

function bestOf({ values, probabilities }: ToldAnswer): { value: string | boolean | undefined; probability: number } {
  const index = probabilities.reduce((best, p, at) => (p > (probabilities[best] as number) ? at : best), 0);
  return { value: values[index], probability: probabilities[index] ?? 0 };
}

/** The protocol has no refusals: a server that has one gives no answer, or says so in a shape of its own. */
function systemOne(answer: ToldAnswer): object | null {
  if (answer.isRefused) return answer.mass < 0.5 ? null : { type: 'refusal' };
  const { type, values, probabilities } = answer;
  const { value, probability: confidence } = bestOf(answer);
  if (type === 'truth') return { type: 'noul', noul: probabilities[0] };
  const byValue = Object.fromEntries(values.map((each, index) => [String(each), probabilities[index]]));
  if (type === 'score') return { type, score: Number(value), legend: {}, probabilities: byValue, confidence };
  return { type, choice: value, probabilities: byValue, confidence };
}

function decision(answer: ToldAnswer): object {
  const { type, values, probabilities } = answer;
  const name = answer.name ?? null;
  const { value, probability: confidence } = bestOf(answer);
  if (answer.isRefused) return { type: 'refusal', name };
  if (type === 'truth') return { type: 'predicate', name, probability: probabilities[0] };
  if (type === 'score') {
    const levels = values.map((label, level) => ({ label, value: level, probability: probabilities[level] }));
    return { type, name, score: values.indexOf(value as string), probabilities: levels, confidence };
  }
  const told = values.map((each, index) => ({ value: each, probability: probabilities[index] }));
  return { type, name, choice: value, probabilities: told, confidence };
}

/** What models say when it is no label. */
const OTHER_WORDS = ['The', '**', 'I', 'Based', '<', 'To', '"', 'Given', 'We', '#'];

function tellLabel(exchange: Exchange, answer: ToldAnswer, top: number, oddNumber: string, more: object): void {
  const { mass, isRefused = false } = answer;
  const words = OTHER_WORDS.map((token, index) => ({ token, p: (1 - mass) * 0.5 ** (index + 1) }));
  const labels = answer.values.map((value, index) => ({
    token: String(value),
    p: mass * (answer.probabilities[index] as number),
  }));
  const all = [...labels, ...words].filter(({ p }) => p !== 0).sort((a, b) => (b.p || 0) - (a.p || 0));
  const told = all.map(({ token, p }) => ({ token, logprob: Math.log(p), bytes: [...Buffer.from(token)] }));
  const first = told[0] ?? { token: '', logprob: 0, bytes: [] };
  const content = isRefused ? null : [{ ...first, top_logprobs: told.slice(0, top) }];
  tellToken(exchange, isRefused ? null : first.token, { logprobs: { content } }, oddNumber, more);
}

/** One token of a chat with what is told of it, streamed or whole. */
export function tellToken(
  exchange: Exchange,
  token: string | null,
  told: { readonly logprobs?: object | null },
  oddNumber = 'null',
  more: object = {},
): void {
  if (!exchange.isOpen) return;
  const said = token === null ? { content: null, refusal: 'I cannot help with that.' } : { content: token };
  const choice = { index: 0, ...told };
  const { model } = exchange;
  if (exchange.isStreamed) {
    const event = { id: 'chatcmpl-f', model, choices: [{ ...choice, delta: said, finish_reason: null }], ...more };
    exchange.head(exchange.event(numbersIn(event, oddNumber)));
    exchange.end(exchange.finish('length'));
  } else {
    const message = { role: 'assistant', ...said };
    send(exchange, { model, choices: [{ ...choice, message, finish_reason: 'length' }], ...more }, oddNumber);
  }
}
