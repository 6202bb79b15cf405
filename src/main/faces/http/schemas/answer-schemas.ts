import { z } from 'zod';
import { PLAN_SOURCES } from '../../../../shared/decision.ts';
import { ERROR_CODES } from '../../../../shared/errors.ts';
import { READ_FORMS } from '../../../../shared/reads/reading.ts';
import { WHY_CODES, type WhyCode } from '../../../plans/ladder/why.ts';
import { LANDINGS } from '../../../plans/plan.ts';
import { type JsonSchema, jsonSchema } from './json-schema.ts';

/** Response bodies of the routes. For the document only: tests check the answers. */
const ms = z.number();
const code = z.enum(Object.keys(ERROR_CODES) as [string, ...string[]]);

const whyCode = z.enum(Object.keys(WHY_CODES) as [WhyCode, ...WhyCode[]]);

const attempt = z.object({
  step: z.enum(['read', 'expert', 'synthesis', 'fallback']),
  role: z.string().describe("The expert's role; absent for synthesis, and for a read of several roles.").optional(),
  model: z.string(),
  endpoint: z.string(),
  code: z.union([z.literal('OK'), code]),
  message: z.string().optional(),
  lastSeen: z
    .enum(['queued', 'called', 'sent', 'headers', 'token', 'choice'])
    .describe('How far it had come where it was cut: out of time, cancelled, or still running when its plan settled.')
    .optional(),
  startMs: ms.describe('When it began, from the start of its plan.'),
  waitMs: ms.describe('Until it had a slot of the endpoint.'),
  latencyMs: ms,
  queueMs: ms.describe('From the beginning of its call to the response headers.').optional(),
  firstTokenMs: ms.describe('From the beginning of its call to the first token.').optional(),
  requests: z.number().describe('How many requests a read made one after the other, if more than one.').optional(),
  promptTokens: z.number().optional(),
  completionTokens: z.number().optional(),
  estimated: z.enum(['prompt', 'completion', 'both']).describe('Which of the tokens are estimates.').optional(),
  modelAnswered: z.string().optional(),
  form: z
    .enum([...READ_FORMS, 'json', 'text'])
    .describe('How the model was asked: for probabilities, or for an answer in words.')
    .optional(),
  trimmed: z.string().describe('What was left out of the prompt because it was too long for the model.').optional(),
  confidence: z.number().describe('The probability of the action that was read.').optional(),
  action: z.string().describe('What it voted for.').optional(),
});

export const attemptSchema: JsonSchema = jsonSchema(attempt);

export const planSchema: JsonSchema = jsonSchema(
  z.object({
    id: z.number(),
    agent: z.string(),
    domain: z.string().describe("The agent's domain, if the planner has several.").optional(),
    action: z
      .string()
      .describe('One of the actions of the request, byte for byte; after an observation, of the newest state.'),
    source: z.enum(PLAN_SOURCES).describe('Where the answer came from.'),
    reason: z.string(),
    why: z
      .object({ code: whyCode, message: z.string().describe('One sentence, from what each attempt last saw.') })
      .describe('Why no model decided. Absent where one did, or where the cache served.')
      .optional(),
    model: z.string().describe('The model that decided, where one did.').optional(),
    confidence: z
      .number()
      .describe('If a model was read: the chance that models asked again, in words, would give the same action.')
      .optional(),
    probabilities: z
      .record(z.string(), z.number())
      .describe('If a model was read: the probability of each action it was offered. What is missing of 1 is doubt.')
      .optional(),
    attempts: z.array(attempt),
    foreseen: z
      .array(attempt)
      .describe('For an answer that was foreseen: how models were asked before the request; `startMs` is negative.')
      .optional(),
    coalesced: z.boolean().describe('Whether it shared the work of another request in the same state.'),
    node: z.string().describe('The node of the cluster whose models decided, if it is another one.').optional(),
    ageMs: ms.describe('For answers from memory: how long ago they were decided.').optional(),
    latencyMs: ms,
    landing: z
      .enum(LANDINGS)
      .describe('How it fits the newest state of its agent that was told; absent where no newer one is known.')
      .optional(),
    latenessMs: ms.describe('How far the deadline was passed when the plan settled.'),
  }),
);

/** An error, in the form of RFC 9457. */
const problemSchema: JsonSchema = jsonSchema(
  z.object({
    type: z.literal('about:blank'),
    title: z.string(),
    status: z.number().int(),
    detail: z.string().describe('For people: what is wrong, and with what.'),
    code: code.describe('The identity of the error.'),
    retryable: z.boolean().describe('Whether the same request may succeed if it is made again.'),
  }),
);

/** A response in the document. */
export function answer(description: string, schema: JsonSchema, type = 'application/json'): JsonSchema {
  return { description, content: { [type]: { schema } } };
}

/** Error responses that any route may send. */
export const PROBLEM_ANSWERS: Readonly<Record<string, JsonSchema>> = {
  '4xx': answer('The request breaks a rule, or may not be made.', problemSchema, 'application/problem+json'),
  '5xx': answer('It was not the fault of the request.', problemSchema, 'application/problem+json'),
};
