import { expect, test } from 'vitest';
import { LongWork } from '../../../src/main/plans/long-work.ts';
import type { InParts } from '../../../src/shared/in-parts.ts';

/** A clock whose turns are taken by hand. */
function byHand(): { work: LongWork; turn: () => void; isTurnSet: () => boolean } {
  let next: (() => void) | undefined;
  const nextTurn = (fire: () => void): void => {
    expect(next).toBeUndefined();
    next = fire;
  };
  const clock = { now: () => 0, wallNow: () => 0, setTimer: () => ({ cancel: () => {} }), nextTurn };
  const turn = (): void => {
    const fire = next as () => void;
    next = undefined;
    fire();
  };
  return { work: new LongWork(clock), turn, isTurnSet: () => next !== undefined };
}

test('one part is done in a turn, whoever it is for, in the order in which they came', async () => {
  const { work, turn, isTurnSet } = byHand();
  const done: string[] = [];
  function* parts(name: string, count: number): InParts<string> {
    for (let part = 1; part < count; part++) {
      done.push(`${name}${part}`);
      yield;
    }
    done.push(`${name}${count}`);
    return name;
  }
  const all = Promise.all([work.run(parts('a', 3)), work.run(parts('b', 1)), work.run(parts('c', 2))]);
  for (let turns = 1; isTurnSet(); turns++) {
    turn();
    expect(done).toHaveLength(turns);
  }
  expect(done).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3']);
  expect(await all).toEqual(['a', 'b', 'c']);
});

test('what a part throws ends its own work alone; later work begins anew', async () => {
  const { work, turn, isTurnSet } = byHand();
  function* broken(): InParts<void> {
    yield;
    throw new Error('broken');
  }
  function* whole(): InParts<number> {
    yield;
    yield;
    return 7;
  }
  const failed = expect(work.run(broken())).rejects.toThrow('broken');
  const other = work.run(whole());
  while (isTurnSet()) turn();
  await failed;
  expect(await other).toBe(7);
  const again = work.run(whole());
  while (isTurnSet()) turn();
  expect(await again).toBe(7);
});

test('what is begun does its first part at once, and takes turns only for what is left', async () => {
  const { work, turn, isTurnSet } = byHand();
  let done = 0;
  function* parts(count: number): InParts<number> {
    while (++done < count) yield;
    return count;
  }
  expect(work.begin(parts(1))).toBe(1);
  expect(isTurnSet()).toBe(false);
  done = 0;
  const begun = work.begin(parts(3));
  expect(done).toBe(1);
  while (isTurnSet()) turn();
  expect(await begun).toBe(3);
});
