import { defined } from '../defined.ts';
import type { PlannerError } from '../errors.ts';
import { finishReasonOf, isNothing, statusOf, type TokenUsage, tokenCount } from './chat-event.ts';
import { errorText, serverFailure } from './failures.ts';

/** What is seen of answers that are passed on: events and whole bodies of the Responses API, of completions and of embeddings. */
interface Told {
  /** Of an event of the Responses API. */
  readonly type?: unknown;
  readonly delta?: unknown;
  readonly response?: unknown;
  readonly status?: unknown;
  /** Of completions. */
  readonly choices?: unknown;
  readonly error?: unknown;
  readonly usage?: unknown;
}

/** The failure that an event or a body tells of. An `error` that holds nothing tells of none. */
export function failureOf(value: object): PlannerError | undefined {
  const { type, response, error } = value as Told;
  if (!isNothing(error)) return serverFailure(statusOf(error), errorText(error));
  if (type === 'error') return serverFailure(statusOf(value), errorText(value));
  const whole = type === 'response.failed' ? ((response ?? {}) as Told) : (value as Told);
  if (type !== 'response.failed' && whole.status !== 'failed') return undefined;
  return serverFailure(500, !isNothing(whole.error) ? errorText(whole.error) : 'the response failed');
}

/** Of the Responses API, what comes before the model has said something. */
const BEFORE_ANSWER = /^response\.(?:created|queued|in_progress|output_item\.added|content_part\.added)$/;

/** Whether the event shows that the model works: content only, not the frame around it. */
export function isLife(event: object): boolean {
  const { type, delta, choices } = event as Told;
  if (Array.isArray(choices)) return choices.some((choice) => isSaid(choice?.text) || hasFinished(choice));
  if (typeof type === 'string' && BEFORE_ANSWER.test(type)) return false;
  // Of another vendor's event nothing is known but that it came.
  return typeof delta !== 'string' || delta !== '';
}

function isSaid(text: unknown): boolean {
  return typeof text === 'string' && text !== '';
}

function hasFinished(choice: Parameters<typeof finishReasonOf>[0]): boolean {
  return finishReasonOf(choice) !== undefined;
}

const TERMINAL: ReadonlySet<unknown> = new Set(['response.completed', 'response.incomplete', 'response.done']);

/** Whether the event is the last one that a whole answer needs. */
export function isTerminal(event: object): boolean {
  const { type, choices } = event as Told;
  if (TERMINAL.has(type)) return true;
  return Array.isArray(choices) && choices.some(hasFinished);
}

/** The tokens that a body or its event tells, by either API's names. */
export function usageOf(told: object | null): TokenUsage {
  const usage = ((told as Told | null)?.usage ?? {}) as Readonly<Record<string, unknown>>;
  return defined({
    promptTokens: tokenCount(usage.input_tokens ?? usage.prompt_tokens),
    completionTokens: tokenCount(usage.output_tokens ?? usage.completion_tokens),
  });
}
