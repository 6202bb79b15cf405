import { once } from 'node:events';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { defined } from '../../../../shared/defined.ts';
import { describeValue } from '../../../../shared/errors.ts';
import type { ChatCallOptions } from '../../../chat/chat-call-options.ts';
import type { ChatOrigin, ChatReply } from '../../../chat/chat-reply.ts';
import { invalid } from '../../../chat/chat-request.ts';
import { EVENTS_TYPE, JSON_TYPE, type PassReply } from '../../../chat/passed/pass-reply.ts';
import type { Connections } from '../wire/connections.ts';
import { attemptsText, headerText, sendOpenAIError } from './openai-error.ts';

/** Reads the chat options in the headers of a request. Throws ERR_REQUEST_INVALID. */
export function chatOptionsOf({ headers, raw }: FastifyRequest, connections: Connections): ChatCallOptions {
  const timeout = headers['x-conclave-timeout-ms'];
  const fallback = headers['x-conclave-fallback'];
  const cacheControl = headers['cache-control'] ?? '';
  if (fallback !== undefined && fallback !== 'on' && fallback !== 'off') {
    throw invalid(`x-conclave-fallback must be on or off, got ${describeValue(fallback)}`);
  }
  const timeoutMs = timeout === undefined ? undefined : Number(timeout);
  if (timeoutMs !== undefined && !(timeoutMs > 0)) {
    throw invalid(`x-conclave-timeout-ms must be a number of milliseconds above 0, got ${describeValue(timeout)}`);
  }
  const isOff = /\bno-store\b/i.test(cacheControl);
  return {
    ...defined({ timeoutMs, fallback: fallback && fallback === 'on', signal: connections.signalOf(raw) }),
    cache: isOff ? 'off' : /\bno-cache\b/i.test(cacheControl) ? 'renew' : 'use',
  };
}

/** Sends the gateway's answer to a chat or to a request that is passed on. */
export async function sendReply(reply: FastifyReply, answered: ChatReply | PassReply): Promise<unknown> {
  switch (answered.kind) {
    case 'whole': {
      const { origin } = answered;
      const [type, body] = 'bytes' in answered ? [answered.type, answered.bytes] : [JSON_TYPE, answered.completion];
      return reply.headers(originHeaders(origin)).type(type).send(body);
    }
    case 'failed': {
      const { error, refusal, attempts } = answered;
      if (error.code === 'ERR_INTERNAL') reply.log.error({ err: error.cause ?? error }, 'chat failed');
      return sendOpenAIError(reply, error, { refusal, attempts });
    }
    case 'stream': {
      // From here on the answer is a stream that fastify does not handle.
      reply.hijack();
      const type = 'type' in answered ? answered.type : EVENTS_TYPE;
      const headers = { ...reply.getHeaders(), ...originHeaders(answered.origin), 'content-type': type };
      await pour(answered.frames, reply.raw, headers as OutgoingHttpHeaders);
      return reply;
    }
    default:
      return answered satisfies never;
  }
}

/** Writes as fast as the client reads. If the client disconnects, the signal of its connection ends the frames. */
async function pour(
  frames: AsyncIterable<string | Buffer>,
  raw: ServerResponse,
  headers: OutgoingHttpHeaders,
): Promise<void> {
  raw.writeHead(200, { ...headers, 'cache-control': 'no-store' });
  try {
    for await (const frame of frames) {
      if (raw.destroyed) return;
      if (!raw.write(frame)) await drained(raw);
    }
    raw.end();
  } catch (error) {
    // Without events to report the error, the answer breaks off.
    raw.destroy(error as Error);
  }
}

async function drained(raw: ServerResponse): Promise<void> {
  const either = new AbortController();
  try {
    await Promise.race(['drain', 'close'].map((event) => once(raw, event, { signal: either.signal })));
  } catch {
    // The connection broke: the writing side reports that.
  } finally {
    either.abort();
  }
}

function originHeaders({ source, endpoint, model, attempts, ageMs }: ChatOrigin): Record<string, string> {
  return {
    'x-conclave-source': source,
    'x-conclave-endpoint': headerText(endpoint),
    'x-conclave-model': headerText(model),
    ...(attempts.length === 0 ? {} : { 'x-conclave-attempts': attemptsText(attempts) }),
    ...(ageMs === undefined ? {} : { age: String(Math.floor(ageMs / 1000)) }),
  };
}
