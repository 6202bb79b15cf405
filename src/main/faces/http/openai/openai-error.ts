import type { FastifyError, FastifyReply } from 'fastify';
import { z } from 'zod';
import { PlannerError } from '../../../../shared/errors.ts';
import type { Refusal } from '../../../../shared/model-client/answer-reader.ts';
import { httpStatusOf, openAIError, retryAfterOf } from '../../../chat/chat-error.ts';
import type { ChatAttempt } from '../../../chat/seats/tries.ts';
import { answer } from '../schemas/answer-schemas.ts';
import { jsonSchema } from '../schemas/json-schema.ts';

/** Errors in the form that OpenAI's clients read. To them, problem+json is an answer without a body. */
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

export const OPENAI_ERROR_ANSWERS = {
  '4xx': answer('The request is wrong, or its model is unknown. As OpenAI has it.', errorSchema),
  '5xx': answer('No model answered. As OpenAI has it.', errorSchema),
};

/** Paths under `/v1` that are not OpenAI's. */
const OWN = /^\/v1\/(?:plans|expectations|observations|stats|cache|live)(?:\/|$)/;
const OPENAI = /^\/v1(?:\/|$)/;
/** Paths that such a client requests if its base URL lacks the `/v1`. */
const WITHOUT_VERSION = /^\/(?:chat\/completions|completions|responses|embeddings|decisions|systemone|models)(?:\/|$)/;

/** True if clients of this path expect OpenAI's form. */
export function isOpenAIPath(path: string): boolean {
  return (OPENAI.test(path) && !OWN.test(path)) || WITHOUT_VERSION.test(path);
}

/** A hint for a client that requests an unknown path. */
export function pathHint(path: string): string {
  return WITHOUT_VERSION.test(path) ? '; the base URL of this server ends with /v1' : '';
}

interface ErrorAnswer {
  readonly refusal?: Refusal | undefined;
  readonly attempts?: readonly ChatAttempt[];
  /** Present if it does not follow from the error. */
  readonly status?: number;
}

export function sendOpenAIError(
  reply: FastifyReply,
  error: PlannerError,
  { refusal, attempts = [], status = httpStatusOf(error, refusal) }: ErrorAnswer = {},
): FastifyReply {
  const after = retryAfterOf(status);
  if (attempts.length > 0) reply.header('x-conclave-attempts', attemptsText(attempts));
  if (after !== undefined && !reply.hasHeader('retry-after')) reply.header('retry-after', after);
  // A request that took all of its time would take it again: the SDK retries such calls by itself.
  if (status === 504) reply.header('x-should-retry', 'false');
  return reply
    .code(status)
    .type('application/json')
    .send(JSON.stringify(openAIError(error, refusal)));
}

/** Sends an error thrown before a route, or by fastify itself. */
export function sendThrown(reply: FastifyReply, error: FastifyError | PlannerError): void {
  // Too many chats are usually caused by one client (429), too many large bodies by all of them.
  const isCrowded = error instanceof PlannerError && error.code === 'ERR_PLANNER_OVERLOADED';
  if (isCrowded) return void sendOpenAIError(reply, error, { status: 503 });
  if (error instanceof PlannerError) return void sendOpenAIError(reply, error);
  const { statusCode = 500 } = error as FastifyError;
  if (statusCode >= 500) {
    const message = 'something is wrong in Conclave; its log says more';
    return void sendOpenAIError(reply, new PlannerError('ERR_INTERNAL', message, { cause: error }));
  }
  const code = statusCode === 413 ? 'ERR_MESSAGE_TOO_LARGE' : 'ERR_PROTOCOL';
  sendOpenAIError(reply, new PlannerError(code, error.message), { status: statusCode });
}

/** Maximum number of attempts reported, the latest ones: clients limit their headers. */
const ATTEMPTS_TOLD_MAX = 16;
const NAME_CHARS_MAX = 200;

/** A list of `endpoint model code ms`. */
export function attemptsText(attempts: readonly ChatAttempt[]): string {
  return attempts
    .slice(-ATTEMPTS_TOLD_MAX)
    .map(({ endpoint, model, code, latencyMs }) => [endpoint, model, code, String(Math.round(latencyMs))])
    .map((members) => members.map(headerText).join(' '))
    .join(', ');
}

/** Text for a list in a header; characters that are not safe there are percent-encoded. */
export function headerText(text: string): string {
  return text
    .slice(0, NAME_CHARS_MAX)
    .replace(/[^\x21-\x2b\x2d-\x7e]/gu, (char) => encodeURIComponent(char.toWellFormed()));
}
