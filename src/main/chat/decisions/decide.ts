import { defined } from '../../../shared/defined.ts';
import { describeValue, PlannerError } from '../../../shared/errors.ts';
import { readJson } from '../../../shared/untrusted-json.ts';
import type { ChatGateway } from '../chat-gateway.ts';
import type { PassReply } from '../passed/pass-reply.ts';

/**
 * Answers a request of the Decisions API, or of System One if it has a `state`, with `timeoutMs` as an additional member. For callers that have the
 * request as a value. Rejects with a PlannerError.
 */
export async function decide(
  chats: Pick<ChatGateway, 'pass'>,
  request: unknown,
  signal: AbortSignal,
): Promise<unknown> {
  if (request === null || typeof request !== 'object' || Array.isArray(request)) {
    throw new PlannerError('ERR_REQUEST_INVALID', `request must be an object, got ${describeValue(request)}`);
  }
  const { timeoutMs, ...body } = request as { readonly timeoutMs?: number };
  const route = 'state' in body ? 'systemone' : 'decisions';
  const bytes = Buffer.from(JSON.stringify(body));
  return answerOf(await chats.pass(route, bytes, { signal, ...defined({ timeoutMs }) }));
}

async function answerOf(reply: PassReply): Promise<unknown> {
  if (reply.kind === 'failed') throw reply.error;
  const read = readJson((await bytesOf(reply)).toString('utf8'));
  if ('value' in read) return read.value;
  throw new PlannerError('ERR_MODEL_MALFORMED', `the server's answer ${read.rule}`);
}

async function bytesOf(reply: Exclude<PassReply, { kind: 'failed' }>): Promise<Buffer> {
  if (reply.kind === 'whole') return reply.bytes;
  const pieces: Buffer[] = [];
  for await (const piece of reply.frames) pieces.push(piece);
  return Buffer.concat(pieces);
}
