/**
 * Labels stand for actions in a decision that is read: one token each, whatever the tokenizer. Numbers of one digit go with the numbered
 * list of the prompt; for more actions, and for names that are numbers themselves, letters do.
 */
const DIGITS = ['1', '2', '3', '4', '5', '6', '7', '8', '9'];
const LETTERS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];

/** So many actions can be told apart in one read. */
export const READ_ACTIONS_MAX: number = LETTERS.length;

/** Bare numbers as names would clash with the numbering, so such actions are listed and asked for by name. */
export function hasNumericNames(actions: readonly string[]): boolean {
  return actions.some((action) => /^\s*\p{Nd}+\s*$/u.test(action));
}

/** The labels of the actions, in their order. Throws a RangeError for more than `READ_ACTIONS_MAX`. */
export function labelsFor(actions: readonly string[]): readonly string[] {
  if (actions.length > READ_ACTIONS_MAX) throw new RangeError(`${actions.length} actions have no labels of one token`);
  const labels = actions.length <= DIGITS.length && !hasNumericNames(actions) ? DIGITS : LETTERS;
  return labels.slice(0, actions.length);
}

/** What tokenizers and models put around a label: the mark of a blank before a word, quotes, brackets, the point of a list. */
const AROUND = /^[\s"'([*`\u2581\u0120]+|[\s"')\].:*`]+$/g;

/** A longer token is a word, or from a server that wants to keep the expression busy. */
const TOKEN_CHARS_MAX = 16;

/** A token without what surrounds a label in it. */
export function labelOfToken(token: unknown): string {
  return typeof token !== 'string' || token.length > TOKEN_CHARS_MAX ? '' : token.replace(AROUND, '');
}
