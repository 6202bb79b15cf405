import { describe, expect, test } from 'vitest';
import type { ResolvedCache } from '../../../src/main/cache/cache-options.ts';
import type { Look } from '../../../src/main/cache/look.ts';
import { defineDomain } from '../../../src/shared/domain.ts';
import type { PlanRequest } from '../../../src/shared/plan-request.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { CacheUnderTest, seen } from '../../support/make-cache.ts';

const domain = defineDomain({
  name: 'habits',
  features: { scene: { kind: 'category' }, alert: { kind: 'flag' }, place: { kind: 'category' } },
});
const BUDGET: Partial<ResolvedCache> = { errorBudget: 0.1, ttlMs: 1_000_000, entries: 2_000, loopGuard: true };
const NEXT: Readonly<Record<string, string>> = { attack: 'block', block: 'flee', flee: 'attack' };

let places = 0;
/** A state that no agent was ever in, and none is similar to. */
function elsewhere(rest: Partial<PlanRequest> = {}): PlanRequest {
  const observation = { scene: 'combat', alert: true, place: `place ${places++}` };
  return { ...seen({}, rest), observation };
}

function make(options: Partial<ResolvedCache> = {}): CacheUnderTest {
  return new CacheUnderTest({ ...BUDGET, ...options }, { domain, random: seededRandom(5) });
}

/** An agent that always does the same three things in turn, each in a new state. Returns what the cache found. */
function play(under: CacheUnderTest, times: number, answer = (usual: string) => usual): Look[] {
  let last = 'flee';
  return Array.from({ length: times }, () => {
    const request = elsewhere();
    const look = under.look(request);
    const truth = answer(NEXT[last] as string);
    if (look.kind === 'miss') under.learn(request, look, { action: truth });
    last = look.kind === 'hit' ? look.action : truth;
    under.took(request, last, look.kind === 'hit');
    return look;
  });
}

const isServed = (look: Look): boolean => look.kind === 'hit';

describe('what is usually done next', () => {
  test('is served in states that were never met, once there is evidence enough', () => {
    const under = make();
    const looks = play(under, 400);
    expect(looks.slice(0, 20).some(isServed)).toBe(false);
    const served = looks.slice(300).filter(isServed);
    expect(served.length).toBeGreaterThan(80);
    expect(served.every((look) => look.kind === 'hit' && look.tier === 'habit')).toBe(true);
    expect(served.at(-1)).toMatchObject({ near: undefined, judgement: { verdict: 'serve' } });
    expect(served.at(-1)).toMatchObject({ reason: expect.stringMatching(/^usually done next: \d+ of \d+ decisions/) });
  });

  test.each([
    ['without an error budget', { errorBudget: false, trust: 'always' }],
    [
      'without an error budget, with similar states',
      { errorBudget: false, similar: { distanceMax: 1, confirmedMax: 1 } },
    ],
    ['where habits are off', { habit: false }],
  ] as const)('is not served %s', (_, options) => {
    expect(play(make(options), 600).some(isServed)).toBe(false);
  });

  test('is not served where models do something else each time', () => {
    const random = seededRandom(9);
    const looks = play(make(), 600, () => ['attack', 'block', 'flee'][Math.floor(3 * random.next())] as string);
    expect(looks.some(isServed)).toBe(false);
  });

  test('is not served once decisions are too old to count', () => {
    const under = make();
    play(under, 400);
    under.clock.advance(1_000_000);
    for (let i = 0; i < 20; i++) expect(under.missed(elsewhere())).toMatchObject({ judgement: { verdict: 'ask' } });
  });

  test('is not served if current Q-values contradict it', () => {
    const under = make({ valuesMin: 0.85 });
    play(under, 400);
    const usual = Array.from({ length: 20 }, () => under.served(elsewhere())).find((hit) => hit !== undefined)?.action;
    const qValues = Object.fromEntries(Object.keys(NEXT).map((action) => [action, action === usual ? 0 : 1]));
    for (let i = 0; i < 20; i++) expect(under.look(elsewhere({ qValues })).kind).toBe('miss');
    expect(under.cache.stats()).toMatchObject({ contradicted: 20 });
  });

  test('says how old the newest decision is that it rests on', () => {
    const under = make();
    play(under, 400);
    under.clock.advance(40_000);
    const hit = Array.from({ length: 20 }, () => under.served(elsewhere())).find((each) => each !== undefined);
    expect(under.clock.wallNow() - (hit?.decision.decidedAtMs ?? 0)).toBeGreaterThanOrEqual(40_000);
    expect(hit?.expiresAtMs).toBeGreaterThan(under.clock.now());
    expect(hit?.expiresAtMs).toBeLessThanOrEqual(under.clock.now() + 1_000_000 - 40_000);
  });
});

describe('the loop guard', () => {
  /** An agent that does the same again and again, up to three times without effect. Returns how often a third one was served. */
  function thirds(under: CacheUnderTest): number {
    for (let turn = 0; turn < 900; turn++) {
      const request = elsewhere();
      for (let times = 0; times < turn % 4; times++) under.took(request, 'attack');
      const look = under.look(request);
      if (look.kind === 'miss') under.learn(request, look, { action: 'attack' });
      under.took(request, 'attack', look.kind === 'hit');
    }
    let served = 0;
    for (let stay = 0; stay < 20; stay++) {
      const request = elsewhere();
      for (let turn = 0; turn < 5; turn++) {
        const look = under.look(request);
        if (turn >= 2 && look.kind === 'hit' && look.action === 'attack') served++;
        under.took(request, 'attack', look.kind === 'hit');
      }
    }
    return served;
  }

  test('holds back a habit that had no effect twice', () => {
    const under = make();
    play(under, 400);
    const request = elsewhere();
    const hit = Array.from({ length: 20 }, () => under.served(request)).find((each) => each !== undefined);
    for (let times = 0; times < 2; times++) under.took(request, hit?.action ?? '', true);
    for (let look = 0; look < 30; look++) expect(under.look(request)).not.toMatchObject({ action: hit?.action });
    expect(under.missed(request)).toMatchObject({ inVain: hit?.action });
  });

  test('lets no habit pass a third time in a state that does not change', () => {
    expect(thirds(make())).toBe(0);
    expect(thirds(make({ loopGuard: false }))).toBeGreaterThan(20);
  });
});

describe('how often it is wrong', () => {
  test('is measured by checks, and it is served no longer when they say so', () => {
    const under = make({ checkShare: 1 });
    play(under, 400);
    const { served } = under.cache.stats().falseHits.habit;
    expect(served).toBeGreaterThan(100);
    let wrong = 0;
    for (let i = 0; i < 400; i++) {
      const request = elsewhere();
      const hit = under.look(request);
      if (hit.kind === 'miss') under.learn(request, hit, { action: 'dance' });
      else {
        wrong++;
        under.checked(request, hit, { action: 'dance' });
      }
    }
    expect(wrong).toBeGreaterThan(0);
    expect(wrong).toBeLessThan(40);
    expect(under.cache.stats().falseHits).toMatchObject({
      habit: { wrong: expect.any(Number), due: expect.any(Number) },
      exact: { checked: 0 },
      similar: { checked: 0 },
    });
    expect(under.cache.stats().falseHits.habit.wrong).toBeGreaterThanOrEqual(wrong);
  });

  test('is measured by probes of its own', () => {
    const under = make();
    const probes = play(under, 400).filter((look) => look.kind === 'miss' && look.judgement?.verdict === 'probe');
    const { budget, falseHits, habitHits, hits } = under.cache.stats();
    expect(probes.length).toBeGreaterThan(0);
    expect(falseHits.habit).toMatchObject({ checked: probes.length, wrong: 0 });
    expect(budget).toMatchObject({ habit: { probes: probes.length, served: habitHits } });
    expect(hits).toBe(habitHits);
  });
});

test('what is known of states does not let habits serve', () => {
  const under = make();
  const known = elsewhere();
  for (let i = 0; i < 400; i++) {
    const look = under.look(known);
    if (look.kind === 'miss') under.learn(known, look, { action: 'attack' });
  }
  expect(under.cache.stats().budget).toMatchObject({ served: expect.any(Number), habit: { served: 0 } });
  expect(Array.from({ length: 20 }, () => under.served(elsewhere()))).toEqual(Array(20).fill(undefined));
});
