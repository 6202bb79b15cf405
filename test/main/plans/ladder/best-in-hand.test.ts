import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Hit } from '../../../../src/main/cache/look.ts';
import {
  answerFromHit,
  answerFromVotes,
  bestInHand,
  heuristicAnswer,
} from '../../../../src/main/plans/ladder/best-in-hand.ts';
import type { ExpertVote } from '../../../../src/main/plans/panel/tally.ts';
import { MODEL_SOURCES } from '../../../../src/shared/decision.ts';
import { decision } from '../../../support/decisions.ts';
import { request } from '../../../support/make-planner.ts';

function vote(action: string, model = 'e', reason = `${model} says so`): ExpertVote {
  return { role: 'one', model, vote: { action, reason } };
}

const NOTHING = { decision: undefined, votes: [], stale: undefined };
const ASKED = request({ qValues: { flee: 0.9 } });

describe('the ladder, from the top', () => {
  test('a decision of a model, with its source, reason and model', () => {
    const made = decision({ action: 'block', source: 'fallback', model: 'b', reason: 'b says so' });
    const all = { decision: made, votes: [vote('attack')], stale: decision() };
    expect(bestInHand(ASKED, all)).toEqual({ action: 'block', source: 'fallback', reason: 'b says so', model: 'b' });
  });

  test('a decision of no single model names none', () => {
    const made = decision({ source: 'vote', model: '' });
    expect(bestInHand(ASKED, { ...NOTHING, decision: made })).not.toHaveProperty('model');
  });

  test('the best vote, with the reason and model of the first who gave it', () => {
    const votes = [vote('attack', 'x'), vote('block', 'y'), vote('block', 'z')];
    expect(bestInHand(ASKED, { ...NOTHING, votes, stale: decision() })).toMatchObject({
      action: 'block',
      source: 'vote',
      model: 'y',
      reason: 'y says so',
      tally: [
        { action: 'block', count: 2 },
        { action: 'attack', count: 1 },
      ],
    });
  });

  test('an expired decision, with its age', () => {
    expect(bestInHand(ASKED, { ...NOTHING, stale: decision({ decidedAtMs: 77 }) })).toEqual({
      action: 'attack',
      source: 'stale',
      reason: 'the bandit is weak',
      model: 'small',
      decidedAtMs: 77,
    });
  });

  test('the highest value, then the first action', () => {
    expect(bestInHand(ASKED, NOTHING)).toEqual({ action: 'flee', source: 'heuristic', reason: 'highest value: 0.9' });
    expect(bestInHand(request(), NOTHING)).toEqual({
      action: 'attack',
      source: 'heuristic',
      reason: 'first legal action: no values were given',
    });
  });

  test('an expired decision whose winner is not legal now, with the best legal one of its tally', () => {
    const tally = [
      { action: 'dance', count: 2, weight: 1 },
      { action: 'block', count: 1, weight: 1 },
    ];
    const stale = decision({ action: 'dance', model: '', tally });
    const answer = bestInHand(ASKED, { ...NOTHING, stale });
    expect(answer).toMatchObject({ action: 'block', source: 'stale' });
    expect(answer).not.toHaveProperty('model');
  });

  test('a decision that is not legal for this request is passed over, and so is one that is stale', () => {
    const illegal = decision({ action: 'dance', tally: [] });
    expect(bestInHand(ASKED, { decision: illegal, votes: [vote('block')], stale: undefined }).source).toBe('vote');
    expect(bestInHand(ASKED, { decision: illegal, votes: [], stale: illegal }).source).toBe('heuristic');
  });

  test('always gives one of the actions, byte for byte, whatever is in hand', () => {
    const name = fc.constantFrom('attack', 'block', 'flee', 'dance', '__proto__', 'constructor', 'Attack', 'attack ');
    const made = fc.record({ action: name, source: fc.constantFrom(...MODEL_SOURCES) }).map((part) => decision(part));
    const remembered = fc
      .tuple(made, fc.array(name, { maxLength: 4 }))
      .map(([of, names]) => ({ ...of, tally: names.map((action) => ({ action, count: 1, weight: 1 })) }));
    const actions = fc.uniqueArray(name, { minLength: 1 });
    const values = fc.dictionary(name, fc.double({ noNaN: true }));
    fc.assert(
      fc.property(
        actions,
        values,
        fc.option(made, { nil: undefined }),
        fc.option(remembered, { nil: undefined }),
        fc.array(name, { maxLength: 4 }),
        (offered, qValues, of, stale, voted) => {
          const votes = voted.filter((action) => offered.includes(action)).map((action) => vote(action));
          const answer = bestInHand(request({ actions: offered, qValues }), { decision: of, votes, stale });
          expect(offered).toContain(answer.action);
        },
      ),
    );
  });
});

describe('what memory had to say before models were asked', () => {
  const standing = {
    tier: 'exact',
    action: 'block',
    reason: 'as before',
    decision: decision({ decidedAtMs: 5 }),
  } as const;
  const bare = { decision: undefined, votes: [], stale: decision({ action: 'flee' }) };

  test('stands below every vote and above what has expired, with the source of its tier', () => {
    const asked = request();
    expect(bestInHand(asked, { ...bare, standing })).toMatchObject({
      action: 'block',
      source: 'cache',
      decidedAtMs: 5,
    });
    const similar = { ...standing, tier: 'similar' } as const;
    expect(bestInHand(asked, { ...bare, standing: similar }).source).toBe('similar');
    expect(bestInHand(asked, { ...bare, standing: undefined }).source).toBe('stale');
    const decided = decision({ action: 'attack', source: 'quorum' });
    expect(bestInHand(asked, { ...bare, standing, decision: decided }).source).toBe('quorum');
  });
});

describe('answers from one rung', () => {
  const HIT: Hit = {
    kind: 'hit',
    tier: 'exact',
    action: 'block',
    reason: 'the best legal one of the votes for this state',
    decision: decision({ action: 'dance', decidedAtMs: 77 }),
    expiresAtMs: 1_000,
    scene: 'cave',
    near: undefined,
    again: undefined,
    judgement: undefined,
  };

  test('from a hit have its action and reason, the age and model of its decision, and the rung of its tier', () => {
    const { action, reason } = HIT;
    const common = { action, reason, decidedAtMs: 77, model: 'small' };
    expect(answerFromHit(HIT)).toEqual({ ...common, source: 'cache' });
    expect(answerFromHit({ ...HIT, tier: 'similar' })).toEqual({ ...common, source: 'similar' });
    expect(answerFromHit({ ...HIT, tier: 'habit' })).toEqual({ ...common, source: 'habit' });
    expect(answerFromHit({ ...HIT, decision: decision({ model: '' }) })).not.toHaveProperty('model');
  });

  test('from votes are none without votes', () => {
    expect(answerFromVotes(ASKED, [])).toBeUndefined();
  });

  test('from values take the earlier of two that are as high, and ignore those of actions that are not offered', () => {
    expect(heuristicAnswer(request({ qValues: { flee: 1, block: 1, dance: 9 } })).action).toBe('block');
    expect(heuristicAnswer(request({ qValues: { attack: -5, block: -3, flee: -4 } })).action).toBe('block');
  });
});

test('the best vote is that of the leader where votes are weighted, and of the tally where nobody voted for it', () => {
  const votes = [vote('block', 'x'), vote('block', 'y'), vote('flee', 'z')];
  const best = (leader?: string) => bestInHand(ASKED, { ...NOTHING, votes, leader });
  expect(best()).toMatchObject({ action: 'block', model: 'x' });
  expect(best('flee')).toMatchObject({ action: 'flee', source: 'vote', reason: 'z says so', model: 'z' });
  expect(best('attack')).toMatchObject({ action: 'block' });
});
