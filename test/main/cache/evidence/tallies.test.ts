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

/** As a file gives them back. */
function restored(from: Tallies, contextsMax = 10_000): Tallies {
  const tallies = new Tallies(contextsMax);
  for (const chunk of from.saved()) expect(tallies.restore(JSON.parse(JSON.stringify(chunk)))).toBe(true);
  return tallies;
}

describe('restored tallies', () => {
  const NAMES = Array.from({ length: 600 }, (_, i) => `context ${i}`);
  function learned(): Tallies {
    const tallies = new Tallies(10_000);
    for (const [i, name] of NAMES.entries()) {
      for (let turn = 0; turn <= i % 5; turn++) tallies.add(name, `action ${(i + turn) % 3}`);
    }
    return tallies;
  }

  test('are those that were saved, and continue as these would', () => {
    const [was, is] = [learned(), restored(learned())];
    for (const name of NAMES) expect(is.get(name), name).toEqual(was.get(name));
    for (const tallies of [was, is]) for (const name of NAMES) tallies.add(name, 'action 1');
    for (const name of NAMES) expect(is.get(name), name).toEqual(was.get(name));
  });

  test('are saved again, each context once, whether used since or not', () => {
    const is = restored(learned());
    for (const name of NAMES.slice(0, 100)) is.add(name, 'action 1');
    const contexts = [...is.saved()].flatMap((chunk) => chunk.contexts);
    expect(contexts).toHaveLength(600);
    expect(new Set(contexts)).toEqual(new Set(NAMES));
    const again = restored(is);
    for (const name of NAMES) expect(again.get(name), name).toEqual(is.get(name));
  });

  test('are forgotten when as many others were used since as a generation has', () => {
    const is = restored(learned(), 200);
    is.get('context 1');
    for (let i = 0; i < 100; i++) is.add(`new ${i}`, 'a');
    expect([is.get('context 2'), is.get('context 1')?.total]).toEqual([undefined, 2]);
  });

  // Schedule: contexts are added and used after the first chunk was read, more than a generation has.
  test('may change while they are saved', () => {
    const tallies = learned();
    const chunks = tallies.saved();
    const first = chunks.next().value?.contexts ?? [];
    for (let i = 0; i < 12_000; i++) tallies.add(`new ${i}`, 'a');
    const contexts = [...first, ...[...chunks].flatMap((chunk) => chunk.contexts)];
    expect(contexts).toEqual(NAMES);
  });

  test.each([
    [null],
    [[]],
    [{ actions: ['a'], contexts: ['c'] }],
    [{ actions: [1], contexts: ['c'], rows: [1, 0, 1, 0] }],
    [{ actions: ['a'], contexts: ['c'], rows: [1, 0, 1, 1, 0] }],
    [{ actions: ['a'], contexts: ['c'], rows: [1, 0, 1, -2] }],
    [{ actions: ['a'], contexts: ['c'], rows: [1, 0] }],
    [{ actions: ['a'], contexts: ['c', 'd'], rows: [1, 0, 1, 1, 0, 1] }],
    [{ actions: ['a'], contexts: ['c'], rows: [1, 0, 1, 1, 0, null] }],
  ])('are none of %j', (chunk) => {
    const tallies = new Tallies(10);
    expect(tallies.restore(chunk)).toBe(false);
    expect(tallies.get('c')).toBeUndefined();
  });
});
