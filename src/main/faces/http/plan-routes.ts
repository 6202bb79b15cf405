import type { FastifyInstance } from 'fastify';
import type { PlanOptions } from '../../plan.ts';
import { askedPlan } from '../plan-params.ts';
import type { RouteParts } from './route-parts.ts';

/** `POST /v1/plans`: a request, with `timeoutMs` and `priority` beside its members, to its plan. */
export function planRoutes(app: FastifyInstance, { planner }: RouteParts): void {
  app.post('/v1/plans', ({ body }) => {
    const { request, timeoutMs, priority } = askedPlan(body);
    return planner.plan(request, { timeoutMs, priority } as PlanOptions);
  });
}
