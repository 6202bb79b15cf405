import { expect, test } from 'vitest';
import type { AskedRequest } from '../../../src/main/cache/decision-learner.ts';
import type { Precedent } from '../../../src/main/cache/exchange/precedent.ts';
import type { Hit, Miss } from '../../../src/main/cache/look.ts';
import { decision } from '../../support/decisions.ts';
import { CacheUnderTest, seen } from '../../support/make-cache.ts';

const BLOCK = decision({ action: 'block' });

/** A cache with an error budget that knows one decision for the state. */
function taught(): CacheUnderTest {
  const under = new CacheUnderTest({ errorBudget: 0.2 });
  under.learn(seen(), under.missed(seen()), { action: 'block' });
  return under;
}

/** Number of decisions that the evidence has for the state. */
function known(under: CacheUnderTest): number {
  return under.look(seen()).judgement?.prediction?.inState ?? 0;
}

/** Requests in the state that were asked about although they could have been served. */
function probes(under: CacheUnderTest, count: number): AskedRequest[] {
  return Array.from({ length: count }, () => {
    const { judgement, ...look } = under.missed(seen());
    if (judgement?.prediction === undefined) throw new Error('nothing is known');
    const probed: Miss = { ...look, judgement: { ...judgement, riskClass: 3, verdict: 'probe' } };
    return { request: seen(), signature: under.sign(seen()).slice(), look: probed };
  });
}

/** A hit on the decision of the state that is to be checked. */
function checkedHit(under: CacheUnderTest): Hit {
  return {
    kind: 'hit',
    tier: 'exact',
    action: 'block',
    reason: '',
    decision: BLOCK,
    expiresAtMs: 1_000,
    scene: 'combat',
    near: undefined,
    again: 'check',
    judgement: under.missed(seen()).judgement,
  };
}

function learn(under: CacheUnderTest, [first, ...others]: AskedRequest[]): void {
  const { request, signature, look } = first as AskedRequest;
  under.cache.learn(request, signature, look, BLOCK, others);
}

test('a decision that several plans share is one observation, and one answer of the sample', () => {
  const under = taught();
  expect(known(under)).toBe(1);
  learn(under, probes(under, 30));
  expect(known(under)).toBe(2);
  expect(under.cache.stats().falseHits.all).toMatchObject({ due: 30, checked: 30, wrong: 0, tooFew: true });
  for (let nth = 0; nth < 19; nth++) learn(under, probes(under, 30));
  expect(known(under)).toBe(21);
  expect(under.cache.stats().falseHits.all).toMatchObject({ due: 600, tooFew: false });
});

test('a plan whose flight was too short is no second sample when a longer one decides', () => {
  const under = taught();
  const asked = probes(under, 1);
  learn(under, asked);
  learn(under, asked);
  expect(known(under)).toBe(2);
  expect(under.cache.stats().falseHits.all).toMatchObject({ due: 1, checked: 1 });
});

test('the answer of a check is one observation, however many hits share it', () => {
  const under = taught();
  const hit = checkedHit(under);
  const others = [
    { hit: { ...hit }, count: 1 },
    { hit: { ...hit }, count: 1 },
  ];
  under.cache.checked(seen(), under.sign(seen()), hit, BLOCK, others);
  expect(known(under)).toBe(2);
  expect(under.cache.stats().falseHits.all.checked).toBe(3);
});

test('what was decided for an expected state is one observation, also where agents are in it by then', () => {
  const under = taught();
  under.cache.foreseen(seen(), under.sign(seen()), BLOCK);
  expect(known(under)).toBe(2);
  under.cache.foreseen(seen(), under.sign(seen()), BLOCK, probes(under, 2));
  expect(known(under)).toBe(3);
  expect(under.cache.stats().falseHits.all.checked).toBe(2);
});

test('models that insist on a repeated action let it pass no more often because several plans share their answer', () => {
  const passes = (plans: number): string => {
    const under = new CacheUnderTest();
    const cycle: Miss = { ...under.missed(seen()), isCycle: true, inVain: 'block' };
    const signature = under.sign(seen()).slice();
    learn(
      under,
      Array.from({ length: plans }, () => ({ request: seen(), signature, look: { ...cycle } })),
    );
    const part = under.cache.learnedParts().find(({ name }) => name === 'insisted');
    return JSON.stringify([...(part?.saved() ?? [])]);
  };
  expect(passes(1)).toContain('block');
  expect(passes(5)).toBe(passes(1));
});

test('an answer of another node is a sample here, and no second observation: what is learned from it comes through the log', () => {
  const under = taught();
  under.cache.learnOutcomes(probes(under, 2), BLOCK);
  const hit = checkedHit(under);
  under.cache.checked(seen(), under.sign(seen()), hit, BLOCK, [], true);
  expect(known(under)).toBe(1);
  expect(under.cache.stats().falseHits.all.checked).toBe(3);
});

test('other nodes are told once of an answer that several plans share, and of each prediction that it shows to be right or wrong', () => {
  const under = new CacheUnderTest({ errorBudget: 0.2 });
  const told: Precedent[] = [];
  const journal = {
    decided: () => {},
    cleared: () => {},
    learned: (precedent: Precedent) => void told.push(precedent),
  };
  under.cache.share(journal, () => {});
  const unknown = (): AskedRequest => ({
    request: seen(),
    signature: under.sign(seen()).slice(),
    look: under.missed(seen()),
  });
  learn(under, Array.from({ length: 30 }, unknown));
  expect(told.map(({ isCounted }) => isCounted)).toEqual([false]);
  learn(under, probes(under, 3));
  expect(told.slice(1).map(({ isCounted }) => isCounted)).toEqual([false, true, true]);
});
