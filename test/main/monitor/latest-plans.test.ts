import { expect, test } from 'vitest';
import type { Attempt } from '../../../src/main/models/calls/attempt.ts';
import { LatestPlans } from '../../../src/main/monitor/latest-plans.ts';
import type { Plan } from '../../../src/main/plans/plan.ts';

const ATTEMPT: Attempt = {
  step: 'expert',
  role: 'one',
  model: 'e',
  endpoint: 'fake',
  code: 'OK',
  startMs: 0.12345,
  waitMs: 1,
  latencyMs: 20,
};

function plan(id: number, attempts: readonly Attempt[], overrides: Partial<Plan> = {}): Plan {
  const told = { agent: 'tester', action: 'block', reason: 'because', coalesced: false, latencyMs: 20, latenessMs: 0 };
  return { id, source: attempts.length > 0 ? 'quorum' : 'cache', attempts, ...told, ...overrides };
}

function noted(plans: readonly Plan[]): LatestPlans {
  const log = new LatestPlans(() => 5_000);
  for (const each of plans) log.note(each);
  return log;
}

const ids = (plans: readonly { id: number }[]): number[] => plans.map(({ id }) => id);
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test('of many new plans that asked models, the latest forty are kept', () => {
  expect(ids(noted(range(1, 40).map((id) => plan(id, [ATTEMPT]))).collect())).toEqual(range(1, 40));
  expect(ids(noted(range(1, 95).map((id) => plan(id, [ATTEMPT]))).collect())).toEqual(range(56, 95));
});

test('of many new plans from memory, the first four are kept', () => {
  expect(ids(noted(range(1, 1_000).map((id) => plan(id, []))).collect())).toEqual([1, 2, 3, 4]);
});

test('a plan that was foreseen is shown with the calls that were made before it was asked', () => {
  const ahead = { ...ATTEMPT, startMs: -900.12345 };
  const [shown] = noted([plan(1, [], { foreseen: [ahead] }), plan(2, [])]).collect();
  expect(shown).toMatchObject({ id: 1, source: 'cache', attemptCount: 1, attempts: [{ startMs: -900.123 }] });
  expect(shown).not.toHaveProperty('foreseen');
});

test('cached plans do not push out those that asked models', () => {
  const log = noted([plan(1, [ATTEMPT])]);
  for (let second = 0; second < 50; second++) {
    for (let i = 0; i < 10; i++) log.note(plan(2 + second * 10 + i, []));
    log.collect();
  }
  expect(log.plans()).toHaveLength(21);
  expect(log.plans()[0]?.id).toBe(1);
});

test('a hundred plans that asked models are kept, and each is told once', () => {
  const log = new LatestPlans(() => 0);
  const told: number[] = [];
  for (let second = 0; second < 5; second++) {
    for (let i = 0; i < 30; i++) log.note(plan(second * 30 + i, [ATTEMPT]));
    told.push(...ids(log.collect()));
  }
  expect(told).toEqual(range(0, 149));
  expect(ids(log.plans())).toEqual(range(50, 149));
  expect(log.collect()).toEqual([]);
});

test('what agents and models wrote is cut, and attempts are bounded', () => {
  const long = 'x'.repeat(100_000);
  const attempt = { ...ATTEMPT, message: long, action: long };
  const log = noted([plan(1, Array(500).fill(attempt), { agent: long, action: long, reason: long })]);
  const [shown] = log.collect();
  expect(shown).toMatchObject({ attemptCount: 500, atMs: 5_000 });
  expect(shown?.attempts).toHaveLength(32);
  expect(JSON.stringify(shown).length).toBeLessThan(32 * 1_000);
});

test('why no model decided is shown, and cut as other texts are', () => {
  const why = { code: 'server-silent', message: `${'l'.repeat(400)} took 1 call` } as const;
  const [shown] = noted([plan(1, [ATTEMPT], { source: 'heuristic', why })]).collect();
  expect(shown?.why).toEqual({ code: 'server-silent', message: `${'l'.repeat(300)}…` });
  expect(noted([plan(1, [ATTEMPT])]).collect()[0]).not.toHaveProperty('why');
});
