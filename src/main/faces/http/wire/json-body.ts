import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify';
import { PlannerError } from '../../../../shared/errors.ts';
import { BOUNDS_RULES, JsonScan, parseJson, readJson } from '../../../../shared/untrusted-json.ts';
import { HeldBytes } from '../../held-bytes.ts';

type Done = (error: Error | null, body?: unknown) => void;

/** Shorter ones are looked at when they are whole: they cannot be wide, and parse in little time. */
const UNSCANNED_BYTES_MAX = 65_536;
const BYTE_ORDER_MARK = '\ufeff';

/**
 * Bodies are JSON in UTF-8 and nothing else, and plain. Half a character is refused, where a decoder would put another one in.
 * A long body is scanned as it comes: what nests too deep or holds too much is refused before the rest of it is there.
 */
export function takeJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', (request, payload, done: Done) => {
    const { encoding, length } = announced(request);
    const bytesMax = request.routeOptions.bodyLimit;
    if (encoding !== undefined)
      return done(unsupported(`the body must be plain, and its content-encoding is ${encoding}`));
    if (length > bytesMax) return done(tooLarge(bytesMax));
    new JsonBody(payload, length, bytesMax, done);
  });
}

function announced({ headers }: FastifyRequest): { encoding: string | undefined; length: number } {
  const encoding = headers['content-encoding']?.trim().toLowerCase();
  const isPlain = encoding === undefined || encoding === '' || encoding === 'identity';
  return { encoding: isPlain ? undefined : encoding.slice(0, 40), length: Number(headers['content-length'] ?? 0) };
}

/** One body from its first byte to its last. */
class JsonBody {
  readonly #payload: IncomingMessage;
  readonly #bytesMax: number;
  readonly #done: Done;
  readonly #held: HeldBytes;
  #bytes = 0;
  #scan: JsonScan | undefined;

  constructor(payload: IncomingMessage, length: number, bytesMax: number, done: Done) {
    this.#payload = payload;
    this.#bytesMax = bytesMax;
    this.#done = done;
    this.#held = new HeldBytes(bytesMax, length <= UNSCANNED_BYTES_MAX ? length : 0);
    payload.on('data', this.#onData);
    payload.on('end', this.#onEnd);
    payload.on('error', this.#onError);
    payload.resume();
  }

  readonly #onData = (piece: Buffer): void => {
    this.#bytes += piece.length;
    if (this.#bytes > this.#bytesMax) return this.#settle(tooLarge(this.#bytesMax));
    this.#held.add(piece);
    if (this.#bytes <= UNSCANNED_BYTES_MAX) return;
    const all = this.#scan === undefined ? this.#held.bytes : piece;
    this.#scan ??= new JsonScan();
    const fault = this.#scan.push(all);
    if (fault !== undefined) this.#settle(refused(BOUNDS_RULES[fault]));
  };

  readonly #onEnd = (): void => {
    const bytes = this.#held.bytes;
    if (bytes.length === 0) return this.#settle(protocol('the body cannot be empty'));
    if (!isUtf8(bytes)) return this.#settle(refused('must be UTF-8'));
    const text = bytes.toString();
    this.#held.clear();
    const json = text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
    const reading = this.#scan === undefined ? readJson(json) : parseJson(json);
    if ('rule' in reading) this.#settle(refused(reading.rule));
    else this.#settle(null, reading.value);
  };

  readonly #onError = (error: Error): void => {
    this.#settle(Object.assign(error, { statusCode: 400 }));
  };

  #settle(error: Error | null, body?: unknown): void {
    this.#payload.off('data', this.#onData);
    this.#payload.off('end', this.#onEnd);
    this.#payload.off('error', this.#onError);
    this.#held.clear();
    this.#done(error, body);
  }
}

function protocol(message: string): PlannerError {
  return new PlannerError('ERR_PROTOCOL', message);
}

function refused(rule: string): PlannerError {
  return protocol(`the body ${rule}`);
}

function tooLarge(bytesMax: number): PlannerError {
  return new PlannerError('ERR_MESSAGE_TOO_LARGE', `the body must be at most ${bytesMax} bytes`);
}

/** As fastify refuses a content type. */
function unsupported(message: string): FastifyError {
  return Object.assign(new Error(message), {
    statusCode: 415,
    code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE' as const,
  }) as FastifyError;
}
