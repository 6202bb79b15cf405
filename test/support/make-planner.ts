import type { ChatPlanner } from '../../src/main/chat/chat-planner.ts';
import { allFeatures } from '../../src/main/options/features.ts';
import type { PlannerOptions } from '../../src/main/options/planner-options.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import { type Domain, defineDomain } from '../../src/shared/domain.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { FakeClock } from './fake-clock.ts';
import { type Behaviour, FakeModels } from './fake-models.ts';

/** Its type knows no features, as that of a domain from a file: tests ask for what the compiler would refuse. */
export const testDomain: Domain = defineDomain({
  name: 'test',
  features: { place: { kind: 'category' }, health: { kind: 'number', edges: [30, 70], range: [0, 100] } },
  roles: [
    { name: 'one', prompt: 'One.' },
    { name: 'two', prompt: 'Two.' },
  ],
});

export interface PlannerUnderTest extends AsyncDisposable {
  readonly planner: ChatPlanner;
  readonly models: FakeModels;
  readonly clock: FakeClock;
}

/** Experts run on model `e`, synthesis on `a`, then `b`. The plain ladder: all are asked, and a synthesis follows. */
export const testOptions: PlannerOptions = {
  domain: testDomain,
  endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1' } },
  experts: [
    { role: 'one', model: 'e' },
    { role: 'two', model: 'e' },
  ],
  synthesis: { models: ['a', 'b'], when: 'always' },
  quorum: 'all',
  features: allFeatures(false),
  timeoutMs: 1_000,
};

/** The real planner over scripted models and a fake clock, of `testOptions` and the options given. */
export async function makePlanner(
  script: (call: { role: string | undefined; model: string; nth: number }) => Behaviour,
  options: Partial<PlannerOptions> = {},
  listed?: readonly string[],
): Promise<PlannerUnderTest> {
  const clock = new FakeClock(1_000);
  const models = new FakeModels(clock, script);
  if (listed !== undefined) models.listed = listed;
  const planner = await createPlanner({ ...testOptions, ...options }, { clock, pool: models, client: () => models });
  return { planner, models, clock, [Symbol.asyncDispose]: () => planner.close() };
}

export function request(overrides: Partial<PlanRequest> = {}): PlanRequest {
  return {
    agent: 'tester',
    observation: { place: 'cave', health: 50 },
    actions: ['attack', 'block', 'flee'],
    ...overrides,
  };
}
