import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Precedent } from '../../../../src/main/cache/exchange/precedent.ts';
import { decodePrecedent, encodePrecedent } from '../../../../src/main/cluster/evidence/precedent-codec.ts';
import { PrecedentQueue } from '../../../../src/main/cluster/evidence/precedent-queue.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const FULL: Precedent = {
  circumstances: {
    scene: 'combat',
    state: 2 ** 52 + 1,
    gates: 17,
    actionSet: 0,
    momentum: { action: 'block', repeats: 2, streak: 70_000, isUnchanged: true },
    habit: { flags: '01-', openGates: 99, atMs: 900 },
  },
  action: 'attäck',
  prediction: { action: 'flee', isHabit: true, features: Float64Array.of(1, -3.5, 0.0625) },
  isCounted: true,
};
const BARE: Precedent = {
  circumstances: { state: 1, gates: 2, actionSet: 3, momentum: undefined },
  action: 'attack',
  prediction: undefined,
  isCounted: false,
};

const encoded = (precedent: Precedent): Buffer => encodePrecedent(7, precedent, 1_000) as Buffer;

it('a precedent arrives as it was sent, as old as it was then', () => {
  const full = decodePrecedent(encoded(FULL), 50_000);
  const { momentum, habit } = FULL.circumstances;
  const circumstances = {
    ...FULL.circumstances,
    ...{ momentum: { ...momentum, streak: 65_535 }, habit: { ...habit, atMs: 49_900 } },
  };
  expect(full).toEqual({ number: 7, precedent: { ...FULL, circumstances } });
  expect(decodePrecedent(encoded(BARE), 0)?.precedent).toEqual(BARE);
});

it('without a time, it is part of no habit', () => {
  expect(decodePrecedent(encoded(FULL), Number.NaN)?.precedent.circumstances.habit).toBeUndefined();
});

it('features are bounded', () => {
  const prediction = { action: 'a', isHabit: false, features: Float64Array.of(1e9, -1e9) };
  const back = decodePrecedent(encoded({ ...BARE, prediction }), 0)?.precedent.prediction?.features;
  expect([...(back ?? [])]).toEqual([127 / 16, -127 / 16]);
});

it('what no node would send is none, and nothing throws', () => {
  const bytes = encoded(FULL);
  for (let length = 0; length < bytes.length; length++) {
    expect(decodePrecedent(bytes.subarray(0, length), 0)).toBeUndefined();
  }
  expect(decodePrecedent(Buffer.concat([bytes, Buffer.of(0)]), 0)).toBeUndefined();
  for (const at of [5, 13, 21, 29]) {
    const spoilt = Buffer.from(bytes);
    spoilt.writeDoubleLE(Number.NaN, at);
    expect(decodePrecedent(spoilt, 0)).toBeUndefined();
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      decodePrecedent(Buffer.from(noise), 0);
    }),
  );
  expect(encodePrecedent(1, { ...BARE, action: 'x'.repeat(1_025) }, 0)).toBeUndefined();
  const longest = encoded({ ...BARE, action: 'x'.repeat(1_024) });
  expect(decodePrecedent(longest, 0)).toBeDefined();
  const actionAt = longest.indexOf('xx');
  const longer = Buffer.concat([longest.subarray(0, actionAt), Buffer.from('x'), longest.subarray(actionAt)]);
  longer.writeUInt16LE(1_025, actionAt - 2);
  expect(decodePrecedent(longer, 0)).toBeUndefined();
});

it('what a failed call contained waits again, in its order and under its numbers', () => {
  const queue = new PrecedentQueue(new FakeClock());
  const numbers = (taken: Buffer[]) => taken.map((bytes) => decodePrecedent(bytes, 0)?.number);
  for (let i = 0; i < 3; i++) queue.add(BARE);
  expect(numbers(queue.take(1))).toEqual([1]);
  queue.settled(true);
  expect(numbers(queue.take(10_000))).toEqual([2, 3]);
  queue.add(BARE);
  queue.settled(false);
  expect(numbers(queue.take(10_000))).toEqual([2, 3, 4]);
  queue.settled(true);
  expect([queue.isEmpty, queue.counts]).toEqual([true, { sent: 4, full: 0 }]);
});

it('with too many waiting, the oldest are dropped and counted', () => {
  const queue = new PrecedentQueue(new FakeClock());
  for (let i = 0; i < 4_098; i++) queue.add(BARE);
  expect(queue.counts.full).toBe(2);
  expect(decodePrecedent(queue.take(1)[0] as Buffer, 0)?.number).toBe(3);
});
