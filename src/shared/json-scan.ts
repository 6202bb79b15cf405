/** Steps of reading JSON without parsing it, for the readers that only look for its structure. Pure. */

const BACKSLASH = 0x5c;

/** Where in a text, from a place on, the next character stands that the global expression `marks` finds; its length where none does. */
export function nextMark(marks: RegExp, chars: string, from: number): number {
  marks.lastIndex = from;
  return marks.test(chars) ? marks.lastIndex - 1 : chars.length;
}

/** How many backslashes stand right before `end`, as far back as `from`: after an odd number a quote is part of its text. */
export function backslashesBefore(bytes: Buffer, end: number, from: number): number {
  let start = end;
  while (start > from && bytes[start - 1] === BACKSLASH) start--;
  return end - start;
}
