/**
 * Work on something large, in parts of a few milliseconds: whoever runs it decides whether anything happens between two of them. Most
 * parts end after `PART_MEMBERS` members of a list or object.
 */
export type InParts<T> = Generator<void, T, void>;

export const PART_MEMBERS = 4_096;
/** Of one part that reads or writes text. `JSON.parse` takes about a millisecond for so many, of short members too. */
export const PART_CHARS = 65_536;

/** All parts one after the other, for callers that have to have the result now. */
export function inOneGo<T>(work: InParts<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}
