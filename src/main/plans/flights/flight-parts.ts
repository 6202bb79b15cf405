import type { Clock } from '../../../shared/clock.ts';
import type { ChatCaller } from '../../../shared/vote-answer.ts';
import type { CallMaker } from '../../models/calls/call-maker.ts';
import type { LoopTurns } from '../../models/calls/loop-turns.ts';
import type { AnswerForms } from '../../models/forms/answer-form.ts';
import type { ModelEndpoint } from '../../models/model-endpoint.ts';
import type { ExpertRunner } from '../../models/pool/expert-pool.ts';
import type { Lane } from '../../models/slots/ask.ts';
import type { FairShare } from '../../models/slots/fair-share.ts';
import type { ResolvedOptions } from '../../options/planner-options.ts';
import type { PlannerCounters } from '../counters.ts';
import type { LateAnswers } from '../ladder/late-answers.ts';
import type { ExpertRecords } from '../panel/expert-records.ts';
import type { ResidentSeats } from '../panel/resident-seats.ts';
import type { Reads } from '../reads/reads.ts';

/** What all flights of a planner share. */
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
  readonly shares: FairShare;
  readonly counters: PlannerCounters;
  readonly turns: LoopTurns;
  /** Undefined where late answers do not stand in for others. */
  readonly late: LateAnswers | undefined;
  /** Undefined where models are only asked in words. */
  readonly reads: Reads | undefined;
}

/** What one flight is for. */
export interface FlightPurpose {
  /** The text of the request's signature: a read is held against what is written later for the same state. */
  readonly state: string;
  /** Background work takes only slots that nobody waits for. Default `foreground`. */
  readonly lane?: Lane;
  /** Higher is served first. Default 0. */
  readonly priority?: number;
  /** An action that the agent has tried in this state without effect: the models are told. */
  readonly inVain?: string | undefined;
  /** Only the expert with this number, modulo their count, is asked: one more vote for a state. Default: a whole panel. */
  readonly oneExpert?: number | undefined;
}
