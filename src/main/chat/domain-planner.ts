import type { Decision } from '../../shared/decision.ts';
import type { Domain, DomainDefinition, Observation } from '../../shared/domain.ts';
import type { DomainOf, ObservationOf } from '../../shared/observation.ts';
import type { RequestWith } from '../../shared/plan-request.ts';
import type { DomainsOption } from '../options/planner-options.ts';
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

/** The domain of an entry of `domains`. */
type DomainIn<E> = E extends { readonly domain: infer D extends DomainDefinition }
  ? D
  : E extends DomainDefinition
    ? E
    : Domain;

/** A request to a planner of several domains: it names one of them, and has an observation of that. */
export type DomainsRequest<M extends DomainsOption, A extends string = string> = {
  readonly [N in keyof M & string]: RequestWith<ObservationOf<DomainIn<M[N]>>, A> & { readonly domain: N };
}[keyof M & string];

/** A planner of several domains whose type knows them: the compiler checks each observation against the domain that the request names. */
export interface DomainsPlanner<M extends DomainsOption> extends ChatPlanner {
  plan<const A extends string>(request: DomainsRequest<M, A>, options?: PlanOptions): Promise<Plan<A>>;
  planNow<const A extends string>(request: DomainsRequest<M, A>, options?: PlanOptions): Plan<A> | Promise<Plan<A>>;
  peek(request: DomainsRequest<M>): Decision | undefined;
  expect(futures: readonly (DomainsRequest<M> & FutureTerms)[]): void;
  observe(state: DomainsRequest<M>): void;
}
