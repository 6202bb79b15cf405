/** Characters that move a cursor, ring a bell, or change the writing direction: C0 and C1 controls, bidirectional overrides, line separators. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for.
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/**
 * Makes text safe for a terminal. All model ids, reasons, traces and messages of others pass through here. Line breaks are kept;
 * characters that a terminal would obey appear as `\u001b`.
 */
export function shown(text: string): string {
  return text.replace(UNPRINTABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Makes a name safe for use within one line of a terminal. */
export function shownInLine(text: string): string {
  return shown(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t');
}
