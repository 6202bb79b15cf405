import { type Decision, MODEL_SOURCES, type ModelSource, type TallyEntry } from '../decision.ts';

/*
 * A decision as bytes of a bounded payload, little-endian:
 *
 *   u8 version | u8 source | u8 flags | u8 tally count | f64 decidedAtMs | f32 latencyMs
 *   string action | string model | string reason | tally: { string action, u16 count, f32 weight } ...
 *
 * A string is u16 byte length and UTF-8. The action and the model are kept whole, or the decision is not stored. If space
 * is short, the tally loses its last entries first, then the reason its end; flags mark both.
 */
const VERSION = 1;
const HEADER_BYTES = 16;
const FLAG = { REASON_CUT: 1, TALLY_CUT: 2 } as const;
const TALLY_MAX = 16;
const COUNT_MAX = 0xffff;
/** Minimum bytes kept of the reason before tally entries are dropped. */
const REASON_BYTES_MIN = 120;

const encoder = new TextEncoder();

function stringBytes(text: string): number {
  return 2 + Buffer.byteLength(text);
}

function tallyBytes(entry: TallyEntry): number {
  return stringBytes(entry.action) + 6;
}

export interface EncodedDecision {
  readonly length: number;
  /** True if something was left out to fit the bound. */
  readonly cut: boolean;
}

/** Writes `decision` to the start of `bytes`. Undefined if its action and model alone exceed them. */
export function encodeDecision(decision: Decision, bytes: Uint8Array): EncodedDecision | undefined {
  let room = bytes.length - HEADER_BYTES - stringBytes(decision.action) - stringBytes(decision.model) - 2;
  if (room < 0) return undefined;
  const reasonWanted = Buffer.byteLength(decision.reason);
  const reasonKept = Math.min(reasonWanted, REASON_BYTES_MIN, room);
  room -= reasonKept;
  const tally: TallyEntry[] = [];
  for (const entry of decision.tally.slice(0, TALLY_MAX)) {
    const size = tallyBytes(entry);
    if (size > room) break;
    room -= size;
    tally.push(entry);
  }
  const out = new PayloadWriter(bytes);
  const cutTally = tally.length < decision.tally.length;
  const flags = (reasonWanted > reasonKept + room ? FLAG.REASON_CUT : 0) | (cutTally ? FLAG.TALLY_CUT : 0);
  out.u8(VERSION);
  out.u8(MODEL_SOURCES.indexOf(decision.source));
  out.u8(flags);
  out.u8(tally.length);
  out.f64(decision.decidedAtMs);
  out.f32(decision.latencyMs);
  out.string(decision.action, Number.POSITIVE_INFINITY);
  out.string(decision.model, Number.POSITIVE_INFINITY);
  out.string(decision.reason, reasonKept + room);
  for (const entry of tally) {
    out.string(entry.action, Number.POSITIVE_INFINITY);
    out.u16(Math.min(entry.count, COUNT_MAX));
    out.f32(entry.weight);
  }
  return { length: out.length, cut: flags !== 0 };
}

/**
 * Reads what `encodeDecision` wrote. Throws a RangeError for any other bytes. `ownName` may return an equal string for the name
 * of an action or a model.
 */
export function decodeDecision(bytes: Uint8Array, ownName: (name: string) => string = (name) => name): Decision {
  const input = new PayloadReader(bytes);
  const version = input.u8();
  if (version !== VERSION) throw new RangeError(`a decision of version ${version}, not ${VERSION}`);
  const source = MODEL_SOURCES[input.u8()];
  if (source === undefined) throw new RangeError('a decision of no known source');
  input.u8();
  const count = input.u8();
  const decidedAtMs = input.f64();
  const latencyMs = input.f32();
  const action = ownName(input.string());
  const model = ownName(input.string());
  const reason = input.string();
  const tally: TallyEntry[] = [];
  for (let i = 0; i < count; i++)
    tally.push({ action: ownName(input.string()), count: input.u16(), weight: input.f32() });
  return { action, reason, source: source satisfies ModelSource, model, decidedAtMs, latencyMs, tally };
}

class PayloadWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  length = 0;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  u8(value: number): void {
    this.#view.setUint8(this.length, value);
    this.length += 1;
  }
  u16(value: number): void {
    this.#view.setUint16(this.length, value, true);
    this.length += 2;
  }
  f32(value: number): void {
    this.#view.setFloat32(this.length, value, true);
    this.length += 4;
  }
  f64(value: number): void {
    this.#view.setFloat64(this.length, value, true);
    this.length += 8;
  }
  /** Writes as many whole characters as fit into `bytesMax`. */
  string(text: string, bytesMax: number): void {
    const from = this.length + 2;
    const to = Math.min(this.#bytes.length, from + bytesMax);
    const { written } = encoder.encodeInto(text, this.#bytes.subarray(from, to));
    this.u16(written);
    this.length += written;
  }
}

class PayloadReader {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #at = 0;
  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  u8(): number {
    return this.#view.getUint8(this.#at++);
  }
  u16(): number {
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2, true);
  }
  f32(): number {
    this.#at += 4;
    return this.#view.getFloat32(this.#at - 4, true);
  }
  f64(): number {
    this.#at += 8;
    return this.#view.getFloat64(this.#at - 8, true);
  }
  string(): string {
    const length = this.u16();
    if (this.#at + length > this.#bytes.length) throw new RangeError('a string passes the end of the payload');
    this.#at += length;
    return this.#bytes.toString('utf8', this.#at - length, this.#at);
  }
}
