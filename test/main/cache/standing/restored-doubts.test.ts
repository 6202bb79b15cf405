import { expect, test } from 'vitest';
import { TierStanding } from '../../../../src/main/cache/standing/tier-standing.ts';

test('doubts are told after a restart, when the agreement of models is known again', () => {
  const before = new TierStanding('earned', { compared: 200, rate: 0.9 });
  for (let i = 0; i < 20; i++) before.compare('foreseen', 'cave', 0, false);
  const doubted = new Set<string | undefined>();
  const after = new TierStanding('earned', undefined, (kind, scene, isDoubted) => {
    if (kind === 'foreseen' && isDoubted) doubted.add(scene);
  });
  const parts = after.learnedParts();
  for (const { name, saved } of before.learnedParts()) {
    for (const value of saved()) parts.find((part) => part.name === name)?.restore(value);
  }
  expect(after.isDoubted('foreseen', 'cave')).toBe(true);
  expect([...doubted]).toEqual(expect.arrayContaining(['cave', undefined]));
});
