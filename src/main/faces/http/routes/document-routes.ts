import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import type { RouteParts } from './route-parts.ts';

const OPENAPI = '3.1.0';

/** Documents every route that is added after it. */
export async function documentRoutes(app: FastifyInstance, { version, options }: RouteParts): Promise<void> {
  const hasToken = options.token !== undefined || options.tokenFile !== undefined;
  await app.register(swagger, {
    // OpenAPI requires a name for the rest of a path, which the route lacks.
    transform: ({ schema, url }) => ({ schema: schema ?? {}, url: url.replace(/\*$/, ':id') }),
    openapi: {
      openapi: OPENAPI,
      info: { title: 'Conclave', version, description: 'Plans for agents that act in real time.' },
      ...(hasToken && {
        components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
        security: [{ bearer: [] }],
      }),
    },
  });
  const schema = {
    summary: 'This document',
    operationId: 'document',
    response: { 200: { description: 'OpenAPI 3.1.', content: { 'application/json': { schema: { type: 'object' } } } } },
  };
  app.get('/openapi.json', { schema }, () => app.swagger());
}
