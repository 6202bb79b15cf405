import { type Clock, stampNow, stampOffsetMs } from '../../../shared/clock.ts';
import type { Decision } from '../../../shared/decision.ts';
import type { StatePoint } from '../../../shared/place.ts';
import { SIGNATURE_WORDS, type Signature } from '../../../shared/signature.ts';
import { decodeDecision, encodeDecision } from '../../../shared/store/decision-codec.ts';
import { PAYLOAD_WORDS_DEFAULT } from '../../../shared/store/store-layout.ts';
import type { DiskTier, DiskTierStats } from './disk-tier.ts';
import type { DiskRecord } from './record-frame.ts';

/*
 * A decision as a record of the disk tier, in little-endian order. The key is the signature:
 *
 *   u8 has place | u8 coordinates | u8 soft words | u8 0 | f64 gate | f64 coordinate ... | i32 soft word ... | payload
 */
const HEAD_BYTES = 12;
/** Maximum number of coordinates or soft features of a stored place. Beyond it, a decision is found by its own signature only. */
const PLACE_PARTS_MAX = 255;

export interface RestoredDecision {
  readonly signature: Signature;
  readonly place: StatePoint | undefined;
  readonly decision: Decision;
  /** Time of the process clock, in milliseconds. */
  readonly expiresAtMs: number;
}

/** Reads and writes decisions on disk: encodes them here, and stores them in `DiskTier`. */
export class DecisionDisk {
  readonly #tier: DiskTier;
  readonly #clock: Clock;
  /** Upper bound of freshness, in case a clock was set back. */
  readonly #ttlMaxMs: number;
  /** Greatest difference seen between the two clocks, so that setting the wall clock back makes nothing fresh again. */
  #wallOffsetMs = Number.NEGATIVE_INFINITY;

  constructor(tier: DiskTier, clock: Clock, ttlMaxMs: number) {
    this.#tier = tier;
    this.#clock = clock;
    this.#ttlMaxMs = ttlMaxMs;
  }

  write(signature: Signature, place: StatePoint | undefined, decision: Decision, expiresAtMs: number): void {
    const record = encodeRecord(place, this.#byWallClock(decision));
    this.#tier.put(keyOf(signature), record, expiresAtMs + this.#wallOffset());
  }

  read(signature: Signature): RestoredDecision | undefined {
    const record = this.#tier.get(keyOf(signature));
    return record === undefined ? undefined : this.#restored(record);
  }

  /** Yields the newest decisions first, a few milliseconds of work at a time. */
  async *newest(decisionsMax: number): AsyncGenerator<readonly RestoredDecision[], void, undefined> {
    for await (const records of this.#tier.newestInChunks(decisionsMax)) {
      yield records.flatMap((record) => this.#restored(record) ?? []);
    }
  }

  clear(): void {
    void this.#tier.clear();
  }

  close(): Promise<void> {
    return this.#tier.close();
  }

  stats(): DiskTierStats {
    return this.#tier.stats();
  }

  #restored({ key, value, expiresAtWallMs }: DiskRecord): RestoredDecision | undefined {
    const decoded = decodeRecord(value);
    if (decoded === undefined) return undefined;
    const wallOffsetMs = this.#wallOffset();
    const nowMs = this.#clock.now();
    const { decidedAtMs } = decoded.decision;
    // A time in the future means that the wall clock was set back since: the age is unknown.
    const isOfUnknownAge = decidedAtMs > nowMs + wallOffsetMs;
    // A wall clock that was ahead may have written the expiry, so freshness is limited to the longest TTL.
    const ageMs = Math.max(0, this.#clock.wallNow() - decidedAtMs);
    const leftMaxMs = isOfUnknownAge ? 0 : this.#ttlMaxMs - ageMs;
    const signature = new Int32Array(SIGNATURE_WORDS);
    new Uint8Array(signature.buffer).set(key);
    return {
      signature,
      place: decoded.place,
      decision: { ...decoded.decision, decidedAtMs: stampNow(this.#clock) - ageMs },
      expiresAtMs: Math.min(expiresAtWallMs - wallOffsetMs, nowMs + leftMaxMs),
    };
  }

  /** Converts the time of a decision to the wall clock, keeping its age: the steady clock of another process starts elsewhere. */
  #byWallClock(decision: Decision): Decision {
    const movedMs = this.#clock.wallNow() - this.#clock.now() - stampOffsetMs(this.#clock);
    return { ...decision, decidedAtMs: decision.decidedAtMs + movedMs };
  }

  #wallOffset(): number {
    this.#wallOffsetMs = Math.max(this.#wallOffsetMs, this.#clock.wallNow() - this.#clock.now());
    return this.#wallOffsetMs;
  }
}

function keyOf(signature: Signature): Uint8Array {
  return new Uint8Array(signature.slice().buffer);
}

function encodeRecord(where: StatePoint | undefined, decision: Decision): Uint8Array {
  const parts = where === undefined ? 0 : Math.max(where.coordinates.length, where.soft.length);
  const place = parts > PLACE_PARTS_MAX ? undefined : where;
  const coordinates = place?.coordinates ?? new Float64Array();
  const soft = place?.soft ?? new Int32Array();
  const payloadAt = HEAD_BYTES + coordinates.length * 8 + soft.length * 4;
  const bytes = new Uint8Array(payloadAt + PAYLOAD_WORDS_DEFAULT * 4);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, place === undefined ? 0 : 1);
  view.setUint8(1, coordinates.length);
  view.setUint8(2, soft.length);
  view.setFloat64(4, place?.gate ?? 0, true);
  for (const [i, value] of coordinates.entries()) view.setFloat64(HEAD_BYTES + i * 8, value, true);
  for (const [i, value] of soft.entries()) view.setInt32(HEAD_BYTES + coordinates.length * 8 + i * 4, value, true);
  const encoded = encodeDecision(decision, bytes.subarray(payloadAt));
  return bytes.slice(0, payloadAt + (encoded?.length ?? 0));
}

/** Undefined if the bytes have another format, even though their checksum is right. */
function decodeRecord(bytes: Uint8Array): { place: StatePoint | undefined; decision: Decision } | undefined {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const hasPlace = view.getUint8(0) === 1;
    const softAt = HEAD_BYTES + view.getUint8(1) * 8;
    const coordinates = Float64Array.from({ length: view.getUint8(1) }, (_, i) =>
      view.getFloat64(HEAD_BYTES + i * 8, true),
    );
    const soft = Int32Array.from({ length: view.getUint8(2) }, (_, i) => view.getInt32(softAt + i * 4, true));
    const decision = decodeDecision(bytes.subarray(softAt + soft.length * 4));
    return { place: hasPlace ? { gate: view.getFloat64(4, true), coordinates, soft } : undefined, decision };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
