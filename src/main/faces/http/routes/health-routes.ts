import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { defined } from '../../../../shared/defined.ts';
import { PlannerError } from '../../../../shared/errors.ts';
import type { ClusterStats } from '../../../cluster/cluster.ts';
import { problemOf, sendProblem } from '../problem.ts';
import { answer, PROBLEM_ANSWERS } from '../schemas/answer-schemas.ts';
import { jsonSchema } from '../schemas/json-schema.ts';
import type { RouteParts } from './route-parts.ts';

const healthSchema = jsonSchema(
  z.object({
    status: z.enum(['ok', 'ready']),
    cluster: z
      .object({ engine: z.enum(['joined', 'away']), why: z.string().optional() })
      .optional()
      .describe(
        'Absent if the planner works alone. While the engine is away, the node goes on with its share of the slots.',
      ),
  }),
);
const config = { isOpen: true };

/** `GET /healthz`: whether the process is alive. `GET /readyz`: whether a new plan would be served well. */
export function healthRoutes(app: FastifyInstance, { planner, draining }: RouteParts): void {
  const health = {
    summary: 'Whether the process lives',
    operationId: 'health',
    security: [],
    response: { 200: answer('It does.', healthSchema) },
  };
  app.get('/healthz', { config, schema: health }, () => ({ status: 'ok' }));

  const ready = {
    summary: 'Whether plans are well served now',
    description: 'It is open, does not drain, and not every model server rests after failures.',
    operationId: 'ready',
    security: [],
    response: { 200: answer('They are.', healthSchema), ...PROBLEM_ANSWERS },
  };
  app.get('/readyz', { config, schema: ready }, (_, reply) => {
    const { endpoints, cluster } = planner.stats();
    const reason = unready(draining.aborted || !planner.isOpen, endpoints);
    if (reason === undefined) return { status: 'ready', ...(cluster && { cluster: clusterState(cluster) }) };
    return sendProblem(reply, problemOf(reason, 503));
  });
}

/** A node without the engine serves plans as well as it can, so it stays ready. */
function clusterState({ engine: { isUp, why } }: ClusterStats): { engine: 'joined' | 'away'; why?: string } {
  return isUp ? { engine: 'joined' } : { engine: 'away', ...defined({ why }) };
}

interface EndpointHealth {
  readonly endpoint: string;
  readonly breaker: { readonly state: string };
}

function unready(isClosing: boolean, endpoints: readonly EndpointHealth[]): PlannerError | undefined {
  if (isClosing) return new PlannerError('ERR_PLANNER_CLOSED', 'the server is going down');
  if (endpoints.some(({ breaker }) => breaker.state !== 'open')) return undefined;
  const names = endpoints.map(({ endpoint }) => endpoint).join(', ');
  return new PlannerError('ERR_ENDPOINT_RESTING', `every model server rests after failures: ${names}`, {
    retryable: true,
  });
}
