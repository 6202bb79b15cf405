import type { PlanSource } from '../../shared/decision.ts';
import type { Attempt } from '../models/calls/attempt.ts';
import type { Why } from './ladder/why.ts';

/**
 * How far past its deadline a plan may settle and still count as on time: a timer of Node fires about a millisecond
 * late, and a garbage collection or a full event loop adds a few. It is the p99 the project promises (issue 2).
 */
export const LATENESS_MS_MAX = 15;

/** The answer to one request. `A` is the type of the request's actions: their union where the compiler knows them. */
export interface Plan<A extends string = string> {
  readonly id: number;
  readonly agent: string;
  /** One of `request.actions`, byte for byte. */
  readonly action: A;
  readonly source: PlanSource;
  readonly reason: string;
  /** Why no model decided; absent where one did, or the cache served what one had decided for this state. */
  readonly why?: Why;
  /** The model that decided, where one did. */
  readonly model?: string;
  readonly attempts: readonly Attempt[];
  /** Whether it shared the work of another request in the same state. */
  readonly coalesced: boolean;
  /** For answers from memory: how long ago they were decided, milliseconds. */
  readonly ageMs?: number;
  /** From the request to this answer, milliseconds. */
  readonly latencyMs: number;
  /** How far the deadline was passed when the plan settled, milliseconds; 0 when it was not. */
  readonly latenessMs: number;
}

export interface PlanOptions {
  /** Time until the plan settles, milliseconds. Default: the planner's `timeoutMs`. */
  readonly timeoutMs?: number;
  /** Where plans wait for models, higher numbers come first. Default: the domain's for the scene, else 0. */
  readonly priority?: number;
  /** Ends the plan: it rejects with ERR_PLAN_CANCELLED, and its model work stops unless others wait for it. */
  readonly signal?: AbortSignal;
  /**
   * Hears each attempt as it ends, while the plan is waited for: the votes as they arrive. Of a plan that joins work under
   * way, those that have ended come at once. Called synchronously; what it throws becomes a warning.
   */
  readonly onAttempt?: (attempt: Attempt) => void;
}

export interface CloseOptions {
  /** Plans in flight have until their own deadlines, and at most so long, milliseconds. Default 0. */
  readonly drainMs?: number;
}
