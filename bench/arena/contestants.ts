import type { PlannerOptions } from '../../src/main/options/planner-options.ts';
import type { VirtualServer } from '../../test/sim/virtual-server.ts';
import type { Player, Table } from './player.ts';
import { four, lateAgain, lateRemembered, toldOnce } from './players/bounds.ts';
import { asynchronous, bestValue, blocking, safeDefault, zero } from './players/plain.ts';
import { openPlanner, PlannerPlayer, ToldPlayer } from './players/planner.ts';

export type VirtualTable = Table & { readonly server: VirtualServer };
export type Features = NonNullable<PlannerOptions['features']>;

interface Contestant {
  /** `plain`: what the planner must not lose to. `bound`: what it is held against. `shown`: neither. */
  readonly kind: 'plain' | 'planner' | 'bound' | 'shown';
  /** Cells in which it plays. Default: all. */
  readonly values?: boolean;
  /** Plays only if it is named. */
  readonly isOptional?: boolean;
  open(table: VirtualTable, features: Features): Player | Promise<Player>;
}

function planner(options: Partial<PlannerOptions>): Contestant['open'] {
  return async (table, features) => new PlannerPlayer(await openPlanner(table, { ...options, features }), table.stepMs);
}

export const CONTESTANTS = {
  default: { kind: 'plain', open: safeDefault },
  bestQ: { kind: 'plain', values: true, open: bestValue },
  blocking: { kind: 'plain', open: blocking },
  async: { kind: 'plain', open: asynchronous },
  planner: { kind: 'planner', open: planner({}) },
  noCache: { kind: 'shown', values: false, open: planner({ cache: false }) },
  exact: { kind: 'shown', values: false, open: planner({ cache: { similar: false } }) },
  four: { kind: 'bound', open: four },
  lateRemembered: { kind: 'bound', open: lateRemembered },
  lateAgain: { kind: 'bound', open: lateAgain },
  zero: { kind: 'shown', open: zero },
  toldOnce: { kind: 'shown', isOptional: true, open: toldOnce },
  toldPlanner: {
    kind: 'shown',
    isOptional: true,
    open: async (table, features) => new ToldPlayer(await openPlanner(table, { features }), table),
  },
} as const satisfies Readonly<Record<string, Contestant>>;

export type ContestantName = keyof typeof CONTESTANTS;
export const CONTESTANT_NAMES = Object.keys(CONTESTANTS) as ContestantName[];

export function contestant(name: ContestantName): Contestant {
  return CONTESTANTS[name];
}
