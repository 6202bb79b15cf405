/** Something that was learned and outlives the process, as values of JSON. */
export interface LearnedPart {
  /** Its name in the file. */
  readonly name: string;
  /** What is known, the oldest first. Each value is small enough to be read or written in about a millisecond. */
  saved(): Iterable<unknown>;
  /** Takes over a value of `saved` of an earlier process. Returns false, and changes nothing, if it is none. */
  restore(value: unknown): boolean;
}

/** Whether a value is a list of numbers, of this length if one is given. */
export function areNumbers(value: unknown, length?: number): value is number[] {
  return Array.isArray(value) && (length ?? value.length) === value.length && value.every(Number.isFinite);
}

/** Whether a value is a list of texts. */
export function areTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}

/** Whether each member of a list passes. */
export function areAll<T>(value: unknown, is: (member: unknown) => member is T): value is T[] {
  return Array.isArray(value) && value.every(is);
}

/** The members of a list, this many at a time. */
export function* inChunks<T>(members: Iterable<T>, size: number): Generator<T[]> {
  let chunk: T[] = [];
  for (const member of members) {
    chunk.push(member);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
