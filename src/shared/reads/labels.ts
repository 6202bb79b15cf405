/**
 * Labels represent actions in a decision that is read: one token each with any tokenizer. One-digit numbers match the numbered
 * list of the prompt; letters are used for more actions, and for names that are numbers themselves.
 */
const DIGITS = ['1', '2', '3', '4', '5', '6', '7', '8', '9'];
const LETTERS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];

/** Maximum number of actions in one read. */
export const READ_ACTIONS_MAX: number = LETTERS.length;

/** Whether names are bare numbers. These would clash with the numbering, so such actions are listed and asked for by name. */
export function hasNumericNames(actions: readonly string[]): boolean {
  return actions.some((action) => /^\s*\p{Nd}+\s*$/u.test(action));
}

/** Returns the labels of the actions, in order. Throws a RangeError for more than `READ_ACTIONS_MAX`. */
export function labelsFor(actions: readonly string[]): readonly string[] {
  if (actions.length > READ_ACTIONS_MAX) throw new RangeError(`${actions.length} actions have no labels of one token`);
  const labels = actions.length <= DIGITS.length && !hasNumericNames(actions) ? DIGITS : LETTERS;
  return labels.slice(0, actions.length);
}

/** What tokenizers and models add around a label: the mark of a space before a word, quotes, brackets, the point of a list. */
const AROUND = /^[\s"'([*`\u2581\u0120]+|[\s"')\].:*`]+$/g;

/** Maximum length of a label's token. A longer one is a word, or an attempt to keep the expression busy. */
const TOKEN_CHARS_MAX = 16;

/** Returns a token without what surrounds the label in it. */
export function labelOfToken(token: unknown): string {
  return typeof token !== 'string' || token.length > TOKEN_CHARS_MAX ? '' : token.replace(AROUND, '');
}
