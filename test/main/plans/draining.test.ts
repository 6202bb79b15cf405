import { describe, expect, test } from 'vitest';
import { drive, flush } from '../../support/drive.ts';
import { makePlanner, request } from '../../support/make-planner.ts';

describe('draining', () => {
  test('refuses new plans, lets those in flight decide, and then closes', async () => {
    await using under = await makePlanner(() => ({ kind: 'answers', action: 'flee', afterMs: 50 }));
    const plan = under.planner.plan(request());
    await flush();
    const closed = under.planner.close({ drainMs: 5_000 });
    expect(under.planner.isOpen).toBe(false);
    await expect(under.planner.plan(request())).rejects.toMatchObject({ code: 'ERR_PLANNER_CLOSED' });
    expect(await drive(under.clock, plan)).toMatchObject({ source: 'synthesis', action: 'flee' });
    const decidedAtMs = under.clock.now();
    await drive(under.clock, closed);
    // Nobody waits any more: the rest of the time is not waited for.
    expect(under.clock.now() - decidedAtMs).toBeLessThan(10);
    expect(under.models.closed).toBe(true);
    expect(under.clock.pendingTimers).toBe(0);
  });

  test('settles what is left when its time is over', async () => {
    await using under = await makePlanner(() => ({ kind: 'stuck' }));
    const plan = under.planner.plan(request({ qValues: { block: 1 } }), { timeoutMs: 1_000 });
    await flush();
    const startedAtMs = under.clock.now();
    const closed = under.planner.close({ drainMs: 200 });
    expect(await drive(under.clock, plan)).toMatchObject({ source: 'heuristic', action: 'block', latencyMs: 200 });
    await drive(under.clock, closed);
    expect(under.clock.now() - startedAtMs).toBeLessThan(210);
  });

  test('ends at once when the planner is closed again, and with nobody waiting', async () => {
    await using under = await makePlanner(() => ({ kind: 'stuck' }));
    const plan = under.planner.plan(request());
    await flush();
    void under.planner.close({ drainMs: 900 });
    const closed = under.planner.close();
    expect(await drive(under.clock, plan, 5)).toMatchObject({ source: 'heuristic' });
    await drive(under.clock, closed, 5);
    await using idle = await makePlanner(() => ({ kind: 'stuck' }));
    await drive(idle.clock, idle.planner.close({ drainMs: 900 }), 5);
  });
});
