import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isSingle,
  isWellKnown,
  mergedDecision,
  votesOf,
  weakenedDecision,
} from '../../../src/main/cache/tally-change.ts';
import type { Decision, TallyEntry } from '../../../src/shared/decision.ts';
import { decision } from '../../support/decisions.ts';

type Row = readonly [action: string, count: number, weight: number];

/** A decision of this tally; its first action is the winner. */
function decided(rows: readonly Row[], overrides: Partial<Decision> = {}): Decision {
  const tally = rows.map(([action, count, weight]) => ({ action, count, weight }));
  return decision({ action: rows[0]?.[0] ?? 'attack', tally, ...overrides });
}

function rowsOf({ tally }: Decision): Row[] {
  return tally.map(({ action, count, weight }: TallyEntry) => [action, count, weight]);
}

const anyTally = fc
  .uniqueArray(
    fc.tuple(
      fc.constantFrom('attack', 'block', 'flee', 'wait'),
      fc.integer({ min: 0, max: 5 }),
      fc.integer({ min: 0, max: 10 }).map((quarters) => quarters / 4),
    ),
    { selector: ([action]) => action, minLength: 1, maxLength: 4 },
  )
  .map((rows) => rows.sort((a, b) => b[1] - a[1] || b[2] - a[2]));

describe('single votes', () => {
  test('are decisions that nobody agreed with', () => {
    expect(isSingle(decided([['attack', 1, 1]]))).toBe(true);
    expect(isSingle(decided([['attack', 0, 0]]))).toBe(true);
    expect(isSingle(decided([], { action: 'attack' }))).toBe(true);
    expect(isSingle(decided([['attack', 2, 1]]))).toBe(false);
    // Votes for others are no agreement; and the winner need not stand first in what was cut.
    expect(
      isSingle(
        decided([
          ['attack', 1, 1],
          ['block', 1, 1],
        ]),
      ),
    ).toBe(true);
    expect(
      isSingle(
        decided(
          [
            ['block', 2, 1],
            ['attack', 2, 1],
          ],
          { action: 'attack' },
        ),
      ),
    ).toBe(false);
  });

  test('do not overturn what two have agreed on, whatever else was voted for beside it', () => {
    // Six votes count half beside one: of the two for the winner, one is left.
    const agreed = decided([
      ['attack', 2, 1],
      ['block', 1, 1],
      ['flee', 1, 1],
      ['wait', 2, 0.1],
    ]);
    expect(mergedDecision(agreed, decided([['flee', 1, 5]])).action).toBe('attack');
    expect(mergedDecision(agreed, decided([['flee', 2, 5]])).action).toBe('flee');
  });

  test('overturn it when they come again: the third prevails', () => {
    let held = decided([['attack', 9, 9]]);
    const actions: string[] = [];
    for (let i = 0; i < 3; i++) {
      held = mergedDecision(held, decided([['flee', 1, 1]]));
      actions.push(held.action);
    }
    expect(actions).toEqual(['attack', 'attack', 'flee']);
  });

  test('are overturned at once by any that agree, also where one of those still says the old', () => {
    const single = decided([['attack', 1, 5]]);
    const newer = decided([
      ['flee', 2, 1],
      ['attack', 2, 1],
    ]);
    expect(mergedDecision(single, newer).action).toBe('flee');
  });
});

describe('a merged decision', () => {
  test('sums counts and weights by action, the winner first', () => {
    const older = decided([
      ['attack', 2, 1.5],
      ['block', 1, 0.5],
    ]);
    const newer = decided([
      ['block', 3, 2],
      ['flee', 1, 1],
    ]);
    const merged = mergedDecision(older, newer);
    expect(merged.action).toBe('block');
    expect(rowsOf(merged)).toEqual([
      ['block', 4, 2.5],
      ['attack', 2, 1.5],
      ['flee', 1, 1],
    ]);
  });

  test('keeps the reason, source and model of the older one where its action still wins, and the time of the newer', () => {
    const older = decided([['attack', 3, 1.5]], { reason: 'weak', source: 'quorum', model: 'a', decidedAtMs: 10 });
    const newer = decided([['block', 1, 1]], { reason: 'strong', source: 'vote', model: 'b', decidedAtMs: 20 });
    expect(mergedDecision(older, newer)).toMatchObject({
      action: 'attack',
      reason: 'weak',
      source: 'quorum',
      model: 'a',
      decidedAtMs: 20,
    });
  });

  test('has the reason, source and model of the newer one where its action wins', () => {
    const older = decided([['attack', 1, 0.5]], { reason: 'weak', decidedAtMs: 10 });
    const newer = decided([['block', 2, 1]], { reason: 'strong', model: 'b', latencyMs: 7, decidedAtMs: 20 });
    expect(mergedDecision(older, newer)).toMatchObject({ action: 'block', reason: 'strong', model: 'b', latencyMs: 7 });
    const same = decided([['attack', 1, 0.5]], { reason: 'still weak', decidedAtMs: 20 });
    expect(mergedDecision(older, same)).toMatchObject({ action: 'attack', reason: 'still weak', decidedAtMs: 20 });
  });

  test('goes with the newer one at a tie', () => {
    const older = decided([['attack', 1, 0.5]]);
    expect(mergedDecision(older, decided([['block', 1, 0.5]])).action).toBe('block');
    expect(mergedDecision(older, decided([['block', 1, 0.25]])).action).toBe('attack');
  });

  test('is of an action that one of both had chosen, whatever else has more votes in sum', () => {
    const older = decided(
      [
        ['attack', 2, 1],
        ['flee', 2, 0.9],
      ],
      { reason: 'attack because the bandit is weak' },
    );
    const newer = decided(
      [
        ['block', 2, 1.5],
        ['flee', 1, 0.9],
      ],
      { reason: 'block because the bandit is strong', decidedAtMs: 20 },
    );
    const merged = mergedDecision(older, newer);
    expect(merged).toMatchObject({ action: 'block', reason: 'block because the bandit is strong', decidedAtMs: 20 });
    expect(rowsOf(merged)[1]).toEqual(['flee', 3, 1.8]);
  });

  test('stands where both agree, also against the votes: a synthesizer overruled them twice', () => {
    const overruled = decided([
      ['block', 1, 1],
      ['flee', 2, 1],
    ]);
    expect(mergedDecision(overruled, overruled).action).toBe('block');
  });

  test('loses no newer vote, and is won by the action on top', () => {
    const totals = ({ tally }: Decision): [number, number] => [
      tally.reduce((sum, { count }) => sum + count, 0),
      tally.reduce((sum, { weight }) => sum + weight, 0),
    ];
    fc.assert(
      fc.property(anyTally, anyTally, (a, b) => {
        const [older, newer] = [decided(a), decided(b)];
        const merged = mergedDecision(older, newer);
        // All of the newer votes, and of the older ones at most three times as many.
        const [newVotes, newWeight] = totals(newer);
        expect(totals(merged)[0]).toBeGreaterThanOrEqual(newVotes);
        expect(totals(merged)[0]).toBeLessThanOrEqual(newVotes + Math.min(totals(older)[0], 3 * Math.max(1, newVotes)));
        expect(totals(merged)[1]).toBeGreaterThanOrEqual(newWeight);
        expect(totals(merged)[1]).toBeLessThanOrEqual(newWeight + totals(older)[1] + 1e-9);
        expect(merged.action).toBe(merged.tally[0]?.action);
        expect(new Set(merged.tally.map(({ action }) => action)).size).toBe(merged.tally.length);
        // The winner stands first, the others by votes.
        const counts = merged.tally.slice(1).map(({ count }) => count);
        expect(counts).toEqual(counts.toSorted((x, y) => y - x));
      }),
    );
  });

  test('follows what models think now at the third time, however long they thought otherwise', () => {
    let kept = decided([['attack', 5, 4]]);
    for (let i = 0; i < 30; i++) kept = mergedDecision(kept, decided([['attack', 5, 4]]));
    const actions = Array.from({ length: 3 }, () => {
      kept = mergedDecision(kept, decided([['flee', 5, 4]]));
      return kept.action;
    });
    expect(actions).toEqual(['attack', 'attack', 'flee']);
  });

  test('leaves both as they were', () => {
    const [older, newer] = [decided([['attack', 1, 1]]), decided([['attack', 1, 1]])];
    mergedDecision(older, newer);
    expect([rowsOf(older), rowsOf(newer)]).toEqual([[['attack', 1, 1]], [['attack', 1, 1]]]);
  });

  test('of two without votes is the newer one', () => {
    expect(mergedDecision(decided([]), decided([], { action: 'block' })).action).toBe('block');
  });
});

describe('a weakened decision', () => {
  test('has half of what spoke for the action, and still its reason where it wins', () => {
    const before = decided([
      ['attack', 5, 3],
      ['block', 1, 0.5],
    ]);
    const weakened = weakenedDecision(before, 'attack');
    expect(weakened).toMatchObject({ action: 'attack', reason: before.reason, decidedAtMs: before.decidedAtMs });
    expect(rowsOf(weakened)).toEqual([
      ['attack', 2, 1.5],
      ['block', 1, 0.5],
    ]);
    expect(rowsOf(before)[0]).toEqual(['attack', 5, 3]);
  });

  test('is won by another action once that has more for it, and says why', () => {
    const weakened = weakenedDecision(
      decided([
        ['attack', 3, 2],
        ['block', 2, 1],
      ]),
      'attack',
    );
    expect(weakened).toMatchObject({
      action: 'block',
      reason: '"attack" showed no effect here',
      source: 'vote',
      model: '',
    });
    expect(rowsOf(weakened)).toEqual([
      ['block', 2, 1],
      ['attack', 1, 1],
    ]);
  });

  test('comes to nothing after a few times, and stays the only one there is', () => {
    let weakened = decided([['attack', 9, 4]]);
    for (let times = 0; times < 4; times++) weakened = weakenedDecision(weakened, 'attack');
    expect([weakened.action, weakened.tally[0]?.count]).toEqual(['attack', 0]);
  });

  test('keeps its winner where it is another action that showed no effect, also one that overruled the votes', () => {
    const before = decided([
      ['block', 1, 1],
      ['flee', 2, 1],
      ['attack', 2, 1],
    ]);
    const weakened = weakenedDecision(before, 'attack');
    expect(weakened).toMatchObject({ action: 'block', reason: before.reason, model: before.model });
    expect(rowsOf(weakened)).toEqual([
      ['block', 1, 1],
      ['flee', 2, 1],
      ['attack', 1, 0.5],
    ]);
    expect(weakenedDecision(before, 'block')).toMatchObject({
      action: 'flee',
      reason: '"block" showed no effect here',
    });
  });

  test('of an action that nobody voted for is as it was', () => {
    const before = decided([
      ['block', 1, 1],
      ['flee', 2, 1],
    ]);
    expect(weakenedDecision(before, 'dance')).toEqual(before);
  });
});

describe('a decision is well known', () => {
  test.each([
    [[], false],
    [[1], false],
    [[2], true],
    [[1, 1], false],
    [[2, 1], false],
    [[3, 1], true],
    [[1, 3], true],
    [[2, 2], false],
    [[3, 2], true],
    [[1, 1, 1, 1], false],
    [[1, 1, 1, 1, 1], true],
  ])('by a lead of two votes, or by five votes: %j %s', (counts, isKnown) => {
    const known = decision({ tally: counts.map((count, nth) => ({ action: `action ${nth}`, count, weight: 0 })) });
    expect(isWellKnown(known)).toBe(isKnown);
    expect(votesOf(known)).toBe(counts.reduce((sum, count) => sum + count, 0));
  });
});
