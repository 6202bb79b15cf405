import { describe, expect, test } from 'vitest';
import { checkPlanOptions, defaultTimeoutMs } from '../../../src/main/plans/check-plan-options.ts';
import { defineDomain } from '../../../src/shared/domain.ts';
import { drive } from '../../support/drive.ts';
import { makePlanner, request } from '../../support/make-planner.ts';

const TIMES = { timeoutMs: 25_000, visionTimeoutMs: 30_000 };
const PICTURE = 'data:image/png;base64,iVBORw0KGgo=';

test('a time and a priority that break a rule are named with it', () => {
  expect(() => checkPlanOptions(1_000, undefined)).not.toThrow();
  expect(() => checkPlanOptions(0, 1)).toThrow(/timeoutMs must be a number of milliseconds above 0 .*, got 0/);
  expect(() => checkPlanOptions(24 * 3_600_000 + 1, 1)).toThrow(/at most 86400000, got 86400001/);
  expect(() => checkPlanOptions(1, Number.NaN)).toThrow('priority must be a number, got NaN');
});

describe('a plan that names no time', () => {
  test('has more of it where there is something to look at', () => {
    const seen = { ...request(), observation: { place: 'cave', view: PICTURE } };
    expect(defaultTimeoutMs(TIMES, ['map', 'view'], seen)).toBe(30_000);
    expect(defaultTimeoutMs(TIMES, ['map', 'view'], request())).toBe(25_000);
    expect(defaultTimeoutMs(TIMES, [], seen)).toBe(25_000);
  });

  test('settles by it in the profile that has two', async () => {
    const domain = defineDomain({
      name: 'seeing',
      features: { place: { kind: 'category' }, view: { kind: 'image', optional: true } },
      roles: [{ name: 'one', prompt: 'One.' }],
    });
    await using under = await makePlanner(() => ({ kind: 'stuck' }), {
      domain,
      profile: 'november',
      experts: [{ role: 'one', model: 'e' }],
      timeoutMs: undefined as never,
    });
    const timeOf = async (observation: Record<string, string>): Promise<number> => {
      const startedAtMs = under.clock.now();
      await drive(under.clock, under.planner.plan(request({ observation })));
      return under.clock.now() - startedAtMs;
    };
    expect(await timeOf({ place: 'cave' })).toBeCloseTo(25_000, -2);
    expect(await timeOf({ place: 'hall', view: PICTURE })).toBeCloseTo(30_000, -2);
  });
});
