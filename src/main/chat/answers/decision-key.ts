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
export function keepableDecision(answer: Buffer): string | undefined {
  if (answer.length > KEYED_CHARS_MAX) return undefined;
  const text = answer.toString('utf8');
  const read = readJson(text);
  const answers = memberOf('value' in read ? read.value : undefined, 'answers');
  const all = answers === null || typeof answers !== 'object' ? [] : Object.values(answers);
  return all.length > 0 && all.every(isAnswer) ? text : undefined;
}

function isAnswer(answer: unknown): boolean {
  return answer !== null && typeof answer === 'object' && memberOf(answer, 'type') !== 'refusal';
}
