import { expect, test } from 'vitest';
import { LaneTurns } from '../../../../src/main/plans/background/lane-turns.ts';

test('lanes begin in turn, one in each turn of the event loop, until none can', () => {
  const turns: (() => void)[] = [];
  const lanes = new LaneTurns({ nextTurn: (run) => void turns.push(run) });
  const begun: string[] = [];
  const laneOf = (name: string, work: number) => {
    let left = work;
    lanes.add({
      begin: () => {
        if (left === 0) return false;
        left--;
        begun.push(name);
        return true;
      },
    });
  };
  laneOf('a', 3);
  laneOf('b', 1);
  laneOf('c', 2);
  lanes.wake();
  expect(begun).toEqual(['a']);
  // Another wake in the same turn starts nothing.
  lanes.wake();
  lanes.wakeSoon();
  expect([begun.length, turns.length]).toEqual([1, 1]);
  while (turns.length > 0) turns.shift()?.();
  expect(begun).toEqual(['a', 'b', 'c', 'a', 'c', 'a']);
});
