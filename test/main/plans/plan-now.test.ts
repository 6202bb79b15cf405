import { expect, test } from 'vitest';
import type { Plan } from '../../../src/main/plans/plan.ts';
import { drive } from '../../support/drive.ts';
import { makePlanner, request } from '../../support/make-planner.ts';

test('what is in the cache is a plan at once, and a promise where models are asked', async () => {
  await using under = await makePlanner(() => ({ kind: 'answers', action: 'flee' }));
  const asked = under.planner.planNow(request());
  expect(asked).toBeInstanceOf(Promise);
  expect(await drive(under.clock, asked as Promise<Plan>)).toMatchObject({ source: 'synthesis', action: 'flee' });
  expect(under.planner.planNow(request())).toMatchObject({ source: 'cache', action: 'flee', agent: 'tester' });
  expect(under.planner.stats()).toMatchObject({ plans: { settled: 2 }, sources: { cache: 1, synthesis: 1 } });
});

test('what is refused at once is thrown, and rejected by plan', async () => {
  await using under = await makePlanner(() => ({ kind: 'answers', action: 'flee' }));
  expect(() => under.planner.planNow(request({ actions: [] }))).toThrow(/actions must be a list/);
  await expect(under.planner.plan(request({ actions: [] }))).rejects.toThrow(/actions must be a list/);
  await under.planner.close();
  expect(() => under.planner.planNow(request())).toThrow(/the planner is closed/);
});
