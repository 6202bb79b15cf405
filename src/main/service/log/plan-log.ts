import { defined } from '../../../shared/defined.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import type { Plan } from '../../plans/plan.ts';
import type { Planner } from '../../plans/planner.ts';

/** The part of pino that it uses. */
interface PlanLogSink {
  isLevelEnabled(level: string): boolean;
  debug(data: object, message: string): void;
  warn(data: object, message: string): void;
}

/**
 * Logs what a planner does: each plan at debug, late plans and resting endpoints at warn. Every line about a plan has its `planId`. A listener for
 * all plans would slow down cached plans, so there is one only while debug is on: call `update` when the level has changed.
 */
export class PlanLog {
  readonly #planner: Planner;
  readonly #log: PlanLogSink;
  readonly #onPlan = (plan: Plan, _request: PlanRequest): void => this.#log.debug(planLine(plan), 'plan settled');

  constructor(planner: Planner, log: PlanLogSink) {
    this.#planner = planner;
    this.#log = log;
    planner.on('late', (plan) => log.warn({ ...planLine(plan), latenessMs: plan.latenessMs }, 'plan was late'));
    planner.on('resting', (endpoint, opened) => log.warn({ endpoint, opened }, 'endpoint failed too often, and rests'));
    this.update();
  }

  update(): void {
    this.#planner.off('plan', this.#onPlan);
    if (this.#log.isLevelEnabled('debug')) this.#planner.on('plan', this.#onPlan);
  }
}

function planLine({ id, domain, agent, action, source, why, latencyMs, attempts }: Plan): object {
  const tries = attempts.map(({ step, role, model, code }) => ({ step, role, model, code }));
  return { planId: id, ...defined({ domain }), agent, action, source, ...defined({ why }), latencyMs, attempts: tries };
}
