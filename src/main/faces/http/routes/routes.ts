import type { FastifyInstance } from 'fastify';
import { chatRoutes } from '../openai/chat-routes.ts';
import { passRoutes } from '../openai/pass-routes.ts';
import { documentRoutes } from './document-routes.ts';
import { foresightRoutes } from './foresight-routes.ts';
import { healthRoutes } from './health-routes.ts';
import { metricsRoutes } from './metrics-routes.ts';
import { pageRoutes } from './page-routes.ts';
import { planRoutes } from './plan-routes.ts';
import type { RouteParts } from './route-parts.ts';
import { statsRoutes } from './stats-routes.ts';

/**
 * All routes of the face. One function per subject, called once before the face listens: it adds its routes to `app`, throws or rejects with a
 * `PlannerError` on failure (which becomes problem+json), and frees its resources in an `onClose` hook.
 */
const ROUTES: readonly ((app: FastifyInstance, parts: RouteParts) => void)[] = [
  planRoutes,
  foresightRoutes,
  chatRoutes,
  passRoutes,
  statsRoutes,
  metricsRoutes,
  healthRoutes,
  pageRoutes,
];

export async function addRoutes(app: FastifyInstance, parts: RouteParts): Promise<void> {
  // First, because the document shows the routes that follow it.
  await documentRoutes(app, parts);
  for (const add of ROUTES) add(app, parts);
}
