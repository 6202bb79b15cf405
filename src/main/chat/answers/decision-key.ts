import { createHash } from 'node:crypto';
import { memberOf } from '../../../shared/reads/read-answer.ts';
import { readJson } from '../../../shared/untrusted-json.ts';
import { type AskedPass, piecesAround } from '../passed/pass-request.ts';
import { KEYED_CHARS_MAX } from './chat-key.ts';

/**
 * The exact key of a request for decisions, without its model: equal for requests that are equal byte by byte except for who asks. The order of members
 * matters, since it may be the order of the options, which changes the answer. Undefined if the request is longer than `KEYED_CHARS_MAX`.
 */
export function decisionKey({ route, bytes, modelSpans, askerSpans }: AskedPass): string | undefined {
  if (bytes.length > KEYED_CHARS_MAX) return undefined;
  const hash = createHash('sha256').update(route);
  const spans = askerSpans.length === 0 ? modelSpans : [...modelSpans, ...askerSpans].sort((a, b) => a.start - b.start);
  for (const piece of piecesAround(bytes, spans)) hash.update(piece);
  return hash.digest('base64');
}

/** The text of an answer that may be given again: every question is answered, and none is refused. Undefined for any other answer. */
export function keepableDecision({ bytes }: Pick<AskedPass, 'bytes'>, answer: Buffer): string | undefined {
  if (answer.length > KEYED_CHARS_MAX) return undefined;
  const text = answer.toString('utf8');
  const answers = listed(text, 'answers');
  if (answers.length === 0 || !answers.every(isAnswer)) return undefined;
  return answers.length < listed(bytes.toString('utf8'), 'questions').length ? undefined : text;
}

/** The values in a list or an object that is a member of a JSON text; none if there is no such member. */
function listed(text: string, name: string): readonly unknown[] {
  const read = readJson(text);
  const list = memberOf('value' in read ? read.value : undefined, name);
  return list === null || typeof list !== 'object' ? [] : Object.values(list);
}

function isAnswer(answer: unknown): boolean {
  return answer !== null && typeof answer === 'object' && memberOf(answer, 'type') !== 'refusal';
}
