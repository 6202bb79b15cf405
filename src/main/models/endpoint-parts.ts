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

/** What `stats()` reports about one endpoint. */
export interface EndpointStats {
  readonly endpoint: string;
  readonly kind: EndpointFacts['kind'];
  /** Number of calls that it is given at once now, and whether the server reported that number. */
  readonly slots: number;
  readonly slotsKnown: boolean;
  /** The machine whose slots it shares with other endpoints, as configured. */
  readonly machine?: string;
  /** Number of calls with a deadline that are made at once: below `slots` where more would all be late. */
  readonly width: number;
  readonly busy: number;
  /** Busy slots whose aborted calls are probably still being worked on. */
  readonly held: number;
  readonly waiting: number;
  /** Background calls that were given up so that a call with a deadline could have their slot. */
  readonly givenUp: number;
  readonly breaker: BreakerStats;
  /** Known-good requests, made to find out whether the server or the requests caused failures. */
  readonly referenceCalls: number;
  /** Number of times that the server's facts were requested again. */
  readonly factsAsked: number;
  /** What is known about the models in its memory. */
  readonly memory: ModelMemoryStats;
  readonly profiles: readonly (ProfileStats & { readonly model: string; readonly kind: CallKind })[];
}

/** How a call ended, as far as its endpoint learns from it. */
export type CallEnd =
  | { readonly ok: true; readonly report: CallReport }
  | { readonly ok: false; readonly error: { readonly code: ErrorCode }; readonly report: CallReport };

/** What is known about a call when it starts. */
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
  /** The longest configured timeout, for display in profiles. */
  readonly ceilingMs: number;
  /** Makes reference calls; without one, several unclear failures in a row count as the server's. */
  readonly caller?: ChatCaller | undefined;
  /** Requests the server's facts again; without it, the facts first learned stay. */
  readonly askFacts?: AskFacts | undefined;
  /** Asks how many slots of the server are busy, if it reports that; without it, holds are estimated. */
  readonly askBusy?: AskBusy | undefined;
  /** The models that are configured for this endpoint. */
  readonly models?: ReadonlySet<string>;
  /** Asks which models are in memory now; undefined if the server does not report it. Never rejects. */
  readonly askLoaded?: AskLoaded | undefined;
  /** The machine that it shares with other endpoints, if any. */
  readonly machine?: Machine | undefined;
}
