import { expect, test } from 'vitest';
import { LoopTurns } from '../../../../src/main/models/calls/loop-turns.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

class Turns extends FakeClock {
  readonly #turns: (() => void)[] = [];

  override nextTurn(fire: () => void): void {
    this.#turns.push(fire);
  }

  async turn(): Promise<void> {
    for (const fire of this.#turns.splice(0)) fire();
    for (let each = 0; each < 4; each++) await Promise.resolve();
  }
}

test('four start at once and four in each turn, in their order', async () => {
  const clock = new Turns();
  const turns = new LoopTurns(clock);
  const started: number[] = [];
  for (let each = 0; each < 10; each++) void Promise.resolve(turns.next()).then(() => started.push(each));
  await Promise.resolve();
  expect(started).toEqual([0, 1, 2, 3]);
  await clock.turn();
  expect(started).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  await clock.turn();
  expect(started).toHaveLength(10);
});

test('those who hold a slot pass those who only begin, of whom one a turn goes on all the same', async () => {
  const clock = new Turns();
  const turns = new LoopTurns(clock);
  const started: string[] = [];
  const begin = (name: string): void => void Promise.resolve(turns.next()).then(() => started.push(name));
  const call = (name: string): void => void Promise.resolve(turns.next('with-slot')).then(() => started.push(name));
  for (let each = 0; each < 10; each++) begin(`begins ${each}`);
  for (let each = 0; each < 7; each++) call(`calls ${each}`);
  await Promise.resolve();
  started.length = 0;
  await clock.turn();
  expect(started.toSorted()).toEqual(['begins 4', 'calls 0', 'calls 1', 'calls 2']);
  for (let left = 3; left > 0; left--) await clock.turn();
  expect(started.filter((name) => name.startsWith('calls'))).toHaveLength(7);
  expect(started).toHaveLength(13);
});
