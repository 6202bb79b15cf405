import type { ChatPlanner } from '../../src/main/chat/chat-planner.ts';
import { allFeatures } from '../../src/main/options/features.ts';
import type { DomainsPlannerOptions } from '../../src/main/options/planner-options.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import { type Domain, defineDomain } from '../../src/shared/domain.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { seededRandom } from '../../src/shared/random.ts';
import { FakeClock } from './fake-clock.ts';
import { type Behaviour, FakeModels } from './fake-models.ts';
import { testDomain } from './make-planner.ts';

/** The same features and actions as `testDomain`, with one role whose name tells a script which domain asks. */
export function domainOf(role: string, more: Partial<Domain> = {}): Domain {
  const { name, features } = testDomain;
  return defineDomain({ name, features, roles: [{ name: role, prompt: `Think as ${role}.` }], ...more });
}

export const ROVER = domainOf('scout');
export const GUARD = domainOf('sentry');

/** One expert on model `e`. */
export function expertOf(role: string): { readonly role: string; readonly model: string } {
  return { role, model: 'e' };
}

/** Two domains whose only difference are their roles. */
export const domainsOptions: DomainsPlannerOptions = {
  domains: {
    rover: { domain: ROVER, experts: [expertOf('scout')] },
    guard: { domain: GUARD, experts: [expertOf('sentry')] },
  },
  endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1' } },
  features: allFeatures(false),
  timeoutMs: 1_000,
  cache: { similar: false, checkShare: 0, ttlMs: 60_000 },
};

export interface DomainsUnderTest extends AsyncDisposable {
  readonly planner: ChatPlanner;
  readonly models: FakeModels;
  readonly clock: FakeClock;
}

/** The real planner of several domains over scripted models and a fake clock. Scouts attack and sentries block, unless told otherwise. */
export async function makeDomains(
  options: Partial<DomainsPlannerOptions> = {},
  script: (call: { role: string | undefined; model: string }) => Behaviour = ({ role }) => ({
    kind: 'answers',
    action: role === 'scout' ? 'attack' : 'block',
  }),
): Promise<DomainsUnderTest> {
  const clock = new FakeClock(1_000);
  const models = new FakeModels(clock, script);
  const parts = { clock, random: seededRandom(1), pool: models, client: () => models };
  const planner: ChatPlanner = await createPlanner({ ...domainsOptions, ...options }, parts);
  return { planner, models, clock, [Symbol.asyncDispose]: () => planner.close() };
}

export function asked(domain: string | undefined, more: Partial<PlanRequest> = {}): PlanRequest {
  const request = { agent: 'tester', observation: { place: 'cave', health: 50 }, actions: ['attack', 'block', 'flee'] };
  return { ...request, ...(domain === undefined ? {} : { domain }), ...more };
}
