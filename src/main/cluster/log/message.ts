import { type EntryId, entryId } from './entry-id.ts';
import { framed, framesOf } from './frames.ts';

/*
 * What the engine publishes for one call, little-endian: u16 length of id | u32 length of records | id | records | tail. The id is that of the
 * entry with these records; both are empty if there are none. The tail has no place in the log: it is nothing, or one frame of parts, each u8
 * kind | u16 length | bytes, the sender first.
 */
const HEAD_BYTES = 6;
const PART_HEAD_BYTES = 3;
/** A longer entry, or message, is from no node: some batches of 8 kB, 128 acts and 1,024 states are less. */
export const ENTRY_BYTES_MAX = 65_536;
const MESSAGE_BYTES_MAX = 2 ** 20;
const TAIL = { SENDER: 0, STATE: 1, ACT: 2 } as const;

export interface LogMessage {
  /** Undefined if there are no records. */
  readonly entry: { readonly id: EntryId; readonly bytes: Buffer } | undefined;
  readonly tail: Buffer;
}

/** Undefined if the bytes are no message. */
export function decodeMessage(bytes: Buffer): LogMessage | undefined {
  if (bytes.length < HEAD_BYTES || bytes.length > MESSAGE_BYTES_MAX) return undefined;
  const idEnd = HEAD_BYTES + bytes.readUInt16LE(0);
  const recordsEnd = idEnd + bytes.readUInt32LE(2);
  if (recordsEnd > bytes.length || recordsEnd - idEnd > ENTRY_BYTES_MAX) return undefined;
  const tail = bytes.subarray(recordsEnd);
  if (idEnd === HEAD_BYTES) return { entry: undefined, tail };
  const id = entryId(bytes.toString('latin1', HEAD_BYTES, idEnd));
  return id && { entry: { id, bytes: bytes.subarray(idEnd, recordsEnd) }, tail };
}

/** A tail of names of states whose claims have changed, and of acts of agents. */
export function encodeTail(node: string, states: readonly string[], acts: readonly Buffer[]): Buffer {
  if (states.length + acts.length === 0) return Buffer.alloc(0);
  const parts: Buffer[] = [];
  const add = (tag: number, bytes: Buffer): void => {
    const head = Buffer.allocUnsafe(PART_HEAD_BYTES);
    head.writeUInt8(tag, 0);
    head.writeUInt16LE(bytes.length, 1);
    parts.push(head, bytes);
  };
  add(TAIL.SENDER, Buffer.from(node));
  for (const state of states) add(TAIL.STATE, Buffer.from(state));
  for (const act of acts) add(TAIL.ACT, act);
  return framed(Buffer.concat(parts));
}

export interface TailReaders {
  /** This node. It has no news for itself. */
  readonly node: string;
  readonly onState: (state: string) => void;
  readonly onAct: (act: Buffer) => void;
  readonly onDamaged: () => void;
}

export function readTail(tail: Buffer, { node, onState, onAct, onDamaged }: TailReaders): void {
  if (tail.length === 0) return;
  const [frame] = framesOf(tail);
  if (frame === undefined) return onDamaged();
  for (let at = 0; at < frame.length; ) {
    const from = at + PART_HEAD_BYTES;
    at = from > frame.length ? Number.POSITIVE_INFINITY : from + frame.readUInt16LE(at + 1);
    if (at > frame.length) return onDamaged();
    const tag = frame[from - PART_HEAD_BYTES];
    if (tag === TAIL.ACT) onAct(frame.subarray(from, at));
    else if (tag === TAIL.STATE) onState(frame.toString('latin1', from, at));
    else if (tag !== TAIL.SENDER) onDamaged();
    else if (frame.toString('latin1', from, at) === node) return;
  }
}
