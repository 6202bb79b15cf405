import { expect, test } from 'vitest';
import { Surprise } from '../../../../src/main/cache/evidence/surprise.ts';

/** Predictions of which 90 % are expected to be right, and this share is. */
function outcomes(surprise: Surprise, scene: string, times: number, rightEvery: number): void {
  for (let i = 1; i <= times; i++) surprise.add(scene, 0.9, i % 10 < rightEvery);
}

test('what comes as expected leaves a chance as it is estimated', () => {
  const surprise = new Surprise();
  outcomes(surprise, 'cave', 200, 9);
  expect(surprise.lowered(0.95, 'cave')).toBeCloseTo(0.95, 1);
  expect(surprise.isMarked('cave')).toBe(false);
});

test('what is right more often than expected raises nothing', () => {
  const surprise = new Surprise();
  outcomes(surprise, 'cave', 200, 10);
  expect(surprise.lowered(0.95, 'cave')).toBeLessThanOrEqual(0.95);
});

test('what is wrong more often than expected lowers a chance within a few dozen outcomes, and no longer than it lasts', () => {
  const surprise = new Surprise();
  outcomes(surprise, 'cave', 200, 9);
  outcomes(surprise, 'cave', 30, 4);
  expect(surprise.lowered(0.95, 'cave')).toBeLessThan(0.8);
  expect(surprise.isMarked('cave')).toBe(true);
  outcomes(surprise, 'cave', 200, 9);
  expect(surprise.lowered(0.95, 'cave')).toBeCloseTo(0.95, 1);
});

test('a scene that is not known is less sure, and so is one that is harder than the others, alone', () => {
  const surprise = new Surprise();
  outcomes(surprise, 'cave', 200, 9);
  expect(surprise.lowered(0.95, 'town')).toBeLessThan(0.9);
  expect(surprise.isMarked('town')).toBe(true);
  outcomes(surprise, 'town', 40, 6);
  outcomes(surprise, 'cave', 200, 9);
  expect(surprise.lowered(0.95, 'town')).toBeLessThan(0.9);
  expect(surprise.lowered(0.95, 'cave')).toBeCloseTo(0.95, 1);
});

test('certainty and its opposite stay chances', () => {
  const surprise = new Surprise();
  for (const chance of [0, 1e-9, 0.5, 1 - 1e-12, 1]) {
    const lowered = surprise.lowered(chance, 'cave');
    expect(lowered).toBeGreaterThanOrEqual(0);
    expect(lowered).toBeLessThanOrEqual(1);
  }
});

test('is as it was after a restart, and unknown after clear', () => {
  const surprise = new Surprise();
  outcomes(surprise, 'cave', 100, 5);
  const after = new Surprise();
  expect(after.restore(JSON.parse(JSON.stringify(surprise.saved())))).toBe(true);
  for (const scene of ['cave', 'town']) expect(after.lowered(0.9, scene)).toBe(surprise.lowered(0.9, scene));
  for (const none of [null, [1], [['cave', 1]], [['cave', 1, 0]], [[1, 1, 1]]]) expect(after.restore(none)).toBe(false);
  after.clear();
  expect(after.lowered(0.9, 'cave')).toBe(new Surprise().lowered(0.9, 'cave'));
});
