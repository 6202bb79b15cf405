import type { Decision } from '../../../shared/decision.ts';
import { decodeError, type ErrorWire, encodeError } from '../../../shared/errors.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import type { ChatPlannerStats } from '../../chat/chat-planner.ts';
import type { SentOptions } from '../../chat/decisions/decide.ts';
import type { Attempt } from '../../models/calls/attempt.ts';
import type { AnyPlannerOptions } from '../../options/planner-options.ts';
import type { Future } from '../../plans/expectations/future.ts';
import type { CloseOptions, Plan } from '../../plans/plan.ts';

/**
 * Messages between a host and a planner in another thread or process. Calls and replies are comlink's and carry an `id`; messages with a `kind` go
 * one way, in the same order. Data only: signals arrive as `{}`, and functions not at all.
 */
export type ToPlanner =
  | { readonly kind: 'start'; readonly options: AnyPlannerOptions }
  /** Which events the host listens to from now on. */
  | { readonly kind: 'listen'; readonly plan: boolean; readonly warning: boolean }
  /** The caller no longer waits for this plan. No effect if it has settled. */
  | { readonly kind: 'cancel'; readonly call: number };

export type FromPlanner =
  | { readonly kind: 'ready'; readonly cacheBuffer: SharedArrayBuffer | undefined }
  | { readonly kind: 'failed'; readonly error: ErrorWire }
  | { readonly kind: 'attempt'; readonly call: number; readonly attempt: Attempt }
  | { readonly kind: 'plan'; readonly plan: Plan; readonly request: PlanRequest }
  | { readonly kind: 'warning'; readonly message: string };

/** A plan request as sent over the channel. */
export interface PlanCallWire {
  /** Identifies the call in `cancel` and `attempt`. */
  readonly call: number;
  readonly request: PlanRequest;
  readonly timeoutMs: number;
  readonly priority: number | undefined;
  readonly wantsAttempts: boolean;
  /** On the clock that both sides share; undefined if they do not. */
  readonly sentAtMs: number | undefined;
}

/** A request for decisions as sent over the channel. */
export interface DecideCallWire {
  /** Identifies the call in `cancel`. */
  readonly call: number;
  readonly request: unknown;
  readonly options: SentOptions;
}

/** The interface that comlink exposes. Nothing in it throws: comlink would drop the error's code. */
export interface PlannerApi {
  plan(asked: PlanCallWire): Promise<Reply<Plan>>;
  decide(asked: DecideCallWire): Promise<Reply<unknown>>;
  peek(request: PlanRequest): Promise<Reply<Decision | undefined>>;
  expect(futures: readonly Future[]): Promise<Reply<undefined>>;
  observe(state: PlanRequest): Promise<Reply<undefined>>;
  stats(): Promise<Reply<ChatPlannerStats>>;
  clearCache(): Promise<Reply<undefined>>;
  close(options: CloseOptions): Promise<Reply<undefined>>;
}

/** The outcome of a call, as sent over the channel. */
export type Reply<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ErrorWire };

/** The outcome of `run`. Never rejects. */
export async function replyOf<T>(run: () => T | Promise<T>): Promise<Reply<T>> {
  try {
    return { ok: true, value: await run() };
  } catch (error) {
    return { ok: false, error: encodeError(error) };
  }
}

/** The value of a reply; throws its error with code, message and `retryable`. */
export function unwrapped<T>(reply: Reply<T>): T {
  if (reply.ok) return reply.value;
  throw decodeError(reply.error);
}

/** Distinguishes our own messages from comlink's. */
export function isOwn(message: unknown): message is ToPlanner | FromPlanner {
  return message !== null && typeof message === 'object' && 'kind' in message;
}
