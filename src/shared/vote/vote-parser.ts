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
 * Reads which action a model chose, leniently: a number, a name in any case, an `ACTION:` line, JSON, or a sentence. An explicit
 * choice (the form asked for, a labelled line, a JSON field) takes precedence over names in running text. Two different actions
 * named in the same way are ambiguous; the first is never taken only because it is first.
 */
export interface Vote {
  /** One of the actions offered, byte for byte. */
  readonly action: string;
  readonly reason: string;
  /** Confidence from 0 to 1, if the model stated one. */
  readonly confidence?: number;
}

export type ParsedVote =
  | { readonly kind: 'vote'; readonly vote: Vote }
  | { readonly kind: 'none' }
  | { readonly kind: 'illegal'; readonly named: string }
  | { readonly kind: 'ambiguous'; readonly named: readonly string[] };

const REASON_CHARS_MAX = 400;
/** Number of characters that are read for a choice. An answer should be a line or two. */
const READ_CHARS_MAX = 8_000;
/** Number of characters at the end of a long answer that are read for the form asked for. */
const TAIL_CHARS_MAX = 2_000;
/** Number of characters within which the form asked for must be found. */
const ASKED_CHARS_MAX = 2_000;
/** Number of characters within which JSON with a thought and white space must be found. Kept short, because every network read checks it. */
const ASKED_JSON_CHARS_MAX = 4_000;

/** Removes what wraps an answer: `\boxed{2}`, `<answer>2</answer>`, leaked tokens of a chat template. */
export function unwrap(text: string): string {
  return text
    .replace(/\\boxed\{(?:\\text\{)?([^{}]{1,200})\}{1,2}/g, '$1')
    .replace(/<\/?(?:answer|action|choice|final|output|response|s)>|<\|[a-z_]{1,40}\|>|<(?:start|end)_of_turn>/gi, '\n')
    .trim();
}

/** Tokens of a template before an answer, such as those after the mark of its channel. */
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

/** Returns the vote in an answer. `actions` are the ones offered, in the order of their numbers. */
export function parseVote(answer: string, actions: readonly string[]): ParsedVote {
  return parseVoteOf(answer, ActionNames.of(actions));
}

/** Same as `parseVote`, for callers that read many answers with the same actions. */
export function parseVoteOf(answer: string, names: ActionNames): ParsedVote {
  // A stream may have been cut at the end of its first sentence, so what follows must not change the vote. The same answer after
  // thinking has the same vote.
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

/** Without a choice nothing else is read, because a thought names actions that it rejects. */
function fromMembers(members: JsonMembers, names: ActionNames): ParsedVote {
  const json = fromObjects([members], names);
  return json === undefined ? { kind: 'none' } : decide(json.choices, json.reason, json.confidence);
}

const LISTED_LINE = /^[ \t>*_#-]*(\p{Nd}{1,6})[.):。．、：）].*$/gmu;

/** Whether an answer lists the actions, "1. …" and then "2. …": then the first one is not its choice. */
function isListing(text: string): boolean {
  const [first, second] = text.matchAll(LISTED_LINE);
  return asciiDigits(first?.[1] ?? '') === '1' && asciiDigits(second?.[1] ?? '') === '2';
}

/** `tail` is the end of the answer, which has the form asked for if an unmarked thought precedes it. */
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
 * Returns the choice in the last two of several lines, alone on its line or followed only by its reason. Undefined if other
 * lines consist of a different choice alone: that is a list of the actions.
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

/** The last resort: returns what running text names. */
function fromSentence(text: string, names: ActionNames): ParsedVote {
  const choices = beforeBecause(text, (part) => {
    const mentioned = mentions(part, names);
    return [...chosen(mentioned), ...(names.numbered ? inlineNumbers(part, names, mentioned) : [])];
  });
  if (choices.length > 0) return decide(choices, text);
  const first = firstLine(text).trim();
  return first.length <= 40 && first.split(/\s+/).length <= 4 ? { kind: 'illegal', named: first } : { kind: 'none' };
}

/** Returns the vote, or throws the coded error that explains why there is none. */
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
 * Whether a streamed answer can be cut here: it has one of the forms asked for, two lines or a closed JSON object, and nothing
 * after it can change the vote. Answers of any other form are read to their end.
 */
export function isVoteComplete(answer: string): boolean {
  return askedForm(answer) !== undefined || askedJson(answer.slice(0, ASKED_JSON_CHARS_MAX)) !== undefined;
}

/** Whether JSON of the form asked for, whole or truncated, states a choice. */
export function hasJsonChoice(answer: string): boolean {
  return (askedJson(answer) ?? cutJson(answer))?.choice !== undefined;
}
