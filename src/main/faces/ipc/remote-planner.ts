import type { EventEmitter } from 'node:events';
import type { Decision } from '../../../shared/decision.ts';
import type { Domain, DomainDefinition, Observation } from '../../../shared/domain.ts';
import type { DomainOf, ObservationOf } from '../../../shared/observation.ts';
import type { RequestWith } from '../../../shared/plan-request.ts';
import type { ChatPlannerStats } from '../../chat/chat-planner.ts';
import type { DecisionCaller } from '../../chat/decisions/decide.ts';
import type { PlannerEvents } from '../../plans/announcements.ts';
import type { FutureTerms } from '../../plans/expectations/future.ts';
import type { CloseOptions, Plan, PlanOptions } from '../../plans/plan.ts';
import type { PeerExit } from './peer.ts';

export interface RemotePlannerEvents extends PlannerEvents {
  /** The planner's thread or process has exited. Emitted once, as the last event. */
  exit: [exit: PeerExit];
}

/**
 * A planner that runs elsewhere: a `Planner` that answers by message. If its thread or process exits before it is closed, all pending and later calls
 * reject with ERR_PEER_EXITED, and `exit` is emitted; it is not restarted.
 */
export type RemotePlanner<D extends DomainDefinition = Domain> = RemoteWith<DomainOf<D>, ObservationOf<D>>;

interface RemoteWith<D extends Domain, O extends Observation>
  extends EventEmitter<RemotePlannerEvents>,
    AsyncDisposable,
    DecisionCaller {
  readonly domain: D;
  /** Maximum number of plans in flight. Further plans are rejected. */
  readonly maxInFlight: number;
  /** False once `close` was called or the peer has exited. */
  readonly isOpen: boolean;
  /**
   * Like `Planner.plan`, and on time even if the planner's thread hangs: without an answer `lateGraceMs` after the deadline, the plan is the action
   * with the highest Q-value (`heuristic`, no attempts, id 0). Also rejects with ERR_PEER_EXITED.
   */
  plan<const A extends string>(request: RequestWith<O, A>, options?: PlanOptions): Promise<Plan<A>>;
  /** Tells requests that agents are expected to make soon, like `Planner.expect`. Resolves when the planner has taken them. */
  expect(futures: readonly (RequestWith<O> & FutureTerms)[]): Promise<void>;
  /** Tells the state that an agent is in now, like `Planner.observe`. Resolves when the planner has taken it. */
  observe(state: RequestWith<O>): Promise<void>;
  stats(): Promise<ChatPlannerStats>;
  /** Deletes every cached decision. */
  clearCache(): Promise<void>;
  /** Closes like `Planner.close`, then stops the thread or process, by force if necessary. */
  close(options?: CloseOptions): Promise<void>;
}

/** A planner in a worker thread of this process. `EmbeddedPlanner<typeof rover>` plans for the domain `rover`. */
export type EmbeddedPlanner<D extends DomainDefinition = Domain> = EmbeddedWith<DomainOf<D>, ObservationOf<D>>;

interface EmbeddedWith<D extends Domain, O extends Observation> extends RemoteWith<D, O> {
  /**
   * The fresh cached decision for exactly this state, or undefined. Read synchronously from the shared cache, without a message, even if the
   * planner's thread is busy. Like `openCache`, it returns nothing from similar states, and nothing under an error budget.
   */
  peek(request: RequestWith<O>): Decision | undefined;
  /** The cache's shared memory, for other threads (`openCache`). Undefined if the cache is off. */
  readonly cacheBuffer: SharedArrayBuffer | undefined;
}

/** A planner in a child process. `SpawnedPlanner<typeof rover>` plans for the domain `rover`. */
export type SpawnedPlanner<D extends DomainDefinition = Domain> = SpawnedWith<DomainOf<D>, ObservationOf<D>>;

interface SpawnedWith<D extends Domain, O extends Observation> extends RemoteWith<D, O> {
  readonly pid: number;
  /** Looks into the cache like `Planner.peek`, by a call to the process. */
  peek(request: RequestWith<O>): Promise<Decision | undefined>;
}

/** Time limits and bounds of a host that waits for its planner. */
export interface RemoteOptions {
  /** How long after a plan's deadline the host answers itself if the planner has not, in milliseconds. Default 50. */
  readonly lateGraceMs?: number;
  /** Time limit for the start, which loads code, checks endpoints and reads the disk tier, in milliseconds. Default 60,000. */
  readonly startTimeoutMs?: number;
  /** How long closing may take in addition to `drainMs` before the thread or process is killed, in milliseconds. Default 5,000. */
  readonly closeTimeoutMs?: number;
  /** Maximum number of pending calls. Further calls reject with ERR_PLANNER_OVERLOADED. Default 16,384. */
  readonly callsMax?: number;
}
