/** What moves a cursor, rings, or turns the direction of writing: C0 and C1 controls, bidirectional overrides, line separators. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for.
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/**
 * Text on its way to a terminal: the one edge for what model ids, reasons, traces and messages of others say there. Its lines stay; what
 * a terminal would obey stands there as `\u001b`.
 */
export function shown(text: string): string {
  return text.replace(UNPRINTABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The same for a name within a line. */
export function shownInLine(text: string): string {
  return shown(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t');
}
