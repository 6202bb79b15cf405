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
    const choice = choiceIn(body);
    if (hasThought(memberOf(choice, 'message'))) throw thinksFirst();
    const [token, next] = tokensOf(choice);
    const byLabel = labelChances(token);
    if (isThought(writtenIn(token))) throw thinksFirst();
    // A token in front of the label: what follows it counts by the chance that it is written.
    if (next !== undefined && isMark(writtenIn(token))) {
      const chance = chanceOf(memberOf(token, 'logprob'));
      for (const [label, follows] of labelChances(next))
        byLabel.set(label, (byLabel.get(label) ?? 0) + chance * follows);
    }
    return [readingOf(roles[0] ?? '', new OptionOrder(actions, turn, 0), (label) => byLabel.get(label))];
  },
};

function choiceIn(body: unknown): unknown {
  return listOf(memberOf(body, 'choices'), 'it has no choices')[0];
}

/** The tokens of an answer, with their alternatives. */
function tokensOf(choice: unknown): readonly unknown[] {
  return listOf(memberOf(memberOf(choice, 'logprobs'), 'content'), 'it tells no log probabilities');
}

/** Returns the probabilities of the labels at a place of the answer; those of one label's spellings add up. */
function labelChances(token: unknown): Map<string, number> {
  const told = listOf(memberOf(token, 'top_logprobs'), 'it tells no log probabilities');
  if (told.length === 0) throw malformed('it tells no log probabilities');
  const byLabel = new Map<string, number>();
  for (const each of told) {
    const label = labelOfToken(textOfToken(each));
    byLabel.set(label, (byLabel.get(label) ?? 0) + chanceOf(memberOf(each, 'logprob')));
  }
  return byLabel;
}

function chanceOf(logprob: unknown): number {
  if (typeof logprob !== 'number' || !(logprob <= 1e-6)) throw malformed('a log probability is none');
  return Math.exp(logprob);
}

/** Returns the text of a token: its bytes if the server reports an id (vLLM with `--return-tokens-as-token-ids`), half a letter or nothing. */
function textOfToken(each: unknown): unknown {
  const token = memberOf(each, 'token');
  if (typeof token === 'string' && !UNREADABLE.test(token)) return token;
  const bytes = memberOf(each, 'bytes');
  const isText = Array.isArray(bytes) && bytes.length > 0 && bytes.length <= TOKEN_BYTES_MAX;
  return isText ? Buffer.from(bytes.map(Number)).toString() : token;
}

const UNREADABLE = /^$|^token_id:|\ufffd/;
const TOKEN_BYTES_MAX = 16;

/** The token that was written at a place; the likeliest one if that is not reported. */
function writtenIn(token: unknown): unknown {
  const text = textOfToken(token);
  return text ?? textOfToken(listOf(memberOf(token, 'top_logprobs'), 'it has no tokens')[0]);
}

/** Whether a token is only what surrounds a label. Tokenizers of SentencePiece write a digit after a blank of its own: "▁", "1". */
function isMark(token: unknown): boolean {
  return typeof token === 'string' && token !== '' && token.length <= MARK_CHARS_MAX && labelOfToken(token) === '';
}

const MARK_CHARS_MAX = 4;

/** Whether the only token of an answer is a mark, so that its label would have been the next one. */
export function startsBlank({ form, tokensMax = 1 }: Pick<ReadCall, 'form' | 'tokensMax'>, body: unknown): boolean {
  if (form !== 'logprobs' || tokensMax > 1) return false;
  const [token] = tokensOf(choiceIn(body));
  return isMark(writtenIn(token));
}

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
