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

type Choice = { readonly kind: 'action'; readonly action: string } | { readonly kind: 'illegal'; readonly named: string };

/** Letters and digits only, lower case: "Power-Attack" and "power_attack" are the same name. */
export function normalizeName(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

class ActionNames {
  readonly actions: readonly string[];
  readonly numbered: boolean;
  /** Normalized name to action. Names that differ only in punctuation share an entry and resolve to the first. */
  readonly byName = new Map<string, string>();

  constructor(actions: readonly string[]) {
    this.actions = actions;
    this.numbered = !hasNumericNames(actions);
    for (const action of actions) {
      const name = normalizeName(action);
      if (name !== '' && !this.byName.has(name)) this.byName.set(name, action);
    }
  }

  /** What a short text names when it names nothing else: "3", "3. block", "Block!", "**block**". */
  resolve(text: string): Choice | undefined {
    const bare = text.trim();
    if (bare === '') return undefined;
    if (this.actions.includes(bare)) return { kind: 'action', action: bare };
    const number = /^(?:(?:action|option|choice|number|no\.?)\s*)?[#([{*]*\s*(\d{1,6})\s*[)\]}*.:,]*$/i.exec(bare);
    if (number && this.numbered) return this.byNumber(number[1] as string);
    const unquoted = bare.replace(/^[\s"'`*_([{<]+|[\s"'`*_)\]}>.!,;:]+$/g, '');
    if (this.actions.includes(unquoted)) return { kind: 'action', action: unquoted };
    const action = this.byName.get(normalizeName(bare));
    return action === undefined ? undefined : { kind: 'action', action };
  }

  byNumber(digits: string): Choice {
    const action = this.actions[Number(digits) - 1];
    return action === undefined ? { kind: 'illegal', named: digits } : { kind: 'action', action };
  }
}

/** What is left when thinking is taken out. A thought that never ends leaves nothing after it. */
export function stripThinking(text: string): string {
  return text
    .replace(/<(think|thinking|reasoning)>[\s\S]*?<\/\1>/gi, ' ')
    .replace(/<(think|thinking|reasoning)>[\s\S]*$/i, ' ')
    .replace(/^[\s\S]*<\/(?:think|thinking|reasoning)>/i, ' ');
}

function clip(reason: string): string {
  const flat = reason.replace(/\s+/g, ' ').trim();
  return flat.length > REASON_CHARS_MAX ? `${flat.slice(0, REASON_CHARS_MAX - 1)}…` : flat;
}

const JSON_CHOICE_KEYS = ['action', 'choice', 'answer', 'index', 'number', 'action_number', 'actionNumber', 'decision', 'vote'];
const JSON_REASON_KEYS = ['reason', 'why', 'reasoning', 'explanation', 'rationale', 'justification'];

function firstKey(object: Record<string, unknown>, keys: readonly string[]): unknown {
  for (const key of keys) {
    if (Object.hasOwn(object, key) && object[key] !== null && object[key] !== undefined) return object[key];
  }
  return undefined;
}

/** The first JSON object in a text, fenced or bare, also one with text around it. */
function findJson(text: string): Record<string, unknown> | undefined {
  const start = text.indexOf('{');
  if (start < 0) return undefined;
  for (let end = text.lastIndexOf('}'); end > start; end = text.lastIndexOf('}', end - 1)) {
    try {
      const value: unknown = JSON.parse(text.slice(start, end + 1));
      return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
    } catch {
      // Not JSON up to this brace; a shorter piece may be.
      if (text.length > 2_000) return undefined;
    }
  }
  return undefined;
}

interface Explicit {
  readonly choices: readonly Choice[];
  readonly reason: string;
  readonly confidence?: number;
}

function readConfidence(value: unknown): number | undefined {
  const number = typeof value === 'string' ? Number.parseFloat(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number) || number < 0) return undefined;
  if (number <= 1) return number;
  return number <= 100 ? number / 100 : undefined;
}

function fromJson(text: string, names: ActionNames): Explicit | undefined {
  const object = findJson(text);
  if (object === undefined) return undefined;
  const choices: Choice[] = [];
  for (const key of JSON_CHOICE_KEYS) {
    const value = Object.hasOwn(object, key) ? object[key] : undefined;
    if (typeof value !== 'string' && typeof value !== 'number') continue;
    choices.push(names.resolve(String(value)) ?? { kind: 'illegal', named: String(value) });
  }
  if (choices.length === 0) return undefined;
  const reason = firstKey(object, JSON_REASON_KEYS);
  const confidence = readConfidence(object.confidence);
  return {
    choices,
    reason: typeof reason === 'string' ? reason : '',
    ...(confidence === undefined ? {} : { confidence }),
  };
}

const LABELLED =
  /^[\s>*_#-]*(?:(?:my|the|final|best|chosen|selected|recommended)\s+)*(?:action|choice|answer|decision|vote|recommendation)(?:\s+(?:number|is|taken))*[\s*_]*[:=][\s*_]*(.+)$/gim;
const REASON_LINE = /^[\s>*_#-]*(?:reason(?:ing)?|why|because|explanation|rationale|justification)[\s*_]*[:=][\s*_]*(.+)$/im;

/** The choice at the head of a text, with what follows it: "3", "3. block", "block - the reason", "3) because …". */
function fromHead(text: string, names: ActionNames): { choices: Choice[]; rest: string } | undefined {
  const trimmed = text.replace(/^[\s*_#>`"'([]+/, '');
  const whole = names.resolve(firstLine(trimmed));
  if (whole !== undefined) return { choices: [whole], rest: trimmed.slice(firstLine(trimmed).length) };
  const name = leadingName(trimmed);
  const byName = name.length < firstLine(trimmed).length ? names.resolve(name) : undefined;
  if (byName?.kind === 'action') return { choices: [byName], rest: trimmed.slice(name.length) };
  if (!names.numbered) return undefined;
  const head = /^(?:(?:action|option|choice|number|no\.?)\s*)?#?(\d{1,6})(?:\s*[.):\]*,;–—-]+|\s+(?=[\p{L}"'`*(]))\s*/iu.exec(trimmed);
  // "3.5 health points" and "20% of" are quantities, not choices.
  if (head === null || /^\d|^%/.test(trimmed.slice(head[0].length))) return undefined;
  const rest = trimmed.slice(head[0].length);
  const choices = [names.byNumber(head[1] as string)];
  const named = names.resolve(leadingName(rest));
  if (named !== undefined) choices.push(named);
  return { choices, rest };
}

function firstLine(text: string): string {
  const end = text.indexOf('\n');
  return end < 0 ? text : text.slice(0, end);
}

/** The words before the first punctuation: where "2. retreat: too dangerous" repeats its choice by name. */
function leadingName(text: string): string {
  const line = firstLine(text);
  const end = line.search(/[:;,.!?()–—]|\s-\s/);
  return end < 0 ? line : line.slice(0, end);
}

function fromLabels(text: string, names: ActionNames): Explicit | undefined {
  const choices: Choice[] = [];
  for (const match of text.matchAll(LABELLED)) {
    const value = (match[1] as string).trim();
    const choice = names.resolve(value);
    if (choice !== undefined) {
      choices.push(choice);
      continue;
    }
    const head = fromHead(value, names);
    if (head !== undefined) choices.push(...head.choices);
    else choices.push(...fromMentionsOrIllegal(value, names));
  }
  if (choices.length === 0) return undefined;
  return { choices, reason: REASON_LINE.exec(text)?.[1] ?? text.replace(LABELLED, '') };
}

function fromMentionsOrIllegal(value: string, names: ActionNames): Choice[] {
  const named = mentions(value, names);
  if (named.length > 0) return named.map((action) => ({ kind: 'action', action }));
  return [{ kind: 'illegal', named: leadingName(value).slice(0, 80) }];
}

const NEGATION = /(?:\bnot|n't|\bnever|\bavoid|\binstead of|\brather than|\bwithout|\bover|\bthan)\s+(?:to\s+|the\s+|an?\s+)?$/;

/** The actions a running text names, longest names first, so that "power attack" does not also name "attack". */
function mentions(text: string, names: ActionNames): string[] {
  let rest = ` ${text.toLowerCase().replace(/[^\p{L}\p{N}']+/gu, ' ')} `;
  const found = new Set<string>();
  const byLength = [...names.byName].sort((a, b) => b[0].length - a[0].length);
  for (const [name, action] of byLength) {
    const needle = ` ${name} `;
    for (let at = rest.indexOf(needle); at >= 0; at = rest.indexOf(needle, at + 1)) {
      if (!NEGATION.test(rest.slice(0, at + 1))) found.add(action);
      rest = `${rest.slice(0, at)} ${'\u0000'.repeat(name.length)} ${rest.slice(at + needle.length)}`;
    }
  }
  return [...found];
}

const BECAUSE = /\b(?:because|since|so that|in order to)\b/i;
const INLINE_NUMBER = /(?:\b(?:action|option|choice|number)\s*(?:number\s*)?#?|#)(\d{1,6})\b/gi;

function decide(choices: readonly Choice[], reason: string, confidence: number | undefined): ParsedVote {
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
  const text = stripThinking(answer.slice(0, READ_CHARS_MAX)).trim();
  if (text === '') return { kind: 'none' };
  const names = new ActionNames(actions);
  const json = fromJson(text, names);
  if (json !== undefined) return decide(json.choices, json.reason, json.confidence);
  const head = fromHead(text, names);
  if (head !== undefined) {
    const reason = REASON_LINE.exec(head.rest)?.[1] ?? head.rest.replace(/^[\s:.)–—-]+/, '');
    return decide(head.choices, reason, undefined);
  }
  const labels = fromLabels(text, names);
  if (labels !== undefined) return decide(labels.choices, labels.reason, undefined);
  return fromSentence(text, names);
}

/** The last resort: what a running text names. What stands before its "because" counts more than what follows. */
function fromSentence(text: string, names: ActionNames): ParsedVote {
  for (const part of [text.split(BECAUSE, 1)[0] as string, text]) {
    const choices: Choice[] = mentions(part, names).map((action) => ({ kind: 'action', action }));
    if (names.numbered) {
      for (const match of part.matchAll(INLINE_NUMBER)) choices.push(names.byNumber(match[1] as string));
    }
    if (choices.length > 0) return decide(choices, text, undefined);
  }
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

/**
 * Whether a streamed answer can be cut here: it has the form that was asked for, a choice on the first line and one
 * finished sentence after it. Answers of any other form are read to their end.
 */
export function isVoteComplete(answer: string): boolean {
  return /^\s*\d{1,6}[.):]?[\s:-]+[^\n{<]{8,}?(?:[.!?](?:\s|$)|\n)/.test(answer);
}
