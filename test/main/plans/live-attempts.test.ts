import { describe, expect, test } from 'vitest';
import type { Attempt } from '../../../src/main/models/calls/attempt.ts';
import { drive, flush } from '../../support/drive.ts';
import { makePlanner, request } from '../../support/make-planner.ts';

describe('attempts while they come', () => {
  test('are told as each ends, from the start of the plan, and the plan lists the same', async () => {
    await using under = await makePlanner(({ role }) => ({
      kind: 'answers',
      action: 'flee',
      afterMs: role === 'one' ? 10 : 30,
    }));
    const heard: Attempt[] = [];
    const plan = await drive(
      under.clock,
      under.planner.plan(request(), { onAttempt: (each) => void heard.push(each) }),
    );
    expect(heard.map(({ role, step, startMs, latencyMs }) => [role ?? step, startMs, latencyMs])).toEqual([
      ['one', 0, 10],
      ['two', 0, 30],
      ['synthesis', 30, 30],
    ]);
    expect(plan.attempts).toEqual(heard);
  });

  test('that have ended are told at once to a plan that joins, and the others as they end', async () => {
    await using under = await makePlanner(({ role }) => ({
      kind: 'answers',
      action: 'flee',
      afterMs: role === 'one' ? 10 : 30,
    }));
    const first = under.planner.plan(request());
    await flush();
    for (let ms = 0; ms < 15; ms++) {
      under.clock.advance(1);
      await flush();
    }
    const heard: Attempt[] = [];
    const second = under.planner.plan(request({ agent: 'other' }), { onAttempt: (each) => void heard.push(each) });
    expect(heard).toMatchObject([{ role: 'one', startMs: -15, latencyMs: 10 }]);
    expect((await drive(under.clock, second)).attempts).toEqual(heard);
    await first;
  });

  test('told to a listener that throws become warnings, and the plan is what it was', async () => {
    await using under = await makePlanner(() => ({ kind: 'answers', action: 'flee' }));
    const warnings: string[] = [];
    under.planner.on('warning', (message) => void warnings.push(message));
    const onAttempt = (): void => {
      throw new Error('listener');
    };
    const plan = await drive(under.clock, under.planner.plan(request(), { onAttempt }));
    expect(plan).toMatchObject({ action: 'flee', source: 'synthesis' });
    expect(warnings).toHaveLength(3);
    expect(warnings[0]).toContain('onAttempt of a plan threw: listener');
  });
});
