import { createReadStream } from 'node:fs';
import { createGunzip, type Gunzip } from 'node:zlib';
import { defined } from '../../shared/defined.ts';
import { PlannerError } from '../../shared/errors.ts';

/**
 * Reads the lines of a text file, plain or gzip (detected by its first bytes, not its name), one at a time. Memory is bounded by one line and one
 * read. Everything before a fault is delivered before the fault is thrown, even in a truncated gzip file: Node's own stream would drop what it had
 * already unpacked.
 */
export interface Line {
  /** Line number, from 1. */
  readonly number: number;
  /** Empty if the line has a fault. */
  readonly text: string;
  /** Why it cannot be read: not UTF-8, or too long. Later lines can be read. */
  readonly fault?: PlannerError;
}

const LINE_BYTES_MAX = 64 * 1024 * 1024;
/** Deflate packs at most 1,032 to 1, so one read unpacks to 17 MB at most. */
const GZIP_READ_BYTES = 16 * 1024;
const NEWLINE = 10;

export function traceFault(file: string, line: number | undefined, message: string, cause?: unknown): PlannerError {
  const where = line === undefined ? file : `${file}, line ${line}`;
  return new PlannerError('ERR_TRACE_INVALID', `${where}: ${message}`, defined({ cause }));
}

export function isTraceFault(error: unknown): error is PlannerError {
  return error instanceof PlannerError && error.code === 'ERR_TRACE_INVALID';
}

/** Throws ERR_TRACE_INVALID for an unreadable file or a broken gzip. An overlong line is dropped as it arrives. */
export async function* fileLines(
  file: string,
  signal?: AbortSignal,
  lineBytesMax: number = LINE_BYTES_MAX,
): AsyncGenerator<Line, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const splitter = new LineSplitter(lineBytesMax);
  let number = 0;
  const decode = (bytes: Uint8Array | undefined): Line => {
    number++;
    if (bytes === undefined) {
      return { number, text: '', fault: traceFault(file, number, `is longer than ${lineBytesMax} bytes`) };
    }
    try {
      return { number, text: decoder.decode(bytes) };
    } catch (cause) {
      return { number, text: '', fault: traceFault(file, number, 'is not UTF-8 text', cause) };
    }
  };
  for await (const chunk of unpacked(file, signal)) {
    for (const bytes of splitter.push(chunk)) yield decode(bytes);
  }
  // A remainder cut off by an interrupt is not a line.
  if (!signal?.aborted && splitter.hasRest) yield decode(splitter.take());
}

/** Splits bytes into lines. A line is kept in pieces until its end, so that long ones are copied once; overlong ones are undefined. */
class LineSplitter {
  readonly #bytesMax: number;
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** True if there is a last line without a line end. */
  get hasRest(): boolean {
    return this.#bytes > 0;
  }

  *push(chunk: Uint8Array): Generator<Uint8Array | undefined, void, undefined> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end));
      start = end + 1;
      yield this.take();
    }
    this.#keep(chunk.subarray(start));
  }

  take(): Uint8Array | undefined {
    const isTooLong = this.#bytes > this.#bytesMax;
    const line = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#bytes = 0;
    return isTooLong ? undefined : line;
  }

  #keep(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (this.#bytes > this.#bytesMax) this.#pieces = [];
    else if (piece.length > 0) this.#pieces.push(piece);
  }
}

async function* unpacked(file: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, undefined> {
  const chunks = fileChunks(file, signal);
  const head: Uint8Array[] = [];
  let headBytes = 0;
  // A pipe may deliver one byte at a time.
  while (headBytes < 2) {
    const { value, done } = await chunks.next();
    if (done) break;
    head.push(value);
    headBytes += value.length;
  }
  const first = Buffer.concat(head);
  const isGzip = first[0] === 0x1f && first[1] === 0x8b;
  yield* isGzip ? inflated(file, first, chunks, signal) : prefixed(first, chunks);
}

async function* prefixed(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}

async function* fileChunks(file: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = createReadStream(file, { highWaterMark: GZIP_READ_BYTES, ...(signal ? { signal } : {}) });
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    if (signal?.aborted) return;
    throw traceFault(file, undefined, `cannot be read: ${systemMessage(error)}`, error);
  }
}

function systemMessage(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EISDIR') return 'it is a folder';
  if (code === 'EACCES') return 'permission denied';
  return message;
}

async function* inflated(
  file: string,
  first: Uint8Array,
  rest: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const gunzip = createGunzip();
  const output: Buffer[] = [];
  let fault: unknown;
  // In flowing mode, so that each piece arrives before its write has ended.
  gunzip.on('data', (piece: Buffer) => output.push(piece));
  gunzip.on('error', (error) => {
    fault ??= error;
  });
  try {
    for await (const chunk of prefixed(first, rest)) {
      await written(gunzip, chunk);
      yield* output.splice(0);
      if (fault !== undefined) throw traceFault(file, undefined, gzipMessage(fault), fault);
    }
    await ended(gunzip);
    yield* output.splice(0);
    if (fault !== undefined && !signal?.aborted) throw traceFault(file, undefined, gzipMessage(fault), fault);
  } finally {
    gunzip.destroy();
  }
}

/** Also resolves on a fault, which ends the stream without the callback: the `error` event reports it. */
function written(gunzip: Gunzip, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      gunzip.off('close', done);
      resolve();
    };
    gunzip.once('close', done);
    gunzip.write(chunk, done);
  });
}

function ended(gunzip: Gunzip): Promise<void> {
  return new Promise((resolve) => {
    gunzip.once('close', resolve);
    gunzip.once('end', resolve);
    gunzip.end();
  });
}

function gzipMessage(fault: unknown): string {
  const { code, message } = fault as NodeJS.ErrnoException;
  return code === 'Z_BUF_ERROR' ? 'the gzip file is cut short' : `the gzip file is broken (${message})`;
}
