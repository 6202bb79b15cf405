import { type ActionNames, type Choice, chosen, normalizeName } from './action-names.ts';
import { FOREIGN_LABEL } from './choice-words.ts';
import { BECAUSE, beforeBecause, isRejected, mentions } from './mentions.ts';

/** Reads choices that an answer states explicitly: at its head, which is the form asked for, or after a label. */

export interface Explicit {
  readonly choices: readonly Choice[];
  readonly reason: string;
  readonly confidence?: number;
}

/** Number of characters within which a choice is read: a field of JSON may be as long as an answer. */
const VALUE_CHARS_MAX = 8_000;

/** Returns what a labelled value or a JSON field chooses: "2", "2. block", "Block - it is safe". */
export function readValue(whole: string, names: ActionNames): readonly Choice[] {
  const value = whole.slice(0, VALUE_CHARS_MAX);
  const choices = names.resolve(value) ?? fromHead(value, names)?.choices;
  if (choices !== undefined) return choices;
  const named = beforeBecause(value, (part) => mentions(part, names));
  return named.length > 0 ? chosen(named) : [{ kind: 'illegal', named: leadingName(value).slice(0, 80) }];
}

// "Action: 2", "**Final answer:** block", `"action": "block"` of a JSON object that was cut, "ANSWER" alone on its line.
const LABELLED = new RegExp(
  '^[ \\t>*_#{"\'-]*(?:(?:(?:my|the|final|best|chosen|selected|recommended|first)[ \\t]+)*' +
    '(?:action|choice|answer|decision|vote|recommendation|line)(?:[ \\t_]+(?:number|is|taken|to take))*[ \\t*_"\']*(?:[:=：]|\\n)' +
    `|${FOREIGN_LABEL})[\\s*_]*(.+)$`,
  'gimu',
);
export const REASON_LINE =
  /^[ \t>*_#{"'-]*(?:reason(?:ing)?|why|because|explanation|rationale|justification|second line)[ \t*_"']*[:=：][\s*_]*(.+)$/im;

// "2 because", "2 (block)", "2 It is safe". After a space alone a small letter begins a quantity: "2 enemies are near".
const AFTER_NUMBER =
  /^\s*(?:$|\n|[.):\]*,;–—/&。．、，：；）」』】-])|^\s+(?:[\p{Lu}"'`*([]|(?:because|since|as|for|to|is|due|so|given|or|and|it|this|the)\b)/u;
const HEAD_NUMBER =
  /^(?:(?:action|option|choice|number|no\.?)\s*)?[#＃]?(\p{Nd}{1,6})(?![\p{Nd}%％]|[.,．，]\p{Nd}|\s*[%％])/iu;

interface Head {
  readonly choices: readonly Choice[];
  /** The text after the choice. */
  readonly rest: string;
}

/** Returns the choice at the head of a text, with what follows it: "3", "3. block", "block - the reason", "3) because …". */
export function fromHead(text: string, names: ActionNames): Head | undefined {
  const trimmed = text.replace(/^[\s*_#>`"'([]+/, '');
  const whole = names.resolve(firstLine(text)) ?? names.resolve(firstLine(trimmed));
  if (whole !== undefined) return withSecondLine(whole, trimmed.slice(firstLine(trimmed).length), names);
  const name = leadingName(trimmed);
  const named = name.length < firstLine(trimmed).length ? names.resolve(name) : undefined;
  if (named?.[0]?.kind === 'action') return withNext(named, trimmed.slice(name.length), names);
  const head = names.numbered ? HEAD_NUMBER.exec(trimmed) : null;
  if (head === null) return undefined;
  const rest = trimmed.slice(head[0].length);
  if (isRejected(rest)) return undefined;
  if (!AFTER_NUMBER.test(rest) && !names.beginsWithName(rest)) return undefined;
  return withNext([names.byNumber(head[1] as string)], rest, names);
}

/** A line with only a choice may be contradicted by the next line, if that has only a choice too. */
function withSecondLine(first: readonly Choice[], rest: string, names: ActionNames): Head {
  const second = names.resolve(firstLine(rest.trimStart())) ?? [];
  return { choices: [...first, ...second.filter((choice) => !isSpelling(choice, first))], rest };
}

/** Adds a choice right after the first one: "2. retreat" repeats it, "2 or 3" and "attack, block" contradict it. */
function withNext(first: readonly Choice[], rest: string, names: ActionNames): Head {
  const join = /^(?:[\s.):\]*;"'`–—([-]|[,/&]|(?:or|and)\b)*/i.exec(rest)?.[0] ?? '';
  const next = rest.slice(join.length);
  const name = leadingName(next.split(BECAUSE, 1)[0] as string);
  const isJoined = /[,/&]|\b(?:or|and)\b/i.test(join);
  const number = isJoined && names.numbered ? HEAD_NUMBER.exec(next) : null;
  const second = names.resolve(name) ?? (number ? [names.byNumber(number[1] as string)] : []);
  return { choices: [...first, ...second.filter((choice) => !isSpelling(choice, first))], rest };
}

/** Whether a choice is another spelling of the first one: "2. power attack" if the second action is "power_attack". */
function isSpelling(choice: Choice, first: readonly Choice[]): boolean {
  const [only] = first;
  if (first.length !== 1 || only?.kind !== 'action' || choice.kind !== 'action') return false;
  return normalizeName(only.action) === normalizeName(choice.action);
}

export function firstLine(text: string): string {
  const end = text.indexOf('\n');
  return end < 0 ? text : text.slice(0, end);
}

/** Returns the words before the first punctuation, where "2. retreat: too dangerous" repeats its choice by name. */
function leadingName(text: string): string {
  const line = firstLine(text);
  const end = line.search(/[:;!?()–—]|[.,](?!\d)|\s-\s/);
  return end < 0 ? line : line.slice(0, end);
}

export function fromLabels(text: string, names: ActionNames): Explicit | undefined {
  const choices: Choice[] = [];
  for (const match of text.matchAll(LABELLED)) choices.push(...readValue((match[1] as string).trim(), names));
  if (choices.length === 0) return undefined;
  return { choices, reason: REASON_LINE.exec(text)?.[1] ?? text.replace(LABELLED, '') };
}

/** Returns choices that labels state after a choice at the head: "2", then "ACTION: 3". */
export function labelledAgain(head: Head, names: ActionNames): Choice[] {
  const choices: Choice[] = [];
  for (const match of head.rest.matchAll(LABELLED)) choices.push(...(names.resolve(match[1] as string) ?? []));
  return choices.filter((choice) => !isSpelling(choice, head.choices));
}
