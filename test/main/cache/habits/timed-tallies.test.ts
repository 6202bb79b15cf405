import { describe, expect, test } from 'vitest';
import { TimedTallies } from '../../../../src/main/cache/habits/timed-tallies.ts';
import { FakeWallClock } from '../../../support/wall-clock.ts';

const ACTIONS = ['attack', 'block', 'flee'];

describe('a decision', () => {
  test('counts until it is as old as decisions may be', () => {
    const tallies = new TimedTallies(10, 1_000);
    tallies.add('here', 'attack', 0);
    tallies.add('here', 'block', 500);
    expect(tallies.get('here', ACTIONS, 999)).toMatchObject({ total: 2, newestMs: 500 });
    expect(tallies.get('here', ACTIONS, 1_000)).toMatchObject({ total: 1, actions: ['block'] });
    expect(tallies.get('here', ACTIONS, 1_499)?.total).toBe(1);
    expect(tallies.get('here', ACTIONS, 1_500)).toBeUndefined();
  });

  test('counts only while its action is offered', () => {
    const tallies = new TimedTallies(10, 1_000);
    for (const action of ['attack', 'dance', 'attack', 'attack']) tallies.add('here', action, 0);
    expect(tallies.get('here', ACTIONS, 1)).toEqual({
      total: 3,
      actions: ['attack'],
      counts: [3],
      latest: 'attack',
      inARow: 3,
      newestMs: 0,
    });
    expect(tallies.get('here', ['flee'], 1)).toBeUndefined();
  });

  test('is one of the latest 24 of its context', () => {
    const tallies = new TimedTallies(10, 1_000);
    tallies.add('here', 'flee', 0);
    for (let i = 0; i < 23; i++) tallies.add('here', 'attack', 0);
    expect(tallies.get('here', ACTIONS, 1)).toMatchObject({ total: 24, actions: ['flee', 'attack'] });
    tallies.add('here', 'attack', 0);
    expect(tallies.get('here', ACTIONS, 1)).toMatchObject({ total: 24, actions: ['attack'] });
  });
});

test('the contexts used longest ago are forgotten', () => {
  const tallies = new TimedTallies(2, 1_000);
  tallies.add('one', 'attack', 0);
  tallies.add('two', 'attack', 0);
  tallies.get('one', ACTIONS, 1);
  tallies.add('three', 'attack', 0);
  expect(['one', 'two', 'three'].map((context) => tallies.get(context, ACTIONS, 1)?.total)).toEqual([1, undefined, 1]);
  tallies.clear();
  expect(tallies.get('one', ACTIONS, 1)).toBeUndefined();
});

describe('after a restart', () => {
  /** Knows one decision for each age, in a process that was started `offMs` later. */
  function restored(agesMs: readonly number[], offMs: number): [tallies: TimedTallies, nowMs: number] {
    const clock = new FakeWallClock(50_000);
    const before = new TimedTallies(300, 10_000);
    for (const [i, ageMs] of agesMs.entries()) before.add(`at ${i}`, 'attack', clock.now() - ageMs);
    const chunks = JSON.parse(JSON.stringify([...before.saved(clock)])) as unknown[];
    clock.advance(offMs);
    const later = clock.restarted(700);
    const after = new TimedTallies(300, 10_000);
    for (const chunk of chunks) expect(after.restore(chunk, later)).toBe(true);
    return [after, later.now()];
  }

  test('a decision is as old as it is, whatever the new clock says', () => {
    const [tallies, nowMs] = restored([0, 8_000], 3_000);
    expect(tallies.get('at 0', ACTIONS, nowMs)?.newestMs).toBe(nowMs - 3_000);
    expect(tallies.get('at 1', ACTIONS, nowMs)).toBeUndefined();
  });

  test('all of many contexts are known', () => {
    const [tallies, nowMs] = restored(Array(250).fill(0), 1_000);
    expect(Array.from({ length: 250 }, (_, i) => tallies.get(`at ${i}`, ACTIONS, nowMs)?.total)).toEqual(
      Array(250).fill(1),
    );
  });

  test('a decision of the future does not count, since its age is unknown', () => {
    const clock = new FakeWallClock(50_000);
    const tallies = new TimedTallies(10, 10_000);
    const chunk = [['here', ['attack', 'block'], [clock.wallNow(), clock.wallNow() + 1]]];
    expect(tallies.restore(chunk, clock)).toBe(true);
    expect(tallies.get('here', ACTIONS, clock.now())).toMatchObject({ total: 1, actions: ['attack'] });
  });

  test.each([
    [null],
    ['tallies'],
    [[['here', ['attack'], []]]],
    [[['here', ['attack'], ['now']]]],
    [[['here', [1], [1]]]],
    [[[1, ['attack'], [1]]]],
    [[['here', ['attack']]]],
  ])('%j is not taken over', (chunk) => {
    const tallies = new TimedTallies(10, 10_000);
    expect(tallies.restore(chunk, new FakeWallClock(0))).toBe(false);
    expect([...tallies.saved(new FakeWallClock(0))]).toEqual([]);
  });
});
