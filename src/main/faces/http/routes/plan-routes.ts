import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { PlanRequest } from '../../../../shared/plan-request.ts';
import type { Attempt } from '../../../models/calls/attempt.ts';
import type { Plan, PlanOptions } from '../../../plans/plan.ts';
import { type AskedPlan, askedPlan } from '../../plan-params.ts';
import { problemOf } from '../problem.ts';
import { withRequestContext } from '../request-context.ts';
import { attemptSchema, PROBLEM_ANSWERS, planSchema } from '../schemas/answer-schemas.ts';
import { jsonSchema } from '../schemas/json-schema.ts';
import { examplePlan, planBody } from '../schemas/plan-schema.ts';
import { prefersEvents } from '../wire/accept.ts';
import { EventStream } from '../wire/event-stream.ts';
import { LargeBody } from '../wire/json-body.ts';
import { type RouteParts, UNCHECKED } from './route-parts.ts';

/**
 * `POST /v1/plans`: takes a request with `timeoutMs` and `priority` as additional members; answers with the plan, or with votes as events and then
 * the plan.
 */
export function planRoutes(app: FastifyInstance, parts: RouteParts): void {
  const { domains } = parts.planner;
  const schema = {
    summary: 'Plan one request',
    description:
      'Answers with one of the actions, before the deadline. With `Accept: text/event-stream`: an event `attempt` for each vote as it arrives, then `plan`, or `error`.',
    operationId: 'plan',
    body: jsonSchema(planBody(domains), examplePlan(domains)),
    response: {
      200: {
        description: 'The plan.',
        content: { 'application/json': { schema: planSchema }, 'text/event-stream': { schema: attemptSchema } },
      },
      ...PROBLEM_ANSWERS,
    },
  };
  const options = { ...UNCHECKED, schema, config: { takesLarge: true } };
  app.post('/v1/plans', options, (request, reply) => {
    if (request.body instanceof LargeBody) return planLarge(parts, askedPlan(request.body.value), request, reply);
    answer(parts, askedPlan(request.body), request, reply);
  });
}

/** Plans a large body: the planner checks and copies it in parts. */
async function planLarge(
  parts: RouteParts,
  asked: AskedPlan,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  answer(parts, { ...asked, request: await parts.planner.own(asked.request) }, request, reply);
  return reply;
}

function answer(parts: RouteParts, asked: AskedPlan, { headers, raw }: FastifyRequest, reply: FastifyReply): void {
  const options = optionsOf(asked, parts.connections.signalOf(raw));
  if (prefersEvents(headers.accept))
    return withRequestContext(headers, () => streamPlan(parts, asked.request, options, reply));
  const plan = withRequestContext(headers, () => parts.planner.planNow(asked.request, options));
  if (plan instanceof Promise)
    plan.then(
      (settled) => sendPlan(parts, reply, settled),
      (error) => void reply.send(error),
    );
  else sendPlan(parts, reply, plan);
}

/** Copies member by member: a spread would noticeably slow down a cached plan. */
function optionsOf({ timeoutMs, priority }: AskedPlan, signal: AbortSignal | undefined): PlanOptions {
  const options: { -readonly [K in keyof PlanOptions]: PlanOptions[K] } = {};
  if (timeoutMs !== undefined) options.timeoutMs = timeoutMs;
  if (priority !== undefined) options.priority = priority;
  if (signal !== undefined) options.signal = signal;
  return options;
}

function sendPlan({ log }: RouteParts, reply: FastifyReply, plan: Plan): void {
  log.debug({ planId: plan.id, source: plan.source, requestId: reply.request.id }, 'plan served');
  // Serialized here, since fastify would look for a serializer first.
  reply.type('application/json; charset=utf-8').send(JSON.stringify(plan));
}

/** Sends votes as they arrive, then the plan. If the planner refuses the request, that is thrown first, and answered with its status. */
function streamPlan(
  { planner, log }: RouteParts,
  request: PlanRequest,
  options: PlanOptions,
  reply: FastifyReply,
): void {
  const events = new EventStream(reply);
  const onPlan = (plan: Plan): void => {
    log.debug({ planId: plan.id, source: plan.source, requestId: reply.request.id }, 'plan streamed');
    events.end('plan', plan);
  };
  const onAttempt = (attempt: Attempt): void => events.send('attempt', attempt);
  const outcome = planner.planNow(request, { ...options, onAttempt });
  events.open();
  if (outcome instanceof Promise) outcome.then(onPlan, (error: unknown) => events.end('error', problemOf(error)));
  else onPlan(outcome);
}
