import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { MODEL_CHARS_MAX } from '../../../chat/chat-request.ts';
import { decisionForm } from '../../../chat/decisions/decision-forms.ts';
import { DECISIONS } from '../../../chat/decisions/decisions-form.ts';
import { SYSTEM_ONE } from '../../../chat/decisions/systemone-form.ts';
import { PASSED_PATHS, type PassedRoute } from '../../../chat/passed/pass-request.ts';
import { JSON_OR_EVENTS, type RouteParts, UNCHECKED } from '../routes/route-parts.ts';
import { type JsonSchema, jsonSchema } from '../schemas/json-schema.ts';
import { chatOptionsOf, sendReply } from './chat-answer.ts';
import { OPENAI_ERROR_ANSWERS } from './openai-error.ts';

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
const BODIES: Readonly<Partial<Record<PassedRoute, JsonSchema>>> = {
  decisions: jsonSchema(DECISIONS.request, {
    model: 'm',
    input: 'A wolf comes. You have 12 health.',
    questions: [
      { type: 'choice', name: 'next', instructions: 'What now?', choices: [{ value: 'fight' }, { value: 'flee' }] },
    ],
  }),
  systemone: jsonSchema(SYSTEM_ONE.request, {
    model: 'm',
    state: 'A wolf comes. You have 12 health.',
    questions: { next: { type: 'choice', instructions: 'What now?', criteria: { fight: null, flee: 'run away' } } },
  }),
};
const OF_DECISIONS =
  'Passed on as bytes to a server that has the model and this route, which may take other members than these. Where it has neither this route nor the other one of decisions, each question is one chat of one token, and its probabilities are those of the labels of its options. Headers: x-conclave-timeout-ms, x-conclave-fallback (on, off), cache-control (no-cache, no-store).';
const DESCRIPTION =
  "Passed on as bytes to a server that has the model and this route; only `model` and `stream` are read, and what refers to a server's own state. Headers: x-conclave-timeout-ms, x-conclave-fallback (on, off).";

/** `POST /v1/responses`, `/v1/completions`, `/v1/embeddings`, `/v1/decisions` and `/v1/systemone`, as the clients of each call them. */
export function passRoutes(app: FastifyInstance, { planner, connections }: RouteParts): void {
  const { chats } = planner;
  for (const route of Object.keys(PASSED_PATHS) as PassedRoute[]) {
    const schema = {
      summary: SUMMARIES[route],
      description: decisionForm(route) === undefined ? DESCRIPTION : OF_DECISIONS,
      operationId: route,
      body: BODIES[route] ?? body,
      response: {
        200: {
          description: "The server's answer, or its events.",
          content: isWhole(route) ? { 'application/json': { schema: {} } } : JSON_OR_EVENTS,
        },
        ...OPENAI_ERROR_ANSWERS,
      },
    };
    app.post<{ Body: Buffer }>(
      `/v1${PASSED_PATHS[route]}`,
      { ...UNCHECKED, schema, config: { takesBytes: true }, bodyLimit: chats.bodyBytesMax },
      async (request, reply) =>
        sendReply(reply, await chats.pass(route, request.body, chatOptionsOf(request, connections))),
    );
  }
}

/** True if a route never answers with events. */
function isWhole(route: PassedRoute): boolean {
  return route !== 'responses' && route !== 'completions';
}
