import { createHash } from 'node:crypto';
import type { Clock } from '../../../shared/clock.ts';
import { type InParts, inTurns } from '../../../shared/in-parts.ts';
import type { LearnedPart } from './learned-part.ts';
import { ReplacedFile } from './replaced-file.ts';
import { faultOfSeal, jsonIn, SEAL_BYTES_MAX, type SealFormat, sealOf } from './sealed-text.ts';
import { WriteBehind } from './write-behind.ts';

/*
 * What the cache has learned, as the text of a file:
 *
 *   the seal: type, version, and the checksum of all that follows
 *   the identity of the domain, as for decisions
 *   ["part",value]     one a line, the oldest of a part first
 *
 * A large file is read and written a line at a time, so that the event loop can run in between. The decision and figures are in
 * docs/decisions/0016-evidence-file.md.
 */
const FORMAT: SealFormat = { noun: 'evidence', version: 1 };
const BYTES_MAX = 64 * 2 ** 20;
const WRITE_EVERY_MS = 30_000;
/** A large file is written less often: at most this many bytes a millisecond, on average. */
const WRITTEN_PER_MS = 64;
/** Number of bytes whose checksum is computed in one part. */
const HASHED_AT_ONCE = 2 ** 18;
const LINE_END = 10;

export interface LearnedFileOptions {
  readonly path: string;
  /** Only what was written with the same text is restored. */
  readonly identity: string;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
  /** Maximum size of the file. If more is known, the oldest values are left out. Default 64 MiB. */
  readonly bytesMax?: number;
}

/** Keeps what the parts of the cache have learned in a file, written behind. Nothing here rejects or blocks the event loop. */
export class LearnedFile {
  readonly #clock: Clock;
  readonly #bytesMax: number;
  /** The second line. */
  readonly #identity: string;
  readonly #parts: readonly LearnedPart[];
  readonly #file: ReplacedFile;
  readonly #writes: WriteBehind;
  #bytes = 0;
  /** Whether anything was learned since the last write: a process that learned nothing replaces nothing. */
  #hasChanged = false;

  /** Opens a file, and restores what it holds. */
  static async open(options: LearnedFileOptions, parts: readonly LearnedPart[]): Promise<LearnedFile> {
    const file = new LearnedFile(options, parts);
    await file.#restore();
    return file;
  }

  private constructor(options: LearnedFileOptions, parts: readonly LearnedPart[]) {
    const { path, identity, clock, warn, bytesMax = BYTES_MAX } = options;
    this.#clock = clock;
    this.#bytesMax = bytesMax;
    this.#identity = `${JSON.stringify(identity)}\n`;
    this.#parts = parts;
    this.#file = new ReplacedFile({ path, noun: FORMAT.noun, bytesMax, clock, warn });
    this.#writes = new WriteBehind(
      clock,
      () => WRITE_EVERY_MS + this.#bytes / WRITTEN_PER_MS,
      () => this.#write(),
    );
  }

  /** Records that something was learned: it will be written, half a minute later or more. */
  changed(): void {
    this.#hasChanged = true;
    this.#writes.want();
  }

  /** Records that all was forgotten: it is written now. */
  cleared(): void {
    this.#hasChanged = true;
    this.#writes.wantNow();
  }

  /** Writes a last time. */
  close(): Promise<void> {
    return this.#writes.close();
  }

  async #restore(): Promise<void> {
    const body = await this.#file.read((contents) => inTurns(bodyOf(contents, this.#identity), this.#clock));
    if (body !== undefined) await inTurns(this.#restoreLines(body), this.#clock);
  }

  /** Leaves out values of parts that are not known here, and values that are not what the part would write. */
  *#restoreLines(body: Buffer): InParts<void> {
    const byName = new Map(this.#parts.map((part) => [part.name, part]));
    for (const line of linesIn(body)) {
      const [name, value] = (jsonIn(line) ?? []) as unknown[];
      byName.get(name as string)?.restore(value);
      yield;
    }
  }

  async #write(): Promise<void> {
    if (!this.#hasChanged) return;
    this.#hasChanged = false;
    await this.#file.replace(() => inTurns(this.#text(), this.#clock));
  }

  *#text(): InParts<readonly string[]> {
    const lines: string[] = [];
    for (const part of this.#parts) {
      for (const value of part.saved()) {
        lines.push(`${JSON.stringify([part.name, value])}\n`);
        yield;
      }
    }
    const body = newestOf([this.#identity, ...lines], this.#bytesMax - SEAL_BYTES_MAX);
    const hash = createHash('sha256');
    this.#bytes = SEAL_BYTES_MAX;
    for (const line of body) {
      hash.update(line);
      this.#bytes += line.length;
      yield;
    }
    return [`${sealOf(FORMAT, hash.digest('hex'))}\n`, ...body];
  }
}

/** The first line and as many of the last ones as fit. Those before are the oldest of what takes most room. */
function newestOf([identity, ...lines]: readonly [string, ...string[]], bytesMax: number): readonly string[] {
  let left = bytesMax - Buffer.byteLength(identity);
  let first = lines.length;
  while (first > 0) {
    left -= Buffer.byteLength(lines[first - 1] as string);
    if (left < 0) break;
    first--;
  }
  return [identity, ...lines.slice(first)];
}

/** The lines after the seal and the identity, or what is wrong with the contents. */
function* bodyOf(contents: Buffer, identity: string): InParts<Buffer | string> {
  const sealEnd = contents.subarray(0, SEAL_BYTES_MAX).indexOf(LINE_END);
  const hash = createHash('sha256');
  const sealed = contents.subarray(sealEnd + 1);
  for (let from = 0; from < sealed.length; from += HASHED_AT_ONCE) {
    hash.update(sealed.subarray(from, from + HASHED_AT_ONCE));
    yield;
  }
  const fault = faultOfSeal(contents.toString('utf8', 0, Math.max(0, sealEnd)), FORMAT, hash.digest('hex'));
  if (fault !== undefined) return fault;
  const bodyAt = sealed.indexOf(LINE_END) + 1;
  return sealed.toString('utf8', 0, bodyAt) === identity
    ? sealed.subarray(bodyAt)
    : 'it is about another domain, or one that was changed';
}

function* linesIn(body: Buffer): Generator<string> {
  for (let from = 0; from < body.length; ) {
    const end = body.indexOf(LINE_END, from);
    yield body.toString('utf8', from, end);
    from = end + 1;
  }
}
