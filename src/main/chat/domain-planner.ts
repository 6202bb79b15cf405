import type { Decision } from '../../shared/decision.ts';
import type { Domain, DomainDefinition, Observation } from '../../shared/domain.ts';
import type { DomainOf, ObservationOf } from '../../shared/observation.ts';
import type { RequestWith } from '../../shared/plan-request.ts';
import type { FutureTerms } from '../plans/expectations/future.ts';
import type { Plan, PlanOptions } from '../plans/plan.ts';
import type { ChatPlanner } from './chat-planner.ts';

/**
 * A planner whose type knows its domain: the compiler checks each observation, and `plan.action` has the type of the actions in the request.
 * `ChatPlanner<typeof rover>` names the type; `ChatPlanner` alone is a planner of any domain and takes any observation. At run time both are the
 * same: every request is checked.
 */
export type DomainPlanner<D extends DomainDefinition = Domain> = PlannerWith<DomainOf<D>, ObservationOf<D>>;

interface PlannerWith<D extends Domain, O extends Observation> extends ChatPlanner {
  readonly domain: D;
  plan<const A extends string>(request: RequestWith<O, A>, options?: PlanOptions): Promise<Plan<A>>;
  planNow<const A extends string>(request: RequestWith<O, A>, options?: PlanOptions): Plan<A> | Promise<Plan<A>>;
  peek(request: RequestWith<O>): Decision | undefined;
  expect(futures: readonly (RequestWith<O> & FutureTerms)[]): void;
  observe(state: RequestWith<O>): void;
}
