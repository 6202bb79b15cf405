import type { PlanRequest } from '../../shared/plan-request.ts';
import type { ChatPlanner } from '../chat/chat-planner.ts';
import { askedCall, toldFutures } from './plan-params.ts';

/** A request that was taken over, futures that were told, or why not. */
export type Ownership = { readonly request: PlanRequest } | { readonly isTold: true } | { readonly error: unknown };

const METHODS: ReadonlySet<string> = new Set(['plan', 'peek', 'observe', 'expect']);

/** What large messages ask for, by its parameters, until their calls begin: taken over by the planner, or why not. */
export class OwnedParams {
  readonly #planner: ChatPlanner;
  readonly #owned = new WeakMap<object, Ownership>();

  constructor(planner: ChatPlanner) {
    this.#planner = planner;
  }

  /** Lets the planner take over the parameters of a call, if they contain a request or futures. */
  async take(method: string, params: unknown): Promise<void> {
    if (!METHODS.has(method) || params === null || typeof params !== 'object' || Array.isArray(params)) return;
    this.#owned.set(params, await this.#ownership(method, params));
  }

  /** What became of parameters that were taken over. Throws why they were refused. */
  of(params: object): Ownership | undefined {
    const ownership = this.#owned.get(params);
    if (ownership !== undefined && 'error' in ownership) throw ownership.error;
    return ownership;
  }

  async #ownership(method: string, params: object): Promise<Ownership> {
    try {
      if (method === 'expect') {
        await this.#planner.expectInParts(toldFutures(params));
        return { isTold: true };
      }
      // The others have no timeout: their parameters are the request.
      const request = method === 'plan' ? askedCall(params).request : (params as PlanRequest);
      return { request: await this.#planner.own(request) };
    } catch (error) {
      return { error };
    }
  }
}
