import type { EventEmitter } from 'node:events';
import type { Decision } from '../../../shared/decision.ts';
import type { Domain, DomainDefinition, Observation } from '../../../shared/domain.ts';
import type { DomainOf, ObservationOf } from '../../../shared/observation.ts';
import type { RequestWith } from '../../../shared/plan-request.ts';
import type { ChatPlannerStats } from '../../chat/chat-planner.ts';
import type { PlannerEvents } from '../../plans/announcements.ts';
import type { CloseOptions, Plan, PlanOptions } from '../../plans/plan.ts';
import type { PeerExit } from './peer.ts';

export interface RemotePlannerEvents extends PlannerEvents {
  /** The planner's thread or process has ended: told once, last. */
  exit: [exit: PeerExit];
}

/**
 * A planner that runs elsewhere: what `Planner` does, with an answer that comes by message. When its thread or process ends
 * before it is closed, everything pending and everything after rejects with ERR_PEER_EXITED, and `exit` is emitted; it is
 * not started again.
 */
export type RemotePlanner<D extends DomainDefinition = Domain> = RemoteWith<DomainOf<D>, ObservationOf<D>>;

interface RemoteWith<D extends Domain, O extends Observation>
  extends EventEmitter<RemotePlannerEvents>,
    AsyncDisposable {
  readonly domain: D;
  /** Plans it takes at once; one more is refused. */
  readonly maxInFlight: number;
  /** False from the moment that it is told to close, or that its peer has ended. */
  readonly isOpen: boolean;
  /**
   * As `Planner.plan`, and also on time when the planner's thread hangs: where no answer has come `lateGraceMs` after the
   * deadline, the plan is the action of the highest Q-value (`heuristic`, no attempts, id 0). Rejects also with ERR_PEER_EXITED.
   */
  plan<const A extends string>(request: RequestWith<O, A>, options?: PlanOptions): Promise<Plan<A>>;
  stats(): Promise<ChatPlannerStats>;
  /** Forgets every cached decision. */
  clearCache(): Promise<void>;
  /** As `Planner.close`; then its thread or process ends, by force if it must. */
  close(options?: CloseOptions): Promise<void>;
}

/** In a worker thread of this process. `EmbeddedPlanner<typeof rover>` is one of the domain `rover`. */
export type EmbeddedPlanner<D extends DomainDefinition = Domain> = EmbeddedWith<DomainOf<D>, ObservationOf<D>>;

interface EmbeddedWith<D extends Domain, O extends Observation> extends RemoteWith<D, O> {
  /**
   * The fresh cached decision for exactly this state, or undefined, from the shared cache: synchronous and without a message,
   * whatever the planner's thread is doing. As `openCache`: it knows nothing of similar states, budget and loop guard.
   */
  peek(request: RequestWith<O>): Decision | undefined;
  /** The cache's memory, for further threads (`openCache`); undefined when the cache is off. */
  readonly cacheBuffer: SharedArrayBuffer | undefined;
}

/** In a child process. `SpawnedPlanner<typeof rover>` is one of the domain `rover`. */
export type SpawnedPlanner<D extends DomainDefinition = Domain> = SpawnedWith<DomainOf<D>, ObservationOf<D>>;

interface SpawnedWith<D extends Domain, O extends Observation> extends RemoteWith<D, O> {
  readonly pid: number;
  /** As `Planner.peek`, asked of the process. */
  peek(request: RequestWith<O>): Promise<Decision | undefined>;
}

/** How a host waits for its peer. */
export interface RemoteOptions {
  /** After the deadline of a plan, until the host answers in place of a planner that does not, milliseconds. Default 50. */
  readonly lateGraceMs?: number;
  /** For the start: loading, checking endpoints, reading the disk tier; milliseconds. Default 60,000. */
  readonly startTimeoutMs?: number;
  /** For closing, beyond `drainMs`, until the thread or process is ended by force, milliseconds. Default 5,000. */
  readonly closeTimeoutMs?: number;
  /** Calls that may wait for a reply; one more is refused with ERR_PLANNER_OVERLOADED. Default 16,384. */
  readonly callsMax?: number;
}
