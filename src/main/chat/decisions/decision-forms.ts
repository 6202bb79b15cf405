import { PlannerError } from '../../../shared/errors.ts';
import { readJson } from '../../../shared/untrusted-json.ts';
import { DECISIONS } from './decisions-form.ts';
import type { DecisionForm, Questionnaire } from './questionnaire.ts';
import { SYSTEM_ONE } from './systemone-form.ts';

const FORMS: ReadonlyMap<string, DecisionForm> = new Map([
  ['decisions', DECISIONS],
  ['systemone', SYSTEM_ONE],
]);

/** The protocol of a route; undefined if the route is not for decisions. */
export function decisionForm(route: string): DecisionForm | undefined {
  return FORMS.get(route);
}

/** Maximum size of a request. No chat model has a context for more, and reading it would block the thread. */
const REQUEST_BYTES_MAX = 4 * 2 ** 20;

/** Reads a request for a chat server. Throws ERR_REQUEST_INVALID or ERR_MESSAGE_TOO_LARGE. */
export function readQuestionnaire(form: DecisionForm, bytes: Buffer): Questionnaire {
  if (bytes.length > REQUEST_BYTES_MAX) {
    const message = `a request for decisions that are read from chats must have at most ${REQUEST_BYTES_MAX} bytes, got ${bytes.length}`;
    throw new PlannerError('ERR_MESSAGE_TOO_LARGE', message);
  }
  const read = readJson(bytes.toString('utf8'));
  if ('rule' in read) throw new PlannerError('ERR_REQUEST_INVALID', `the request ${read.rule}`);
  return form.read(read.value);
}
