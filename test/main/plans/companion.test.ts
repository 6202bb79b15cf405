import { expect, test } from 'vitest';
import { allFeatures } from '../../../src/main/options/features.ts';
import { resolveOptions } from '../../../src/main/options/resolve-options.ts';
import type { Companion } from '../../../src/main/plans/companion.ts';
import { Planner } from '../../../src/main/plans/planner.ts';
import { makeParts } from '../../../src/main/service/create-planner.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { flush } from '../../support/drive.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeModels } from '../../support/fake-models.ts';
import { testDomain } from '../../support/make-planner.ts';

/** A companion that is no gateway for chats: it tells what it was told, and is busy until it is let go. */
class Lodger implements Companion<{ readonly told: readonly string[] }> {
  readonly told: string[] = [];
  readonly #gone = Promise.withResolvers<void>();
  readonly leave = this.#gone.resolve;
  stats = () => ({ told: [...this.told] });
  clearCache = (): void => void this.told.push('clearCache');
  shut = (): void => void this.told.push('shut');
  idle = (): Promise<void> => this.#gone.promise;
  close = async (): Promise<void> => void this.told.push('close');
}

function plannerWith(lodger: Lodger): Planner<Lodger> {
  const clock = new FakeClock();
  const pool = new FakeModels(clock, () => ({ kind: 'stuck' }));
  const endpoints = { fake: { baseURL: 'http://127.0.0.1:9/v1' } };
  const options = resolveOptions({ domain: testDomain, endpoints, experts: [], features: allFeatures(false) });
  const random = seededRandom(1);
  const parts = makeParts(options, { clock, random, pool, callers: new Map() });
  return new Planner([{ name: 'test', parts, cache: undefined }], lodger, undefined, random, () => pool.close());
}

test('a planner tells the figures of its companion, clears its cache, waits for it while it drains, and closes it', async () => {
  const lodger = new Lodger();
  const planner = plannerWith(lodger);
  planner.clearCache();
  const closed = planner.close({ drainMs: 1_000 });
  await flush();
  expect(planner.stats().chats.told).toEqual(['clearCache', 'shut']);
  lodger.leave();
  await closed;
  expect(planner.stats().chats.told).toEqual(['clearCache', 'shut', 'close']);
});
