/** Helpers to read JSON without parsing it, for readers that only look for its structure. Pure. */

const BACKSLASH = 0x5c;

/** Returns the position of the next match of the global expression `marks` at or after `from`; the text's length if there is none. */
export function nextMark(marks: RegExp, chars: string, from: number): number {
  marks.lastIndex = from;
  return marks.test(chars) ? marks.lastIndex - 1 : chars.length;
}

/** Counts the backslashes right before `end`, back to `from`: after an odd number, a quote is part of its text. */
export function backslashesBefore(bytes: Buffer, end: number, from: number): number {
  let start = end;
  while (start > from && bytes[start - 1] === BACKSLASH) start--;
  return end - start;
}
