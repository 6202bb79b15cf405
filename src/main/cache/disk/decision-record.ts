import type { Decision } from '../../../shared/decision.ts';
import type { Domain } from '../../../shared/domain.ts';
import type { StatePoint } from '../../../shared/place.ts';
import { domainIdentity } from '../../../shared/signature.ts';
import { decodeDecision, encodeDecision } from '../../../shared/store/decision-codec.ts';
import { PAYLOAD_WORDS_DEFAULT } from '../../../shared/store/store-layout.ts';

/** Version of the records: what their keys and bytes mean. */
const RECORD_VERSION = 1;

/** Names everything that the meaning of a record depends on. Places depend on ranges and weights, which are not part of the key. */
export function recordIdentity(domain: Domain): string {
  return `conclave ${RECORD_VERSION} ${domainIdentity(domain)} ${JSON.stringify(domain.features)}`;
}

/*
 * A decision as a record of the disk tier and of the log of a cluster, in little-endian order. The key is the signature:
 *
 *   u8 has place | u8 coordinates | u8 soft words | u8 0 | f64 gate | f64 coordinate ... | i32 soft word ... | payload
 */
const HEAD_BYTES = 12;
/** Maximum number of coordinates or soft features of a stored place. Beyond it, a decision is found by its own signature only. */
const PLACE_PARTS_MAX = 255;

export function encodeRecord(where: StatePoint | undefined, decision: Decision): Uint8Array {
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

/** A decision and the place of its state. */
export interface DecisionRecord {
  readonly place: StatePoint | undefined;
  readonly decision: Decision;
}

/** The decision of the record that starts at `from`, in the form in which the store has it. Of bytes that are no record, anything. */
export function encodedDecisionOf(bytes: Buffer, from: number): Buffer {
  return bytes.subarray(from + HEAD_BYTES + (bytes[from + 1] ?? 0) * 8 + (bytes[from + 2] ?? 0) * 4);
}

/** The place of the whole record that starts at `from`. */
export function recordPlace(bytes: Buffer, from: number): StatePoint | undefined {
  if (bytes[from] !== 1) return undefined;
  const coordinates = new Float64Array(bytes[from + 1] as number);
  const soft = new Int32Array(bytes[from + 2] as number);
  let at = from + HEAD_BYTES;
  for (let i = 0; i < coordinates.length; i++, at += 8) coordinates[i] = bytes.readDoubleLE(at);
  for (let i = 0; i < soft.length; i++, at += 4) soft[i] = bytes.readInt32LE(at);
  return { gate: bytes.readDoubleLE(from + 4), coordinates, soft };
}

/** Undefined if the bytes have another format, even though their checksum is right. */
export function decodeRecord(bytes: Uint8Array): DecisionRecord | undefined {
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
