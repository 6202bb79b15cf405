import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify';
import { PlannerError } from '../../../../shared/errors.ts';
import { parseJsonInParts } from '../../../../shared/json-parts.ts';
import { BOUNDS_RULES, type JsonReading, JsonScan, readJson, readText } from '../../../../shared/untrusted-json.ts';
import type { LongWork } from '../../../plans/long-work.ts';
import { type ByteBudget, type ByteCharge, UNCHARGED_BYTES_MAX } from '../../byte-budget.ts';
import { HeldBytes } from '../../held-bytes.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The body is passed on: it is given as bytes, and only its length is checked here. Default false. */
    readonly takesBytes?: boolean;
    /** A large body is given as a `LargeBody`, which no schema validates. Default false. */
    readonly takesLarge?: boolean;
  }
}

/** A large body and its value, for a caller that checks it in parts. */
export class LargeBody {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }
}

type Done = (error: Error | null, body?: unknown) => void;

interface BodyParts {
  /** Shared by all large bodies. */
  readonly budget: ByteBudget;
  /** Parses large bodies. */
  readonly longWork: LongWork;
  /** The answer that a request waits for. */
  answerTo(request: IncomingMessage): ServerResponse | undefined;
}

/**
 * Accepts only uncompressed JSON in UTF-8. Incomplete characters are refused, where a decoder would replace them. A long body is scanned as it
 * arrives, and refused early if it nests too deep or holds too much. It is charged until it has been answered, and refused with
 * ERR_PLANNER_OVERLOADED if there is no room; short bodies cannot be wide, and parse quickly.
 */
export function takeJsonBodies(app: FastifyInstance, parts: BodyParts): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', (request, payload, done: Done) => {
    const { encoding, length } = announced(request);
    const { bodyLimit: bytesMax, config } = request.routeOptions;
    if (encoding !== undefined)
      return done(unsupported(`the body must be plain, and its content-encoding is ${encoding}`));
    if (length > bytesMax) return done(tooLarge(bytesMax));
    const { takesBytes = false, takesLarge = false } = config;
    new JsonBody(payload, { ...parts, length, bytesMax, takesBytes, takesLarge, done });
  });
}

function announced({ headers }: FastifyRequest): { encoding: string | undefined; length: number } {
  const encoding = headers['content-encoding']?.trim().toLowerCase();
  const isPlain = encoding === undefined || encoding === '' || encoding === 'identity';
  return { encoding: isPlain ? undefined : encoding.slice(0, 40), length: Number(headers['content-length'] ?? 0) };
}

interface ComingBody extends BodyParts {
  /** The announced length; 0 if there is none. */
  readonly length: number;
  readonly bytesMax: number;
  readonly takesBytes: boolean;
  readonly takesLarge: boolean;
  readonly done: Done;
}

/** One body from its first byte to its last. */
class JsonBody {
  readonly #payload: IncomingMessage;
  readonly #coming: ComingBody;
  readonly #held: HeldBytes;
  #bytes = 0;
  /** Present if the body is large. */
  #large: { readonly scan: JsonScan; readonly charge: ByteCharge } | undefined;

  constructor(payload: IncomingMessage, coming: ComingBody) {
    this.#payload = payload;
    this.#coming = coming;
    const { length } = coming;
    this.#held = new HeldBytes(length <= UNCHARGED_BYTES_MAX ? length : 0);
    payload.on('data', this.#onData);
    payload.on('end', this.#onEnd);
    payload.on('error', this.#onError);
    payload.resume();
  }

  readonly #onData = (piece: Buffer): void => {
    this.#bytes += piece.length;
    const { bytesMax, budget, takesBytes } = this.#coming;
    if (this.#bytes > bytesMax) return this.#refuse(tooLarge(bytesMax));
    this.#held.add(piece);
    if (this.#bytes <= UNCHARGED_BYTES_MAX) return;
    const added = this.#large === undefined ? this.#held.bytes : piece;
    this.#large ??= { scan: new JsonScan(), charge: budget.charge(this.#onDropped) };
    if (!this.#large.charge.add(added.length)) return this.#refuse(crowded(budget.bytesMax));
    const fault = takesBytes ? undefined : this.#large.scan.push(added);
    if (fault !== undefined) this.#refuse(refused(BOUNDS_RULES[fault]));
  };

  /** Its charge has already ended. */
  readonly #onDropped = (): void => {
    this.#settle(crowded(this.#coming.budget.bytesMax));
  };

  readonly #onEnd = (): void => {
    const bytes = this.#held.bytes;
    if (bytes.length === 0) return this.#refuse(protocol('the body cannot be empty'));
    if (this.#coming.takesBytes) {
      this.#keepCharge();
      return this.#settle(null, bytes);
    }
    const read = readText(bytes);
    if ('rule' in read) return this.#refuse(refused(read.rule));
    this.#held.clear();
    if (this.#large === undefined) return this.#take(readJson(read.text));
    this.#leave();
    const { longWork, takesLarge } = this.#coming;
    void longWork.run(parseJsonInParts(read.text)).then((reading) => this.#take(reading, takesLarge));
  };

  #take(reading: JsonReading, isLarge = false): void {
    if ('rule' in reading) return this.#refuse(refused(reading.rule));
    this.#keepCharge();
    this.#settle(null, isLarge ? new LargeBody(reading.value) : reading.value);
  }

  readonly #onError = (error: Error): void => {
    this.#refuse(Object.assign(error, { statusCode: 400 }));
  };

  /** Keeps the charge while the answer is being made: the value made from the body lives as long. */
  #keepCharge(): void {
    if (this.#large === undefined) return;
    const { charge } = this.#large;
    charge.arrived();
    const answer = this.#coming.answerTo(this.#payload);
    if (answer === undefined || answer.destroyed) charge.release();
    else answer.once('close', () => charge.release());
  }

  #refuse(error: Error): void {
    this.#large?.charge.release();
    this.#settle(error);
  }

  #settle(error: Error | null, body?: unknown): void {
    this.#leave();
    this.#coming.done(error, body);
  }

  /** Stops reading from the connection. */
  #leave(): void {
    this.#payload.off('data', this.#onData);
    this.#payload.off('end', this.#onEnd);
    this.#payload.off('error', this.#onError);
    this.#held.clear();
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

function crowded(bytesMax: number): PlannerError {
  const message = `large bodies hold ${bytesMax} bytes together (largeBodiesBytesMax); the slowest give way`;
  return new PlannerError('ERR_PLANNER_OVERLOADED', message, { retryable: true });
}

/** The error with which fastify refuses a content type. */
function unsupported(message: string): FastifyError {
  return Object.assign(new Error(message), {
    statusCode: 415,
    code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE' as const,
  }) as FastifyError;
}
