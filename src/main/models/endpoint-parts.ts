import type { Clock } from '../../shared/clock.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import type { Random } from '../../shared/random.ts';
import type { CallReport } from '../../shared/tasks.ts';
import type { ChatCaller } from '../../shared/vote-answer.ts';
import type { Features } from '../options/features.ts';
import type { ResolvedEndpoint } from '../options/planner-options.ts';
import type { EndpointFacts } from './discovery/endpoint-facts.ts';
import type { AskFacts } from './discovery/facts-watch.ts';
import type { BreakerStats } from './health/circuit-breaker.ts';
import type { AskLoaded } from './memory/memory-watch.ts';
import type { MemoryVisit, ModelMemoryStats } from './memory/model-memory.ts';
import type { AskBusy } from './slots/hold-watch.ts';
import type { Machine } from './slots/machine.ts';
import type { CallKind, ProfileStats } from './time/latency-profile.ts';

/** What `stats()` tells of one endpoint. */
export interface EndpointStats {
  readonly endpoint: string;
  readonly kind: EndpointFacts['kind'];
  /** Calls it is given at once now, and whether the server told so. */
  readonly slots: number;
  readonly slotsKnown: boolean;
  /** The machine whose slots it shares with other endpoints, as configured. */
  readonly machine?: string;
  /** Of these, calls with a deadline that are made at once: fewer where more would all be late. */
  readonly width: number;
  readonly busy: number;
  /** Of the busy ones, those whose aborted calls are thought to be at work still. */
  readonly held: number;
  readonly waiting: number;
  /** Calls that nobody waited for, given up for somebody who could make a deadline with their slots. */
  readonly givenUp: number;
  readonly breaker: BreakerStats;
  /** Requests known to be good, made to find out whether failures were the server's or those of the requests. */
  readonly referenceCalls: number;
  /** Times that the server was asked again what it is and has. */
  readonly factsAsked: number;
  /** What is known of the models in its memory. */
  readonly memory: ModelMemoryStats;
  readonly profiles: readonly (ProfileStats & { readonly model: string; readonly kind: CallKind })[];
}

/** How a call ended, as far as its endpoint learns from it. */
export type CallEnd =
  | { readonly ok: true; readonly report: CallReport }
  | { readonly ok: false; readonly error: { readonly code: ErrorCode }; readonly report: CallReport };

/** What is known of a call as it begins. */
export interface CallBegin {
  /** Whether it may have to wait until its model is loaded. */
  readonly isCold: boolean;
  readonly visit?: MemoryVisit;
}

export interface EndpointParts {
  readonly endpoint: ResolvedEndpoint;
  readonly features: Features;
  readonly clock: Clock;
  readonly random: Random;
  /** The longest timeout configured, for what profiles show. */
  readonly ceilingMs: number;
  /** Makes reference calls; without one, unclear failures in a row are the server's. */
  readonly caller?: ChatCaller | undefined;
  /** Asks the server again what it is and has; without it, what was learnt stays. */
  readonly askFacts?: AskFacts | undefined;
  /** How many slots of the server are at work, where it tells; without it, what is held is estimated. */
  readonly askBusy?: AskBusy | undefined;
  /** The models that are configured to be asked here. */
  readonly models?: ReadonlySet<string>;
  /** Asks which models are in its memory now; undefined where it does not tell. Never rejects. */
  readonly askLoaded?: AskLoaded | undefined;
  /** Where it shares its machine with other endpoints. */
  readonly machine?: Machine | undefined;
}
