import { type Random, randomIndex } from '../../../src/shared/random.ts';
import { mutate } from '../mutate.ts';

/** One way in: it takes bytes, resolves when they have had their answer, and throws where the answer is not right. */
export type Door = (bytes: Buffer) => Promise<void> | void;

/** An input, and the door that it and its mutations go in by. */
export interface Row {
  readonly bytes: Buffer;
  readonly door: Door;
}

export interface Entrance {
  readonly rows: readonly Row[];
  /** The largest inputs that are right there, by what is large about them. */
  readonly largest: Readonly<Record<string, Row>>;
}

export function entrance(
  door: Door,
  rows: readonly Buffer[],
  largest: Readonly<Record<string, string | Buffer>>,
): Entrance {
  const row = (bytes: Buffer): Row => ({ bytes, door });
  const named = Object.entries(largest).map(([name, text]) => [name, row(Buffer.from(text as string))]);
  return { rows: rows.map(row), largest: Object.fromEntries(named) };
}

/** Part of any repeated row of its own, so that long inputs come as well. */
export function mutated(random: Random, row: Buffer): Buffer {
  const bytes = mutate(random, row);
  if (randomIndex(random, 20) > 0) return bytes;
  const from = randomIndex(random, bytes.length + 1);
  const part = bytes.subarray(from, from + 1 + randomIndex(random, 30));
  const many = Buffer.concat(Array<Buffer>(1 + randomIndex(random, 2_000)).fill(part));
  return Buffer.concat([bytes.subarray(0, from), many, bytes.subarray(from)]);
}

/** A mutated request may ask for any time; its caller leaves after this. */
export const PATIENCE_MS = 5_000;
