import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ExpertRecords } from '../../../../src/main/plans/panel/expert-records.ts';
import {
  isAgreed,
  type QuorumSettings,
  supportOf,
  VALUES_WEIGHT,
  verdictOf,
} from '../../../../src/main/plans/panel/quorum.ts';
import type { ExpertVote } from '../../../../src/main/plans/panel/tally.ts';

const ACTIONS = ['attack', 'block', 'flee', 'hide'];
const ASKED = { actions: ACTIONS };
/** The best is worth 1, the worst 0, and hiding has no value. */
const VALUED = { actions: ACTIONS, qValues: { attack: 10, block: 5, flee: 0 } };

/** A vote of an expert that is heard as its model says: "1.5" counts for one and a half. */
function vote(action: string, weight = 1, confidence?: number): ExpertVote {
  const said = { action, reason: '', ...(confidence === undefined ? {} : { confidence }) };
  return { role: 'any', model: String(weight), vote: said };
}

function settings(rule: QuorumSettings['rule'], valuesWeight = 0): QuorumSettings {
  return { rule, valuesWeight, weightOf: ({ model }) => Number(model) };
}

describe('support', () => {
  test('is the sum of the weights of those who voted for an action, the best first', () => {
    const votes = [vote('flee'), vote('block', 1.5), vote('flee', 0.25)];
    expect(supportOf(votes, ASKED, settings('all'))).toEqual([
      { action: 'block', weight: 1.5, votes: 1 },
      { action: 'flee', weight: 1.25, votes: 2 },
    ]);
  });

  test('has no share of values for what has just been tried without effect, however good its value is', () => {
    const votes = [vote('attack'), vote('block')];
    expect(supportOf(votes, VALUED, { ...settings('all', 0.9), inVain: 'attack' })).toEqual([
      { action: 'block', weight: 1.45, votes: 1 },
      { action: 'attack', weight: 1, votes: 1 },
    ]);
    const good = { ...settings('firstAgree', 0.9), inVain: 'attack' };
    expect(verdictOf([vote('attack', 1.5)], [1], VALUED, good).kind).toBe('open');
  });

  test('has a share of the weight of values by the place between the worst one and the best', () => {
    const votes = ACTIONS.map((action) => vote(action));
    expect(supportOf(votes, VALUED, settings('all', 0.9)).map(({ action, weight }) => [action, weight])).toEqual([
      ['attack', 1.9],
      ['block', 1.45],
      ['flee', 1],
      ['hide', 1],
    ]);
  });

  test('has none of values that are all equal, or where values have no weight', () => {
    const equal = { actions: ACTIONS, qValues: { attack: 3, block: 3 } };
    const votes = [vote('block'), vote('attack')];
    for (const [asked, weight] of [[equal, 0.9] as const, [VALUED, 0] as const]) {
      expect(supportOf(votes, asked, settings('all', weight)).map((each) => each.weight)).toEqual([1, 1]);
    }
  });

  test('of actions that nobody voted for is not listed, however good their values', () => {
    expect(supportOf([vote('flee')], VALUED, settings('all', 0.9)).map(({ action }) => action)).toEqual(['flee']);
  });

  test('that is equal is ordered as the tally is: by votes, by confidence, by value, by place', () => {
    const leader = (votes: ExpertVote[], asked: { actions: string[]; qValues?: Record<string, number> } = ASKED) =>
      supportOf(votes, asked, settings('all'))[0]?.action;
    expect(leader([vote('attack', 2), vote('flee'), vote('flee')])).toBe('flee');
    expect(leader([vote('attack', 1, 0.6), vote('flee', 1, 0.7)])).toBe('flee');
    expect(leader([vote('attack'), vote('flee')], { actions: ACTIONS, qValues: { flee: 2, attack: 1 } })).toBe('flee');
    expect(leader([vote('flee'), vote('attack')])).toBe('attack');
  });
});

describe('all', () => {
  test('is open until the last vote that may come has come or failed: it needs each of them', () => {
    const votes = [vote('attack'), vote('attack')];
    expect(verdictOf(votes, [1], ASKED, settings('all'))).toEqual({ kind: 'open', needed: 1 });
    expect(verdictOf([], [1, 1, 1], ASKED, settings('all'))).toEqual({ kind: 'open', needed: 3 });
    expect(verdictOf(votes, [], ASKED, settings('all'))).toEqual({ kind: 'settled', action: 'attack' });
  });

  test('is not settled by nobody', () => {
    expect(verdictOf([], [], ASKED, settings('all')).kind).toBe('open');
  });
});

describe('majority', () => {
  const majority = settings('majority');

  test('begins with as many as are more than half', () => {
    const needed = (experts: number) => verdictOf([], Array(experts).fill(1), ASKED, majority);
    expect([1, 2, 3, 4, 5].map(needed)).toEqual([1, 2, 2, 3, 3].map((each) => ({ kind: 'open', needed: each })));
  });

  test('is settled by two of three, and is not by two of four', () => {
    const two = [vote('attack'), vote('attack')];
    expect(verdictOf(two, [1], ASKED, majority)).toEqual({ kind: 'settled', action: 'attack' });
    expect(verdictOf(two, [1, 1], ASKED, majority)).toEqual({ kind: 'open', needed: 1 });
  });

  test('is settled by less than half where nobody else can reach it any more', () => {
    const votes = [vote('attack'), vote('attack'), vote('block'), vote('flee')];
    expect(verdictOf(votes, [], ASKED, majority)).toEqual({ kind: 'settled', action: 'attack' });
    expect(verdictOf([...votes, vote('attack')], [1], ASKED, majority).kind).toBe('settled');
    expect(verdictOf(votes, [1], ASKED, majority)).toEqual({ kind: 'open', needed: 1 });
  });

  test('counts a heavy expert that may come for what it is heard', () => {
    const two = [vote('attack'), vote('attack')];
    expect(verdictOf(two, [1.9], ASKED, majority).kind).toBe('settled');
    expect(verdictOf(two, [2], ASKED, majority).kind).toBe('open');
  });

  test('counts what values give to an action that nobody has voted for yet', () => {
    const one = [vote('flee', 1.5), vote('hide', 0.5)];
    const valued = settings('majority', VALUES_WEIGHT);
    // An attack would have 0.9 of values and 0.7 of the vote to come.
    expect(verdictOf(one, [0.7], VALUED, valued).kind).toBe('open');
    expect(verdictOf(one, [0.5], VALUED, valued)).toEqual({ kind: 'settled', action: 'flee' });
  });
});

describe('firstAgree', () => {
  const first = settings('firstAgree');
  const valued = settings('firstAgree', VALUES_WEIGHT);

  test('asks for two, then for one more, until two agree, whoever may still come', () => {
    expect(verdictOf([], [1, 1, 1], ASKED, first)).toEqual({ kind: 'open', needed: 2 });
    expect(verdictOf([vote('attack')], [1, 1], ASKED, first)).toEqual({ kind: 'open', needed: 1 });
    expect(verdictOf([vote('attack'), vote('flee')], [1], ASKED, first)).toEqual({ kind: 'open', needed: 1 });
    const agreed = [vote('attack'), vote('flee'), vote('flee')];
    expect(verdictOf(agreed, [9, 9, 9], ASKED, first)).toEqual({ kind: 'settled', action: 'flee' });
  });

  test('is settled by two, unless both are of a poor record: together they must be worth one and a half', () => {
    expect(verdictOf([vote('attack', 0.99), vote('attack', 0.98)], [1], ASKED, first).kind).toBe('settled');
    expect(verdictOf([vote('attack', 1), vote('attack', 0.5)], [1], ASKED, first).kind).toBe('settled');
    expect(verdictOf([vote('attack', 0.75), vote('attack', 0.749)], [1], ASKED, first).kind).toBe('open');
  });

  test('is settled by one vote that is worth two, and not by a little less', () => {
    expect(verdictOf([vote('attack', 2)], [1], ASKED, first).kind).toBe('settled');
    expect(verdictOf([vote('attack', 1.999)], [1], ASKED, first).kind).toBe('open');
  });

  test('is settled by any two of three that mostly agree, whichever was heard more often', () => {
    const records = new ExpertRecords();
    const heard = { role: 'any', model: 'heard' };
    const seldom = { role: 'any', model: 'seldom' };
    for (let plan = 0; plan < 30; plan++) {
      const votes = [heard, { role: 'any', model: 'other' }, ...(plan % 10 === 0 ? [seldom] : [])];
      records.decided(
        votes.map((voice) => ({ ...voice, vote: { action: 'flee', reason: '' } })),
        'flee',
      );
    }
    const recorded = { ...first, weightOf: (voice: typeof heard) => records.weightOf(voice) };
    expect(recorded.weightOf(heard) + recorded.weightOf(seldom)).toBeLessThan(2);
    const two = [heard, seldom].map((voice) => ({ ...voice, vote: { action: 'flee', reason: '' } }));
    expect(verdictOf(two, [1], ASKED, recorded).kind).toBe('settled');
  });

  test('is settled by ten votes of 0.2, whatever the sum of floats is', () => {
    const tenths = Array.from({ length: 10 }, () => vote('attack', 0.2));
    expect(verdictOf(tenths, [1], ASKED, first).kind).toBe('settled');
  });

  test('is settled by one of a good record that agrees with experience, not by an ordinary one', () => {
    expect(verdictOf([vote('attack', 1.1)], [1], VALUED, valued)).toEqual({ kind: 'settled', action: 'attack' });
    expect(verdictOf([vote('attack', 1)], [1], VALUED, valued).kind).toBe('open');
    expect(verdictOf([vote('block', 1.5)], [1], VALUED, valued).kind).toBe('open');
  });

  test('is settled by two of a poor record where experience agrees with them, not where it speaks against them', () => {
    expect(verdictOf([vote('flee', 0.7), vote('flee', 0.7)], [1], VALUED, valued).kind).toBe('open');
    expect(verdictOf([vote('attack', 0.7), vote('attack', 0.7)], [1], VALUED, valued).kind).toBe('settled');
  });

  test('is not settled by experience alone', () => {
    expect(verdictOf([], [1], VALUED, valued)).toEqual({ kind: 'open', needed: 2 });
  });
});

test('experts agree under any rule when two ordinary votes would', () => {
  for (const rule of ['all', 'majority', 'firstAgree'] as const) {
    expect(isAgreed([vote('attack'), vote('attack'), vote('flee')], ASKED, settings(rule))).toBe(true);
    expect(isAgreed([vote('attack'), vote('flee')], ASKED, settings(rule))).toBe(false);
    expect(isAgreed([], ASKED, settings(rule))).toBe(false);
  }
});

describe('of all votes and values', () => {
  const action = fc.constantFrom(...ACTIONS);
  const weight = fc.integer({ min: 1, max: 6 }).map((quarters) => quarters / 4);
  const confidence = fc.option(fc.constantFrom(0.1, 0.5, 0.9), { nil: undefined });
  const voted = fc.record({ action, weight, confidence });
  const value = fc.option(fc.integer({ min: -2, max: 2 }), { nil: undefined });
  const asked = fc
    .option(fc.array(value, { minLength: ACTIONS.length, maxLength: ACTIONS.length }), { nil: undefined })
    .map((values) => {
      if (values === undefined) return ASKED;
      const entries = ACTIONS.map((each, at) => [each, values[at]] as const).filter(([, of]) => of !== undefined);
      return { actions: ACTIONS, qValues: Object.fromEntries(entries) as Record<string, number> };
    });
  const votesOf = (all: readonly { action: string; weight: number; confidence: number | undefined }[]) =>
    all.map((each) => vote(each.action, each.weight, each.confidence));

  test.each(['all', 'majority'] as const)('no completion of the votes to come changes what %s has settled', (rule) => {
    const property = fc.property(
      fc.array(voted, { maxLength: 5 }),
      // Those who may still vote, and which of them fail.
      fc.array(fc.tuple(voted, fc.boolean()), { maxLength: 4 }),
      asked,
      fc.constantFrom(0, VALUES_WEIGHT),
      (cast, coming, request, valuesWeight) => {
        const votes = votesOf(cast);
        const pending = coming.map(([each]) => each.weight);
        const quorum = settings(rule, valuesWeight);
        const verdict = verdictOf(votes, pending, request, quorum);
        if (verdict.kind === 'open') return;
        const came = votesOf(coming.filter(([, fails]) => !fails).map(([each]) => each));
        expect(supportOf([...votes, ...came], request, quorum)[0]?.action).toBe(verdict.action);
      },
    );
    fc.assert(property, { numRuns: 2_000 });
  });

  test.each(['all', 'majority', 'firstAgree'] as const)(
    '%s needs at least one vote while it is open, and settles for a vote',
    (rule) => {
      const property = fc.property(
        fc.array(voted, { maxLength: 5 }),
        fc.array(weight, { minLength: 1, maxLength: 4 }),
        asked,
        (cast, pending, request) => {
          const votes = votesOf(cast);
          const verdict = verdictOf(votes, pending, request, settings(rule, VALUES_WEIGHT));
          if (verdict.kind === 'open') expect(verdict.needed).toBeGreaterThanOrEqual(1);
          else expect(votes.map((each) => each.vote.action)).toContain(verdict.action);
        },
      );
      fc.assert(property, { numRuns: 1_000 });
    },
  );

  test.each(['all', 'majority'] as const)(
    '%s is settled by anything once everyone has voted who does, but for a tie',
    (rule) => {
      const property = fc.property(fc.array(voted, { minLength: 1, maxLength: 6 }), asked, (cast, request) => {
        const quorum = settings(rule);
        const votes = votesOf(cast);
        const [first, second] = supportOf(votes, request, quorum);
        const isTied = rule === 'majority' && first?.weight === second?.weight;
        expect(verdictOf(votes, [], request, quorum).kind).toBe(isTied ? 'open' : 'settled');
      });
      fc.assert(property);
    },
  );
});
