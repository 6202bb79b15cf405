import { expect, test } from 'vitest';
import { UnaskedFutures } from '../../../src/main/plans/expectations/unasked-futures.ts';

function silent(times: number, obstacle: 'slot' | 'price', silence = new UnaskedFutures()): UnaskedFutures {
  for (let nth = 0; nth < times; nth++) {
    silence.heldBack(obstacle);
    silence.unasked();
  }
  return silence;
}

test('after a hundred futures in a row that were not asked, it is told what held most of them back', () => {
  expect(silent(99, 'price').why).toBeNull();
  expect(silent(100, 'price').why).toMatch('other agents need the slots');
  expect(silent(100, 'slot').why).toBe('no slot is idle');
  expect(silent(60, 'slot', silent(40, 'price')).why).toBe('no slot is idle');
});

test('one that is asked ends it', () => {
  const silence = silent(200, 'price');
  silence.broken();
  expect(silence.why).toBeNull();
});

test('futures that nothing held back say nothing: their agents moved on before', () => {
  const silence = new UnaskedFutures();
  for (let nth = 0; nth < 200; nth++) silence.unasked();
  expect(silence.why).toBeNull();
});
