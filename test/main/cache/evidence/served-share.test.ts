import { describe, expect, test } from 'vitest';
import { ServedShare } from '../../../../src/main/cache/evidence/served-share.ts';

describe('the bias', () => {
  test('is 1 without samples, and never below it', () => {
    const share = new ServedShare(0.05);
    expect(share.bias).toBe(1);
    for (let i = 0; i < 500; i++) share.sampled(false, 0.05);
    expect(share.bias).toBe(1);
  });

  test('rises when samples are wrong more often than expected', () => {
    const share = new ServedShare(0.1);
    for (let i = 0; i < 1_000; i++) share.sampled(i % 12 === 0, 0.04);
    expect(share.bias).toBeGreaterThan(1.7);
    expect(share.bias).toBeLessThan(2.1);
  });

  test('is forgotten while nothing is sampled', () => {
    const share = new ServedShare(0.1);
    for (let i = 0; i < 1_000; i++) share.sampled(i % 12 === 0, 0.04);
    for (let i = 0; i < 40_000; i++) share.judged();
    expect(share.bias).toBeLessThan(1.01);
  });
});

describe('the alarm', () => {
  test('comes with the third wrong sample in a row', () => {
    const share = new ServedShare(0.05);
    expect([1, 2, 3].map(() => share.sampled(true, 0.02))).toEqual([false, false, true]);
  });

  test('does not come where samples are wrong as often as the budget allows, evenly', () => {
    const share = new ServedShare(0.05);
    for (let i = 0; i < 2_000; i++) expect(share.sampled(i % 20 === 0, 0.05)).toBe(false);
  });

  test('leaves the bias as it was: the world changed, not the measure', () => {
    const share = new ServedShare(0.05);
    for (let i = 0; i < 3; i++) share.sampled(true, 0.02);
    expect(share.bias).toBe(1);
  });
});

describe('the debt', () => {
  test('is what is wrong beyond the budget, and what was saved earlier pays for it first', () => {
    const share = new ServedShare(0.05);
    for (let i = 0; i < 100; i++) share.served(0.01);
    expect(share.debt).toBe(0);
    for (let i = 0; i < 100; i++) share.served(0.11);
    expect(share.debt).toBeCloseTo(2, 5);
  });
});

test('more is probed at first, in debt, and on suspicion', () => {
  const share = new ServedShare(0.05);
  expect(share.isWary).toBe(true);
  for (let i = 0; i < 400; i++) share.servable();
  expect(share.isWary).toBe(false);
  share.sampled(true, 0.02);
  expect(share.isWary).toBe(true);
  share.sampled(false, 0.02);
  share.sampled(false, 0.02);
  expect(share.isWary).toBe(false);
  for (let i = 0; i < 10; i++) share.served(0.3);
  expect(share.isWary).toBe(true);
});
