import { isRecord } from '../../../shared/untrusted-json.ts';
import { wellFormed } from '../../../shared/well-formed.ts';
import type { MachineUsage } from '../machine-job.ts';
import type { ServerFlavour } from '../options.ts';
import { decisionsBody, parseDecisions } from './decisions.ts';
import type { ReadAnswer } from './read-answer.ts';
import { type ReadRequest, readLimits } from './read-request.ts';
import { parseSystemOne, type ReadIdentity, systemOneBody } from './systemone.ts';

/** The forms of reads that have a path of their own. */
export type ReadPath = ReadRequest['form'];

const PATHS: Readonly<Record<string, ReadPath>> = { '/v1/systemone': 'systemone', '/v1/decisions': 'decisions' };

export function readPathOf(path: string): ReadPath | undefined {
  return PATHS[path];
}

/** The request, or a sentence that describes what is wrong with it. */
export function parseRead(form: ReadPath, json: string, flavour: ServerFlavour): ReadRequest | string {
  let body: unknown;
  try {
    body = JSON.parse(json);
  } catch {
    return 'the request body is not JSON';
  }
  if (!isRecord(body)) return 'the request body must be an object';
  const request = (form === 'systemone' ? parseSystemOne : parseDecisions)(body, readLimits(flavour, form));
  return typeof request === 'string' ? request : { ...request, isUnicode: wellFormed(body) === body };
}

export function answeredBody(
  request: ReadRequest,
  answers: readonly ReadAnswer[],
  usage: MachineUsage,
  identity: ReadIdentity,
): object {
  return request.form === 'systemone'
    ? systemOneBody(request, answers, usage, identity)
    : decisionsBody(answers, usage, identity);
}
