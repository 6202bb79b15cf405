import { type HttpFace, openHttpFace } from '../../../src/main/faces/http/open-http-face.ts';
import type { PlannerOptions } from '../../../src/main/options/planner-options.ts';
import type { Planner, PlannerStats } from '../../../src/main/plans/planner.ts';
import { createPlanner } from '../../../src/main/service/create-planner.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import type { PlanRequest } from '../../../src/shared/plan-request.ts';
import { type Behaviour, FakeModels, type ReadScript } from '../../support/fake-models.ts';
import { request, testOptions } from '../../support/make-planner.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };

export interface Service extends AsyncDisposable {
  readonly planner: Planner;
  readonly models: FakeModels;
  readonly address: string;
  /** Closes the port, and opens it again; the planner stays. */
  goDown(): Promise<void>;
  comeBack(): Promise<void>;
  stats(): Promise<PlannerStats>;
  /** Plans one request after the other. */
  plan(...requests: Partial<PlanRequest>[]): Promise<void>;
}

export const ANSWERS = (): Behaviour => ({ kind: 'answers', action: 'block', afterMs: 15 });

/** The real planner behind the real HTTP face in real time, over scripted models. */
export async function openService(
  script: (call: { role: string | undefined; model: string; nth: number }) => Behaviour = ANSWERS,
  { token, reads, ...options }: Partial<PlannerOptions> & { readonly token?: string; readonly reads?: ReadScript } = {},
): Promise<Service> {
  const clock = systemClock;
  const models = new FakeModels(clock, script, reads);
  const planner = await createPlanner({ ...testOptions, ...options }, { clock, pool: models, client: () => models });
  const open = (port: number): Promise<HttpFace> =>
    openHttpFace(planner, { port, ...(token === undefined ? {} : { token }) }, { clock, log, version: '1.2.3' });
  let face = await open(0);
  const { address } = face;
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return {
    planner,
    models,
    address,
    goDown: () => face.close(),
    async comeBack() {
      face = await open(Number(new URL(address).port));
    },
    async stats() {
      const response = await fetch(`${address}/v1/stats`, { headers });
      return (await response.json()) as PlannerStats;
    },
    async plan(...requests) {
      for (const each of requests) await planner.plan(request(each));
    },
    async [Symbol.asyncDispose]() {
      await face.close();
      await planner.close();
    },
  };
}

/** Each in a state of its own, so that models are asked. */
export function states(count: number, overrides: Partial<PlanRequest> = {}): Partial<PlanRequest>[] {
  return Array.from({ length: count }, (_, i) => ({ observation: { place: `place ${i}`, health: 50 }, ...overrides }));
}
