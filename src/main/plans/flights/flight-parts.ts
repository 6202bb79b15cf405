import type { Clock } from '../../../shared/clock.ts';
import type { ChatCaller } from '../../../shared/vote-answer.ts';
import type { ClusterStates } from '../../cluster/states/cluster-states.ts';
import type { DecayedRate } from '../../measure/decayed-rate.ts';
import type { CallLane, CallMaker } from '../../models/calls/call-maker.ts';
import type { LoopTurns } from '../../models/calls/loop-turns.ts';
import type { AnswerForms } from '../../models/forms/answer-form.ts';
import type { ModelEndpoint } from '../../models/model-endpoint.ts';
import type { ExpertRunner } from '../../models/pool/expert-pool.ts';
import type { AgentShares } from '../../models/slots/fair-share.ts';
import type { ResolvedOptions } from '../../options/planner-options.ts';
import type { PlannerCounters } from '../counters.ts';
import type { DomainFutures } from '../expectations/domain-futures.ts';
import type { ShareCredit } from '../experience/guess-gates.ts';
import type { LateAnswers } from '../ladder/late-answers.ts';
import type { ExpertRecords } from '../panel/expert-records.ts';
import type { ResidentSeats } from '../panel/resident-seats.ts';
import type { Prompts } from '../prompts/prompts.ts';
import type { Reads } from '../reads/reads.ts';

/** The parts that all flights of a domain share. */
export interface FlightParts {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly pool: ExpertRunner;
  readonly callers: ReadonlyMap<string, ChatCaller>;
  readonly endpoints: ReadonlyMap<string, ModelEndpoint>;
  readonly forms: AnswerForms;
  readonly maker: CallMaker;
  readonly records: ExpertRecords;
  readonly seats: ResidentSeats;
  readonly prompts: Prompts;
  readonly shares: AgentShares;
  readonly counters: PlannerCounters;
  readonly turns: LoopTurns;
  /** Undefined if late answers do not stand in for others. */
  readonly late: LateAnswers | undefined;
  /** Undefined if models are only asked in words. */
  readonly reads: Reads | undefined;
  /** Absent if the domain cannot compute next states. */
  readonly domainFutures?: DomainFutures;
  /** What foresight of several domains has in common; absent if there is only one. */
  readonly ahead?: { readonly asks: DecayedRate; readonly credit: ShareCredit };
  /** Absent without a cluster. */
  readonly states?: Pick<ClusterStates, 'claim'>;
}

/** The purpose of one flight. */
export interface FlightPurpose {
  /** The text of the request's signature, by which a read is compared with later written decisions for the same state. */
  readonly state: string;
  /** Background work takes only slots that no call waits for; a check within its reserve does not wait. Default `foreground`. */
  readonly lane?: CallLane;
  /** Time for which the slots of a flight in the lane `reserved` do not yield, in milliseconds. */
  readonly reserveMs?: number;
  /** The action that was served from the cache, if the flight checks it. */
  readonly served?: string;
  /** Higher is served first. Default 0. */
  readonly priority?: number;
  /** An action that the agent has tried in this state without effect: it is shown to the models. */
  readonly inVain?: string | undefined;
  /** What would be done without a model. */
  readonly below?: () => string;
  /** Whether it shows what a read of this state is worth, because no expert could write in time. */
  readonly isProof?: boolean;
  /** Only the expert with this number, modulo their count, is asked: one more vote for a state. Default: a whole panel. */
  readonly oneExpert?: number | undefined;
  /** It is for a state that an agent is expected to be in: a whole plan in the background, until a plan joins it. */
  readonly isForeseen?: boolean;
  /** Whether models are asked although a decision is known: then one that another node has just made is no answer. */
  readonly asksAgain?: boolean;
}
