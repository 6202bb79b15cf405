import { expect, test } from 'vitest';
import { createPlanner } from '../../../src/main/service/create-planner.ts';
import { drive } from '../../support/drive.ts';
import { FakeModels } from '../../support/fake-models.ts';
import { request, testOptions } from '../../support/make-planner.ts';
import { FakeWallClock } from '../../support/wall-clock.ts';

test.each([0, -3_600_000, 3_600_000, 1e12])(
  'tells the age of a decision by the steady clock, the wall clock set by %i ms since',
  async (byMs) => {
    const clock = new FakeWallClock(1_000);
    const models = new FakeModels(clock, () => ({ kind: 'answers', action: 'block' }));
    const parts = { clock, pool: models, client: () => models };
    await using planner = await createPlanner({ ...testOptions, cache: { ttlMs: 60_000 } }, parts);
    const first = await drive(clock, planner.plan(request()));
    const decidedAtMs = clock.wallNow();
    expect([first.source, first.ageMs]).toEqual(['synthesis', undefined]);
    clock.advance(700);
    clock.wallShiftMs += byMs;
    clock.advance(50);
    const plan = await planner.plan(request({ agent: 'other' }));
    expect([plan.source, plan.ageMs]).toEqual(['cache', 750]);
    expect(planner.peek(request({ agent: 'third' }))?.decidedAtMs).toBe(decidedAtMs);
  },
);
