import type { PlanRequest } from '../../src/shared/plan-request.ts';

/** One way to make a plan: four experts at once, then a synthesis. */
export interface Contestant {
  /** The action decided. Throws when the models did not decide it. */
  plan(request: PlanRequest): Promise<string>;
  close(): Promise<void>;
}

export type CreateContestant = (baseURL: string) => Contestant | Promise<Contestant>;
