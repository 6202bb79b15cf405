import type { EventEmitter } from 'node:events';
import type { PlanRequest } from '../../shared/plan-request.ts';
import type { Plan } from './plan.ts';

export interface PlannerEvents {
  plan: [plan: Plan, request: PlanRequest];
  /** A plan that settled more than 15 ms after its deadline; emitted in addition to `plan`. */
  late: [plan: Plan];
  /** An endpoint has failed so often that it is not called for a while. `opened`: how often that has happened. */
  resting: [endpoint: string, opened: number];
  warning: [message: string];
}

/** The events of a planner, emitted to its host. What a listener throws has no effect on a plan. */
export class Announcements {
  readonly #emitter: EventEmitter<PlannerEvents>;

  constructor(emitter: EventEmitter<PlannerEvents>) {
    this.#emitter = emitter;
  }

  settled(plan: Plan, request: PlanRequest): void {
    if (this.#emitter.listenerCount('plan') > 0) this.tell('plan', plan, request);
  }

  /** Emits an event. What a listener throws becomes a warning. */
  tell<K extends keyof PlannerEvents>(event: K, ...values: PlannerEvents[K]): void {
    try {
      // The compiler cannot infer that the values belong to the event.
      (this.#emitter.emit as (event: string, ...values: unknown[]) => boolean).call(this.#emitter, event, ...values);
    } catch (error) {
      this.warn(`a listener of "${event}" threw: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Emits the event `warning`. */
  warn(message: string): void {
    try {
      this.#emitter.emit('warning', message);
    } catch {
      // The listener for warnings is itself broken, and there is no other channel.
    }
  }
}
