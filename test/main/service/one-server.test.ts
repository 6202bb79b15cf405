import { expect, it } from 'vitest';
import { resolveOptions } from '../../../src/main/options/resolve-options.ts';
import { makeShared } from '../../../src/main/service/make-parts.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { testOptions } from '../../support/make-planner.ts';

/** Two accounts at one server, which are asked differently and thus are two endpoints. */
const endpoints = {
  fake: { baseURL: 'http://gpu:8080/v1', apiKey: 'a' },
  other: { baseURL: 'http://gpu:8080/v1', apiKey: 'b' },
};

it.each([
  ['alone, two endpoints at one server have slots of their own', undefined, 0],
  ['in a cluster, a call of one counts at the other, since the slots of the server are leased', 'redis://engine', 1],
])('%s', (_, url, busy) => {
  const experts = testOptions.experts.map((expert) => ({ ...expert, endpoint: 'fake' }));
  const asked = { ...testOptions, experts, synthesis: { models: [] }, endpoints };
  const options = resolveOptions({ ...asked, ...(url && { cluster: { url } }) });
  const opened = { clock: new FakeClock(), random: seededRandom(1), callers: new Map() };
  const made = makeShared(options, opened).endpoints;
  made.get('fake')?.gate.acquire(new AbortController().signal);
  expect(made.get('other')?.gate.busy).toBe(busy);
  for (const endpoint of made.values()) endpoint.close();
});
