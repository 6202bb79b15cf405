import { type FastifyInstance, fastify } from 'fastify';
import { PlannerError } from '../../../shared/errors.ts';
import type { Planner } from '../../planner/planner.ts';
import type { Face, FaceParts } from '../face.ts';
import { type HttpFaceOptions, type ResolvedHttpOptions, resolveHttpOptions } from './http-options.ts';
import { onError, problemOf, sendProblem } from './problem.ts';
import { addRoutes } from './routes.ts';

/**
 * Serves a planner over HTTP. Throws ERR_OPTIONS_INVALID, or ERR_ADDRESS_IN_USE where the port is taken. The planner stays
 * its owner's: close the face first.
 */
export async function openHttpFace(planner: Planner, options: HttpFaceOptions, parts: FaceParts): Promise<Face> {
  const resolved = resolveHttpOptions(options);
  let isDraining = false;
  const app = fastify();
  app.setErrorHandler(onError);
  app.setNotFoundHandler(({ method, url }, reply) => {
    sendProblem(reply, problemOf(new PlannerError('ERR_METHOD_UNKNOWN', `there is no ${method} ${url}`)));
  });
  addRoutes(app, { ...parts, planner, options: resolved, isDraining: () => isDraining });
  const address = await listen(app, resolved);
  const drain = (): Promise<void> => {
    isDraining = true;
    return app.close();
  };
  const close = (): Promise<void> => {
    app.server.closeAllConnections();
    return drain();
  };
  return { address, drain, close, [Symbol.asyncDispose]: close };
}

async function listen(app: FastifyInstance, { host, port }: ResolvedHttpOptions): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    await app.close();
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new PlannerError(
      'ERR_ADDRESS_IN_USE',
      `port ${port} of ${host} is in use: stop what listens there, or choose another port`,
      {
        cause: error,
      },
    );
  }
}
