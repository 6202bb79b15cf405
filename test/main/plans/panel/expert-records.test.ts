import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ExpertRecords } from '../../../../src/main/plans/panel/expert-records.ts';
import type { ExpertVote } from '../../../../src/main/plans/panel/tally.ts';

function vote(role: string, action: string, model = 'm'): ExpertVote {
  return { role, model, vote: { action, reason: '' } };
}

const voice = (role: string, model = 'm') => ({ role, model });

/** Plans in which `right` voted for what was decided, and `wrong` did not. */
function recordsAfter(plans: number): ExpertRecords {
  const records = new ExpertRecords();
  for (let plan = 0; plan < plans; plan++) records.decided([vote('right', 'flee'), vote('wrong', 'hide')], 'flee');
  return records;
}

describe('the weight of an expert', () => {
  test('is 1 while nothing is known of it', () => {
    expect(new ExpertRecords().weightOf(voice('new'))).toBe(1);
    expect(recordsAfter(50).weightOf(voice('new'))).toBe(1);
  });

  test('is above 1 for one that votes for what is decided and below for one that does not', () => {
    const records = recordsAfter(10);
    expect(records.weightOf(voice('right'))).toBeGreaterThan(1.2);
    expect(records.weightOf(voice('wrong'))).toBeLessThan(0.8);
  });

  test('does not change at once: one plan moves it little', () => {
    const records = recordsAfter(1);
    expect(records.weightOf(voice('right'))).toBeGreaterThan(1);
    expect(records.weightOf(voice('right'))).toBeLessThan(1.1);
    expect(records.weightOf(voice('wrong'))).toBeGreaterThan(0.9);
  });

  test('stays between a half and one and a half, however long that goes on', () => {
    const records = recordsAfter(5_000);
    expect([records.weightOf(voice('right')), records.weightOf(voice('wrong'))]).toEqual([1.5, 0.5]);
  });

  test('is 1 for all where all are as good as one another', () => {
    const records = new ExpertRecords();
    for (let plan = 0; plan < 100; plan++) records.decided([vote('a', 'flee'), vote('b', 'flee')], 'flee');
    expect([records.weightOf(voice('a')), records.weightOf(voice('b'))]).toEqual([1, 1]);
  });

  test('is of a role with its model: the same role of another model has a record of its own', () => {
    const records = new ExpertRecords();
    for (let plan = 0; plan < 50; plan++) {
      records.decided([vote('scout', 'flee', 'large'), vote('scout', 'hide', 'small')], 'flee');
    }
    expect(records.weightOf(voice('scout', 'large'))).toBeGreaterThan(records.weightOf(voice('scout', 'small')));
  });

  test('follows a model that got worse: the last plans count', () => {
    const records = recordsAfter(2_000);
    for (let plan = 0; plan < 600; plan++) records.decided([vote('right', 'hide'), vote('wrong', 'flee')], 'flee');
    expect(records.weightOf(voice('right'))).toBeLessThan(records.weightOf(voice('wrong')));
  });

  test('is 1 for all where nobody ever voted for what was decided', () => {
    const records = new ExpertRecords();
    for (let plan = 0; plan < 20_000; plan++) records.decided([vote('a', 'flee'), vote('b', 'hide')], 'wait');
    expect(records.weightOf(voice('a'))).toBeCloseTo(1);
  });

  test('is never anything but a number in its bounds, whatever is decided', () => {
    const voted = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('x', 'y')), { maxLength: 5 });
    const property = fc.property(
      fc.array(fc.tuple(voted, fc.constantFrom('x', 'y', 'z')), { maxLength: 60 }),
      (plans) => {
        const records = new ExpertRecords();
        for (const [votes, action] of plans)
          records.decided(
            votes.map(([role, each]) => vote(role, each)),
            action,
          );
        for (const role of ['a', 'b', 'c']) {
          expect(records.weightOf(voice(role))).toBeGreaterThanOrEqual(0.5);
          expect(records.weightOf(voice(role))).toBeLessThanOrEqual(1.5);
        }
      },
    );
    fc.assert(property);
  });
});

test('a vote alone says nothing of its expert: it agrees with itself', () => {
  const records = new ExpertRecords();
  records.decided([vote('a', 'flee'), vote('b', 'hide')], 'flee');
  const before = records.weightOf(voice('b'));
  for (let plan = 0; plan < 100; plan++) records.decided([vote('b', 'hide')], 'hide');
  expect(records.weightOf(voice('b'))).toBe(before);
});

test('an expert that gave no vote is not judged by that plan', () => {
  const records = new ExpertRecords();
  for (let plan = 0; plan < 200; plan++) {
    const votes = [vote('a', 'flee'), vote('b', 'flee'), vote('silent', 'flee'), vote('wrong', 'hide')];
    records.decided(plan < 100 ? votes : votes.filter(({ role }) => role !== 'silent'), 'flee');
  }
  expect(records.weightOf(voice('silent'))).toBeGreaterThan(0.9 * records.weightOf(voice('a')));
});

test('only so many experts are remembered: beyond them all begin anew', () => {
  const records = recordsAfter(100);
  for (let id = 0; id < 254; id++) records.decided([vote(`${id}`, 'flee'), vote('right', 'flee')], 'flee');
  expect(records.weightOf(voice('wrong'))).toBeLessThan(1);
  records.decided([vote('one too many', 'flee'), vote('right', 'flee')], 'flee');
  expect(records.weightOf(voice('wrong'))).toBe(1);
});
