import { type ContextTally, countOf } from './tallies.ts';

/** The likeliest of some actions. */
export interface Likeliest {
  readonly action: string;
  readonly chance: number;
  /** The chance of the next one. */
  readonly second: number;
}

/**
 * Finds the likeliest action by what was decided in some contexts, from the finest to the coarsest. The chance of an action is backed
 * off from the coarsest context to the finest (Witten and Bell, 1991): the weight of each context grows with the number of decisions in
 * it and shrinks with the number of different actions, by its place in `doubts`.
 */
export function likeliestOf(
  actions: readonly string[],
  contexts: readonly (ContextTally | undefined)[],
  doubts: readonly number[],
): Likeliest {
  let best = '';
  let chance = 0;
  let second = 0;
  for (const action of actions) {
    const own = backedOffChance(contexts, action, actions.length, doubts);
    if (own > chance) {
      second = chance;
      chance = own;
      best = action;
    } else if (own > second) second = own;
  }
  return { action: best, chance, second };
}

function backedOffChance(
  contexts: readonly (ContextTally | undefined)[],
  action: string,
  choices: number,
  doubts: readonly number[],
): number {
  let chance = 1 / choices;
  for (let level = contexts.length - 1; level >= 0; level--) {
    const tally = contexts[level];
    if (tally === undefined) continue;
    const say = tally.total / (tally.total + 1 + (doubts[level] as number) * tally.actions.length);
    chance = (say * countOf(tally, action)) / tally.total + (1 - say) * chance;
  }
  return chance;
}
