import { describe, expect, test } from 'vitest';
import { type ContextTally, countOf, Tallies } from '../../../../src/main/cache/evidence/tallies.ts';

function tallied(actions: readonly string[], contextsMax = 10): ContextTally {
  const tallies = new Tallies(contextsMax);
  for (const action of actions) tallies.add('here', action);
  return tallies.get('here') as ContextTally;
}

describe('a tally', () => {
  test('is not there before the first decision', () => {
    expect(new Tallies(3).get('here')).toBeUndefined();
  });

  test('counts each action and all of them', () => {
    const tally = tallied(['a', 'b', 'a', 'c', 'a']);
    expect(tally.total).toBe(5);
    expect(['a', 'b', 'c', 'd'].map((action) => countOf(tally, action))).toEqual([3, 1, 1, 0]);
  });

  test.each([
    [['a'], 'a', 1],
    [['a', 'a', 'a'], 'a', 3],
    [['a', 'a', 'b'], 'b', 1],
    [['a', 'b', 'a', 'a'], 'a', 2],
  ])('knows what was decided last and how often in a row: %j', (actions, latest, inARow) => {
    expect(tallied(actions)).toMatchObject({ latest, inARow });
  });

  test('tells 16 actions apart; the rarest gives way to one more, and all that was decided still counts', () => {
    const names = Array.from({ length: 16 }, (_, i) => `a${i}`);
    const twice = [...names, ...names.filter((name) => name !== 'a5')];
    const full = tallied(twice);
    expect(full.actions).toHaveLength(16);
    const over = tallied([...twice, 'new']);
    expect(over.actions).toHaveLength(16);
    expect([countOf(over, 'new'), countOf(over, 'a5'), countOf(over, 'a4')]).toEqual([1, 0, 2]);
    expect(over.total).toBe(32);
  });
});

describe('the contexts', () => {
  test('have tallies of their own', () => {
    const tallies = new Tallies(3);
    tallies.add('here', 'a');
    tallies.add('there', 'b');
    expect([tallies.get('here')?.latest, tallies.get('there')?.latest]).toEqual(['a', 'b']);
  });

  test('are bounded: the one used longest ago is forgotten', () => {
    const tallies = new Tallies(2);
    tallies.add('1', 'a');
    tallies.add('2', 'a');
    tallies.get('1');
    tallies.add('3', 'a');
    expect(['1', '2', '3'].map((context) => tallies.get(context) !== undefined)).toEqual([true, false, true]);
  });

  test('are forgotten on clear', () => {
    const tallies = new Tallies(2);
    tallies.add('1', 'a');
    tallies.clear();
    expect(tallies.get('1')).toBeUndefined();
  });
});
