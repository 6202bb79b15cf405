import type { Clock } from '../../../shared/clock.ts';
import {
  type Circumstances,
  type CommonEvidence,
  type HabitPlace,
  JUDGED_ACTIONS_MAX,
  type Momentum,
  type Prediction,
} from '../evidence/evidence.ts';
import type { RiskInputs } from '../evidence/risk-model.ts';
import { type ContextTally, countOf, type Likeliest, likeliestOf } from '../evidence/tallies.ts';
import type { LearnedPart } from '../learned/learned-part.ts';
import { TimedTallies } from './timed-tallies.ts';

/*
 * Predicts what is usually done next, where neither the state nor one with equal gates is known. The idea is that of AgenticCache
 * (arXiv 2604.24039): what an agent does follows from what it did last more often than from the details of its state. Decisions are
 * tallied by
 *
 *   0  the scene, the flags, the set of actions, and what the agent did last
 *   1  the scene, the flags, and what the agent did last
 *   2  all that must be equal for states to be similar, except for the set of actions
 *
 * and backed off, from the first of these to what is decided for the set of actions at all (levels 4 and 5 of the evidence).
 */
/** How much each different action decided in a context reduces its weight, by level. */
const DOUBT = [0.6, 1.2, 0.6, 1.2, 1.2] as const;
/** Maximum number of contexts. */
const CONTEXTS_MAX = 8_192;

/** Names of the risk model's inputs for habits. Those of a context are repeated for each level. */
const CONTEXT_FEATURES = ['share', 'none', 'known', 'odds', 'inARow'] as const;
const FEATURES: readonly string[] = [
  'one',
  'logOdds',
  'margin',
  'choice',
  'record',
  'isUnchanged',
  'isLastAction',
  'streak',
  ...DOUBT.flatMap((_, level) => CONTEXT_FEATURES.map((name) => `${name}${level}`)),
];

/** Initial weights of the features of habits. The others start at 0. */
const START: Readonly<Record<string, number>> = {
  one: -0.8,
  logOdds: 0.7,
  margin: 0.3,
  record: 0.4,
  isLastAction: 0.1,
  odds0: 0.3,
  odds2: 0.2,
  odds3: 0.3,
  inARow0: 0.1,
};

export const HABIT_INPUTS: RiskInputs = { names: FEATURES, start: START };

export class Habits {
  readonly #tallies: TimedTallies;

  /** A decision counts until it is `lifeMs` old. */
  constructor(lifeMs: number) {
    this.#tallies = new TimedTallies(CONTEXTS_MAX, lifeMs);
  }

  /** Returns what is usually done, if anything is known of such circumstances. */
  predict(actions: readonly string[], circumstances: Circumstances, common: CommonEvidence): Prediction | undefined {
    const { habit, momentum } = circumstances;
    if (habit === undefined || actions.length > JUDGED_ACTIONS_MAX) return undefined;
    const own = contextsOf(habit, circumstances).map((context) => this.#tallies.get(context, actions, habit.atMs));
    const known = own.find((tally) => tally !== undefined);
    if (known === undefined) return undefined;
    const contexts = [...own, ...common.ofActionSet];
    const likeliest = likeliestOf(actions, contexts, DOUBT);
    const { action } = likeliest;
    const features = featuresOf(likeliest, contexts, momentum, actions.length, common.recordOf(action));
    const { total, newestMs } = known;
    return { action, features, inState: 0, inGates: total, agreeing: countOf(known, action), habitAtMs: newestMs };
  }

  /** Learns a decision of models. */
  learn(circumstances: Circumstances, action: string): void {
    const { habit } = circumstances;
    if (habit === undefined) return;
    for (const context of contextsOf(habit, circumstances)) this.#tallies.add(context, action, habit.atMs);
  }

  learnedPart(clock: Clock): LearnedPart {
    return {
      name: 'habits',
      saved: () => this.#tallies.saved(clock),
      restore: (chunk) => this.#tallies.restore(chunk, clock),
    };
  }

  clear(): void {
    this.#tallies.clear();
  }
}

/** Names of the contexts, by level. */
function contextsOf({ flags, openGates }: HabitPlace, { scene, actionSet, momentum }: Circumstances): string[] {
  const after = `${momentum?.isUnchanged ? Math.min(momentum.repeats, 3) : 0} ${momentum?.action ?? ''}`;
  const here = `${flags} ${JSON.stringify(scene ?? '')} ${after}`;
  return [`0 ${actionSet} ${here}`, `1 ${here}`, `2 ${openGates}`];
}

function featuresOf(
  { action, chance, second }: Likeliest,
  contexts: readonly (ContextTally | undefined)[],
  momentum: Momentum | undefined,
  choices: number,
  record: number,
): Float64Array {
  const isLast = momentum?.action === action;
  return Float64Array.of(
    1,
    Math.log(chance / (1 - chance + 1e-6) + 1e-6) / 2,
    chance - second,
    1 / choices,
    record,
    momentum?.isUnchanged ? 1 : 0,
    isLast ? 1 : 0,
    isLast ? Math.log1p(momentum.streak) / 2 : 0,
    ...contexts.flatMap((tally) => contextFeatures(tally, action)),
  );
}

function contextFeatures(tally: ContextTally | undefined, action: string): number[] {
  if (tally === undefined) return [0.5, 1, 0, 0, 0];
  const share = (countOf(tally, action) + 0.5) / (tally.total + 1);
  const inARow = tally.latest === action ? Math.min(tally.inARow, 5) / 5 : 0;
  return [share, 0, Math.log1p(tally.total) / 3, Math.log(share / (1 - share)) / 2, inARow];
}
