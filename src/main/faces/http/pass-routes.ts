import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { MODEL_CHARS_MAX } from '../../chat/chat-request.ts';
import { PASSED_PATHS, type PassedRoute } from '../../chat/passed/pass-request.ts';
import { chatOptionsOf, sendReply } from './chat-answer.ts';
import { OPENAI_ERROR_ANSWERS } from './openai-error.ts';
import type { RouteParts } from './route-parts.ts';
import { jsonSchema } from './schemas/json-schema.ts';

const body = jsonSchema(
  z.looseObject({
    model: z.string().min(1).max(MODEL_CHARS_MAX).describe('One of `GET /v1/models`.'),
    stream: z.boolean().optional(),
  }),
);
const SUMMARIES: Readonly<Record<PassedRoute, string>> = {
  responses: 'Ask a model for a response',
  completions: 'Have a text continued',
  embeddings: 'Turn texts into vectors',
  decisions: 'Ask a model for the probabilities of answers',
  systemone: 'Ask a model for the probabilities of answers, as System One',
};
const DESCRIPTION =
  "Passed on as bytes to a server that has the model and this route; only `model` and `stream` are read, and what refers to a server's own state. Headers: x-conclave-timeout-ms, x-conclave-fallback (on, off).";

/** `POST /v1/responses`, `/v1/completions`, `/v1/embeddings`, `/v1/decisions` and `/v1/systemone`, as the clients of each call them. */
export function passRoutes(app: FastifyInstance, { planner, connections }: RouteParts): void {
  const { chats } = planner;
  for (const route of Object.keys(PASSED_PATHS) as PassedRoute[]) {
    const schema = {
      summary: SUMMARIES[route],
      description: DESCRIPTION,
      operationId: route,
      body,
      response: {
        200: {
          description: "The server's answer, or its events.",
          content: {
            'application/json': { schema: {} },
            ...(isWhole(route) ? {} : { 'text/event-stream': { schema: {} } }),
          },
        },
        ...OPENAI_ERROR_ANSWERS,
      },
    };
    app.post<{ Body: Buffer }>(
      `/v1${PASSED_PATHS[route]}`,
      // The schema is for the document: what is checked, the gateway checks.
      { schema, config: { takesBytes: true }, validatorCompiler: () => () => true, bodyLimit: chats.bodyBytesMax },
      async (request, reply) =>
        sendReply(reply, await chats.pass(route, request.body, chatOptionsOf(request, connections))),
    );
  }
}

/** Whether a route is never answered in events. */
function isWhole(route: PassedRoute): boolean {
  return route !== 'responses' && route !== 'completions';
}
