import type { Clock } from '../../src/shared/clock.ts';
import type { Observation } from '../../src/shared/domain.ts';
import { bestByQValue } from '../../src/shared/plan-request.ts';
import type { ChatCaller } from '../../src/shared/vote-answer.ts';
import { coarseValues, type State, type World } from './world.ts';

/** What an agent has before it in one step. */
export interface Sight {
  readonly state: State;
  readonly key: string;
  readonly observation: Observation;
  readonly actions: readonly string[];
  readonly qValues?: Readonly<Record<string, number>>;
}

/** Where a seed is played. */
export interface Table {
  readonly world: World;
  readonly seed: number;
  readonly stepMs: number;
  readonly clock: Clock;
  readonly server: ChatCaller;
}

/** Who plays all games of a seed, one after the other. */
export interface Player {
  /** A step begins. `expect` is what its host could tell: where an action would lead. */
  begin(sight: Sight, expect: (action: string) => Sight): void;
  /** A step ends: what is done in it. */
  act(sight: Sight): string | Promise<string>;
  close?(): Promise<PlayerReport>;
}

/** What a player tells of itself. */
export interface PlayerReport {
  readonly calls?: number;
  readonly sources?: Readonly<Record<string, number>>;
  readonly lateMax?: number;
}

export function sightOf(world: World, seed: number, state: State, withValues: boolean): Sight {
  const { values } = state;
  return {
    state,
    key: world.key(values),
    observation: world.observation(state),
    actions: world.actions(values),
    ...(withValues ? { qValues: coarseValues(world, seed, values) } : {}),
  };
}

/** What is done where nobody has said anything: the best value, and without values the safe default. */
export function fallback(sight: Sight): string {
  return bestByQValue(sight);
}
