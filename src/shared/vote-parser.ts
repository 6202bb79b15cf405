import { LRUCache } from 'lru-cache';
import { type ErrorCode, PlannerError } from './errors.ts';
import { hasNumericNames } from './situation.ts';

/**
 * Reads which action a model chose, leniently: a number, a name in any case, an `ACTION:` line, JSON, or a sentence. An
 * explicit choice (the form asked for, a labelled line, a JSON field) is believed over mentions in running text. Two
 * different actions named in the same way are ambiguous; the first is never taken just because it is first.
 */
export interface Vote {
  /** One of the actions offered, byte for byte. */
  readonly action: string;
  readonly reason: string;
  /** 0 to 1, where the model stated one. */
  readonly confidence?: number;
}

export type ParsedVote =
  | { readonly kind: 'vote'; readonly vote: Vote }
  | { readonly kind: 'none' }
  | { readonly kind: 'illegal'; readonly named: string }
  | { readonly kind: 'ambiguous'; readonly named: readonly string[] };

const REASON_CHARS_MAX = 400;
/** An answer is a line or two. What comes after this many characters is not read for a choice. */
const READ_CHARS_MAX = 8_000;
/** The form that was asked for stands within this many characters, or it is not there. */
const ASKED_CHARS_MAX = 2_000;
/** Longer than any name of an action (`REQUEST_LIMITS.actionChars`) with its number and decoration. */
const CHOICE_CHARS_MAX = 1_200;

type Choice =
  | { readonly kind: 'action'; readonly action: string }
  | { readonly kind: 'illegal'; readonly named: string };

/** The names of actions come back in every answer; long texts do not. */
const NAME_CHARS_KEPT = 100;
const normalizedNames = new LRUCache<string, string>({ max: 4_096 });

/**
 * Letters and digits only, lower case, one space between words: "Power-Attack" and "power_attack" are the same name. Han
 * characters are words of their own, for no spaces part them; "don't" is "do not".
 */
export function normalizeName(name: string): string {
  const kept = normalizedNames.get(name);
  if (kept !== undefined) return kept;
  const normalized = name
    .toLowerCase()
    .replace(/n['’]t\b/g, ' not')
    .replace(/\p{Script=Han}/gu, ' $& ')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
  if (name.length <= NAME_CHARS_KEPT) normalizedNames.set(name, normalized);
  return normalized;
}

/** Of actions that differ only in punctuation, those whose own spelling stands in the text; all of them where none does. */
function spelledIn(text: string, sharers: readonly string[]): readonly string[] {
  if (sharers.length === 1) return sharers;
  const spelled = sharers.filter((action) => text.includes(action));
  // "1" also stands in "-1".
  const longest = spelled.filter((action) => !spelled.some((other) => other !== action && other.includes(action)));
  return longest.length > 0 ? longest : sharers;
}

function chosen(actions: readonly string[]): Choice[] {
  return actions.map((action) => ({ kind: 'action', action }));
}

class ActionNames {
  readonly actions: readonly string[];
  readonly numbered: boolean;
  /** Normalized name to the actions that have it: names that differ only in punctuation share an entry. */
  readonly byName = new Map<string, string[]>();

  constructor(actions: readonly string[]) {
    this.actions = actions;
    this.numbered = !hasNumericNames(actions);
    for (const action of actions) {
      const name = normalizeName(action);
      const sharers = this.byName.get(name);
      if (sharers !== undefined) sharers.push(action);
      else if (name !== '') this.byName.set(name, [action]);
    }
  }

  /** What a short text names when it names nothing else: "3", "Block!", "**block**". Several where it could be either. */
  resolve(text: string): readonly Choice[] | undefined {
    const bare = text.trim();
    if (bare === '' || bare.length > CHOICE_CHARS_MAX) return undefined;
    if (this.actions.includes(bare)) return chosen([bare]);
    const number =
      /^(?:(?:action|option|choice|number|no\.?)\s*:?\s*)?[#([{*$"'`]*\s*(\d{1,6})\s*[)\]}*$"'`.:,!]*$/i.exec(bare);
    if (number && this.numbered) return [this.byNumber(number[1] as string)];
    const unquoted = bare.replace(/^[\s"'`*_([{<]+|(?<![\s"'`*_)\]}>.!,;:])[\s"'`*_)\]}>.!,;:]+$/g, '');
    if (this.actions.includes(unquoted)) return chosen([unquoted]);
    // The sign is all that parts "-1" from "1".
    if (/^-\d/.test(unquoted)) return [{ kind: 'illegal', named: unquoted }];
    const sharers = this.byName.get(normalizeName(bare));
    return sharers && chosen(spelledIn(bare, sharers));
  }

  byNumber(digits: string): Choice {
    const action = this.actions[Number(digits) - 1];
    return action === undefined ? { kind: 'illegal', named: digits } : { kind: 'action', action };
  }

  /** Whether a text begins with the name of an action. */
  beginsWithName(text: string): boolean {
    const words = `${normalizeName(text.slice(0, CHOICE_CHARS_MAX))} `;
    for (const name of this.byName.keys()) if (words.startsWith(`${name} `)) return true;
    return false;
  }
}

const THOUGHT_TAG = /<(\/?)(?:think|thinking|thought|reasoning)>/gi;

/**
 * What is left when thinking is taken out. A thought that never ends leaves nothing after it; one that never began (its
 * tag was the end of the prompt) leaves nothing before it.
 */
export function stripThinking(text: string): string {
  let kept = '';
  let from = 0;
  let isThinking = false;
  for (const tag of text.matchAll(THOUGHT_TAG)) {
    if (tag[1] === '/') {
      if (!isThinking) kept = '';
      from = tag.index + tag[0].length;
    } else if (!isThinking) {
      kept += `${text.slice(from, tag.index)} `;
    }
    isThinking = tag[1] !== '/';
  }
  return isThinking ? kept : kept + text.slice(from);
}

/** Takes off what wraps an answer: `\boxed{2}`, `<answer>2</answer>`, tokens of a chat template that leaked. */
function unwrap(text: string): string {
  return text
    .replace(/\\boxed\{(?:\\text\{)?([^{}]{1,200})\}{1,2}/g, '$1')
    .replace(/<\/?(?:answer|action|choice|final|output|response|s)>|<\|[a-z_]{1,40}\|>|<(?:start|end)_of_turn>/gi, '\n')
    .trim();
}

function clip(reason: string): string {
  const flat = reason.replace(/\s+/g, ' ').trim();
  return flat.length > REASON_CHARS_MAX ? `${flat.slice(0, REASON_CHARS_MAX - 1)}…` : flat;
}

const JSON_CHOICE_KEYS = [
  'action',
  'choice',
  'answer',
  'index',
  'number',
  'action_number',
  'actionNumber',
  'decision',
  'vote',
];
const JSON_REASON_KEYS = ['reason', 'why', 'reasoning', 'explanation', 'rationale', 'justification'];
/** Opening and closing braces tried, each. */
const JSON_TRIES_MAX = 8;

function firstKey(object: Record<string, unknown>, keys: readonly string[]): unknown {
  for (const key of keys) {
    if (Object.hasOwn(object, key) && object[key] !== null && object[key] !== undefined) return object[key];
  }
  return undefined;
}

/** The JSON objects in a text, fenced or bare, also with text around them. */
function findJson(text: string): Record<string, unknown>[] {
  const ends: number[] = [];
  for (let end = text.lastIndexOf('}'); end > 0 && ends.length < JSON_TRIES_MAX; end = text.lastIndexOf('}', end - 1)) {
    ends.push(end);
  }
  const objects: Record<string, unknown>[] = [];
  let start = text.indexOf('{');
  for (let tries = 0; start >= 0 && tries < JSON_TRIES_MAX; tries++) {
    const end = ends.find((at) => at > start && isJson(text.slice(start, at + 1)));
    if (end !== undefined) objects.push(JSON.parse(text.slice(start, end + 1)) as Record<string, unknown>);
    start = text.indexOf('{', (end ?? start) + 1);
  }
  return objects;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

interface Explicit {
  readonly choices: readonly Choice[];
  readonly reason: string;
  readonly confidence?: number;
}

function readConfidence(value: unknown): number | undefined {
  const number = typeof value === 'string' ? Number.parseFloat(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number) || number < 0) return undefined;
  if (number <= 1 && !String(value).includes('%')) return number;
  return number <= 100 ? number / 100 : undefined;
}

function fromJson(text: string, names: ActionNames): Explicit | undefined {
  const objects = findJson(text).filter((object) => firstKey(object, JSON_CHOICE_KEYS) !== undefined);
  const choices = objects.flatMap((object) => jsonChoices(object, names));
  const [object] = objects;
  if (object === undefined || choices.length === 0) return undefined;
  const reason = firstKey(object, JSON_REASON_KEYS);
  const confidence = readConfidence(object.confidence);
  return {
    choices,
    reason: typeof reason === 'string' ? reason : '',
    ...(confidence === undefined ? {} : { confidence }),
  };
}

function jsonChoices(object: Record<string, unknown>, names: ActionNames): Choice[] {
  const choices: Choice[] = [];
  for (const key of JSON_CHOICE_KEYS) {
    const value = Object.hasOwn(object, key) ? object[key] : undefined;
    if (typeof value === 'string' || typeof value === 'number') choices.push(...readValue(String(value), names));
  }
  return choices;
}

/** What a labelled value or a JSON field chooses: "2", "2. block", "Block - it is safe". */
function readValue(value: string, names: ActionNames): readonly Choice[] {
  const choices = names.resolve(value) ?? fromHead(value, names)?.choices;
  if (choices !== undefined) return choices;
  const named = beforeBecause(value, (part) => mentions(part, names));
  return named.length > 0 ? chosen(named) : [{ kind: 'illegal', named: leadingName(value).slice(0, 80) }];
}

// "Action: 2", "**Final answer:** block", `"action": "block"` of a JSON object that was cut, "ANSWER" alone on its line.
const LABELLED =
  /^[ \t>*_#{"'-]*(?:(?:my|the|final|best|chosen|selected|recommended|first)[ \t]+)*(?:action|choice|answer|decision|vote|recommendation|line)(?:[ \t_]+(?:number|is|taken|to take))*[ \t*_"']*(?:[:=：]|\n)[\s*_]*(.+)$/gim;
const REASON_LINE =
  /^[ \t>*_#{"'-]*(?:reason(?:ing)?|why|because|explanation|rationale|justification|second line)[ \t*_"']*[:=：][\s*_]*(.+)$/im;

// "2 because", "2 (block)", "2 It is safe". After a space alone a small letter begins a quantity: "2 enemies are near".
const AFTER_NUMBER =
  /^\s*(?:$|\n|[.):\]*,;–—/&-])|^\s+(?:[\p{Lu}"'`*([]|(?:because|since|as|for|to|is|due|so|given|or|and|it|this|the)\b)/u;
const HEAD_NUMBER = /^(?:(?:action|option|choice|number|no\.?)\s*)?#?(\d{1,6})(?![\d%]|[.,]\d|\s*%)/i;

interface Head {
  readonly choices: readonly Choice[];
  /** What follows the choice. */
  readonly rest: string;
}

/** The choice at the head of a text, with what follows it: "3", "3. block", "block - the reason", "3) because …". */
function fromHead(text: string, names: ActionNames): Head | undefined {
  const trimmed = text.replace(/^[\s*_#>`"'([]+/, '');
  const whole = names.resolve(firstLine(text)) ?? names.resolve(firstLine(trimmed));
  if (whole !== undefined) return withSecondLine(whole, trimmed.slice(firstLine(trimmed).length), names);
  const name = leadingName(trimmed);
  const named = name.length < firstLine(trimmed).length ? names.resolve(name) : undefined;
  if (named?.[0]?.kind === 'action') return withNext(named, trimmed.slice(name.length), names);
  const head = names.numbered ? HEAD_NUMBER.exec(trimmed) : null;
  if (head === null) return undefined;
  const rest = trimmed.slice(head[0].length);
  if (!AFTER_NUMBER.test(rest) && !names.beginsWithName(rest)) return undefined;
  return withNext([names.byNumber(head[1] as string)], rest, names);
}

/** A line that is a choice and nothing else may be contradicted by the next line, if that is nothing else either. */
function withSecondLine(first: readonly Choice[], rest: string, names: ActionNames): Head {
  const second = names.resolve(firstLine(rest.trimStart())) ?? [];
  return { choices: [...first, ...second.filter((choice) => !isSpelling(choice, first))], rest };
}

/** Adds a choice that stands right after the first: "2. retreat" repeats it, "2 or 3" and "attack, block" contradict it. */
function withNext(first: readonly Choice[], rest: string, names: ActionNames): Head {
  const join = /^(?:[\s.):\]*;"'`–—([-]|[,/&]|(?:or|and)\b)*/i.exec(rest)?.[0] ?? '';
  const next = rest.slice(join.length);
  const name = leadingName(next.split(BECAUSE, 1)[0] as string);
  const isJoined = /[,/&]|\b(?:or|and)\b/i.test(join);
  const number = isJoined && names.numbered ? HEAD_NUMBER.exec(next) : null;
  const second = names.resolve(name) ?? (number ? [names.byNumber(number[1] as string)] : []);
  return { choices: [...first, ...second.filter((choice) => !isSpelling(choice, first))], rest };
}

/** Whether a choice is the first one in another spelling: "2. power attack" where the second action is "power_attack". */
function isSpelling(choice: Choice, first: readonly Choice[]): boolean {
  const [only] = first;
  if (first.length !== 1 || only?.kind !== 'action' || choice.kind !== 'action') return false;
  return normalizeName(only.action) === normalizeName(choice.action);
}

function firstLine(text: string): string {
  const end = text.indexOf('\n');
  return end < 0 ? text : text.slice(0, end);
}

/** The words before the first punctuation: where "2. retreat: too dangerous" repeats its choice by name. */
function leadingName(text: string): string {
  const line = firstLine(text);
  const end = line.search(/[:;!?()–—]|[.,](?!\d)|\s-\s/);
  return end < 0 ? line : line.slice(0, end);
}

function fromLabels(text: string, names: ActionNames): Explicit | undefined {
  const choices: Choice[] = [];
  for (const match of text.matchAll(LABELLED)) choices.push(...readValue((match[1] as string).trim(), names));
  if (choices.length === 0) return undefined;
  return { choices, reason: REASON_LINE.exec(text)?.[1] ?? text.replace(LABELLED, '') };
}

const NEGATION =
  /(?:\bnot|n['’]t|\bcannot|\bnever|\bavoid|\binstead of|\brather than|\bwithout|\bover|\bthan)\s+(?:to\s+|the\s+|an?\s+|choose\s+|pick\s+)*$/;
const NEGATION_CHARS_MAX = 40;

function isNegated(text: string, at: number): boolean {
  return NEGATION.test(text.slice(Math.max(0, at - NEGATION_CHARS_MAX), at).toLowerCase());
}

/** The actions a running text names, longest names first, so that "power attack" does not also name "attack". */
function mentions(text: string, names: ActionNames): string[] {
  // "3.5" and "20%" are quantities, also where actions are called "3" or "20".
  const quantities = names.numbered
    ? text
    : text.replace(/\d+(?:[.,]\d+)+|\d+\s?%/g, (found) => (names.actions.includes(found) ? found : ' '));
  let rest = ` ${normalizeName(quantities)} `;
  const found = new Set<string>();
  const byLength = [...names.byName].sort((a, b) => b[0].length - a[0].length);
  for (const [name, sharers] of byLength) {
    const needle = ` ${name} `;
    for (let at = rest.indexOf(needle); at >= 0; at = rest.indexOf(needle, at + 1)) {
      if (!isNegated(rest, at + 1)) for (const action of spelledIn(text, sharers)) found.add(action);
      rest = `${rest.slice(0, at)} ${'\u0000'.repeat(name.length)} ${rest.slice(at + needle.length)}`;
    }
  }
  return [...found];
}

const BECAUSE = /\b(?:because|since|so that|in order to)\b|因为/i;
// "option 2", "#2", "I choose 2 or 3", "the answer is 2", "我选择2". A verb alone may have an amount: "pick 2 potions".
const INLINE_NUMBER =
  /(?:\b(?:actions?|options?|choices?|numbers?)\s*(?:number\s*)?#?\s?|#|(?:选择?|选项|动作|答案是?)[:：]?\s?)(\d{1,6})(?!\d|[.,]\d|\s?%)(?:\s?(?:,|\/|&|or|and|或)\s?#?(\d{1,6})\b)?|\b(?:choose|chose|pick|select|go with|going with|(?:action|answer|choice|option) is|vote (?:for|is))\s?#?(\d{1,6})(?!\d|[.,]\d|\s?%)(?:\s?(?:,|\/|&|or|and)\s?#?(\d{1,6})\b|(?=\s*(?:$|[.,;:!)"'*\n]|because|since|as\b|for\b|to\b)))/gi;

function inlineNumbers(text: string, names: ActionNames): Choice[] {
  const choices: Choice[] = [];
  for (const match of text.matchAll(INLINE_NUMBER)) {
    if (isNegated(text, match.index)) continue;
    for (const digits of match.slice(1)) if (digits !== undefined) choices.push(names.byNumber(digits));
  }
  return choices;
}

function decide(choices: readonly Choice[], reason: string, confidence?: number): ParsedVote {
  const actions = new Set<string>();
  for (const choice of choices) if (choice.kind === 'action') actions.add(choice.action);
  if (actions.size > 1) return { kind: 'ambiguous', named: [...actions] };
  const [action] = actions;
  if (action === undefined) {
    const illegal = choices.find((choice) => choice.kind === 'illegal');
    return illegal === undefined ? { kind: 'none' } : { kind: 'illegal', named: illegal.named };
  }
  return { kind: 'vote', vote: { action, reason: clip(reason), ...(confidence === undefined ? {} : { confidence }) } };
}

/** The vote in an answer. `actions` are the ones offered, in the order of their numbers. */
export function parseVote(answer: string, actions: readonly string[]): ParsedVote {
  const names = new ActionNames(actions);
  // A stream may have been cut at the end of its first sentence: what follows must not change the vote.
  const asked = askedForm(answer);
  if (asked !== undefined) return fromText(asked.trim(), names);
  const text = unwrap(stripThinking(answer).trim().slice(0, READ_CHARS_MAX));
  if (text === '') return { kind: 'none' };
  const json = fromJson(text, names);
  if (json !== undefined) return decide(json.choices, json.reason, json.confidence);
  if (!isListing(text)) return fromText(text, names);
  const body = text.replace(LISTED_LINE, '').trim();
  const concluded: ParsedVote = body === '' ? { kind: 'none' } : fromText(body, names);
  return concluded.kind === 'vote' ? concluded : decide(chosen(mentions(text, names)), text);
}

const LISTED_LINE = /^[ \t>*_#-]*(\d{1,6})[.):].*$/gm;

/** Whether an answer goes through the actions, "1. …" and then "2. …": then the first one is not its choice. */
function isListing(text: string): boolean {
  const [first, second] = text.matchAll(LISTED_LINE);
  return first?.[1] === '1' && second?.[1] === '2';
}

function fromText(text: string, names: ActionNames): ParsedVote {
  const head = fromHead(text, names);
  if (head === undefined) {
    const labels = fromLabels(text, names);
    return labels === undefined ? fromSentence(text, names) : decide(labels.choices, labels.reason);
  }
  const reason = REASON_LINE.exec(head.rest)?.[1] ?? head.rest.replace(/^[\s:.)–—-]+/, '');
  return decide([...head.choices, ...labelledAgain(head, names)], reason);
}

/** Choices that labels state outright after a choice at the head: "2", then "ACTION: 3". */
function labelledAgain(head: Head, names: ActionNames): Choice[] {
  const choices: Choice[] = [];
  for (const match of head.rest.matchAll(LABELLED)) choices.push(...(names.resolve(match[1] as string) ?? []));
  return choices.filter((choice) => !isSpelling(choice, head.choices));
}

/** What stands before "because" counts more than what follows. */
function beforeBecause<T>(text: string, read: (part: string) => readonly T[]): readonly T[] {
  const found = read(text.split(BECAUSE, 1)[0] as string);
  return found.length > 0 ? found : read(text);
}

/** The last resort: what a running text names. */
function fromSentence(text: string, names: ActionNames): ParsedVote {
  const choices = beforeBecause(text, (part) => [
    ...chosen(mentions(part, names)),
    ...(names.numbered ? inlineNumbers(part, names) : []),
  ]);
  if (choices.length > 0) return decide(choices, text);
  const first = firstLine(text).trim();
  return first.length <= 40 && first.split(/\s+/).length <= 4 ? { kind: 'illegal', named: first } : { kind: 'none' };
}

/** The vote, or the coded error that says why there is none. */
export function requireVote(answer: string, actions: readonly string[]): Vote {
  const parsed = parseVote(answer, actions);
  switch (parsed.kind) {
    case 'vote':
      return parsed.vote;
    case 'none':
      throw voteError('ERR_VOTE_NONE', `the answer names no action: ${quote(answer)}`);
    case 'illegal':
      throw voteError('ERR_VOTE_ILLEGAL', `"${parsed.named}" is not one of the ${actions.length} actions offered`);
    case 'ambiguous':
      throw voteError('ERR_VOTE_AMBIGUOUS', `the answer names several actions: ${parsed.named.join(', ')}`);
    default:
      return parsed satisfies never;
  }
}

function voteError(code: ErrorCode, message: string): PlannerError {
  return new PlannerError(code, message);
}

function quote(answer: string): string {
  const flat = answer.replace(/\s+/g, ' ').trim();
  return JSON.stringify(flat.length > 80 ? `${flat.slice(0, 80)}…` : flat);
}

// A number alone on the first line, and one finished sentence after it.
const ASKED_FORM = /^\s*\d{1,6}[.):]?[ \t\r]*\n\s*[^\s{<][^\n{<]{7,}?(?:[.!?](?=\s|$)|[。！？]|\n)/;

function askedForm(text: string): string | undefined {
  return ASKED_FORM.exec(text.slice(0, ASKED_CHARS_MAX))?.[0];
}

/**
 * Whether a streamed answer can be cut here: it has the form that was asked for, and nothing after it can change the
 * vote. Answers of any other form are read to their end.
 */
export function isVoteComplete(answer: string): boolean {
  return askedForm(answer) !== undefined;
}
