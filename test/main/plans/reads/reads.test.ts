import { expect, test } from 'vitest';
import { Reads, type ReadsParts } from '../../../../src/main/plans/reads/reads.ts';
import { seededRandom } from '../../../../src/shared/random.ts';

function make(): Reads {
  const given = { options: { answers: 'auto' }, forms: {}, random: seededRandom(1) };
  return new Reads(given as unknown as ReadsParts);
}

/** A written vote for a state that was read. */
function compare(reads: Reads, state: string): void {
  reads.read(state, { model: 'm', scene: '', action: 'block', probability: 0.9, actions: 3 });
  reads.wrote(state, 'block', ['block']);
}

test('reads without a place are tried again, each time after twice as many plans', () => {
  const reads = make();
  const tries = Array.from({ length: 300 }, (_, plan) => plan + 1).filter(() => reads.isTriedAgain());
  expect(tries).toEqual([16, 48, 112, 240]);
});

test('a read that takes time from experts has no say until its chance is known, and is mostly a vote then', () => {
  const reads = make();
  expect([reads.trialOf('m', true), reads.trialOf('m', false)]).toEqual(['pair', 'single']);
  for (let nth = 0; nth < 20; nth++) compare(reads, `state ${nth}`);
  expect(reads.trialOf('m', false)).toBe('vote');
  const trials = Array.from({ length: 1_000 }, () => reads.trialOf('m', true));
  expect(trials.filter((trial) => trial === 'pair').length / trials.length).toBeCloseTo(0.1, 1);
  expect(trials).not.toContain('single');
});
