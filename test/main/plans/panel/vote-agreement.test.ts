import { expect, test } from 'vitest';
import type { ExpertVote } from '../../../../src/main/plans/panel/tally.ts';
import { VoteAgreement } from '../../../../src/main/plans/panel/vote-agreement.ts';

function votes(...actions: string[]): ExpertVote[] {
  return actions.map((action, i) => ({
    role: `role ${i}`,
    model: 'm',
    vote: { action, confidence: 0.5, reason: '' },
  }));
}

test('is the share of panels whose first two votes are the same', () => {
  const agreement = new VoteAgreement();
  expect([agreement.compared, agreement.rate]).toEqual([0, undefined]);
  agreement.heard(votes('go'));
  agreement.heard(votes());
  expect(agreement.compared).toBe(0);
  agreement.heard(votes('go', 'go'));
  // Those that came later were asked because the first two differed.
  agreement.heard(votes('go', 'stay', 'go', 'go'));
  expect(agreement.compared).toBe(2);
  expect(agreement.rate).toBeCloseTo(0.5, 2);
});

test('roles of reads are reported separately, once there are enough', () => {
  const agreement = new VoteAgreement();
  for (let i = 0; i < 29; i++) agreement.read(i % 2 === 0);
  expect(agreement.ofRoles).toBeUndefined();
  agreement.read(false);
  expect(agreement.ofRoles).toBeCloseTo(0.5, 1);
  expect([agreement.compared, agreement.rate]).toEqual([0, undefined]);
});
