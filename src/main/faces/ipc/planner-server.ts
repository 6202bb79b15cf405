import { expose } from 'comlink';
import type { Clock } from '../../../shared/clock.ts';
import type { Decision } from '../../../shared/decision.ts';
import { defined } from '../../../shared/defined.ts';
import { encodeError } from '../../../shared/errors.ts';
import { isLong } from '../../../shared/owned-request.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import type { ChatPlanner } from '../../chat/chat-planner.ts';
import type { DecisionsRequest } from '../../chat/decisions/decide.ts';
import type { Attempt } from '../../models/calls/attempt.ts';
import type { AnyPlannerOptions } from '../../options/planner-options.ts';
import type { CloseOptions, Plan } from '../../plans/plan.ts';
import { type Channel, calledEndpoint } from './channel.ts';
import {
  type DecideCallWire,
  type FromPlanner,
  type PlanCallWire,
  type PlannerApi,
  type Reply,
  replyOf,
  type ToPlanner,
} from './messages.ts';

/** Data from the channel may have any form. */
function hasLongList(request: PlanRequest): boolean {
  return Array.isArray(request?.actions) && isLong(request.actions);
}

/** Maximum number of warnings kept from the start for a host that has not reported yet whether it listens. */
const EARLY_WARNINGS_MAX = 100;

interface PlannerServerParts {
  readonly channel: Channel;
  readonly createPlanner: (options: AnyPlannerOptions) => Promise<ChatPlanner>;
  readonly clock: Clock;
  /** True if the host shares this memory: another thread does, another process does not. */
  readonly sharesMemory: boolean;
}

/** The planner's side: starts it as the host requests, and serves it over the channel. */
export class PlannerServer {
  readonly #parts: PlannerServerParts;
  /** Plans and decisions in flight, by the number of their call. */
  readonly #calls = new Map<number, AbortController>();
  readonly #answering = new Set<Promise<unknown>>();
  readonly #onPlan = (plan: Plan, request: PlanRequest): void => this.#post({ kind: 'plan', plan, request });
  #early: string[] | undefined = [];
  #hearsWarnings = false;
  #planner: ChatPlanner | undefined;

  constructor(parts: PlannerServerParts) {
    this.#parts = parts;
    const endpoint = calledEndpoint(parts.channel, (message) => this.#hear(message as ToPlanner));
    expose(this.#api(), endpoint);
  }

  /** Closes the planner, if there is one, when the host has gone. */
  async close(): Promise<void> {
    await this.#planner?.close();
  }

  #api(): PlannerApi {
    return {
      plan: (asked) => this.#answer(() => this.#plan(asked)),
      decide: (asked) => this.#answer(() => this.#decide(asked)),
      peek: (request) => this.#answer(() => this.#peek(request)),
      expect: (futures) => this.#answer(() => void this.#started().expect(futures)),
      observe: (state) => this.#answer(() => this.#observe(state)),
      stats: () => this.#answer(() => this.#started().stats()),
      clearCache: () =>
        this.#answer(() => {
          this.#started().clearCache();
          return undefined;
        }),
      close: (options) => replyOf(() => this.#close(options)),
    };
  }

  #answer<T>(run: () => T | Promise<T>): Promise<Reply<T>> {
    const reply = replyOf(run);
    this.#answering.add(reply);
    void reply.finally(() => this.#answering.delete(reply));
    return reply;
  }

  #started(): ChatPlanner {
    if (this.#planner === undefined) throw new Error('a call before the planner was ready');
    return this.#planner;
  }

  async #plan({ call, request, timeoutMs, priority, wantsAttempts, sentAtMs }: PlanCallWire): Promise<Plan> {
    return this.#cancellable(call, async (planner, signal) => {
      const lainMs = sentAtMs === undefined ? 0 : this.#parts.clock.now() - sentAtMs;
      const asked = hasLongList(request) ? await planner.own(request) : request;
      return planner.plan(asked, {
        // A plan whose time is over is answered with what is available.
        timeoutMs: Math.max(timeoutMs - lainMs, Math.min(1, timeoutMs)),
        signal,
        ...defined({ priority }),
        ...(wantsAttempts ? { onAttempt: (attempt: Attempt) => this.#post({ kind: 'attempt', call, attempt }) } : {}),
      });
    });
  }

  #decide({ call, request, options }: DecideCallWire): Promise<unknown> {
    return this.#cancellable(call, (planner, signal) =>
      planner.chats.decide(request as DecisionsRequest, { ...options, signal }),
    );
  }

  /** Runs a call that its host may cancel by its number. */
  async #cancellable<T>(call: number, run: (planner: ChatPlanner, signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    this.#calls.set(call, controller);
    try {
      return await run(this.#started(), controller.signal);
    } finally {
      this.#calls.delete(call);
    }
  }

  #peek(request: PlanRequest): Decision | undefined | Promise<Decision | undefined> {
    const planner = this.#started();
    return hasLongList(request) ? planner.own(request).then((owned) => planner.peek(owned)) : planner.peek(request);
  }

  #observe(state: PlanRequest): undefined | Promise<undefined> {
    const planner = this.#started();
    if (hasLongList(state)) return planner.own(state).then((owned) => void planner.observe(owned));
    return void planner.observe(state);
  }

  /** The reply to a close is the last one: every plan has already been answered. */
  async #close(options: CloseOptions): Promise<undefined> {
    await this.#started().close(options);
    await Promise.all(this.#answering);
  }

  #hear(message: ToPlanner): void {
    switch (message.kind) {
      case 'start':
        return void this.#start(message.options);
      case 'listen':
        return this.#listen(message.plan, message.warning);
      case 'cancel':
        return this.#calls.get(message.call)?.abort();
      default:
        return message satisfies never;
    }
  }

  async #start(options: AnyPlannerOptions): Promise<void> {
    try {
      const planner = await this.#parts.createPlanner(options);
      this.#planner = planner;
      planner.on('warning', (message) => this.#warn(message));
      this.#post({ kind: 'ready', cacheBuffer: this.#parts.sharesMemory ? planner.cacheBuffer : undefined });
    } catch (error) {
      // The host ends this thread or process.
      this.#post({ kind: 'failed', error: encodeError(error) });
    }
  }

  #listen(plans: boolean, warnings: boolean): void {
    this.#planner?.off('plan', this.#onPlan);
    if (plans) this.#planner?.on('plan', this.#onPlan);
    this.#hearsWarnings = warnings;
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const message of early) this.#warn(message);
  }

  #warn(message: string): void {
    if (this.#hearsWarnings) this.#post({ kind: 'warning', message });
    else if (this.#early !== undefined && this.#early.length < EARLY_WARNINGS_MAX) this.#early.push(message);
  }

  #post(message: FromPlanner): void {
    this.#parts.channel.post(message);
  }
}
