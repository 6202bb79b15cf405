import type { FastifyInstance } from 'fastify';
import { askedPlan, toldFutures } from '../../plan-params.ts';
import { PROBLEM_ANSWERS } from '../schemas/answer-schemas.ts';
import { jsonSchema } from '../schemas/json-schema.ts';
import { exampleState, futuresBody, stateBody } from '../schemas/plan-schema.ts';
import { LargeBody } from '../wire/json-body.ts';
import { type RouteParts, UNCHECKED } from './route-parts.ts';

/**
 * `POST /v1/expectations` tells requests that agents are expected to make soon, and `POST /v1/observations` the state that an agent
 * is in now. Both answer with 204 as soon as the planner has taken them.
 */
export function foresightRoutes(app: FastifyInstance, { planner }: RouteParts): void {
  const { domains } = planner;
  const response = { 204: { type: 'null', description: 'Taken.' }, ...PROBLEM_ANSWERS };
  const expectations = {
    summary: 'Tell requests that agents will make soon',
    description:
      'Models are asked about them while their servers are idle, so that the answers are there when they are asked for.',
    operationId: 'expect',
    body: jsonSchema(futuresBody(domains), { futures: [{ ...exampleState(domains), inMs: 2_000, likelihood: 0.5 }] }),
    response,
  };
  const takesLarge = { ...UNCHECKED, config: { takesLarge: true } };
  app.post('/v1/expectations', { ...takesLarge, schema: expectations }, async ({ body }, reply) => {
    if (body instanceof LargeBody) await planner.expectInParts(toldFutures(body.value));
    else planner.expect(toldFutures(body));
    return reply.code(204).send();
  });
  const observations = {
    summary: 'Tell the state that an agent is in',
    description:
      'Plans of this agent that settle from then on have an action that is possible there, and tell it in `landing`.',
    operationId: 'observe',
    body: jsonSchema(stateBody(domains), exampleState(domains)),
    response,
  };
  app.post('/v1/observations', { ...takesLarge, schema: observations }, async ({ body }, reply) => {
    const isLarge = body instanceof LargeBody;
    askedPlan(isLarge ? body.value : body);
    planner.observe(isLarge ? await planner.own(body.value as never) : (body as never));
    return reply.code(204).send();
  });
}
