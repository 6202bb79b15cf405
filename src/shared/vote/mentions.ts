import { type ActionNames, type Choice, normalizeName, spelledIn } from './action-names.ts';
import { FOREIGN_NEGATION, FOREIGN_NUMBER } from './choice-words.ts';

/**
 * Finds what running text names, by name or by number, if no form states the choice. A name that is only rejected, after "not"
 * or "instead of", or before "is too dangerous", does not count.
 */

const NEGATION = new RegExp(
  `(?:n['’]t|(?<!\\p{L})(?:not|cannot|never|avoid|instead of|rather than|without|over|than|${FOREIGN_NEGATION}))\\s+` +
    '(?:to\\s+|the\\s+|an?\\s+|choose\\s+|pick\\s+|l[ae]\\s+|die\\s+|den\\s+|das\\s+)*$|(?:(?<!得\\s?)不|(?<![特区區分个個告离離差级級]\\s?)[别別]|勿)\\s?(?:[要能应應该可会會是选選择擇]\\s?){0,3}$',
  'u',
);
/** "No elijo 2", "Non scelgo 2": before a name, "no" is more often a part of it. */
const NEGATED_VERB = /(?<!\p{L})(?:no|non|nie)\s+$/u;
const NEGATION_CHARS_MAX = 40;

/** Whether the text before a name or a number rejects it. */
function isNegated(before: string): boolean {
  return NEGATION.test(before.slice(-NEGATION_CHARS_MAX).toLowerCase());
}

/** "Option 1 is too dangerous", "attack isn't safe", "1 ist zu riskant", "2 太危险". "Too good to miss" and "not only" reject nothing. */
const REJECTED = new RegExp(
  '^(?:太|["\'’`*_)\\]]{0,3}[ \\t]{0,2}(?:(?:is|are|was|would be|seems|looks|sounds|feels|ist|wäre|est|es|sería|serait|é|è)\\s+(?:(?!(?:not|nicht|pas)\\s)\\p{L}+\\s+)?' +
    '(?:(?:too|zu|trop|troppo|demasiado)\\s+(?!good|important|valuable|tempting)|(?:not|nicht|pas)\\s+(?!only|just|bad|nur|schlecht|seulement)' +
    '|(?:(?:a|an|the)\\s+)?(?:unsafe|risky|dangerous|bad|worse|worst|impossible|pointless|useless|suicide)(?!\\p{L})(?!\\s+but))' +
    "|(?:isn|wasn|wouldn|won)\\s?['’]?\\s?t\\s+(?!only|just|bad)|слишком\\s))",
  'u',
);

/** Whether the text after a name or a number rejects it. */
export function isRejected(after: string): boolean {
  return REJECTED.test(after.slice(0, NEGATION_CHARS_MAX).toLowerCase());
}

/** Matches quantities: "3.5", "20%". */
const QUANTITY = /\p{Nd}+(?:[.,．，]\p{Nd}+)+|\p{Nd}+\s?[%％٪]/gu;

/** Returns the actions that running text names, longest names first, so that "power attack" does not also name "attack". */
export function mentions(text: string, names: ActionNames): string[] {
  // "3.5" and "20%" are quantities, even if actions are called "3" or "20".
  const quantities = names.numbered
    ? text
    : text.replace(QUANTITY, (found) => (names.named(found) === undefined ? ' ' : found));
  let rest = ` ${normalizeName(quantities)} `;
  const found = new Set<string>();
  for (const name of names.within(rest)) {
    const { isNamed, without } = takeOut(rest, name);
    if (isNamed) for (const action of spelledIn(text, names.byName.get(name) as string[])) found.add(action);
    rest = without;
  }
  return [...found];
}

/**
 * Removes a name from a text, and reports whether it occurs anywhere without being rejected. The text is built once: building it
 * for each occurrence would take quadratic time.
 */
function takeOut(text: string, name: string): { readonly isNamed: boolean; readonly without: string } {
  const needle = ` ${name} `;
  const gap = ` ${'\u0000'.repeat(name.length)}`;
  const pieces: string[] = [];
  let before = '';
  let isNamed = false;
  let from = 0;
  // Two names may have one blank between them.
  for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, from)) {
    const piece = text.slice(from, at);
    before = (before + piece.slice(-NEGATION_CHARS_MAX)).slice(-NEGATION_CHARS_MAX);
    const end = at + needle.length;
    isNamed ||= !isNegated(`${before} `) && !isRejected(text.slice(end, end + NEGATION_CHARS_MAX));
    pieces.push(piece, gap);
    before += gap;
    from = at + gap.length;
  }
  return { isNamed, without: pieces.join('') + text.slice(from) };
}

export const BECAUSE =
  /(?<!\p{L})(?:because|since|so that|in order to|weil|porque|perché|потому что|omdat|karena)(?!\p{Ll})|parce que|因[为為]|왜냐하면|なぜなら/iu;
// "option 2", "#2", "here is my choice: 2", "I choose 2 or 3", "the answer is 2", "我选择2". A verb alone may have an amount: "pick 2 potions".
const INLINE_NUMBER =
  /(?:\b(?:actions?|options?|choices?|numbers?)\s*(?:number\s*)?#?\s?|\b(?:action|choice|answer|decision)(?:\s(?:is|would be))?:\s?[*_"'`]{0,3}#?|\banswer would be\s|#|(?:选择?|选项|动作|答案是?)[:：]?\s?)(\p{Nd}{1,6})(?!\p{Nd}|[.,．，]\p{Nd}|\s?[%％])(?:\s?(?:,|\/|&|or|and|或)\s?#?(\p{Nd}{1,6})\b)?|\b(?:choose|chose|pick|select|go with|going with|(?:action|answer|choice|option) is|vote (?:for|is))\s?#?(\p{Nd}{1,6})(?!\p{Nd}|[.,．，]\p{Nd}|\s?[%％])(?:\s?(?:,|\/|&|or|and)\s?#?(\p{Nd}{1,6})\b|(?=\s*(?:$|[.,;:!)"'*\n]|because|since|as\b|for\b|to\b)))/giu;

/** Returns the actions that running text chooses by number. Numbers in the names that it mentions do not count: "option 3" may be a name. */
export function inlineNumbers(text: string, names: ActionNames, mentioned: readonly string[]): Choice[] {
  const named = mentioned.map(normalizeName);
  const choices: Choice[] = [];
  for (const match of [...text.matchAll(INLINE_NUMBER), ...text.matchAll(FOREIGN_NUMBER)]) {
    const before = text.slice(Math.max(0, match.index - NEGATION_CHARS_MAX), match.index);
    const found = normalizeName(match[0]);
    if (named.some((name) => name.includes(found))) continue;
    const end = match.index + match[0].length;
    if (isRejected(text.slice(end, end + NEGATION_CHARS_MAX))) continue;
    if (isNegated(before) || NEGATED_VERB.test(before.toLowerCase())) continue;
    for (const digits of match.slice(1)) if (digits !== undefined) choices.push(names.byNumber(digits));
  }
  return choices;
}

/** Text before "because" counts more than text after it. */
export function beforeBecause<T>(text: string, read: (part: string) => readonly T[]): readonly T[] {
  const found = read(text.split(BECAUSE, 1)[0] as string);
  return found.length > 0 ? found : read(text);
}
