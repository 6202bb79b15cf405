import type { Observation } from './domain.ts';

/**
 * The wire between the coordinator and the thread that runs a domain's own module (`domain.next`). The thread gets this and nothing
 * else: no options, no keys, no environment.
 */
export interface NextSetup {
  /** File URL of the module. */
  readonly url: string;
}

/** What an agent observed, and the action that was decided for it. */
export interface NextTask {
  readonly kind: 'next';
  readonly observation: Observation;
  readonly action: string;
}

/** Settles when the module is loaded. Rejects if it cannot be, or lacks a function. */
export interface LoadTask {
  readonly kind: 'load';
}

/** The states that may follow, as the module returned them: they may be anything that can be copied. */
export interface NextStates {
  readonly states: readonly { readonly observation: unknown; readonly actions: unknown }[];
  /** States over the bound, which are left out. */
  readonly left: number;
  /** Calls of the module's functions that took longer than they may. */
  readonly slow: number;
}

/** Maximum number of states that may follow an action. */
export const NEXT_STATES_MAX = 8;
/** A call of a module's function that takes longer than this, in milliseconds, is too slow. */
export const NEXT_CALL_MS_MAX = 5;
