import { expect, test } from 'vitest';
import { Monitor, type MonitorSample } from '../../../src/main/monitor/monitor.ts';
import { drive, flush } from '../../support/drive.ts';
import { makePlanner, request } from '../../support/make-planner.ts';

const ANSWERS = () => ({ kind: 'answers', action: 'block', afterMs: 20 }) as const;

function watch(monitor: Monitor): MonitorSample[] {
  const taken: MonitorSample[] = [];
  monitor.on('sample', (sample) => taken.push(sample));
  return taken;
}

test('a sample holds what changed since the last one, and what is so at its end', async () => {
  await using under = await makePlanner(ANSWERS);
  const { planner, clock } = under;
  using monitor = new Monitor(planner, clock);
  const taken = watch(monitor);
  await drive(clock, planner.plan(request()));
  await planner.plan(request({ agent: 'second' }));
  // The calls that the quorum cancelled give their slots back in turns of their own.
  await flush();
  clock.advance(1_000);
  await planner.plan(request({ agent: 'third' }));
  clock.advance(1_000);
  const [first, second] = taken.map(({ sample }) => sample);
  expect(first).toMatchObject({
    plans: 2,
    seconds: 1,
    lookups: 2,
    hits: 1,
    entries: 1,
    inFlight: 0,
    calls: { useful: 3, timeouts: 0 },
    endpoints: [{ endpoint: 'fake', busy: 0, waiting: 0, breaker: 'closed' }],
  });
  expect(first?.planningMs).toMatchObject({ count: 2, max: 40 });
  expect(second).toMatchObject({ plans: 1, lookups: 1, hits: 1, calls: { useful: 0 } });
  expect(second?.sources).toMatchObject({ cache: 1, synthesis: 0 });
});

test('the samples add up to the counters of the planner', async () => {
  await using under = await makePlanner(({ nth }) =>
    nth % 3 === 0 ? { kind: 'errors', code: 'ERR_MODEL_STATUS' } : { kind: 'answers', action: 'flee', afterMs: 300 },
  );
  const { planner, clock } = under;
  using monitor = new Monitor(planner, clock);
  for (let health = 0; health < 100; health += 20) {
    await drive(clock, planner.plan(request({ observation: { place: `at ${health}`, health } })));
  }
  monitor.sampleNow();
  const stats = planner.stats();
  const series = monitor.series();
  const sum = (list: readonly number[]): number => list.reduce((total, value) => total + value, 0);
  expect(sum(series.plans)).toBe(stats.plans.settled);
  expect(sum(series.useful)).toBe(stats.calls.useful);
  expect(sum(series.failed)).toBe(stats.calls.failed);
  expect(sum(series.fallbacks)).toBe(stats.fallbacks);
  expect(stats.calls.failed).toBeGreaterThan(0);
  expect(series.plans.length).toBeGreaterThan(1);
  for (const [source, plans] of Object.entries(stats.sources)) {
    expect(sum(series.sources[source as keyof typeof series.sources])).toBe(plans);
  }
});

test('plans are told once, with their attempts and without what the agent observed', async () => {
  await using under = await makePlanner(ANSWERS);
  const { planner, clock } = under;
  using monitor = new Monitor(planner, clock);
  const taken = watch(monitor);
  await drive(clock, planner.plan(request()));
  clock.advance(2_000);
  expect(taken.map(({ plans }) => plans.length)).toEqual([1, 0]);
  const [plan] = monitor.snapshot().plans;
  expect(plan).toMatchObject({ agent: 'tester', action: 'block', source: 'synthesis', attemptCount: 3 });
  expect(plan?.attempts.map(({ role, model, code }) => [role, model, code])).toEqual([
    ['one', 'e', 'OK'],
    ['two', 'e', 'OK'],
    [undefined, 'a', 'OK'],
  ]);
  expect(JSON.stringify(monitor.snapshot().plans)).not.toContain('cave');
});

test('the latest minute is merged over its samples, and forgets what is older', async () => {
  await using under = await makePlanner(ANSWERS);
  const { planner, clock } = under;
  using monitor = new Monitor(planner, clock);
  await drive(clock, planner.plan(request()));
  clock.advance(59_900);
  expect(monitor.snapshot().lately).toMatchObject({ count: 1, max: 40 });
  clock.advance(1_500);
  expect(monitor.snapshot().lately.count).toBe(0);
  expect(monitor.snapshot().stats.planningMs.count).toBe(1);
});

test('samples are taken at fixed times, and one after a held-up event loop says how long it was', async () => {
  await using under = await makePlanner(ANSWERS);
  using monitor = new Monitor(under.planner, under.clock);
  const taken = watch(monitor);
  under.clock.advance(1_000);
  under.clock.stall(3_400);
  under.clock.advance(600);
  expect(taken.map(({ sample }) => sample.seconds)).toEqual([1, 3.4, 0.6]);
});

test('without a cache there is nothing to tell of one', async () => {
  await using under = await makePlanner(ANSWERS, { cache: false });
  using monitor = new Monitor(under.planner, under.clock);
  const taken = watch(monitor);
  await drive(under.clock, under.planner.plan(request()));
  under.clock.advance(1_000);
  expect(taken[0]?.sample).toMatchObject({ plans: 1, lookups: 0, entries: 0, falseHits: { checked: 0, rate: null } });
});

test('disposed, it leaves no timer and no listener', async () => {
  await using under = await makePlanner(ANSWERS);
  const { planner, clock } = under;
  const timers = clock.pendingTimers;
  const monitor = new Monitor(planner, clock);
  watch(monitor);
  monitor.dispose();
  monitor.dispose();
  expect(clock.pendingTimers).toBe(timers);
  expect(planner.listenerCount('plan')).toBe(0);
  expect(monitor.listenerCount('sample')).toBe(0);
});

test('a listener that disposes the monitor ends it', async () => {
  await using under = await makePlanner(ANSWERS);
  const timers = under.clock.pendingTimers;
  const monitor = new Monitor(under.planner, under.clock);
  monitor.on('sample', () => monitor.dispose());
  under.clock.advance(1_000);
  await flush();
  expect(under.clock.pendingTimers).toBe(timers);
});
