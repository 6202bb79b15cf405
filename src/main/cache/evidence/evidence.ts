import { areAll, inChunks } from '../learned/learned-part.ts';
import { type ContextTally, countOf, likeliestOf, Tallies } from './tallies.ts';

/*
 * Predicts from earlier decisions. Evidence is pooled, from the state itself to whole sets of actions:
 *
 *   0  this state, after the agent's last action      3  equal gates (all that must be equal for states to be similar)
 *   1  this state                                     4  this set of actions, in the agent's momentum
 *   2  equal gates, in the agent's momentum           5  this set of actions
 *
 * Levels 1, 3 and 5 have two tallies each: of agents that arrived in the state, and of all. The second is used for agents that are
 * stuck in it: what these repeat is no evidence of what arriving ones do.
 *
 * Momentum is the agent's last action, how long it has repeated it, and whether its state changed since.
 */
const LEVEL = { STATE_AFTER: 0, STATE: 1, GATES_MOVING: 2, GATES: 3, ACTIONS_MOVING: 4, ACTIONS: 5, COUNT: 6 } as const;
/** How much each different action decided in a context reduces its weight, by level. */
const DOUBT = [0.6, 0.6, 1.2, 1.2, 1.2, 1.2] as const;

/** Requests with more actions are not judged, because the chance of each action would have to be computed. */
export const JUDGED_ACTIONS_MAX = 200;

/** What the agent did before. Undefined for an agent that is not remembered. */
export interface Momentum {
  readonly action: string;
  /** Number of times in a row that the action was taken while the state stayed the same. */
  readonly repeats: number;
  /** Number of times in a row that it was taken, in any state. */
  readonly streak: number;
  /** Whether the state is still the one in which the action was taken. */
  readonly isUnchanged: boolean;
}

/** What habits depend on, in addition to what other evidence does. */
export interface HabitPlace {
  /** The values of all flags. */
  readonly flags: string;
  /** Fingerprint of the gates without the set of actions. */
  readonly openGates: number;
  /** When the request was looked up, in milliseconds of the process clock. */
  readonly atMs: number;
}

/** The context of a prediction: the scene, fingerprints of the state, its gates and its actions, and the momentum. */
export interface Circumstances {
  /** Undefined if scenes are not told apart. */
  readonly scene?: string;
  readonly state: number;
  readonly gates: number;
  readonly actionSet: number;
  readonly momentum: Momentum | undefined;
  /** What habits depend on. Undefined if none is to be learned, because it is not known what the agent will have done last. */
  readonly habit?: HabitPlace;
}

export interface Prediction {
  readonly action: string;
  /** Input of the risk model, in the order of `FEATURES`. */
  readonly features: Float64Array;
  /** Number of known decisions for this state, and for states with equal gates. */
  readonly inState: number;
  readonly inGates: number;
  /** How many of those were for the action. */
  readonly agreeing: number;
  /** Present if it is a habit: the time of the newest decision that it rests on. `inGates` is then the number of such decisions. */
  readonly habitAtMs?: number;
}

/** What is known of a set of actions, from the finest context to the coarsest, and how often an action was predicted rightly. */
export interface CommonEvidence {
  readonly ofActionSet: readonly (ContextTally | undefined)[];
  recordOf(action: string): number;
}

/** Names of the risk model's inputs. The first one is always 1. */
export const FEATURES = [
  'one',
  'logOdds',
  'shareStateAfter',
  'noStateAfter',
  'knownStateAfter',
  'shareState',
  'noState',
  'knownState',
  'shareGates',
  'knownGates',
  'shareActions',
  'knownActions',
  'isUnchanged',
  'isRepeat',
  'repeats',
  'record',
  'choice',
  'inARowState',
  'inARowGates',
  'margin',
  'shareGatesMoving',
  'noGatesMoving',
  'isLastAction',
  'streak',
  'shareActionsMoving',
  'logOddsState',
  'logOddsGatesMoving',
  'logOddsActionsMoving',
  'knownGatesMoving',
  'knownActionsMoving',
  'logOddsGates',
  'contraryState',
  'contraryGates',
  'contraryGatesMoving',
] as const;

interface ActionRecord {
  judged: number;
  right: number;
}

/** Maximum number of actions for which the success of predictions is recorded. */
const RECORDS_MAX = 10_000;
/** Number of those that are saved in one value. */
const RECORDS_AT_ONCE = 1_000;

type SavedRecord = readonly [action: string, judged: number, right: number];

export class Evidence {
  /** What was decided in each context. */
  readonly tallies: Tallies;
  readonly #records = new Map<string, ActionRecord>();

  constructor(contextsMax: number) {
    this.tallies = new Tallies(contextsMax);
  }

  /** Returns the likeliest action, if anything is known about this state or similar ones. */
  predict(actions: readonly string[], circumstances: Circumstances): Prediction | undefined {
    if (actions.length > JUDGED_ACTIONS_MAX) return undefined;
    const contexts = contextsOf(circumstances).map((context) => this.tallies.get(context));
    if (contexts[LEVEL.STATE] === undefined && contexts[LEVEL.GATES] === undefined) return undefined;
    const { action, chance, second } = likeliestOf(actions, contexts, DOUBT);
    const features = this.#describe(contexts, circumstances, action, chance, second, actions.length);
    const near = contexts[LEVEL.STATE] ?? contexts[LEVEL.GATES];
    return {
      action,
      features,
      inState: Math.round(contexts[LEVEL.STATE]?.total ?? 0),
      inGates: Math.round(contexts[LEVEL.GATES]?.total ?? 0),
      agreeing: near === undefined ? 0 : Math.round(countOf(near, action)),
    };
  }

  /** What habits are backed off to, and judged by. */
  common(circumstances: Circumstances): CommonEvidence {
    const contexts = contextsOf(circumstances);
    const ofActionSet = [LEVEL.ACTIONS_MOVING, LEVEL.ACTIONS].map((level) =>
      this.tallies.get(contexts[level] as string),
    );
    return { ofActionSet, recordOf: (action) => this.#recordOf(action) };
  }

  /** Learns a decision of models. `predicted` is the action that would have been served, if any. */
  learn(circumstances: Circumstances, action: string, predicted: string | undefined): void {
    for (const context of contextsOf(circumstances)) this.tallies.add(context, action);
    if (!isStuck(circumstances)) for (const context of stuckContexts(circumstances)) this.tallies.add(context, action);
    if (predicted === undefined) return;
    const record = this.#records.get(predicted);
    if (record !== undefined) {
      record.judged++;
      if (predicted === action) record.right++;
    } else if (this.#records.size < RECORDS_MAX) {
      this.#records.set(predicted, { judged: 1, right: predicted === action ? 1 : 0 });
    }
  }

  /** The records of actions, in chunks. */
  *savedRecords(): Generator<SavedRecord[]> {
    for (const chunk of inChunks([...this.#records], RECORDS_AT_ONCE)) {
      yield chunk.map(([action, { judged, right }]) => [action, judged, right]);
    }
  }

  /** Adds the records of a chunk. Returns false if it is none. */
  restoreRecords(chunk: unknown): boolean {
    if (!areAll(chunk, isSavedRecord)) return false;
    for (const [action, judged, right] of chunk.slice(0, RECORDS_MAX - this.#records.size)) {
      this.#records.set(action, { judged, right });
    }
    return true;
  }

  clear(): void {
    this.tallies.clear();
    this.#records.clear();
  }

  /** The share of the predictions of an action that were right. */
  #recordOf(action: string): number {
    const record = this.#records.get(action);
    return ((record?.right ?? 0) + 1) / ((record?.judged ?? 0) + 2);
  }

  #describe(
    contexts: readonly (ContextTally | undefined)[],
    { momentum }: Circumstances,
    action: string,
    chance: number,
    second: number,
    choices: number,
  ): Float64Array {
    const share = (level: number): number => {
      const tally = contexts[level];
      return tally === undefined ? 0.5 : (countOf(tally, action) + 0.5) / (tally.total + 1);
    };
    const known = (level: number, scale: number): number => Math.log1p(contexts[level]?.total ?? 0) / scale;
    // How many decisions were for other actions: of twenty decisions, a contrary one tells more than a share of .95 does.
    const contrary = (level: number): number => {
      const tally = contexts[level];
      return tally === undefined ? 0 : Math.log1p(Math.max(0, tally.total - countOf(tally, action)));
    };
    const none = (level: number): number => (contexts[level] === undefined ? 1 : 0);
    const odds = (level: number): number => Math.log(share(level) / (1 - share(level))) / 2;
    const inARow = (level: number): number => {
      const tally = contexts[level];
      return tally?.latest === action ? Math.min(tally.inARow, 5) / 5 : 0;
    };
    const isLast = momentum?.action === action;
    const isRepeat = isLast && momentum.isUnchanged;
    return Float64Array.of(
      1,
      Math.log(chance / (1 - chance + 1e-6) + 1e-6) / 2,
      share(LEVEL.STATE_AFTER),
      none(LEVEL.STATE_AFTER),
      known(LEVEL.STATE_AFTER, 2),
      share(LEVEL.STATE),
      none(LEVEL.STATE),
      known(LEVEL.STATE, 2),
      share(LEVEL.GATES),
      known(LEVEL.GATES, 3),
      share(LEVEL.ACTIONS),
      known(LEVEL.ACTIONS, 4),
      momentum?.isUnchanged ? 1 : 0,
      isRepeat ? 1 : 0,
      isRepeat ? Math.min(momentum.repeats, 8) / 8 : 0,
      this.#recordOf(action),
      1 / choices,
      inARow(LEVEL.STATE),
      inARow(LEVEL.GATES),
      chance - second,
      share(LEVEL.GATES_MOVING),
      none(LEVEL.GATES_MOVING),
      isLast ? 1 : 0,
      isLast ? Math.log1p(momentum.streak) / 2 : 0,
      share(LEVEL.ACTIONS_MOVING),
      odds(LEVEL.STATE),
      odds(LEVEL.GATES_MOVING),
      odds(LEVEL.ACTIONS_MOVING),
      known(LEVEL.GATES_MOVING, 3),
      known(LEVEL.ACTIONS_MOVING, 4),
      odds(LEVEL.GATES),
      contrary(LEVEL.STATE),
      contrary(LEVEL.GATES),
      contrary(LEVEL.GATES_MOVING),
    );
  }
}

function isSavedRecord(value: unknown): value is SavedRecord {
  if (!Array.isArray(value) || value.length !== 3) return false;
  return typeof value[0] === 'string' && Number.isFinite(value[1]) && Number.isFinite(value[2]);
}

/** Names of the contexts, by level. */
function contextsOf({ state, gates, actionSet, momentum }: Circumstances): string[] {
  const unchanged = momentum?.isUnchanged ?? false;
  const stuck = unchanged ? 's' : '';
  const after = `${momentum?.action ?? ''} ${unchanged ? Math.min(momentum?.repeats ?? 0, 3) : 0}`;
  const moving =
    momentum === undefined ? '-' : `${momentum.action} ${streakClass(momentum.streak)} ${unchanged ? 1 : 0}`;
  return [
    `0 ${state} ${after}`,
    `1${stuck} ${state}`,
    `2 ${gates} ${moving}`,
    `3${stuck} ${gates}`,
    `4 ${actionSet} ${moving}`,
    `5${stuck} ${actionSet}`,
  ];
}

/** Whether the agent is still in the state in which it took its last action. */
function isStuck({ momentum }: Circumstances): boolean {
  return momentum?.isUnchanged === true;
}

/** Names of the contexts of agents that are stuck. They include what agents do on arriving. */
function stuckContexts({ state, gates, actionSet }: Circumstances): string[] {
  return [`1s ${state}`, `3s ${gates}`, `5s ${actionSet}`];
}

/** Class of a streak: an agent that has done something for a long time is likelier to continue than one that has just begun. */
function streakClass(streak: number): number {
  if (streak <= 1) return 1;
  if (streak <= 3) return 2;
  return streak <= 7 ? 3 : 4;
}
