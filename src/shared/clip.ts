/** Shortens a text to this many characters, ending in an ellipsis. A caller's text may be megabytes and must not be sent back whole. */
export function clip(text: string, charsMax: number): string {
  return text.length > charsMax ? `${text.slice(0, charsMax)}…` : text;
}
