import { describe, expect, test } from 'vitest';
import { allFeatures } from '../../../src/main/options/features.ts';
import type { PlannerOptions } from '../../../src/main/options/planner-options.ts';
import { createPlanner } from '../../../src/main/service/create-planner.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { runVirtual, VirtualClock } from '../../sim/virtual-clock.ts';
import { FakeModels } from '../../support/fake-models.ts';
import { request, testDomain } from '../../support/make-planner.ts';

const ROUNDS = 8;
const DEADLINE_MS = 150;

/** Where plans came from, round by round: `states` states in turn, a plan each `DEADLINE_MS`, answers after `modelMs`. */
async function rounds(states: number, modelMs: number, slots: number, more: Partial<PlannerOptions> = {}) {
  const clock = new VirtualClock(1_000);
  const models = new FakeModels(clock, () => ({ kind: 'answers', action: 'block', afterMs: modelMs }));
  const opening = createPlanner(
    {
      domain: testDomain,
      endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', slots } },
      experts: [
        { role: 'one', model: 'e' },
        { role: 'two', model: 'e' },
      ],
      synthesis: { models: ['a'] },
      cache: { checkShare: 0 },
      ...more,
    },
    { clock, random: seededRandom(1), pool: models, client: () => models },
  );
  const planner = await runVirtual(clock, opening);
  const sources: string[][] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const seen: string[] = [];
    for (let state = 0; state < states; state++) {
      const asked = request({ observation: { place: `place ${state}`, health: 50 } });
      const startedAtMs = clock.now();
      const plan = await runVirtual(clock, planner.plan(asked, { timeoutMs: DEADLINE_MS }));
      seen.push(plan.source);
      const restMs = startedAtMs + DEADLINE_MS - clock.now();
      await runVirtual(clock, new Promise<void>((resolve) => void clock.setTimer(restMs, resolve)));
    }
    sources.push(seen);
  }
  const stats = planner.stats();
  await runVirtual(clock, planner.close());
  return { sources, stats, calls: models.calls.length };
}

function fromCache(sources: readonly string[][]): number {
  const late = sources.slice(2).flat();
  return late.filter((source) => source === 'cache').length / late.length;
}

describe('a model that is slower than the step', () => {
  test('fills the cache: from the third round on nearly all plans come from it', async () => {
    const { sources, calls } = await rounds(5, 200, 4);
    expect(fromCache(sources)).toBeGreaterThanOrEqual(0.95);
    // What is known is not asked for ever.
    expect(calls).toBeLessThan(5 * 8);
  });

  test.each([
    [5, 200, 1],
    [5, 600, 4],
    [5, 600, 2],
    [12, 300, 4],
    [3, 160, 4],
  ])('does so too with %i states, answers after %i ms and %i slots', async (states, modelMs, slots) => {
    const { sources } = await rounds(states, modelMs, slots);
    const last = sources.slice(-2).flat();
    expect(last.filter((source) => source === 'cache').length / last.length).toBeGreaterThanOrEqual(0.9);
  });

  test('leaves it empty for ever where late answers are given up', async () => {
    const features = { lateAnswers: false, askLater: false };
    const { sources } = await rounds(5, 200, 4, { features });
    expect(fromCache(sources)).toBe(0);
    expect(allFeatures(true)).toMatchObject({ lateAnswers: true, askLater: true });
  });
});
