import type { FastifyInstance } from 'fastify';
import type { Distributions } from '../../../plans/distributions.ts';
import type { DomainStats } from '../../../plans/domain-core.ts';
import { CONTENT_TYPE, expose } from '../metrics/exposition.ts';
import type { MetricsSnapshot } from '../metrics/metric.ts';
import { ProcessMeter } from '../metrics/process-use.ts';
import { PROBLEM_ANSWERS } from '../schemas/answer-schemas.ts';
import type { RouteParts } from './route-parts.ts';

/** `GET /metrics`: the counters for Prometheus. */
export function metricsRoutes(app: FastifyInstance, { planner, version, draining }: RouteParts): void {
  const meter = new ProcessMeter();
  app.addHook('onClose', async () => meter[Symbol.dispose]());
  const schema = {
    summary: 'The counters for Prometheus',
    operationId: 'metrics',
    response: {
      200: { description: "Prometheus' text format.", content: { 'text/plain': { schema: { type: 'string' } } } },
      ...PROBLEM_ANSWERS,
    },
  };
  app.get('/metrics', { schema }, async (_, reply) => {
    const { domains, ...stats } = planner.stats();
    const text = await expose({
      stats,
      distributions: planner.distributions(),
      ...(domains && { domains: withDistributions(domains, planner.distributionsByDomain()) }),
      process: meter.read(),
      isOpen: planner.isOpen && !draining.aborted,
      version,
    });
    return reply.type(CONTENT_TYPE).send(text);
  });
}

function withDistributions(
  domains: Readonly<Record<string, DomainStats>>,
  distributions: Readonly<Record<string, Distributions>>,
): NonNullable<MetricsSnapshot['domains']> {
  const all = Object.entries(domains).map(([name, stats]) => {
    return [name, { stats, distributions: distributions[name] as Distributions }] as const;
  });
  return Object.fromEntries(all);
}
