import type { FastifyInstance } from 'fastify';
import { answer, PROBLEM_ANSWERS } from '../schemas/answer-schemas.ts';
import { statsSchema } from '../schemas/stats-schema.ts';
import type { RouteParts } from './route-parts.ts';

/** `GET /v1/stats`: the planner's counters. `DELETE /v1/cache`: deletes every cached decision. */
export function statsRoutes(app: FastifyInstance, { planner }: RouteParts): void {
  const stats = {
    summary: 'The counters of the planner',
    operationId: 'stats',
    response: { 200: answer('As `planner.stats()` has them.', statsSchema), ...PROBLEM_ANSWERS },
  };
  app.get('/v1/stats', { schema: stats }, () => planner.stats());

  const clear = {
    summary: 'Forget every cached decision',
    operationId: 'clearCache',
    response: { 204: { description: 'They are forgotten.' }, ...PROBLEM_ANSWERS },
  };
  app.delete('/v1/cache', { schema: clear }, (_, reply) => {
    planner.clearCache();
    reply.code(204).send();
  });
}
