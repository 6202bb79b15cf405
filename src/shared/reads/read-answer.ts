import { defined } from '../defined.ts';
import { PlannerError } from '../errors.ts';
import { textOf } from '../model-client/chat-event.ts';
import { labelOfToken } from './labels.ts';
import { OptionOrder } from './option-order.ts';
import { questionId } from './read-body.ts';
import type { ReadCall, ReadForm, Reading } from './reading.ts';

/** Maximum sum of probabilities, which may exceed 1 a little by rounding. */
const SUM_MAX = 1.02;

/**
 * Returns the readings in the body of an answer. Nothing in it is trusted: an unknown option is ignored, a missing one has no
 * probability, and anything but a distribution is a failure. Throws ERR_MODEL_MALFORMED, ERR_MODEL_EMPTY if every question was
 * declined, or ERR_MODEL_REJECTED if the model thinks before it answers.
 */
export function readReadings(call: ReadCall, body: unknown): readonly Reading[] {
  const readings = READERS[call.form](call, body);
  if (readings.length === 0) throw new PlannerError('ERR_MODEL_EMPTY', 'the model declined every question');
  return readings;
}

const READERS: Readonly<Record<ReadForm, (call: ReadCall, body: unknown) => readonly Reading[]>> = {
  decisions: ({ roles, actions, turn }, body) => {
    const answers = listOf(memberOf(body, 'answers'), 'its answers are no list');
    return roles.flatMap((name, index) => {
      const answer = answers[index];
      if (memberOf(answer, 'type') === 'refusal') return [];
      const told = listOf(memberOf(answer, 'probabilities'), 'an answer has no probabilities');
      const byLabel = new Map(told.map((each) => [memberOf(each, 'value'), memberOf(each, 'probability')]));
      return [readingOf(name, new OptionOrder(actions, turn, index), (label) => byLabel.get(label))];
    });
  },
  systemone: ({ roles, actions, turn }, body) => {
    const answers = memberOf(body, 'answers');
    return roles.flatMap((name, index) => {
      const answer = memberOf(answers, questionId(index));
      const told = memberOf(answer, 'probabilities');
      const isDeclined =
        answer === null || memberOf(answer, 'refusal') !== undefined || memberOf(answer, 'type') === 'refusal';
      if (told === undefined && isDeclined) return [];
      if (typeof told !== 'object' || told === null || Array.isArray(told)) {
        throw malformed('an answer has no probabilities');
      }
      const reading = readingOf(name, new OptionOrder(actions, turn, index), (label) => memberOf(told, label));
      const mass = memberOf(memberOf(memberOf(body, 'diagnostics'), questionId(index)), 'label_mass');
      if (!isProbability(mass)) return [reading];
      return [{ ...reading, probabilities: reading.probabilities.map((each) => each * Math.min(1, mass)) }];
    });
  },
  logprobs: ({ roles, actions, turn }, body) => {
    const [choice] = listOf(memberOf(body, 'choices'), 'it has no choices');
    if (hasThought(memberOf(choice, 'message'))) throw thinksFirst();
    const [token] = listOf(memberOf(memberOf(choice, 'logprobs'), 'content'), 'it tells no log probabilities');
    const told = listOf(memberOf(token, 'top_logprobs'), 'it tells no log probabilities');
    if (told.length === 0) throw malformed('it tells no log probabilities');
    const byLabel = new Map<string, number>();
    for (const each of told) {
      const label = labelOfToken(memberOf(each, 'token'));
      const logprob = memberOf(each, 'logprob');
      if (typeof logprob !== 'number' || !(logprob <= 1e-6)) throw malformed('a log probability is none');
      byLabel.set(label, (byLabel.get(label) ?? 0) + Math.exp(logprob));
    }
    if (isThought(memberOf(token, 'token') ?? memberOf(told[0], 'token'))) {
      throw thinksFirst();
    }
    return [readingOf(roles[0] ?? '', new OptionOrder(actions, turn, 0), (label) => byLabel.get(label))];
  },
};

/** Matches the first token of a thought. */
const THOUGHT = /^\s{0,8}(?:<\/?\s{0,8}think|<\|channel|\[THINK)/i;

/** Whether an answer has begun in a member for thoughts. If the prompt began the thought, its first token may be any word, or the 1 of a list. */
function hasThought(message: unknown): boolean {
  return typeof message === 'object' && message !== null && textOf(message).thought.trim() !== '';
}

function thinksFirst(): PlannerError {
  return new PlannerError('ERR_MODEL_REJECTED', 'the model thinks before it answers, and can only be asked in words');
}

function isThought(token: unknown): boolean {
  return typeof token === 'string' && THOUGHT.test(token);
}

function readingOf(role: string, { labels, offset }: OptionOrder, told: (label: string) => unknown): Reading {
  const probabilities = distribution(labels, told);
  return { role, probabilities, ...defined({ offset }) };
}

function distribution(labels: readonly string[], told: (label: string) => unknown): number[] {
  const probabilities = labels.map((label) => {
    const probability = told(label) ?? 0;
    if (!isProbability(probability)) throw malformed('a probability is no number from 0 to 1');
    return probability;
  });
  const sum = probabilities.reduce((total, each) => total + each, 0);
  if (sum > SUM_MAX) throw malformed(`its probabilities add up to ${sum.toFixed(2)}`);
  return sum > 1 ? probabilities.map((each) => each / sum) : probabilities;
}

function isProbability(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= 1 + 1e-6;
}

/** Returns an own member of an object; undefined if there is none. */
export function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

function listOf(value: unknown, fault: string): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(fault);
  return value;
}

function malformed(fault: string): PlannerError {
  return new PlannerError('ERR_MODEL_MALFORMED', `the answer to a read cannot be used: ${fault}`);
}
