import { expect, test } from 'vitest';
import { chanceOfMore } from '../../../src/main/plans/expectations/idle-room.ts';

test.each([
  [0, 0, 0],
  [1, 0, 1 - Math.exp(-1)],
  [1, 1, 1 - 2 * Math.exp(-1)],
  [2, 3, 1 - Math.exp(-2) * (1 + 2 + 2 + 8 / 6)],
  [50, 3, 1],
])('where %d are expected, the chance of more than %d', (mean, count, chance) => {
  expect(chanceOfMore(mean, count)).toBeCloseTo(chance, 10);
});
