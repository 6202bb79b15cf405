import { defined } from '../defined.ts';
import { PlannerError } from '../errors.ts';
import { BOUNDS_RULES, boundsFault, isObject } from '../untrusted-json.ts';
import { errorText, serverFailure } from './failures.ts';

/** Maximum credible number of tokens: a wrong figure from a server would spoil every sum. */
const TOKENS_MAX = 1_000_000_000;

export interface TokenUsage {
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  readonly cachedTokens?: number;
}

/** The parts of a chat stream's events that are read. Everything is optional, because servers differ. */
export interface ChunkEvent {
  readonly model?: unknown;
  readonly error?: unknown;
  readonly choices?: readonly ChunkChoice[];
  readonly usage?: {
    readonly prompt_tokens?: unknown;
    readonly completion_tokens?: unknown;
    readonly prompt_tokens_details?: { readonly cached_tokens?: unknown } | null;
  } | null;
  /** Timings of llama.cpp: prompt tokens cached and read, and tokens written so far. */
  readonly timings?: { readonly cache_n?: unknown; readonly prompt_n?: unknown; readonly predicted_n?: unknown };
}

export interface ChunkChoice {
  readonly index?: unknown;
  readonly delta?: AnswerPart | null;
  readonly message?: AnswerPart | null;
  readonly finish_reason?: unknown;
}

/** What an event adds to an answer: texts, or lists of parts. */
export interface AnswerPart {
  readonly content?: unknown;
  readonly reasoning_content?: unknown;
  readonly reasoning?: unknown;
  readonly thinking?: unknown;
  readonly reasoning_details?: unknown;
}

/** Whether this data ends a stream; some servers put blanks around it. */
export function isDone(data: string): boolean {
  return data.length < 64 && data.trim() === '[DONE]';
}

/** Parses an event of a stream, or a whole body; returns the failure if it is not JSON. */
export function parseEvent(data: string): unknown {
  const fault = boundsFault(data);
  if (fault !== undefined) {
    return new PlannerError('ERR_MODEL_MALFORMED', `an event of the stream ${BOUNDS_RULES[fault]}`);
  }
  try {
    return JSON.parse(data);
  } catch (cause) {
    return new PlannerError('ERR_MODEL_MALFORMED', 'an event of the stream is not JSON', { cause });
  }
}

/** Texts that mean "not finished yet" where the protocol has null. */
const NO_REASON: ReadonlySet<string> = new Set(['', 'null', 'none', 'undefined']);

/** Returns why a choice has ended; undefined while it continues. */
export function finishReasonOf(choice: { readonly finish_reason?: unknown } | null | undefined): string | undefined {
  const reason = choice?.finish_reason;
  if (typeof reason !== 'string' || NO_REASON.has(reason.trim().toLowerCase())) return undefined;
  return reason;
}

/** The choices of an event that contain something, if only that they have ended. */
export function choicesOf({ choices }: ChunkEvent): ChunkChoice[] {
  if (!Array.isArray(choices)) return [];
  return (choices as readonly (ChunkChoice | null | undefined)[]).filter((choice) => isChoice(choice));
}

function isChoice(choice: ChunkChoice | null | undefined): choice is ChunkChoice {
  if (choice === null || typeof choice !== 'object') return false;
  return isObject(choice.delta) || isObject(choice.message) || finishReasonOf(choice) !== undefined;
}

/** Whether an event reports tokens and no part of an answer: clients receive it only if they asked for it. */
export function isUsageEvent({ usage, choices }: ChunkEvent): boolean {
  return Boolean(usage) && (!Array.isArray(choices) || choices.length === 0);
}

/**
 * Returns the error that an event reports: its member `error`, or the event itself if its type or name says so. Some servers
 * send an empty `error` with every answer.
 */
export function errorOf(event: ChunkEvent, name?: string): unknown {
  if (!isNothing(event.error)) return event.error;
  const { object, type } = event as { readonly object?: unknown; readonly type?: unknown };
  const isFlat = object === 'error' || type === 'error' || name === 'error';
  return isFlat && choicesOf(event).length === 0 ? event : undefined;
}

/** Returns the text of an event without a choice: an error, if nothing else follows. */
export function wordsOf(event: ChunkEvent): string | undefined {
  const { message, detail, msg } = event as Readonly<Record<'message' | 'detail' | 'msg', unknown>>;
  const words = [message, detail, msg].find((each) => !isNothing(each));
  return words === undefined || choicesOf(event).length > 0 ? undefined : errorText(words);
}

/** Whether a member such as `error` is empty: servers send empty ones with good answers. */
export function isNothing(value: unknown): boolean {
  if (typeof value === 'string') return value.trim() === '';
  if (isObject(value)) return Object.values(value).every((member) => !isObject(member) && isNothing(member));
  return value === undefined || value === null || value === false || value === 0;
}

/** Returns the HTTP status that an error names, as a number or in digits; 500 if it names none. */
export function statusOf(error: unknown): number {
  const { code, status } = error as { readonly code?: unknown; readonly status?: unknown };
  const told = [code, status].map(Number).find((each) => Number.isInteger(each) && each >= 400 && each <= 599);
  return told ?? 500;
}

/** Returns the failure that an event reports; undefined if it is part of an answer. */
export function eventFailure(event: unknown, isConstrained: boolean, name?: string): PlannerError | undefined {
  if (event instanceof PlannerError) return event;
  if (event === null || typeof event !== 'object') {
    return new PlannerError('ERR_MODEL_MALFORMED', 'an event of the stream is not an object');
  }
  const error = errorOf(event, name);
  return error === undefined ? undefined : serverFailure(statusOf(error), errorText(error), isConstrained);
}

/**
 * What an event contains of an answer, in any of its choices: `content` (words, a thought, a tool call), `blank` if only white
 * space, or `none`. Every member of a delta counts except the role: servers have more of them than OpenAI.
 */
export function contentOf({ choices }: ChunkEvent): 'content' | 'blank' | 'none' {
  let found: 'blank' | 'none' = 'none';
  if (!Array.isArray(choices)) return found;
  for (const choice of choices) {
    const part = choice?.delta ?? choice?.message;
    if (!isObject(part)) continue;
    for (const [name, value] of Object.entries(part)) {
      const weight = name === 'role' ? 'none' : isCall(name, value) ? 'content' : weightOf(value);
      if (weight === 'content') return weight;
      if (weight === 'blank') found = weight;
    }
  }
  return found;
}

/** A tool call is part of an answer even before its name has arrived. */
function isCall(name: string, value: unknown): boolean {
  if (name !== 'tool_calls' && name !== 'function_call') return false;
  return Array.isArray(value) ? value.length > 0 : isObject(value);
}

/** Members of a part that describe it and are not part of the answer. */
const LABELS: ReadonlySet<string> = new Set(['type', 'index', 'format', 'role']);

function weightOf(value: unknown): 'content' | 'blank' | 'none' {
  if (typeof value === 'string') return value === '' ? 'none' : /\S/.test(value) ? 'content' : 'blank';
  let found: 'blank' | 'none' = 'none';
  if (!isObject(value)) return found;
  for (const [name, member] of Object.entries(value)) {
    const weight = LABELS.has(name) ? 'none' : weightOf(member);
    if (weight === 'content') return weight;
    if (weight === 'blank') found = weight;
  }
  return found;
}

/** The words that a part adds, and what it adds to the thought before them. Lists of parts may contain both. */
export function textOf(part: AnswerPart): { readonly words: string; readonly thought: string } {
  const { content, reasoning_content, reasoning, thinking, reasoning_details } = part;
  const thoughts = [reasoning_content, reasoning, thinking, reasoning_details].map((each) => partText(each, 'any'));
  const thought = thoughts.find((each) => each !== '') ?? '';
  return { words: partText(content, 'words'), thought: thought === '' ? partText(content, 'thought') : thought };
}

const OF_THOUGHT = /think|thought|reason|analysis/i;

/** Returns the text of a value that is a text, a part, or a list of parts of the `kind` asked for. */
function partText(value: unknown, kind: 'words' | 'thought' | 'any'): string {
  if (typeof value === 'string') return kind === 'thought' ? '' : value;
  if (Array.isArray(value)) return value.map((each) => partText(each, kind)).join('');
  if (!isObject(value)) return '';
  const { type, text, content, thinking, reasoning } = value as Readonly<Record<string, unknown>>;
  const isThought = typeof type === 'string' && OF_THOUGHT.test(type);
  if (kind !== 'any' && isThought !== (kind === 'thought')) return '';
  return partText([text, content, ...(isThought ? [thinking, reasoning] : [])].find(isText) ?? '', 'any');
}

function isText(value: unknown): boolean {
  return typeof value === 'string' || isObject(value);
}

/** Updates the known token figures with those of an event. */
export function usageAfter(known: TokenUsage, event: ChunkEvent): TokenUsage {
  if (!event.usage && !event.timings) return known;
  const { cache_n, prompt_n, predicted_n } = event.timings ?? {};
  const prompt =
    event.usage?.prompt_tokens ?? (isTokenCount(cache_n) && isTokenCount(prompt_n) ? cache_n + prompt_n : undefined);
  const completion = event.usage?.completion_tokens ?? predicted_n;
  const cached = event.usage?.prompt_tokens_details?.cached_tokens ?? cache_n;
  return {
    ...known,
    ...defined({
      promptTokens: tokenCount(prompt),
      completionTokens: tokenCount(completion),
      cachedTokens: tokenCount(cached),
    }),
  };
}

/** Returns a token count reported by a server; undefined if it is not a possible count. */
export function tokenCount(value: unknown): number | undefined {
  return isTokenCount(value) ? value : undefined;
}

function isTokenCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= TOKENS_MAX;
}
