import type { FastifyInstance } from 'fastify';
import { healthRoutes } from './health-routes.ts';
import { planRoutes } from './plan-routes.ts';
import type { RouteParts } from './route-parts.ts';

/**
 * All routes of the face. One function a subject, called once before the face listens: it adds its routes to `app`, throws
 * or rejects with a `PlannerError` where something is wrong (which becomes problem+json), and frees what it opened in an
 * `onClose` hook.
 */
const ROUTES: readonly ((app: FastifyInstance, parts: RouteParts) => void)[] = [planRoutes, healthRoutes];

export function addRoutes(app: FastifyInstance, parts: RouteParts): void {
  for (const add of ROUTES) add(app, parts);
}
