import { expect, test } from 'vitest';
import type { Attempt } from '../../src/main/models/calls/attempt.ts';
import { endingOf, phasesOf, spanOf } from '../../src/main/page/browser/timeline.js';

const OK = { step: 'expert', role: 'one', model: 'e', endpoint: 'fake', code: 'OK', startMs: 0 } as const;

function phases(times: Partial<Attempt> & Pick<Attempt, 'waitMs' | 'latencyMs'>): Record<string, number> {
  return Object.fromEntries(phasesOf({ ...OK, ...times }).map(({ phase, ms }) => [phase, ms]));
}

test('an attempt is parted into its phases, which are as long as it was', () => {
  expect(phases({ waitMs: 5, latencyMs: 100, queueMs: 10, firstTokenMs: 40 })).toEqual({
    wait: 5,
    queue: 10,
    read: 30,
    tokens: 55,
  });
});

test.each<[string, Parameters<typeof phases>[0], Record<string, number>]>([
  ['never had a slot', { waitMs: 30, latencyMs: 30 }, { wait: 30 }],
  ['never got headers', { waitMs: 5, latencyMs: 30 }, { wait: 5, queue: 25 }],
  ['never got a token', { waitMs: 0, latencyMs: 30, queueMs: 10 }, { queue: 10, read: 20 }],
  ['told of no headers', { waitMs: 0, latencyMs: 30, firstTokenMs: 10 }, { queue: 10, tokens: 20 }],
  ['told of more than it took', { waitMs: 5, latencyMs: 30, queueMs: 90, firstTokenMs: 95 }, { wait: 5, queue: 25 }],
  ['waited for longer than it took', { waitMs: 50, latencyMs: 30 }, { wait: 30 }],
])('one that %s has no later phase', (_, times, expected) => {
  expect(phases(times)).toEqual(expected);
});

test('what nobody needed is told apart from what failed or ran out of time', () => {
  expect(endingOf({ ...OK, waitMs: 0, latencyMs: 1 })).toBe('ok');
  expect(endingOf({ ...OK, waitMs: 0, latencyMs: 1, code: 'ERR_CANCELLED' })).toBe('cancelled');
  for (const code of ['ERR_MODEL_TIMEOUT_STREAM', 'ERR_PLAN_SETTLED', 'ERR_VOTE_NONE'] as const) {
    expect(endingOf({ ...OK, waitMs: 0, latencyMs: 1, code })).toBe('failed');
  }
});

test('a plan is drawn from the work that it joined to the last that ended', () => {
  const attempts = [
    { ...OK, waitMs: 0, startMs: -20, latencyMs: 10 },
    { ...OK, waitMs: 0, startMs: 5, latencyMs: 50 },
  ];
  const told = { id: 1, agent: 'a', action: 'b', source: 'quorum', reason: '', coalesced: true } as const;
  const plan = { ...told, latencyMs: 40, latenessMs: 0, atMs: 0, attempts, attemptCount: 2 };
  expect(spanOf(plan)).toEqual({ from: -20, to: 55 });
  expect(spanOf({ ...plan, attempts: [] })).toEqual({ from: 0, to: 40 });
});
