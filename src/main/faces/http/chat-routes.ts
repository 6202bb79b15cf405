import { once } from 'node:events';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { describeValue, PlannerError } from '../../../shared/errors.ts';
import type { Refusal } from '../../../shared/model-client/call-attempt.ts';
import { openAIError, retryAfterOf, statusOf } from '../../chat/chat-error.ts';
import type { ChatAttempt } from '../../chat/chat-flight.ts';
import type { ChatCallOptions } from '../../chat/chat-gateway.ts';
import type { ChatOrigin, ChatReply } from '../../chat/chat-reply.ts';
import { MODEL_CHARS_MAX } from '../../chat/chat-request.ts';
import type { RouteParts } from './route-parts.ts';
import { answer } from './schemas/answer-schemas.ts';
import { jsonSchema } from './schemas/json-schema.ts';

const chatBody = jsonSchema(
  z.looseObject({
    model: z
      .string()
      .min(1)
      .max(MODEL_CHARS_MAX)
      .describe('One of `GET /v1/models`; `conclave` stands for the configured ladder.'),
    messages: z.array(z.looseObject({})).min(1),
    stream: z.boolean().optional(),
  }),
);
const modelSchema = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.number(),
  owned_by: z.string().describe('The endpoint, or the first of several.'),
  endpoints: z.array(z.string()),
});
const errorSchema = jsonSchema(
  z.object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      code: z.string().nullable(),
      param: z.string().nullable(),
    }),
  }),
);
const ERROR_ANSWERS = {
  '4xx': answer('The request is wrong, or its model is unknown. As OpenAI has it.', errorSchema),
  '5xx': answer('No model answered. As OpenAI has it.', errorSchema),
};

/**
 * `POST /v1/chat/completions`, `GET /v1/models` and `GET /v1/models/{id}`, as OpenAI's clients call them. Whatever goes wrong here
 * has the form that those understand, not problem+json.
 */
export function chatRoutes(app: FastifyInstance, { planner, connections }: RouteParts): void {
  const { chats } = planner;
  const chat = {
    summary: 'Chat with a model',
    description:
      'As OpenAI has it; every member of the body goes to the model server. Headers: x-conclave-timeout-ms, x-conclave-fallback (on, off), cache-control (no-cache, no-store).',
    operationId: 'chat',
    body: chatBody,
    response: {
      200: {
        description: 'The completion, or its events.',
        content: { 'application/json': { schema: {} }, 'text/event-stream': { schema: {} } },
      },
      ...ERROR_ANSWERS,
    },
  };
  app.post(
    '/v1/chat/completions',
    // The schema is for the document: what is checked of a chat, the gateway checks.
    { schema: chat, validatorCompiler: () => () => true, bodyLimit: chats.bodyBytesMax, errorHandler },
    async (request, reply) => {
      const signal = connections.signalOf(request.raw);
      const options: ChatCallOptions = { ...optionsOf(request), ...(signal === undefined ? {} : { signal }) };
      return sendReply(reply, await chats.chat(request.body, options));
    },
  );

  const list = {
    summary: 'The models that there are',
    operationId: 'models',
    response: {
      200: answer('As OpenAI has it.', jsonSchema(z.object({ object: z.literal('list'), data: z.array(modelSchema) }))),
      ...ERROR_ANSWERS,
    },
  };
  app.get('/v1/models', { schema: list, errorHandler }, async () => ({ object: 'list', data: await chats.models() }));

  const one = {
    summary: 'One model',
    operationId: 'model',
    response: { 200: answer('As OpenAI has it.', jsonSchema(modelSchema)), ...ERROR_ANSWERS },
  };
  // Ids have slashes.
  app.get<{ Params: { '*': string } }>('/v1/models/*', { schema: one, errorHandler }, async ({ params }) => {
    const id = params['*'];
    const found = (await chats.models()).find((model) => model.id === id);
    if (found === undefined) throw new PlannerError('ERR_MODEL_MISSING', `there is no model ${describeValue(id)}`);
    return found;
  });
}

function optionsOf({ headers }: FastifyRequest): ChatCallOptions {
  const timeout = headers['x-conclave-timeout-ms'];
  const fallback = headers['x-conclave-fallback'];
  const cacheControl = headers['cache-control'] ?? '';
  if (fallback !== undefined && fallback !== 'on' && fallback !== 'off') {
    throw invalid('x-conclave-fallback must be on or off', fallback);
  }
  const timeoutMs = timeout === undefined ? undefined : Number(timeout);
  if (timeoutMs !== undefined && !(timeoutMs > 0)) {
    throw invalid('x-conclave-timeout-ms must be a number of milliseconds above 0', timeout);
  }
  const isOff = /\bno-store\b/i.test(cacheControl);
  return {
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(fallback === undefined ? {} : { fallback: fallback === 'on' }),
    cache: isOff ? 'off' : /\bno-cache\b/i.test(cacheControl) ? 'renew' : 'use',
  };
}

function invalid(rule: string, value: unknown): PlannerError {
  return new PlannerError('ERR_REQUEST_INVALID', `${rule}, got ${describeValue(value)}`);
}

async function sendReply(reply: FastifyReply, answered: ChatReply): Promise<unknown> {
  switch (answered.kind) {
    case 'whole':
      return reply.headers(originHeaders(answered.origin)).type('application/json').send(answered.completion);
    case 'failed':
      return sendError(reply, answered.error, answered.refusal, answered.attempts);
    case 'stream': {
      // From here on the answer is the stream's, and fastify has no part in it.
      reply.hijack();
      const headers = { ...reply.getHeaders(), ...originHeaders(answered.origin) };
      await pour(answered.frames, reply.raw, headers as OutgoingHttpHeaders);
      return reply;
    }
    default:
      return answered satisfies never;
  }
}

/** Writes as fast as the client reads. Who goes away ends the frames by the signal of its connection. */
async function pour(frames: AsyncIterable<string>, raw: ServerResponse, headers: OutgoingHttpHeaders): Promise<void> {
  raw.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
  for await (const frame of frames) {
    if (raw.destroyed) return;
    if (!raw.write(frame)) await drained(raw);
  }
  raw.end();
}

async function drained(raw: ServerResponse): Promise<void> {
  const either = new AbortController();
  try {
    await Promise.race(['drain', 'close'].map((event) => once(raw, event, { signal: either.signal })));
  } catch {
    // The connection broke: that is seen where it is written to.
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

/** Of more attempts, the last ones: clients bound their headers. */
const ATTEMPTS_TOLD_MAX = 16;
const NAME_CHARS_MAX = 200;

/** `endpoint model code ms`, one after the other. */
function attemptsText(attempts: readonly ChatAttempt[]): string {
  return attempts
    .slice(-ATTEMPTS_TOLD_MAX)
    .map(({ endpoint, model, code, latencyMs }) => [endpoint, model, code, String(Math.round(latencyMs))])
    .map((members) => members.map(headerText).join(' '))
    .join(', ');
}

/** What stands for itself in a list of a header; all else is percent-encoded. */
function headerText(text: string): string {
  return text
    .slice(0, NAME_CHARS_MAX)
    .replace(/[^\x21-\x2b\x2d-\x7e]/gu, (char) => encodeURIComponent(char.toWellFormed()));
}

function sendError(
  reply: FastifyReply,
  error: PlannerError,
  refusal?: Refusal,
  attempts: readonly ChatAttempt[] = [],
  status = statusOf(error, refusal),
): FastifyReply {
  const after = retryAfterOf(status);
  if (error.code === 'ERR_INTERNAL') reply.log.error({ err: error.cause ?? error }, 'chat failed');
  if (attempts.length > 0) reply.header('x-conclave-attempts', attemptsText(attempts));
  if (after !== undefined && !reply.hasHeader('retry-after')) reply.header('retry-after', after);
  // What took all of its time would take it again: the SDK repeats such calls on its own account.
  if (status === 504) reply.header('x-should-retry', 'false');
  return reply
    .code(status)
    .type('application/json')
    .send(JSON.stringify(openAIError(error, refusal)));
}

/** What is thrown on the way to a route, or refused by fastify itself. */
function errorHandler(error: FastifyError | PlannerError, _: FastifyRequest, reply: FastifyReply): void {
  // Too many chats are one client's doing as a rule (429), too many large bodies everybody's.
  const isCrowded = error instanceof PlannerError && error.code === 'ERR_PLANNER_OVERLOADED';
  if (isCrowded) return void sendError(reply, error, undefined, [], 503);
  if (error instanceof PlannerError) return void sendError(reply, error);
  const { statusCode = 500 } = error as FastifyError;
  if (statusCode >= 500) {
    const message = 'something is wrong in Conclave; its log says more';
    return void sendError(reply, new PlannerError('ERR_INTERNAL', message, { cause: error }));
  }
  const code = statusCode === 413 ? 'ERR_MESSAGE_TOO_LARGE' : 'ERR_PROTOCOL';
  sendError(reply, new PlannerError(code, error.message), undefined, [], statusCode);
}
