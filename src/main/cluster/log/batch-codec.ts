import type { Decision } from '../../../shared/decision.ts';
import type { StatePoint } from '../../../shared/place.ts';
import { SIGNATURE_WORDS, type Signature } from '../../../shared/signature.ts';
import { decodeDecision, isSoundDecision } from '../../../shared/store/decision-codec.ts';
import { encodedDecisionOf, encodeRecord, recordPlace } from '../../cache/disk/decision-record.ts';
import { framed } from './frames.ts';

/*
 * A batch is a head and records, each in a frame with its checksum, little-endian:
 *
 *   head    u8 version | u8 flags | f64 sent, by the engine's clock (NaN: unknown) | u32 number | u8 length, node |
 *           u8 length, id of the last clear it has seen
 *   clear   u8 1
 *   precedent u8 4 | precedent (evidence/precedent-codec.ts)
 *   decided u8 2 or 3 (amended) | i32 signature x 4 | f64 fresh for, ms | f64 age, ms | decision record
 */
const VERSION = 1;
const FLAG_CLEAR = 1;
const NODE_AT = 15;
const KIND = { CLEAR: 1, DECIDED: 2, AMENDED: 3, PRECEDENT: 4 } as const;
const DECIDED_HEAD_BYTES = 1 + 4 * SIGNATURE_WORDS + 16;

export interface BatchHead {
  readonly node: string;
  /** Counts the batches of the node. */
  readonly number: number;
  readonly hasClear: boolean;
  /** The id of the last clear in the log that the sender has seen; empty if none. */
  readonly clearId: string;
  /** When it was sent, at the earliest, in milliseconds of the engine's clock. NaN if the sender does not know. */
  readonly sentMs: number;
}

/** A decision as it travels: how long it is still fresh, and its age, at the moment of sending. */
export interface DecidedRecord {
  readonly kind: 'decided' | 'amended';
  readonly signature: Signature;
  readonly place: StatePoint | undefined;
  readonly decision: Decision;
  readonly leftMs: number;
  readonly ageMs: number;
}

/** What models decided in the circumstances of an agent, encoded. */
export interface PrecedentRecord {
  readonly kind: 'precedent';
  readonly bytes: Buffer;
}

export type LogRecord = DecidedRecord | PrecedentRecord | { readonly kind: 'clear' };

export function encodeHead({ node, number, hasClear, clearId, sentMs }: BatchHead): Buffer {
  const bytes = Buffer.alloc(NODE_AT + node.length + 1 + clearId.length);
  bytes.writeUInt8(VERSION, 0);
  bytes.writeUInt8(hasClear ? FLAG_CLEAR : 0, 1);
  bytes.writeDoubleLE(sentMs, 2);
  bytes.writeUInt32LE(number >>> 0, 10);
  bytes.writeUInt8(node.length, NODE_AT - 1);
  bytes.write(node, NODE_AT, 'latin1');
  bytes.writeUInt8(clearId.length, NODE_AT + node.length);
  bytes.write(clearId, NODE_AT + node.length + 1, 'latin1');
  return framed(bytes);
}

/** Undefined if the bytes are no head of this version. */
export function decodeHead(bytes: Buffer): BatchHead | undefined {
  if (bytes.length <= NODE_AT || bytes.readUInt8(0) !== VERSION) return undefined;
  const nodeEnd = NODE_AT + bytes.readUInt8(NODE_AT - 1);
  if (nodeEnd >= bytes.length || nodeEnd + 1 + bytes.readUInt8(nodeEnd) !== bytes.length) return undefined;
  return {
    node: bytes.toString('latin1', NODE_AT, nodeEnd),
    number: bytes.readUInt32LE(10),
    hasClear: (bytes.readUInt8(1) & FLAG_CLEAR) !== 0,
    clearId: bytes.toString('latin1', nodeEnd + 1),
    sentMs: bytes.readDoubleLE(2),
  };
}

export const CLEAR_FRAME = framed(Buffer.of(KIND.CLEAR));

export function precedentFrame(precedent: Buffer): Buffer {
  return framed(Buffer.concat([Buffer.of(KIND.PRECEDENT), precedent]));
}

export function encodeDecided({ kind, signature, place, decision, leftMs, ageMs }: DecidedRecord): Buffer {
  const head = Buffer.alloc(DECIDED_HEAD_BYTES);
  head.writeUInt8(kind === 'amended' ? KIND.AMENDED : KIND.DECIDED, 0);
  for (let i = 0; i < SIGNATURE_WORDS; i++) head.writeInt32LE(signature[i] as number, 1 + 4 * i);
  head.writeDoubleLE(leftMs, DECIDED_HEAD_BYTES - 16);
  head.writeDoubleLE(ageMs, DECIDED_HEAD_BYTES - 8);
  return framed(Buffer.concat([head, encodeRecord(place, decision)]));
}

/** Undefined if the bytes are no record, or have values that no node would send. */
export function decodeLogRecord(bytes: Buffer): LogRecord | undefined {
  const kind = bytes[0];
  if (kind === KIND.CLEAR) return bytes.length === 1 ? { kind: 'clear' } : undefined;
  if (kind === KIND.PRECEDENT) return { kind: 'precedent', bytes: bytes.subarray(1) };
  if ((kind !== KIND.DECIDED && kind !== KIND.AMENDED) || bytes.length < DECIDED_HEAD_BYTES) return undefined;
  const encoded = encodedOf(bytes);
  if (!isSoundDecision(encoded)) return undefined;
  const signature = new Int32Array(SIGNATURE_WORDS);
  for (let i = 0; i < SIGNATURE_WORDS; i++) signature[i] = bytes.readInt32LE(1 + 4 * i);
  const record = {
    kind: kind === KIND.AMENDED ? ('amended' as const) : ('decided' as const),
    signature,
    place: recordPlace(bytes, DECIDED_HEAD_BYTES),
    leftMs: bytes.readDoubleLE(DECIDED_HEAD_BYTES - 16),
    ageMs: bytes.readDoubleLE(DECIDED_HEAD_BYTES - 8),
    // Rarely asked for: the store takes the bytes.
    get decision() {
      return decodeDecision(encoded);
    },
  };
  return isSound(record) ? record : undefined;
}

/** The bytes of a record's decision, which the store has in the same form. */
export function encodedOf(record: Buffer): Buffer {
  return encodedDecisionOf(record, DECIDED_HEAD_BYTES);
}

/** Whether a whole record has only values that a node may have sent. */
function isSound({ place, leftMs, ageMs }: Pick<DecidedRecord, 'place' | 'leftMs' | 'ageMs'>): boolean {
  const areTimes = leftMs >= 0 && Number.isFinite(ageMs) && ageMs >= 0;
  return areTimes && (place === undefined || (Number.isFinite(place.gate) && place.coordinates.every(Number.isFinite)));
}
