import { SIGNATURE_WORDS } from '../../../shared/signature.ts';
import type { AgentAct, AgentNews } from '../../cache/decision-journal.ts';

/** Acts with longer names are dropped, in bytes. */
const TEXT_BYTES_MAX = 1_024;
const HEAD_BYTES = 1 + 4 * SIGNATURE_WORDS + 4;
const COUNT_MAX = 0xffff;

/** Where the last acts of agents are known: the cache with its loop guard. */
export interface ActMemory {
  takeNews(): AgentNews;
  heard(act: AgentAct): void;
}

export interface ActStats {
  readonly sent: number;
  readonly received: number;
  /** Acts that were not sent, because there were too many at once, or that were damaged. */
  readonly dropped: number;
}

/**
 * Tells the other nodes what agents did last, and the loop guard of this one what they did elsewhere, so that any node may plan for any
 * agent. An act is sent once and not kept: a node that does not hear of it takes the agent for one that has not acted.
 */
export class AgentActs {
  readonly #memory: ActMemory;
  #sent = 0;
  #received = 0;
  #dropped = 0;

  constructor(memory: ActMemory) {
    this.#memory = memory;
  }

  /** The acts since the last time, the last one of each agent. */
  take(): readonly Buffer[] {
    const { acts, dropped } = this.#memory.takeNews();
    const encoded = acts.map(encodeAct).filter((act) => act !== undefined);
    this.#sent += encoded.length;
    this.#dropped += dropped + acts.length - encoded.length;
    return encoded;
  }

  heard(bytes: Buffer): void {
    const act = decodeAct(bytes);
    if (act === undefined) return void this.#dropped++;
    this.#received++;
    this.#memory.heard(act);
  }

  stats(): ActStats {
    return { sent: this.#sent, received: this.#received, dropped: this.#dropped };
  }
}

/*
 * An act, little-endian: u8 from memory | i32 signature x 4 | u16 repeats | u16 streak | agent, scene, action: u16 length and UTF-8 each.
 */
export function encodeAct({
  agent,
  signature,
  scene,
  action,
  repeats,
  streak,
  isFromMemory,
}: AgentAct): Buffer | undefined {
  const texts = [agent, scene, action];
  const lengths = texts.map((text) => Buffer.byteLength(text));
  if (lengths.some((length) => length > TEXT_BYTES_MAX)) return undefined;
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + lengths.reduce((sum, length) => sum + 2 + length, 0));
  bytes.writeUInt8(isFromMemory ? 1 : 0, 0);
  for (let i = 0; i < SIGNATURE_WORDS; i++) bytes.writeInt32LE(signature[i] as number, 1 + 4 * i);
  bytes.writeUInt16LE(Math.min(COUNT_MAX, repeats), HEAD_BYTES - 4);
  bytes.writeUInt16LE(Math.min(COUNT_MAX, streak), HEAD_BYTES - 2);
  let at = HEAD_BYTES;
  for (const [nth, text] of texts.entries()) {
    at = bytes.writeUInt16LE(lengths[nth] as number, at);
    at += bytes.write(text, at);
  }
  return bytes;
}

/** Undefined if the bytes are no act. */
export function decodeAct(bytes: Buffer): AgentAct | undefined {
  const texts: string[] = [];
  for (let at = HEAD_BYTES; at + 2 <= bytes.length && texts.length < 3; ) {
    const end = at + 2 + bytes.readUInt16LE(at);
    if (end > bytes.length || end - at - 2 > TEXT_BYTES_MAX) return undefined;
    texts.push(bytes.toString('utf8', at + 2, end));
    at = end;
  }
  const [agent, scene, action] = texts;
  if (agent === undefined || scene === undefined || action === undefined) return undefined;
  const signature = new Int32Array(SIGNATURE_WORDS);
  for (let i = 0; i < SIGNATURE_WORDS; i++) signature[i] = bytes.readInt32LE(1 + 4 * i);
  const repeats = bytes.readUInt16LE(HEAD_BYTES - 4);
  const streak = bytes.readUInt16LE(HEAD_BYTES - 2);
  return { agent, scene, action, signature, repeats, streak, isFromMemory: bytes[0] === 1 };
}
