import { jsonIn } from '../../cache/learned/sealed-text.ts';
import { framed } from '../log/frames.ts';

/** A longer total, or name, is from no node. */
const TOTAL_BYTES_MAX = 65_536;
export const NAME_CHARS_MAX = 256;

/** The counts of one group at one incarnation of a node, as they travel. */
export interface GroupTotal {
  readonly node: string;
  /** The last clear that the node has seen: what it counts began anew then. */
  readonly clear: string;
  readonly group: string;
  readonly rows: unknown;
}

/** Evidence as it is on disk, for a node that has none. */
export interface WholeEvidence {
  readonly clear: string;
  readonly parts: readonly (readonly [name: string, value: unknown])[];
}

export function encodeTotal({ node, clear, group, rows }: GroupTotal): Buffer {
  return framed(Buffer.from(JSON.stringify([node, clear, group, rows])));
}

/** Undefined if the bytes are no total. The rows are checked by whom they are for. */
export function decodeTotal(bytes: Buffer): GroupTotal | undefined {
  const value = bytes.length > TOTAL_BYTES_MAX ? undefined : jsonIn(bytes.toString());
  if (!Array.isArray(value) || value.length !== 4) return undefined;
  const [node, clear, group, rows] = value as unknown[];
  return isName(node) && isName(clear) && isName(group) ? { node, clear, group, rows } : undefined;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= NAME_CHARS_MAX;
}

/** Undefined if there is more than fits in these bytes: then it is not encoded to its end. */
export function encodeWhole(
  clear: string,
  parts: Iterable<readonly [string, unknown]>,
  bytesMax: number,
): Buffer | undefined {
  const texts: string[] = [];
  let bytes = 0;
  for (const part of parts) {
    const text = JSON.stringify(part);
    bytes += Buffer.byteLength(text);
    if (bytes > bytesMax) return undefined;
    texts.push(text);
  }
  return framed(Buffer.from(`[${JSON.stringify(clear)},[${texts.join(',')}]]`));
}

export function decodeWhole(bytes: Buffer): WholeEvidence | undefined {
  const [clear, parts] = (jsonIn(bytes.toString()) ?? []) as unknown[];
  if (typeof clear !== 'string' || !Array.isArray(parts)) return undefined;
  const areParts = parts.every((part) => Array.isArray(part) && part.length === 2 && typeof part[0] === 'string');
  return areParts ? { clear, parts: parts as WholeEvidence['parts'] } : undefined;
}
