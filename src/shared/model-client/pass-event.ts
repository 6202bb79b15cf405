import { defined } from '../defined.ts';
import type { PlannerError } from '../errors.ts';
import { finishReasonOf, isNothing, statusOf, type TokenUsage, tokenCount } from './chat-event.ts';
import { errorText, serverFailure } from './failures.ts';

/** The members that are read of answers passed on: events and bodies of the Responses API, of completions and of embeddings. */
interface Told {
  /** Set in events of the Responses API. */
  readonly type?: unknown;
  readonly delta?: unknown;
  readonly response?: unknown;
  readonly status?: unknown;
  /** Set in completions. */
  readonly choices?: unknown;
  readonly error?: unknown;
  readonly usage?: unknown;
}

/** Returns the failure that an event or body reports. An empty `error` reports none. */
export function failureOf(value: object): PlannerError | undefined {
  const { type, response, error } = value as Told;
  if (!isNothing(error)) return serverFailure(statusOf(error), errorText(error));
  if (type === 'error') return serverFailure(statusOf(value), errorText(value));
  const whole = type === 'response.failed' ? ((response ?? {}) as Told) : (value as Told);
  if (type !== 'response.failed' && whole.status !== 'failed') return undefined;
  return serverFailure(500, !isNothing(whole.error) ? errorText(whole.error) : 'the response failed');
}

/** Events of the Responses API that precede the model's first words. */
const BEFORE_ANSWER = /^response\.(?:created|queued|in_progress|output_item\.added|content_part\.added)$/;

/** Whether the event shows that the model works: only content does, not the frame around it. */
export function isLife(event: object): boolean {
  const { type, delta, choices } = event as Told;
  if (Array.isArray(choices)) return choices.some((choice) => isSaid(choice?.text) || hasFinished(choice));
  if (typeof type === 'string' && BEFORE_ANSWER.test(type)) return false;
  // Of another vendor's event, it is only known that it arrived.
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

/** Returns the tokens that a body or its event reports, by either API's names. */
export function usageOf(told: object | null): TokenUsage {
  const usage = ((told as Told | null)?.usage ?? {}) as Readonly<Record<string, unknown>>;
  return defined({
    promptTokens: tokenCount(usage.input_tokens ?? usage.prompt_tokens),
    completionTokens: tokenCount(usage.output_tokens ?? usage.completion_tokens),
  });
}
