import { defined } from '../defined.ts';
import { type ErrorCode, PlannerError } from '../errors.ts';
import { ActionNames, type Choice, chosen } from './action-names.ts';
import { askedJson, cutJson, type JsonMembers } from './asked-json.ts';
import { fromJson, fromObjects } from './json-choice.ts';
import { beforeBecause, inlineNumbers, mentions } from './mentions.ts';
import { asciiDigits } from './numerals.ts';
import { type Explicit, firstLine, fromHead, fromLabels, labelledAgain, REASON_LINE } from './stated-choice.ts';
import { stripThinking } from './thoughts.ts';

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
/** Of a long answer, the end is read for the form that was asked for. */
const TAIL_CHARS_MAX = 2_000;
/** The form that was asked for stands within this many characters, or it is not there. */
const ASKED_CHARS_MAX = 2_000;
/** So does JSON, with a thought and some white space. Looked at for each network read, so no further. */
const ASKED_JSON_CHARS_MAX = 4_000;

/** Takes off what wraps an answer: `\boxed{2}`, `<answer>2</answer>`, tokens of a chat template that leaked. */
export function unwrap(text: string): string {
  return text
    .replace(/\\boxed\{(?:\\text\{)?([^{}]{1,200})\}{1,2}/g, '$1')
    .replace(/<\/?(?:answer|action|choice|final|output|response|s)>|<\|[a-z_]{1,40}\|>|<(?:start|end)_of_turn>/gi, '\n')
    .trim();
}

/** Tokens of a template that stand before an answer, as behind the mark of its channel. */
const LEADING_TOKENS = /^(?:\s{0,20}<\|[a-z_]{1,40}\|>(?:[a-z_]{1,20}(?=\s{0,3}<\|message\|>))?){1,8}/i;

export function withoutTokens(text: string): string {
  return text.replace(LEADING_TOKENS, '');
}

function clip(reason: string): string {
  const flat = reason.replace(/\s+/g, ' ').trim();
  return flat.length > REASON_CHARS_MAX ? `${flat.slice(0, REASON_CHARS_MAX - 1)}…` : flat;
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
  return { kind: 'vote', vote: { action, reason: clip(reason), ...defined({ confidence }) } };
}

/** The vote in an answer. `actions` are the ones offered, in the order of their numbers. */
export function parseVote(answer: string, actions: readonly string[]): ParsedVote {
  return parseVoteOf(answer, ActionNames.of(actions));
}

/** The same for those who read many answers with the same actions. */
export function parseVoteOf(answer: string, names: ActionNames): ParsedVote {
  // A stream may have been cut at the end of its first sentence: what follows must not change the vote.
  // The same answer after thinking has the same vote.
  const visible = withoutTokens(stripThinking(answer));
  const asked = askedForm(answer) ?? askedForm(visible);
  if (asked !== undefined) return fromText(asked.trim(), names);
  const members = askedJson(answer) ?? askedJson(visible);
  if (members !== undefined) return fromMembers(members, names);
  const text = unwrap(visible.trim().slice(0, READ_CHARS_MAX));
  if (text === '') return { kind: 'none' };
  const tail = visible.trim().slice(-TAIL_CHARS_MAX);
  const json = fromJson(text, names) ?? (isLong(visible) ? fromJson(tail, names) : undefined);
  if (json !== undefined) return decide(json.choices, json.reason, json.confidence);
  const cut = cutJson(visible);
  if (cut !== undefined) return fromMembers(cut, names);
  if (!isListing(text)) return fromText(text, names, tail);
  const body = text.replace(LISTED_LINE, '').trim();
  const concluded: ParsedVote = body === '' ? { kind: 'none' } : fromText(body, names, tail);
  return concluded.kind === 'vote' ? concluded : decide(chosen(mentions(text, names)), text);
}

/** Where the choice is missing nothing else is read: a thought names actions that it turns down. */
function fromMembers(members: JsonMembers, names: ActionNames): ParsedVote {
  const json = fromObjects([members], names);
  return json === undefined ? { kind: 'none' } : decide(json.choices, json.reason, json.confidence);
}

const LISTED_LINE = /^[ \t>*_#-]*(\p{Nd}{1,6})[.):。．、：）].*$/gmu;

/** Whether an answer goes through the actions, "1. …" and then "2. …": then the first one is not its choice. */
function isListing(text: string): boolean {
  const [first, second] = text.matchAll(LISTED_LINE);
  return asciiDigits(first?.[1] ?? '') === '1' && asciiDigits(second?.[1] ?? '') === '2';
}

/** `tail` is the end of the answer, where the form asked for stands after a thought that nothing marks. */
function fromText(text: string, names: ActionNames, tail = ''): ParsedVote {
  const head = fromHead(text, names);
  if (head === undefined) {
    const labels = fromLabels(text, names) ?? fromTail(tail, names);
    return labels === undefined ? fromSentence(text, names) : decide(labels.choices, labels.reason);
  }
  const reason = REASON_LINE.exec(head.rest)?.[1] ?? head.rest.replace(/^[\s:.)–—-]+/, '');
  const again = fromTail(tail, names)?.choices ?? [];
  return decide([...head.choices, ...labelledAgain(head, names), ...again], reason);
}

function isLong(visible: string): boolean {
  return visible.trim().length > READ_CHARS_MAX;
}

/**
 * The choice in the last two lines of several, alone on its line and followed by its reason at most. Nothing where other lines
 * that are a choice and nothing else state another one: that is a list of the actions.
 */
function fromTail(tail: string, names: ActionNames): Explicit | undefined {
  const lines = unwrap(tail)
    .split('\n')
    .filter((line) => line.trim() !== '');
  if (lines.length < 3) return undefined;
  const all = lines.map((line) => names.resolve(line));
  const choices = all.at(-1) ?? all.at(-2);
  if (choices === undefined) return undefined;
  const actions = new Set(
    all.flatMap((found) => found ?? []).map((each) => (each.kind === 'action' ? each.action : '')),
  );
  if (actions.size > 1) return undefined;
  return { choices, reason: (all.at(-1) === undefined ? lines.at(-1) : lines.slice(0, -1).join(' ')) ?? '' };
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
const ASKED_FORM = /^\s*\p{Nd}{1,6}[.):。．：）]?[ \t\r]*\n\s*[^\s{<][^\n{<]{7,}?(?:[.!?](?=\s|$)|[。！？]|\n)/u;

function askedForm(text: string): string | undefined {
  return ASKED_FORM.exec(text.slice(0, ASKED_CHARS_MAX))?.[0];
}

/**
 * Whether a streamed answer can be cut here: it has one of the forms that are asked for, two lines or a JSON object that
 * is closed, and nothing after it can change the vote. Answers of any other form are read to their end.
 */
export function isVoteComplete(answer: string): boolean {
  return askedForm(answer) !== undefined || askedJson(answer.slice(0, ASKED_JSON_CHARS_MAX)) !== undefined;
}

/** Whether JSON of the form asked for, whole or cut short, states a choice. */
export function hasJsonChoice(answer: string): boolean {
  return (askedJson(answer) ?? cutJson(answer))?.choice !== undefined;
}
