import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { PlannerError } from '../../../../shared/errors.ts';

/** Bodies are JSON in UTF-8 and nothing else. Half a character is refused, where a decoder would put another one in. */
export function takeJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (!isUtf8(body)) return done(new PlannerError('ERR_PROTOCOL', 'the body must be UTF-8'));
    void parse(request, body.toString(), done);
  });
}
