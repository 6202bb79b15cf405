import type { PlanSource } from '../../shared/decision.ts';
import type { Attempt } from '../models/calls/attempt.ts';
import type { Why } from './ladder/why.ts';

/**
 * How far past its deadline a plan may settle and still count as on time: a timer of Node fires about a millisecond late, and a
 * garbage collection or a full event loop adds a few. It is the p99 that the project promises.
 */
export const LATENESS_MS_MAX = 15;

/** Whether a plan fits the newest state of its agent; `illegal`: the action that was decided is not possible there. */
export const LANDINGS = ['fits', 'moved', 'illegal'] as const;
export type Landing = (typeof LANDINGS)[number];

/** The answer to one request. `A` is the type of the request's actions: their union if the compiler knows them. */
export interface Plan<A extends string = string> {
  readonly id: number;
  readonly agent: string;
  /** The agent's domain, if the planner has several. */
  readonly domain?: string;
  /**
   * One of `request.actions`, byte for byte. If the host calls `observe` and the agent has come into another state meanwhile: one of
   * the actions of the newest state.
   */
  readonly action: A;
  readonly source: PlanSource;
  readonly reason: string;
  /** Why no model decided. Absent if a model decided, now or earlier for the same state. */
  readonly why?: Why;
  /** The model that decided, if one did. */
  readonly model?: string;
  /** If a model was read: the chance that asking models again, in words, would give the same action, from 0 to 1. */
  readonly confidence?: number;
  /** If a model was read: the probability of each action that it was offered. What is missing of 1 is doubt. */
  readonly probabilities?: Readonly<Record<string, number>>;
  readonly attempts: readonly Attempt[];
  /** If the answer was foreseen: how models were asked about this state before the request, so that `startMs` is negative. */
  readonly foreseen?: readonly Attempt[];
  /** True if the plan shared the model calls of another request in the same state, at this node or another. */
  readonly coalesced: boolean;
  /** The node of the cluster whose models decided, if it is another one. */
  readonly node?: string;
  /** Age of an answer from the cache, in milliseconds. */
  readonly ageMs?: number;
  /** Time from the request to this answer, in milliseconds. */
  readonly latencyMs: number;
  /**
   * How the plan fits the newest state of its agent that was told: by `observe`, or by a later request. `fits`: it is the state of the
   * request. `moved`: it is another one, in which the decided action is possible. `illegal`: it is not possible there, so that the
   * plan of a host that observes has another action. Absent if no newer state is known.
   */
  readonly landing?: Landing;
  /** How long after its deadline the plan settled, in milliseconds; 0 if it was on time. */
  readonly latenessMs: number;
}

export interface PlanOptions {
  /** Time until the plan must settle, in milliseconds. Default: the planner's `timeoutMs`. */
  readonly timeoutMs?: number;
  /** If plans wait for models, higher numbers are served first. Default: the domain's priority of the scene, else 0. */
  readonly priority?: number;
  /** Cancels the plan: it rejects with ERR_PLAN_CANCELLED, and its model calls stop unless other plans need them. */
  readonly signal?: AbortSignal;
  /**
   * Called with each attempt when it ends, until the plan settles, so that votes can be shown as they arrive. If the plan joins
   * running calls, ended attempts are reported immediately. Called synchronously; an error that it throws becomes a warning.
   */
  readonly onAttempt?: (attempt: Attempt) => void;
}

export interface CloseOptions {
  /** How long plans in flight may continue, at most until their own deadlines, in milliseconds. Default 0. */
  readonly drainMs?: number;
}
