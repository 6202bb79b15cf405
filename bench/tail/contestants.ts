import type { PlannerOptions } from '../../src/main/options/planner-options.ts';

/** A way to ask three experts. */
export interface Contestant {
  readonly name: string;
  /** Beside the profile `default` without cache and without shared flights. */
  readonly options: Partial<PlannerOptions>;
  /** Servers of the same model. */
  readonly endpoints: number;
}

/** The first one is what the others save calls of; `default` is what the target is set for. */
export const CONTESTANTS: readonly Contestant[] = [
  { name: 'all', options: { quorum: 'all' }, endpoints: 1 },
  { name: 'default', options: {}, endpoints: 1 },
  { name: 'atOnce', options: { features: { panelFit: false } }, endpoints: 1 },
  { name: 'hedged', options: {}, endpoints: 2 },
  { name: 'atOnceHedged', options: { features: { panelFit: false } }, endpoints: 2 },
];
