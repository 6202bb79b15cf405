import { type EntryId, entryId } from './entry-id.ts';
import { framed, framesOf } from './frames.ts';

/*
 * What the engine publishes for one call, little-endian: u16 length of id | u32 length of records | id | records | tail. The id is that of the
 * entry with these records; both are empty if there are none. The tail is frames of u8 kind and bytes, the sender first; it has no place in the log.
 */
const HEAD_BYTES = 6;
const TAIL = { SENDER: 0, STATE: 1, ACT: 2 } as const;

export interface LogMessage {
  /** Undefined if there are no records. */
  readonly entry: { readonly id: EntryId; readonly bytes: Buffer } | undefined;
  readonly tail: Buffer;
}

/** Undefined if the bytes are no message. */
export function decodeMessage(bytes: Buffer): LogMessage | undefined {
  if (bytes.length < HEAD_BYTES) return undefined;
  const idEnd = HEAD_BYTES + bytes.readUInt16LE(0);
  const recordsEnd = idEnd + bytes.readUInt32LE(2);
  if (recordsEnd > bytes.length) return undefined;
  const tail = bytes.subarray(recordsEnd);
  if (idEnd === HEAD_BYTES) return { entry: undefined, tail };
  const id = entryId(bytes.toString('latin1', HEAD_BYTES, idEnd));
  return id && { entry: { id, bytes: bytes.subarray(idEnd, recordsEnd) }, tail };
}

/** A tail of names of states whose claims have changed, and of acts of agents. */
export function encodeTail(node: string, states: readonly string[], acts: readonly Buffer[]): Buffer {
  if (states.length + acts.length === 0) return Buffer.alloc(0);
  const tagged = (tag: number, bytes: Uint8Array): Buffer => framed(Buffer.concat([Buffer.of(tag), bytes]));
  return Buffer.concat([
    tagged(TAIL.SENDER, Buffer.from(node)),
    ...states.map((state) => tagged(TAIL.STATE, Buffer.from(state))),
    ...acts.map((act) => tagged(TAIL.ACT, act)),
  ]);
}

export interface TailReaders {
  /** This node. It has no news for itself. */
  readonly node: string;
  readonly onState: (state: string) => void;
  readonly onAct: (act: Buffer) => void;
  readonly onDamaged: () => void;
}

export function readTail(tail: Buffer, { node, onState, onAct, onDamaged }: TailReaders): void {
  for (const frame of framesOf(tail)) {
    if (frame?.[0] === TAIL.SENDER) {
      if (frame.toString('utf8', 1) === node) return;
    } else if (frame?.[0] === TAIL.STATE) onState(frame.toString('utf8', 1));
    else if (frame?.[0] === TAIL.ACT) onAct(frame.subarray(1));
    else onDamaged();
  }
}
