import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { describeValue, PlannerError } from '../../../../shared/errors.ts';
import { MODEL_CHARS_MAX } from '../../../chat/chat-request.ts';
import type { ListedModel } from '../../../chat/seats/model-directory.ts';
import { JSON_OR_EVENTS, type RouteParts, UNCHECKED } from '../routes/route-parts.ts';
import { answer } from '../schemas/answer-schemas.ts';
import { jsonSchema } from '../schemas/json-schema.ts';
import { chatOptionsOf, sendReply } from './chat-answer.ts';
import { OPENAI_ERROR_ANSWERS } from './openai-error.ts';

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
/** A model as clients of System One list it. */
const cardSchema = z.object({ name: z.string(), description: z.string(), release_date: z.string() });

const CHAT = {
  summary: 'Chat with a model',
  description:
    'As OpenAI has it; every member of the body goes to the model server. Headers: x-conclave-timeout-ms, x-conclave-fallback (on, off), cache-control (no-cache, no-store).',
  operationId: 'chat',
  body: chatBody,
  response: {
    200: { description: 'The completion, or its events.', content: JSON_OR_EVENTS },
    ...OPENAI_ERROR_ANSWERS,
  },
};
const LIST = {
  summary: 'The models that there are',
  operationId: 'models',
  response: {
    200: answer(
      'As OpenAI has it, and in `models` as System One has it.',
      jsonSchema(z.object({ object: z.literal('list'), data: z.array(modelSchema), models: z.array(cardSchema) })),
    ),
    ...OPENAI_ERROR_ANSWERS,
  },
};
const ONE = {
  summary: 'One model',
  operationId: 'model',
  response: { 200: answer('As OpenAI has it.', jsonSchema(modelSchema)), ...OPENAI_ERROR_ANSWERS },
};

/** `POST /v1/chat/completions`, `GET /v1/models` and `GET /v1/models/{id}`, as OpenAI's clients call them. */
export function chatRoutes(app: FastifyInstance, { planner: { chats }, connections }: RouteParts): void {
  const options = { ...UNCHECKED, schema: CHAT, bodyLimit: chats.bodyBytesMax };
  app.post('/v1/chat/completions', options, async (request, reply) =>
    sendReply(reply, await chats.chat(request.body, chatOptionsOf(request, connections))),
  );
  app.get('/v1/models', { schema: LIST }, async () => {
    const data = await chats.models();
    return { object: 'list', data, models: data.map(cardOf) };
  });
  // Ids contain slashes.
  app.get<{ Params: { '*': string } }>('/v1/models/*', { schema: ONE }, async ({ params }) => {
    const id = params['*'];
    const found = (await chats.models()).find((model) => model.id === id);
    if (found === undefined) throw new PlannerError('ERR_MODEL_MISSING', `there is no model ${describeValue(id)}`);
    return found;
  });
}

function cardOf({ id, endpoints }: ListedModel): z.output<typeof cardSchema> {
  return { name: id, description: `at ${endpoints.join(', ')}`, release_date: '' };
}
