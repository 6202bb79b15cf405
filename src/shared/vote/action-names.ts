import { LRUCache } from 'lru-cache';
import { hasNumericNames } from '../reads/labels.ts';
import { asciiDigits } from './numerals.ts';

/** One choice in an answer: an action that was offered, or something that was not. */
export type Choice =
  | { readonly kind: 'action'; readonly action: string }
  | { readonly kind: 'illegal'; readonly named: string };

/** Maximum length of a choice: longer than any action name (`REQUEST_LIMITS.actionChars`) with its number and decoration. */
const CHOICE_CHARS_MAX = 1_200;
/** Maximum length of a name that is kept: names of actions occur in every answer, long texts do not. */
const NAME_CHARS_KEPT = 100;
const normalizedNames = new LRUCache<string, string>({ max: 4_096 });

/** Marks that change the look of a character and not its meaning: variants of emoji, and enclosures of digits. */
const DECORATION = /[\p{Variation_Selector}\p{Me}]+/gu;
/** Everything that is not part of a word. A mark belongs to the letter or number before it; elsewhere it is not part of a word. */
const NO_WORD = /^\p{M}+|[^\p{L}\p{M}\p{N}]+\p{M}*/gu;

/**
 * Reduces a name to letters with their marks and numbers, composed, in lower case, with ASCII digits and one space between
 * words: "Power-Attack" and "power_attack" are the same name. Han characters are separate words, because no spaces divide them;
 * "don't" is "do not".
 */
export function normalizeName(name: string): string {
  const kept = normalizedNames.get(name);
  if (kept !== undefined) return kept;
  const normalized = plainly(name)
    .replace(/n['’]t\b/g, ' not')
    .replace(/\p{Script=Han}/gu, ' $& ')
    .replace(NO_WORD, ' ')
    .trim();
  if (name.length <= NAME_CHARS_KEPT) normalizedNames.set(name, normalized);
  return normalized;
}

/** Returns a text composed, in lower case, with ASCII digits and without decoration. */
function plainly(name: string): string {
  if (!/\P{ASCII}/u.test(name)) return name.toLowerCase();
  return asciiDigits(name.normalize('NFC').toLowerCase()).replace(DECORATION, '');
}

/** Of actions that differ only in punctuation, returns those spelled exactly in the text; all of them if none is. */
export function spelledIn(text: string, sharers: readonly string[]): readonly string[] {
  if (sharers.length === 1) return sharers;
  const composed = text.normalize('NFC');
  const spelled = sharers.filter((action) => composed.includes(action.normalize('NFC')));
  // "1" also stands in "-1".
  const longest = spelled.filter((action) => !spelled.some((other) => other !== action && other.includes(action)));
  return longest.length > 0 ? longest : sharers;
}

export function chosen(actions: readonly string[]): Choice[] {
  return actions.map((action) => ({ kind: 'action', action }));
}

/** Matches a number alone: "2", "option 2", "#2", "**2.**", "（２）". */
const LONE_NUMBER =
  /^(?:(?:action|option|choice|number|no\.?)\s*:?\s*)?[#([{*$"'`（「『【]*\s*(\p{Nd}{1,6})\s*[)\]}*$"'`.:,!）」』】。．、，：！]*$/iu;

function firstWord(name: string): string {
  const end = name.indexOf(' ');
  return end < 0 ? name : name.slice(0, end);
}

interface NameIndex {
  /** Actions by normalized name: names that differ only in punctuation share an entry. */
  readonly byName: ReadonlyMap<string, readonly string[]>;
  /** Numbers of words of the names that begin with a word, by that word. */
  readonly wordCounts: ReadonlyMap<string, ReadonlySet<number>>;
  /** Position of each name among all names, in the order of the actions. */
  readonly places: ReadonlyMap<string, number>;
}

/** Maximum number of action lists whose names are kept: the same actions are offered repeatedly, and read for each expert. */
const ACTIONS_KEPT = 100;
const KEY_CHARS_KEPT = 4_096;
const keptNames = new LRUCache<string, ActionNames>({ max: 128 });

/** The names of some actions. Indexed only when a name is looked for, because most answers are a number. */
export class ActionNames {
  readonly actions: readonly string[];
  readonly numbered: boolean;
  #byText: ReadonlyMap<string, string | undefined> | undefined;
  #index: NameIndex | undefined;

  private constructor(actions: readonly string[]) {
    this.actions = actions;
    this.numbered = !hasNumericNames(actions);
  }

  /** Returns the names of these actions: the same object for the same actions, while it is remembered. */
  static of(actions: readonly string[]): ActionNames {
    if (actions.length > ACTIONS_KEPT) return new ActionNames(actions);
    const key = actions.join('\n');
    const kept = keptNames.get(key);
    if (kept?.actions.every((action, at) => action === actions[at])) return kept;
    const names = new ActionNames(actions);
    if (key.length <= KEY_CHARS_KEPT) keptNames.set(key, names);
    return names;
  }

  /** Actions by normalized name: names that differ only in punctuation share an entry. */
  get byName(): ReadonlyMap<string, readonly string[]> {
    return this.#names.byName;
  }

  /** Actions by composed name; undefined if several names compose to the same: these are chosen by number only. */
  get #texts(): ReadonlyMap<string, string | undefined> {
    if (this.#byText !== undefined) return this.#byText;
    const byText = new Map<string, string | undefined>();
    for (const action of this.actions) {
      const text = action.normalize('NFC');
      byText.set(text, byText.has(text) ? undefined : action);
    }
    this.#byText = byText;
    return byText;
  }

  get #names(): NameIndex {
    this.#index ??= indexed([...this.#texts.values()].filter((action) => action !== undefined));
    return this.#index;
  }

  /** Returns the action whose exact name a text is, however its accents are composed. */
  named(text: string): string | undefined {
    const texts = this.#texts;
    return /\P{ASCII}/u.test(text) ? texts.get(text.normalize('NFC')) : texts.get(text);
  }

  /** Returns the names in a normalized text, longest first. Looked up by their words, because there may be thousands of names. */
  within(text: string): string[] {
    const words = text.trim().split(' ');
    const found = new Set<string>();
    for (let at = 0; at < words.length; at++) {
      for (const name of this.#namesAt(words, at)) found.add(name);
    }
    return [...found].sort((a, b) => b.length - a.length || this.#placeOf(a) - this.#placeOf(b));
  }

  #placeOf(name: string): number {
    return this.#names.places.get(name) as number;
  }

  #namesAt(words: readonly string[], at: number): string[] {
    const counts = [...(this.#names.wordCounts.get(words[at] as string) ?? [])];
    return counts.map((count) => words.slice(at, at + count).join(' ')).filter((name) => this.byName.has(name));
  }

  /** Returns what a short text names if it names nothing else: "3", "Block!", "**block**". Several if it is ambiguous. */
  resolve(text: string): readonly Choice[] | undefined {
    const bare = text.trim();
    if (bare === '' || bare.length > CHOICE_CHARS_MAX) return undefined;
    const itself = this.named(bare);
    if (itself !== undefined) return chosen([itself]);
    const number = LONE_NUMBER.exec(bare.replace(DECORATION, ''));
    if (number && this.numbered) return [this.byNumber(number[1] as string)];
    const unquoted = bare.replace(/^[\s"'`*_([{<]+|(?<![\s"'`*_)\]}>.!,;:])[\s"'`*_)\]}>.!,;:]+$/g, '');
    const quoted = this.named(unquoted);
    if (quoted !== undefined) return chosen([quoted]);
    // Only the sign distinguishes "-1" from "1".
    if (/^-\p{Nd}/u.test(unquoted)) return [{ kind: 'illegal', named: unquoted }];
    const sharers = this.byName.get(normalizeName(bare));
    return sharers && chosen(spelledIn(bare, sharers));
  }

  byNumber(digits: string): Choice {
    const action = this.actions[Number(asciiDigits(digits)) - 1];
    return action === undefined ? { kind: 'illegal', named: digits } : { kind: 'action', action };
  }

  /** Whether a text begins with the name of an action. */
  beginsWithName(text: string): boolean {
    return this.#namesAt(normalizeName(text.slice(0, CHOICE_CHARS_MAX)).split(' '), 0).length > 0;
  }
}

function indexed(actions: readonly string[]): NameIndex {
  const byName = new Map<string, string[]>();
  for (const action of actions) {
    const name = normalizeName(action);
    const sharers = byName.get(name);
    if (sharers !== undefined) sharers.push(action);
    else if (name !== '') byName.set(name, [action]);
  }
  const wordCounts = new Map<string, Set<number>>();
  const places = new Map<string, number>();
  for (const name of byName.keys()) {
    places.set(name, places.size);
    const first = firstWord(name);
    const counts = wordCounts.get(first) ?? new Set();
    wordCounts.set(first, counts.add(name.split(' ').length));
  }
  return { byName, wordCounts, places };
}
