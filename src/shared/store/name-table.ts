const PLACES = 4_096;
/** Offset basis and prime of FNV-1a, 32 bits (Fowler, Noll, Vo). */
const FNV = { BASIS: 0x811c9dc5, PRIME: 0x01000193 } as const;

/**
 * One string for each name, however many decisions have it, found by the name's bytes: a known name costs no new string, which
 * is most of what decoding it would cost. Of two names that share a place, the later one stays.
 */
export class NameTable {
  readonly #names = new Array<string>(PLACES).fill('');

  /** Returns the name in UTF-8 from byte `from` to before byte `to`. */
  nameOf(bytes: Buffer, from: number, to: number): string {
    const place = placeOf(bytes, from, to);
    const known = this.#names[place] as string;
    if (isWrittenAs(known, bytes, from, to)) return known;
    const name = bytes.toString('utf8', from, to);
    this.#names[place] = name;
    return name;
  }
}

function placeOf(bytes: Buffer, from: number, to: number): number {
  let hash: number = FNV.BASIS;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ (bytes[i] as number), FNV.PRIME);
  return (hash ^ (hash >>> 16)) & (PLACES - 1);
}

/** Whether these bytes are a known text in ASCII. Any other text has more bytes than characters, or other ones. */
function isWrittenAs(text: string, bytes: Buffer, from: number, to: number): boolean {
  if (text.length !== to - from) return false;
  for (let i = from; i < to; i++) if (text.charCodeAt(i - from) !== bytes[i]) return false;
  return true;
}
