import { type Decision, MODEL_SOURCES, type ModelSource, type TallyEntry } from '../decision.ts';
import type { NameTable } from './name-table.ts';

/*
 * A decision as bytes of a bounded payload, little-endian:
 *
 *   u8 version | u8 source | u8 flags | u8 tally count | f64 decidedAtMs | f32 latencyMs
 *   string action | string model | string reason | tally: { string action, u16 count, f32 weight } ...
 *
 * A string is u16 byte length and UTF-8. The action and the model are kept whole, or the decision is not stored. If space
 * is short, the tally loses its last entries first, then the reason its end; flags mark both. A third flag marks a reason in
 * ASCII, which is read faster, and a fourth one what was foreseen.
 */
const VERSION = 1;
const HEADER_BYTES = 16;
const FLAG = { REASON_CUT: 1, TALLY_CUT: 2, REASON_ASCII: 4, FORESEEN: 8 } as const;
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

interface EncodedDecision {
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
  const cut = (reasonWanted > reasonKept + room ? FLAG.REASON_CUT : 0) | (cutTally ? FLAG.TALLY_CUT : 0);
  const isAscii = reasonWanted === decision.reason.length;
  out.u8(VERSION);
  out.u8(MODEL_SOURCES.indexOf(decision.source));
  out.u8(cut | (isAscii ? FLAG.REASON_ASCII : 0) | (decision.foreseen ? FLAG.FORESEEN : 0));
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
  return { length: out.length, cut: cut !== 0 };
}

/** Where an encoded decision has the time at which it was decided. */
const DECIDED_AT = 4;
const ACTION_AT = HEADER_BYTES;

/**
 * Whether `decodeDecision` would read the bytes, and the values are sound: no action is empty, times and weights are numbers. Makes
 * no object.
 */
export function isSoundDecision(bytes: Buffer): boolean {
  if (bytes.length < ACTION_AT + 6 || bytes[0] !== VERSION) return false;
  const isSourced = (bytes[1] as number) < MODEL_SOURCES.length;
  if (!isSourced || bytes.readUInt16LE(ACTION_AT) === 0) return false;
  if (!Number.isFinite(bytes.readFloatLE(DECIDED_AT + 8))) return false;
  let at = pastString(bytes, pastString(bytes, pastString(bytes, ACTION_AT)));
  for (let left = bytes[3] as number; left > 0 && at <= bytes.length; left--) {
    const weightAt = pastString(bytes, at) + 2;
    if (weightAt + 4 > bytes.length || bytes.readUInt16LE(at) === 0) return false;
    const weight = bytes.readFloatLE(weightAt);
    if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY)) return false;
    at = weightAt + 4;
  }
  return at <= bytes.length;
}

/** The end of a string, or something beyond the end of the bytes. */
function pastString(bytes: Buffer, at: number): number {
  return at + 2 > bytes.length ? Number.POSITIVE_INFINITY : at + 2 + bytes.readUInt16LE(at);
}

/** Sets the time of an encoded decision. */
export function restamp(bytes: Buffer, decidedAtMs: number): void {
  bytes.writeDoubleLE(decidedAtMs, DECIDED_AT);
}

/** Reads what `encodeDecision` wrote. Throws a RangeError for any other bytes. */
export function decodeDecision(bytes: Uint8Array): Decision {
  return new DecisionDecoder(bytes).decode(bytes.length);
}

/** Decodes one decision after the other from the start of the same bytes. Names of actions and models are those of the table, if given. */
export class DecisionDecoder {
  readonly #input: PayloadReader;

  constructor(bytes: Uint8Array, names?: NameTable) {
    this.#input = new PayloadReader(bytes, names);
  }

  /** Decodes the first `length` bytes. Throws a RangeError if they are no decision. */
  decode(length: number): Decision {
    const input = this.#input;
    input.restart(length);
    const version = input.u8();
    if (version !== VERSION) throw new RangeError(`a decision of version ${version}, not ${VERSION}`);
    const source = MODEL_SOURCES[input.u8()];
    if (source === undefined) throw new RangeError('a decision of no known source');
    const flags = input.u8();
    const count = input.u8();
    const decidedAtMs = input.f64();
    const latencyMs = input.f32();
    const action = input.name();
    const model = input.name();
    const reason = input.string((flags & FLAG.REASON_ASCII) !== 0);
    // Of its length from the start: a list that grows has room for more, and many are kept.
    const tally = new Array<TallyEntry>(count);
    for (let i = 0; i < count; i++) tally[i] = { action: input.name(), count: input.u16(), weight: input.f32() };
    const decision = { action, reason, source: source satisfies ModelSource, model, decidedAtMs, latencyMs, tally };
    return (flags & FLAG.FORESEEN) === 0 ? decision : { ...decision, foreseen: true };
  }
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
  readonly #names: NameTable | undefined;
  #at = 0;
  #end = 0;

  constructor(bytes: Uint8Array, names: NameTable | undefined) {
    this.#names = names;
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Goes back to the start of a payload of `length` bytes. */
  restart(length: number): void {
    this.#at = 0;
    this.#end = length;
  }

  u8(): number {
    return this.#view.getUint8(this.#pass(1));
  }
  u16(): number {
    return this.#view.getUint16(this.#pass(2), true);
  }
  f32(): number {
    return this.#view.getFloat32(this.#pass(4), true);
  }
  f64(): number {
    return this.#view.getFloat64(this.#pass(8), true);
  }
  string(isAscii: boolean): string {
    const from = this.#passString();
    // Text in ASCII is read as Latin-1, which takes a fifth of the time.
    return this.#bytes.toString(isAscii ? 'latin1' : 'utf8', from, this.#at);
  }
  name(): string {
    const from = this.#passString();
    return this.#names?.nameOf(this.#bytes, from, this.#at) ?? this.#bytes.toString('utf8', from, this.#at);
  }

  #passString(): number {
    return this.#pass(this.u16());
  }

  /** Goes on by `count` bytes. Returns where they start. */
  #pass(count: number): number {
    const from = this.#at;
    this.#at += count;
    if (this.#at > this.#end) throw new RangeError('a string passes the end of the payload');
    return from;
  }
}
