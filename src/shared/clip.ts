/** A text of at most this many characters, with an ellipsis in place of the rest. What callers send may be megabytes, and is not sent back whole. */
export function clip(text: string, charsMax: number): string {
  return text.length > charsMax ? `${text.slice(0, charsMax)}…` : text;
}
