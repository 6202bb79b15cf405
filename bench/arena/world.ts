import { type Domain, defineDomain, type Feature, type Observation } from '../../src/shared/domain.ts';
import { forkRandom } from '../../src/shared/random.ts';

/** Steps of a game. */
export const STEPS = 48;
/** Games of a seed, one after the other; who plays begins knowing nothing. */
export const GAMES = 8;
/** What the policy that knows the world scores in a game of any world. */
export const BEST_SCORE = 100;

/** Where a game stands. `at` is the step, which no observation tells. */
export interface State {
  readonly values: readonly number[];
  readonly game: number;
  readonly at: number;
}

export interface Outcome {
  readonly state: State;
  /** `BEST_SCORE` in a game where every action is the right one. */
  readonly points: number;
}

/**
 * A small world with rules of its own. It ticks whether or not anybody acts, and knows the one right action of each state. All
 * its luck comes from the seed, the game, the step and the state, never from what was drawn before: games of different players
 * meet the same luck, and what an action leads to can be looked at beforehand.
 */
export interface World {
  readonly name: string;
  readonly domain: Domain;
  start(game: number): State;
  observation(state: State): Observation;
  /** The values that an observation, as a prompt writes it, tells of. */
  read(situation: ReadonlyMap<string, string>): readonly number[] | undefined;
  /** The legal actions, the safe default first. */
  actions(values: readonly number[]): readonly string[];
  /** Equal for states that the planner's exact key holds to be equal. */
  key(values: readonly number[]): string;
  /** The right action. */
  best(values: readonly number[]): string;
  next(state: State, action: string): Outcome;
}

/** A world of one seed. */
export type WorldMaker = (seed: number) => World;

/** A float in [0, 1) that belongs to a name. */
export function luckOf(seed: number, name: string): number {
  const random = forkRandom(seed, name);
  random.next();
  return random.next();
}

/** Actions that most states offer all of; a state in six lacks one, never the default or the right one. */
export function offered(all: readonly string[], best: string, seed: number, key: string): readonly string[] {
  if (luckOf(seed, `lacks ${key}`) >= 1 / 6) return all;
  const others = all.slice(1).filter((action) => action !== best);
  const missing = others[Math.floor(luckOf(seed, `which ${key}`) * others.length)];
  return all.filter((action) => action !== missing);
}

/** A domain with the four roles that fit any agent. */
export function arenaDomain(name: string, description: string, features: Readonly<Record<string, Feature>>): Domain {
  return defineDomain({ name, description, features });
}

/**
 * Learned values as coarse as those of a young agent: three levels, of which the right action has the highest in three of
 * four states and others may have it too. The same for a state each time.
 */
export function coarseValues(world: World, seed: number, values: readonly number[]): Record<string, number> {
  const key = world.key(values);
  const best = world.best(values);
  const levelOf = (action: string): number => {
    const luck = luckOf(seed, `value ${key} ${action}`);
    if (action === best) return luck < 0.75 ? 1 : 0.5;
    return luck < 0.08 ? 1 : luck < 0.45 ? 0.5 : 0;
  };
  return Object.fromEntries(world.actions(values).map((action) => [action, levelOf(action)]));
}
