import type { FastifyInstance } from 'fastify';

/** Whether the process lives. */
export function healthRoutes(app: FastifyInstance): void {
  app.get('/healthz', () => ({ status: 'ok' }));
}
