import type { PlanSource } from '../../../shared/decision.ts';

/**
 * The codes for why no model decided a plan, with what each means. Those from `no-vote` to `too-short` are about single calls, in
 * the order of how near a call came to a vote: the plan takes the code of its nearest call. The others are about a plan as a
 * whole.
 */
export const WHY_CODES = {
  'no-vote': 'models answered, but no answer was a vote for one of the actions',
  unfinished: 'answers had begun and did not end in time',
  'server-silent': 'the server took the calls and sent no token in time',
  'server-failed': 'the server answered with an error, or ended the connection',
  'server-overloaded': 'the server says that it is overloaded or still loading',
  'server-refused': 'the server refuses what it is asked: the model id, the prompt or the schema',
  unreachable: 'no connection to the server: nothing listens, or nobody accepts',
  internal: 'Conclave itself failed: a worker ended or was stuck, or a bug',
  'gave-way': 'its calls were not expected in time and gave way to plans whose calls were',
  'no-slot': 'no slot of a server became free in time, or so late that too little time was left',
  resting: 'the server failed too often lately and is not asked for a while',
  'too-short': 'the time was too short for a call of usual length',
  superseded: 'a newer request with the same agent name came while the plan waited for its first slot',
  closing: 'the planner was closed',
  'no-turn': 'so many plans came at once that the time was over before a model could be asked',
  'no-time': 'the plan had less time than any model call takes',
  'state-changed':
    'models decided for a state that the agent had left, and their action is not possible in the new one',
  'no-models': 'no model is configured, or none of the configured ones is there',
  'planner-silent':
    'the thread, process or server of the planner did not answer in time, and the client answered itself',
} as const;

export type WhyCode = keyof typeof WHY_CODES;

export const WHY_CODE_LIST = Object.keys(WHY_CODES) as readonly WhyCode[];

/** Why no model decided a plan. */
export interface Why {
  readonly code: WhyCode;
  /** One sentence for people, based on what each attempt last saw. */
  readonly message: string;
}

/** Sources of plans that no model answered for their state; these plans have a `why`. */
export const UNDECIDED_SOURCES: ReadonlySet<PlanSource> = new Set(['late', 'stale', 'heuristic']);
