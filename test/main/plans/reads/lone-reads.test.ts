import { describe, expect, test } from 'vitest';
import { LoneReads, type LoneUse } from '../../../../src/main/plans/reads/lone-reads.ts';
import { ReadCalibration } from '../../../../src/main/plans/reads/read-calibration.ts';
import { seededRandom } from '../../../../src/shared/random.ts';

function make(read?: number, below = 1 - (read ?? 0)): LoneReads {
  const calibration = new ReadCalibration();
  const votes = read === undefined ? 0 : 20;
  for (let i = 0; i < votes; i++) calibration.heardLone('m', { votes: 1, read: read as number, below, actions: 4 });
  return new LoneReads(calibration, seededRandom(1));
}

const decided = (lone: LoneReads, reads: number): LoneUse[] => Array.from({ length: reads }, () => lone.decided('m'));
const shareOf = (uses: readonly LoneUse[], key: keyof LoneUse): number =>
  uses.filter((use) => use[key]).length / uses.length;

describe('reads where nobody can write in time', () => {
  test('are all held against a vote and not remembered, until 100 of them gave no verdict', () => {
    const lone = make();
    const first = decided(lone, 100);
    expect([shareOf(first, 'isProved'), shareOf(first, 'isKept')]).toEqual([1, 0]);
    const next = decided(lone, 1_000);
    expect(shareOf(next, 'isKept')).toBe(1);
    expect(shareOf(next, 'isProved')).toBeCloseTo(0.1, 1);
  });

  test('are remembered once they are better than no model, and a tenth of them is held against a vote', () => {
    const uses = decided(make(1), 1_000);
    expect(shareOf(uses, 'isKept')).toBe(1);
    expect(shareOf(uses, 'isProved')).toBeCloseTo(0.1, 1);
  });

  test('come before other work for later while their worth is open, and keep a slot free while they are of use', () => {
    const lone = make();
    expect([lone.isOpen, lone.isUsed]).toEqual([false, false]);
    lone.decided('m');
    expect([lone.isOpen, lone.isUsed]).toEqual([true, true]);
    decided(lone, 100);
    expect([lone.isOpen, lone.isUsed]).toEqual([false, true]);
    lone.notAlone();
    expect([lone.isOpen, lone.isUsed]).toEqual([false, false]);
    const good = make(1);
    good.decided('m');
    expect([good.isOpen, good.isUsed]).toEqual([false, true]);
    const bad = make(0);
    bad.decided('m');
    expect([bad.isOpen, bad.isUsed]).toEqual([false, false]);
  });
});
