import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { PlannerError } from '../../../../shared/errors.ts';

/** Bodies are JSON in UTF-8 and nothing else. Half a character is refused, where a decoder would put another one in. */
export function takeJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (!isUtf8(body)) return done(new PlannerError('ERR_PROTOCOL', 'the body must be UTF-8'));
    if (body.length > SHORT_BYTES && isDeep(body)) {
      return done(new PlannerError('ERR_PROTOCOL', `the body must not nest deeper than ${DEPTH_MAX} levels`));
    }
    void parse(request, body.toString(), done);
  });
}

/** More levels than any request has. */
const DEPTH_MAX = 200;
/** What is parsed in little time, however it nests. */
const SHORT_BYTES = 16_384;

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const [LIST, LIST_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d];

/** JSON.parse takes half a microsecond for each level: 10 MB of brackets would hold up everybody for seconds. */
function isDeep(body: Buffer): boolean {
  let depth = 0;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at] as number;
    if (byte === QUOTE) at = endOfText(body, at);
    else if (byte === LIST || byte === OBJECT) {
      depth++;
      if (depth > DEPTH_MAX) return true;
    } else if (byte === LIST_END || byte === OBJECT_END) depth--;
  }
  return false;
}

/** Where the text ends that begins at `start`; the end of the body where it does not. */
function endOfText(body: Buffer, start: number): number {
  for (let end = body.indexOf(QUOTE, start + 1); end >= 0; end = body.indexOf(QUOTE, end + 1)) {
    let escapes = 0;
    while (body[end - 1 - escapes] === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return end;
  }
  return body.length;
}
