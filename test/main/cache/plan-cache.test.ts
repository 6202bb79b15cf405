import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { resolveOptions } from '../../../src/main/options/resolve-options.ts';
import { defineDomain } from '../../../src/shared/domain.ts';
import type { PlanRequest } from '../../../src/shared/plan-request.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { StoreReader } from '../../../src/shared/store/store-reader.ts';
import { assertStoreValid } from '../../support/assert-store-valid.ts';
import { decision } from '../../support/decisions.ts';
import { CacheUnderTest, PLAIN_CACHE, seen, state } from '../../support/make-cache.ts';
import { testDomain } from '../../support/make-planner.ts';

/** Which of the states 1 to `count` are found, in their order, without an effect. */
function held(under: CacheUnderTest, count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1).filter((id) => under.peek(state(id)) !== undefined);
}

describe('the state itself', () => {
  test('is served with the action, reason and scene of what was decided, and says so', () => {
    const under = new CacheUnderTest();
    under.teach(seen(), { action: 'block', reason: 'it is strong' });
    expect(under.look(seen({ health: 59 }))).toMatchObject({
      kind: 'hit',
      tier: 'exact',
      action: 'block',
      reason: 'it is strong',
      scene: 'combat',
      again: undefined,
      judgement: undefined,
    });
    expect(under.look(seen({ health: 60 })).kind).toBe('miss');
  });

  test('is not known where the actions are others', () => {
    const under = new CacheUnderTest();
    under.teach(seen());
    expect(under.look(seen({}, { actions: ['attack', 'block'] })).kind).toBe('miss');
    expect(under.look(seen({}, { actions: ['flee', 'block', 'attack'] })).kind).toBe('hit');
  });

  test('is remembered as decided last', () => {
    const under = new CacheUnderTest();
    under.teach(seen(), { action: 'attack' });
    under.teach(seen(), { action: 'flee' });
    expect(under.served(seen())?.action).toBe('flee');
    expect(under.cache.stats().entries).toBe(1);
  });
});

describe('more votes for a state', () => {
  const voted = (action: string) => decision({ action, tally: [{ action, count: 1, weight: 0.5 }] });
  const add = (under: CacheUnderTest, action: string) =>
    under.cache.addVotes(seen(), under.sign(seen()), { ...voted(action), decidedAtMs: under.clock.wallNow() });

  test('are remembered where nothing was, and added to what was', () => {
    const under = new CacheUnderTest();
    expect(add(under, 'flee').tally).toMatchObject([{ action: 'flee', count: 1 }]);
    expect(under.served(seen())?.action).toBe('flee');
    expect(add(under, 'flee').tally).toMatchObject([{ action: 'flee', count: 2 }]);
    expect(add(under, 'block')).toMatchObject({ action: 'flee', tally: [{ count: 2 }, { count: 1 }] });
    expect(under.served(seen())?.action).toBe('flee');
    add(under, 'block');
    expect(add(under, 'block').action).toBe('block');
    expect(under.served(seen())?.action).toBe('block');
  });

  test('are not added to what has expired', () => {
    const under = new CacheUnderTest();
    add(under, 'flee');
    under.clock.advance(120_000);
    expect(add(under, 'block').tally).toMatchObject([{ action: 'block', count: 1 }]);
  });

  // Schedule: a plan looks and misses; a late answer for its state comes; then its own models decide.
  test('that came while models were asked count beside what those decide', () => {
    const under = new CacheUnderTest();
    const miss = under.missed(seen());
    add(under, 'flee');
    add(under, 'flee');
    under.learn(seen(), miss, { action: 'block' });
    expect(under.peek(seen())).toMatchObject({ action: 'flee', tally: [{ count: 2 }, { count: 1 }] });
  });
});

describe('freshness', () => {
  test('a decision is a hit up to the millisecond before its time, and from it on only told as stale', () => {
    const under = new CacheUnderTest();
    expect(under.look(seen())).toMatchObject({ kind: 'miss', stale: undefined, tier: 'similar' });
    under.teach(seen());
    under.clock.advance(119_999);
    expect(under.look(seen())).toMatchObject({ kind: 'hit', action: 'attack' });
    expect(under.peek(seen())).toMatchObject({ action: 'attack' });
    under.clock.advance(1);
    expect(under.look(seen())).toMatchObject({ kind: 'miss', stale: { action: 'attack' } });
    expect(under.peek(seen())).toBeUndefined();
    under.clock.advance(1e9);
    expect(under.look(seen())).toMatchObject({ kind: 'miss', stale: { action: 'attack' } });
  });

  test('deciding again starts the time anew; looking does not', () => {
    const under = new CacheUnderTest();
    under.teach(seen());
    under.clock.advance(60_000);
    under.look(seen());
    under.clock.advance(60_000);
    const miss = under.missed(seen());
    expect(miss.stale).toBeDefined();
    under.learn(seen(), miss, { reason: 'again' });
    under.clock.advance(119_999);
    expect(under.served(seen())?.reason).toBe('again');
    under.clock.advance(1);
    expect(under.look(seen()).kind).toBe('miss');
  });

  test('a TTL without end never ends', () => {
    const under = new CacheUnderTest({ ttlMs: Number.POSITIVE_INFINITY, refreshAhead: true });
    under.teach(seen());
    under.clock.advance(1e12);
    expect(under.served(seen())).toMatchObject({ action: 'attack', again: undefined });
  });

  test('a clock that stands still changes nothing, and one that goes back lengthens nothing for good', () => {
    const under = new CacheUnderTest({ ttl: 'adaptive', loopGuard: true, refreshAhead: true });
    for (let id = 0; id < 40; id++) {
      under.teach(state(id % 20));
      under.took(state(id % 20), 'attack');
      expect(under.look(state(id % 20)).kind).toBe('hit');
    }
    under.clock.advance(-400);
    expect(under.look(state(1)).kind).toBe('hit');
    under.took(state(1), 'attack');
    under.took(state(2), 'attack');
    under.teach(state(3));
    under.clock.advance(1_000_000);
    expect(under.look(state(1)).kind).toBe('miss');
    expect(under.look(state(3)).kind).toBe('miss');
  });
});

describe('the order of use', () => {
  test('is moved by a hit', () => {
    const under = new CacheUnderTest({ entries: 2 });
    under.teach(state(1));
    under.teach(state(2));
    under.look(state(1));
    under.teach(state(3));
    expect(held(under, 3)).toEqual([1, 3]);
  });

  test('is moved by a hit from a similar state', () => {
    const under = new CacheUnderTest({ entries: 2, similar: { distanceMax: 0.1, confirmedMax: 0.1 } });
    under.teach(seen({ health: 49 }));
    under.teach(state(1));
    expect(under.served(seen({ health: 50 }))?.tier).toBe('similar');
    under.teach(state(2));
    expect(under.peek(seen({ health: 49 }))).toBeDefined();
    expect(held(under, 2)).toEqual([2]);
  });

  test('is moved neither by a peek nor by an expired decision', () => {
    const under = new CacheUnderTest({ entries: 2, ttlMs: 100 });
    under.teach(state(1));
    under.clock.advance(50);
    under.teach(state(2));
    under.peek(state(1));
    under.clock.advance(50);
    expect(under.missed(state(1)).stale).toBeDefined();
    under.teach(state(3));
    expect(held(under, 3)).toEqual([2, 3]);
    expect(under.missed(state(1)).stale).toBeUndefined();
  });

  test('gives a second chance to what another reader hit', () => {
    const under = new CacheUnderTest({ entries: 2 });
    under.teach(state(1));
    under.teach(state(2));
    new StoreReader(under.cache.buffer).lookup(under.sign(state(1)), under.clock.now());
    under.teach(state(3));
    expect(held(under, 3)).toEqual([1, 3]);
  });

  test('of one entry keeps the last', () => {
    const under = new CacheUnderTest({ entries: 1, similar: { distanceMax: 1, confirmedMax: 1 } });
    for (const id of [1, 2, 3]) under.teach(state(id), { reason: `number ${id}` });
    expect(held(under, 3)).toEqual([3]);
    // The evicted ones are no neighbours either: of the same gates, or of the slot's former ones.
    under.teach(seen({ health: 5 }), { action: 'flee' });
    expect(under.look(seen({ scene: 'scene 3', health: 95 })).kind).toBe('miss');
    under.teach(seen({ health: 95 }), { action: 'block' });
    expect(under.served(seen({ health: 15 }))?.action).toBe('block');
    expect(under.cache.stats()).toMatchObject({ entries: 1, evictions: 4 });
    assertStoreValid(under.cache.buffer, 1);
  });
});

describe('a similar state', () => {
  const SIMILAR = { similar: { distanceMax: 0.1, confirmedMax: 0.1 } };

  test('is served where the state itself is not known: the nearest one', () => {
    const under = new CacheUnderTest(SIMILAR);
    under.teach(seen({ health: 49 }), { action: 'attack', reason: 'near' });
    under.teach(seen({ health: 61 }), { action: 'block', reason: 'far' });
    expect(under.look(seen({ health: 52 }))).toMatchObject({
      kind: 'hit',
      tier: 'similar',
      action: 'attack',
      reason: 'near',
    });
    expect(under.look(seen({ health: 58 }))).toMatchObject({
      kind: 'hit',
      tier: 'similar',
      action: 'block',
      reason: 'far',
    });
    under.teach(seen({ health: 50 }), { action: 'flee' });
    expect(under.look(seen({ health: 58 }))).toMatchObject({ kind: 'hit', tier: 'exact', action: 'flee' });
  });

  test('is served up to the distance set, and not beyond', () => {
    const under = new CacheUnderTest(SIMILAR);
    under.teach(seen({ health: 41 }));
    expect(under.look(seen({ health: 51 })).kind).toBe('hit');
    expect(under.look(seen({ health: 51.1 })).kind).toBe('miss');
    expect(under.look(seen({ health: 31 })).kind).toBe('hit');
    expect(under.look(seen({ health: 30.9 })).kind).toBe('miss');
  });

  test('has the same scene and the same actions', () => {
    const under = new CacheUnderTest({ similar: { distanceMax: 1, confirmedMax: 1 } });
    under.teach(seen());
    expect(under.look(seen({ scene: 'town', health: 5 })).kind).toBe('miss');
    expect(under.look(seen({ health: 5 }, { actions: ['attack', 'block'] })).kind).toBe('miss');
    expect(under.look(seen({ health: 5 })).kind).toBe('hit');
  });

  test('whose winner is not legal now serves the best legal one of its tally, or else the next nearest does', () => {
    const under = new CacheUnderTest(SIMILAR);
    const tally = [
      { action: 'dance', count: 3, weight: 1 },
      { action: 'flee', count: 2, weight: 1 },
      { action: 'block', count: 1, weight: 1 },
    ];
    under.teach(seen({ health: 49 }), { action: 'dance', reason: 'to dance', tally });
    expect(under.look(seen({ health: 52 }))).toMatchObject({
      kind: 'hit',
      action: 'flee',
      reason: 'the best legal one of the votes for this state',
    });
    under.teach(seen({ health: 49 }), { action: 'dance', tally: tally.slice(0, 1) });
    expect(under.look(seen({ health: 52 })).kind).toBe('miss');
    under.teach(seen({ health: 61 }), { action: 'block' });
    expect(under.served(seen({ health: 52 }))?.action).toBe('block');
  });

  test('that has expired is never served, though a fresh one lies farther', () => {
    const under = new CacheUnderTest(SIMILAR);
    under.teach(seen({ health: 49 }), { action: 'attack' });
    under.clock.advance(60_000);
    under.teach(seen({ health: 60 }), { action: 'block' });
    expect(under.served(seen({ health: 51 }))?.action).toBe('attack');
    under.clock.advance(60_000);
    expect(under.served(seen({ health: 51 }))?.action).toBe('block');
    under.clock.advance(60_000);
    expect(under.missed(seen({ health: 51 }))).toMatchObject({ stale: undefined, tier: 'similar' });
  });

  test('is served in place of an expired decision for the state itself', () => {
    const under = new CacheUnderTest(SIMILAR);
    under.teach(seen({ health: 51 }), { action: 'attack' });
    under.clock.advance(60_000);
    under.teach(seen({ health: 49 }), { action: 'block' });
    under.clock.advance(60_000);
    expect(under.look(seen({ health: 51 }))).toMatchObject({ kind: 'hit', tier: 'similar', action: 'block' });
  });

  test('that was evicted is not served', () => {
    const under = new CacheUnderTest({ ...SIMILAR, entries: 2 });
    under.teach(seen({ health: 49 }), { action: 'attack' });
    under.teach(state(1));
    under.teach(state(2));
    expect(under.look(seen({ health: 51 })).kind).toBe('miss');
  });

  test('is not that of a slot which a state without a place has taken', () => {
    const under = new CacheUnderTest({ ...SIMILAR, entries: 1 });
    under.teach(seen({ health: 49 }), { action: 'attack' });
    const actions = ['block', ...Array.from({ length: 1_000 }, (_, i) => `action ${i}`)];
    under.teach(seen({}, { actions }), { action: 'block' });
    expect(under.look(seen({ health: 51 })).kind).toBe('miss');
  });

  test('is found where it stands now, when a state was decided anew at another health', () => {
    const under = new CacheUnderTest(SIMILAR);
    under.teach(seen({ health: 40 }));
    expect(under.look(seen({ health: 52 })).kind).toBe('miss');
    under.teach(seen({ health: 49 }));
    expect(under.look(seen({ health: 52 })).kind).toBe('hit');
    expect(under.look(seen({ health: 39 })).kind).toBe('hit');
    expect(under.look(seen({ health: 38 })).kind).toBe('miss');
  });

  test('is not looked for when that is off', () => {
    const under = new CacheUnderTest({ similar: false });
    under.teach(seen({ health: 49 }));
    expect(under.look(seen({ health: 50 })).kind).toBe('miss');
  });

  test('is not looked for among more than 1,000 actions, where the state itself still is', () => {
    const under = new CacheUnderTest({ similar: { distanceMax: 1, confirmedMax: 1 } });
    const actions = ['attack', ...Array.from({ length: 1_000 }, (_, i) => `action ${i}`)];
    under.teach(seen({ health: 49 }, { actions }));
    expect(under.look(seen({ health: 50 }, { actions })).kind).toBe('miss');
    expect(under.look(seen({ health: 49 }, { actions })).kind).toBe('hit');
  });
});

describe('the loop guard', () => {
  const GUARDED = { loopGuard: true };

  /** Serves and takes until the cache refuses. */
  function servedInARow(under: CacheUnderTest, request = seen()): string[] {
    const actions: string[] = [];
    for (let hit = under.served(request); hit !== undefined && actions.length < 10; hit = under.served(request)) {
      actions.push(hit.action);
      under.took(request, hit.action);
    }
    return actions;
  }

  test('never serves an action a third time in a row to an agent whose state did not change', () => {
    const under = new CacheUnderTest(GUARDED);
    under.teach(seen());
    expect(servedInARow(under)).toEqual(['attack', 'attack']);
    for (let times = 0; times < 5; times++) {
      const miss = under.missed(seen());
      expect(miss).toMatchObject({ inVain: 'attack', stale: undefined, tier: 'exact' });
      // Models are told, and say the same all the same.
      under.learn(seen(), miss, { action: 'attack' });
      under.took(seen(), 'attack');
    }
    expect(under.cache.stats()).toMatchObject({ hits: 2, misses: 6, loopsBroken: 6 });
  });

  test('counts what models, or others, told the agent to do', () => {
    const under = new CacheUnderTest(GUARDED);
    under.took(seen(), 'attack');
    under.teach(seen());
    expect(servedInARow(under)).toEqual(['attack']);
  });

  test('begins anew after another state or another action', () => {
    const under = new CacheUnderTest(GUARDED);
    under.teach(seen());
    expect(servedInARow(under)).toHaveLength(2);
    under.took(seen(), 'block');
    expect(servedInARow(under)).toHaveLength(2);
    under.took(state(1), 'attack');
    expect(servedInARow(under)).toHaveLength(2);
  });

  test('weakens the tally for that state, so that another action may win, and says why', () => {
    const under = new CacheUnderTest(GUARDED);
    const tally = [
      { action: 'attack', count: 3, weight: 2 },
      { action: 'block', count: 2, weight: 1 },
    ];
    under.teach(seen(), { action: 'attack', tally });
    under.clock.advance(100_000);
    expect(servedInARow(under)).toEqual(['attack', 'attack']);
    expect(under.peek(seen({}, { agent: 'serana' }))).toMatchObject({
      action: 'block',
      reason: '"attack" showed no effect here',
      tally: [
        { action: 'block', count: 2 },
        { action: 'attack', count: 1, weight: 1 },
      ],
    });
    expect(servedInARow(under)).toEqual(['block', 'block']);
    // It is no newer than it was.
    under.clock.advance(20_000);
    expect(under.look(seen({}, { agent: 'serana' })).kind).toBe('miss');
  });

  test('leaves other agents in the same state alone, though they take turns', () => {
    const under = new CacheUnderTest(GUARDED);
    under.teach(seen());
    const agents = ['lydia', 'serana'];
    const turns = [1, 2, 3].map(() =>
      agents.map((agent) => {
        const request = seen({}, { agent });
        const look = under.look(request);
        under.took(request, 'attack');
        return look.kind;
      }),
    );
    expect(turns).toEqual([
      ['hit', 'hit'],
      ['hit', 'hit'],
      ['miss', 'miss'],
    ]);
    expect(under.served(seen({}, { agent: 'stranger' }))?.action).toBe('attack');
  });

  test('does not hold back what a similar state advises, unless that is the same', () => {
    const under = new CacheUnderTest({ ...GUARDED, similar: { distanceMax: 0.1, confirmedMax: 0.1 } });
    under.teach(seen({ health: 49 }), { action: 'attack' });
    under.teach(seen({ health: 60 }), { action: 'block' });
    const here = seen({ health: 51 });
    expect(under.served(here)?.action).toBe('attack');
    for (let times = 0; times < 2; times++) under.took(here, 'attack');
    expect(under.served(here)?.action).toBe('block');
    under.teach(seen({ health: 60 }), { action: 'attack' });
    expect(under.missed(here)).toMatchObject({ inVain: 'attack', tier: 'similar' });
    expect(under.cache.stats().loopsBroken).toBe(1);
  });

  test('writes nothing where nothing is left to take away: a stuck agent asks again and again', () => {
    const under = new CacheUnderTest(GUARDED);
    under.teach(seen());
    expect(servedInARow(under)).toHaveLength(2);
    const reader = new StoreReader(under.cache.buffer);
    const weakened = reader.find(under.sign(seen()));
    expect(weakened?.decision.tally).toMatchObject([{ action: 'attack', count: 0 }]);
    for (let look = 0; look < 5; look++) under.missed(seen());
    expect(reader.find(under.sign(seen()))).toBe(weakened);
  });

  test('holds for a peek, too', () => {
    const under = new CacheUnderTest(GUARDED);
    under.teach(seen());
    under.took(seen(), 'attack');
    expect(under.peek(seen())?.action).toBe('attack');
    under.took(seen(), 'attack');
    expect(under.peek(seen())).toBeUndefined();
    expect(under.peek(seen({}, { agent: 'serana' }))?.action).toBe('attack');
  });

  test('counts only answers that it held back', () => {
    const under = new CacheUnderTest(GUARDED);
    for (let times = 0; times < 3; times++) under.took(seen(), 'attack');
    expect(under.missed(seen()).inVain).toBe('attack');
    expect(under.cache.stats().loopsBroken).toBe(0);
    under.teach(seen());
    under.missed(seen());
    expect(under.cache.stats().loopsBroken).toBe(1);
  });

  test('forgets the agents seen longest ago', () => {
    const under = new CacheUnderTest({ ...GUARDED, agentsMax: 2 });
    under.teach(seen());
    for (let times = 0; times < 2; times++) under.took(seen(), 'attack');
    for (const agent of ['a', 'b']) under.took(seen({}, { agent }), 'block');
    expect(under.served(seen())?.action).toBe('attack');
  });

  test('serves on and on when it is off', () => {
    const under = new CacheUnderTest({ loopGuard: false });
    under.teach(seen());
    expect(servedInARow(under)).toHaveLength(10);
  });
});

describe('a background check', () => {
  test.each([0, 0.1, 1])('is asked of a share of %d of all hits, of both tiers', (checkShare) => {
    const under = new CacheUnderTest({ checkShare, similar: { distanceMax: 0.1, confirmedMax: 0.1 } });
    under.teach(seen({ health: 49 }));
    const HITS = 5_000;
    for (const health of [49, 50]) {
      let checks = 0;
      for (let hit = 0; hit < HITS; hit++) if (under.served(seen({ health }))?.again === 'check') checks++;
      // Six standard deviations.
      expect(Math.abs(checks - HITS * checkShare)).toBeLessThanOrEqual(
        6 * Math.sqrt(HITS * checkShare * (1 - checkShare)),
      );
    }
  });

  test('adds its votes to the tally, which decides from then on, and starts the time anew', () => {
    const under = new CacheUnderTest({ checkShare: 1 });
    const tallyOf = (action: string, count: number) => [{ action, count, weight: count / 2 }];
    under.teach(seen(), { action: 'attack', tally: tallyOf('attack', 2) });
    under.clock.advance(100_000);
    const hit = under.served(seen());
    under.checked(seen(), hit as never, { action: 'block', tally: tallyOf('block', 1) });
    expect(under.served(seen())).toMatchObject({
      action: 'attack',
      decision: { decidedAtMs: under.clock.wallNow(), tally: [...tallyOf('attack', 2), ...tallyOf('block', 1)] },
    });
    under.clock.advance(119_999);
    under.checked(seen(), hit as never, { action: 'block', tally: tallyOf('block', 2) });
    expect(under.served(seen())).toMatchObject({
      action: 'block',
      decision: { tally: [...tallyOf('block', 3), ...tallyOf('attack', 2)] },
    });
  });

  test('keeps the reason that was served where it agrees, and has its own where it does not', () => {
    const under = new CacheUnderTest({ checkShare: 1 });
    under.teach(seen(), { action: 'attack', reason: 'a weak foe', model: 'm' });
    const hit = under.served(seen());
    under.checked(seen(), hit as never, { action: 'attack', reason: '', model: 'n' });
    expect(under.served(seen())?.decision).toMatchObject({ reason: 'a weak foe', model: 'm' });
    const tally = [{ action: 'block', count: 9, weight: 9 }];
    under.checked(seen(), hit as never, { action: 'block', reason: 'a strong foe', model: 'n', tally });
    expect(under.served(seen())?.decision).toMatchObject({ reason: 'a strong foe', model: 'n' });
  });

  test('of a habit, which has neither a reason nor a model, is remembered with its own', () => {
    const under = new CacheUnderTest({ checkShare: 1 });
    under.teach(seen(), { action: 'attack', reason: 'a weak foe', model: 'm' });
    const hit = under.served(seen());
    const habit = { ...hit, tier: 'habit', decision: { ...hit?.decision, reason: '', model: '', tally: [] } };
    const other = seen({ health: 90 });
    under.checked(other, habit as never, { action: 'attack', reason: 'it is near', model: 'n' });
    expect(under.served(other)?.decision).toMatchObject({ reason: 'it is near', model: 'n' });
  });

  test('of a similar state makes the state known by itself, and leaves the neighbour as it was', () => {
    const under = new CacheUnderTest({ checkShare: 1, similar: { distanceMax: 0.1, confirmedMax: 0.1 } });
    under.teach(seen({ health: 49 }), { action: 'attack' });
    const hit = under.served(seen({ health: 50 }));
    under.checked(seen({ health: 50 }), hit as never, { action: 'block' });
    expect(under.served(seen({ health: 50 }))).toMatchObject({ tier: 'exact', action: 'block' });
    expect(under.served(seen({ health: 49 }))).toMatchObject({ tier: 'exact', action: 'attack' });
  });

  test('is counted as wrong where it says otherwise, by tier and by scene', () => {
    const under = new CacheUnderTest({ checkShare: 1, similar: { distanceMax: 0.1, confirmedMax: 0.1 } });
    const check = (health: number, scene: string, action: string): void => {
      const request = seen({ health, scene });
      const hit = under.served(request);
      if (hit !== undefined) under.checked(request, hit, { action, tally: [{ action, count: 0, weight: 0 }] });
    };
    for (const scene of ['combat', 'town']) under.teach(seen({ health: 49, scene }));
    for (const action of ['attack', 'block', 'attack']) check(49, 'combat', action);
    check(49, 'town', 'flee');
    check(50, 'combat', 'flee');
    const { exact, similar, scenes } = under.cache.stats().falseHits;
    expect(exact).toMatchObject({ served: 4, checked: 4, wrong: 2, rate: 0.5 });
    expect(similar).toMatchObject({ served: 1, checked: 1, wrong: 1 });
    expect(scenes).toMatchObject([
      { scene: 'combat', served: 4, checked: 4, wrong: 2 },
      { scene: 'town', served: 1, checked: 1, wrong: 1 },
    ]);
  });
});

describe('a background check of a state whose own decision has expired', () => {
  test('gives the expired one no say: it would be fresh again', () => {
    const under = new CacheUnderTest({ similar: { distanceMax: 0.2, confirmedMax: 0.2 }, checkShare: 1 });
    const votes = (action: string, count: number) => ({ action, tally: [{ action, count, weight: 1 }] });
    under.teach(seen({ health: 50 }), votes('attack', 5));
    under.clock.advance(3_600_000);
    under.teach(seen({ health: 61 }), votes('flee', 3));
    const hit = under.served(seen({ health: 50 }));
    expect(hit).toMatchObject({ tier: 'similar', action: 'flee', again: 'check' });
    if (hit === undefined) return;
    under.checked(seen({ health: 50 }), hit, votes('flee', 3));
    expect(under.served(seen({ health: 50 }))).toMatchObject({ tier: 'exact', action: 'flee' });
  });
});

describe('a refresh ahead of expiry', () => {
  const REFRESHED = { refreshAhead: true };
  const LOOKS = 2_000;

  /** How many of many looks ask for a refresh, `leftMs` before the expiry of a decision that took 250 ms. */
  function refreshes(under: CacheUnderTest, leftMs: number, request = seen()): number {
    under.teach(seen(), { latencyMs: 250 });
    under.clock.advance(120_000 - leftMs);
    let due = 0;
    for (let look = 0; look < LOOKS; look++) if (under.served(request)?.again === 'refresh') due++;
    return due;
  }

  test('is asked for near it, the more the nearer, and not while there is time', () => {
    expect(refreshes(new CacheUnderTest(REFRESHED), 120_000)).toBe(0);
    expect(refreshes(new CacheUnderTest(REFRESHED), 10_000)).toBe(0);
    // A share of exp(-left / latency), within six standard deviations.
    for (const leftMs of [1_000, 250, 1]) {
      const share = Math.exp(-leftMs / 250);
      const due = refreshes(new CacheUnderTest(REFRESHED), leftMs);
      expect(Math.abs(due - LOOKS * share)).toBeLessThan(6 * Math.sqrt(LOOKS * share * (1 - share)));
    }
  });

  test('is not asked for a similar state, nor when it is off', () => {
    const similar = new CacheUnderTest({ ...REFRESHED, similar: { distanceMax: 0.1, confirmedMax: 0.1 } });
    expect(refreshes(similar, 1, seen({ health: 60 }))).toBe(0);
    expect(refreshes(new CacheUnderTest(), 1)).toBe(0);
  });

  test('starts the time anew, and says nothing of false hits', () => {
    const under = new CacheUnderTest(REFRESHED);
    expect(refreshes(under, 1)).toBeGreaterThan(0);
    const hit = under.served(seen());
    expect(hit?.again).toBe('refresh');
    under.checked(seen(), hit as never, { action: 'block' });
    under.clock.advance(119_999);
    expect(under.look(seen()).kind).toBe('hit');
    expect(under.cache.stats().falseHits.exact.checked).toBe(0);
  });
});

describe('an adaptive TTL', () => {
  const ADAPTIVE = { ttl: 'adaptive', ttlMs: 60_000, ttlMinMs: 10_000, ttlMaxMs: 600_000 } as const;

  /** How long a decision of the scene is fresh if it is made now. */
  function lifeMs(under: CacheUnderTest, scene: string): number {
    const request = seen({ scene });
    under.teach(request);
    let ms = 0;
    for (let step = 2 ** 20; step >= 1; step /= 2) {
      under.clock.advance(step);
      const isFresh = under.peek(request) !== undefined;
      if (!isFresh) under.clock.advance(-step);
      else ms += step;
    }
    return ms + 1;
  }

  test('is the initial one at first, in every scene', () => {
    const under = new CacheUnderTest(ADAPTIVE);
    expect(lifeMs(under, 'combat')).toBe(60_000);
    expect(under.cache.stats()).toMatchObject({ ttl: 'adaptive', ttlMs: 60_000 });
  });

  test('follows the states of its own scene: where they fly by, answers do not last', () => {
    const under = new CacheUnderTest(ADAPTIVE);
    // In turns: 50 ms in a state of combat, 10 s in one of town.
    for (let turn = 0; turn < 30; turn++) {
      under.took(seen({ health: turn % 2 === 0 ? 5 : 95 }), 'attack');
      under.clock.advance(50);
      under.took(seen({ scene: 'town' }), 'wait');
      under.clock.advance(10_000);
    }
    expect(lifeMs(under, 'combat')).toBe(300 * 50);
    expect(lifeMs(under, 'town')).toBe(60_000);
    expect(under.cache.stats().ttlByScene).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ scene: 'combat', stateLifeMs: 50, ttlMs: 15_000 }),
        expect.objectContaining({ scene: 'town', stateLifeMs: 10_000 }),
      ]),
    );
  });

  test.each(['background checks', 'answers to expired states'])('follows how answers change with age: %s', (how) => {
    const under = new CacheUnderTest({ ...ADAPTIVE, checkShare: how === 'background checks' ? 1 : 0 });
    const ask = (ageMs: number, action: string): void => {
      under.teach(seen());
      under.clock.advance(ageMs);
      const look = under.look(seen());
      if (look.kind === 'hit') under.checked(seen(), look, { action });
      else under.learn(seen(), look, { action });
    };
    const [youngMs, oldMs] = how === 'background checks' ? [100, 9_000] : [600_000, 700_000];
    for (let round = 0; round < 100; round++) {
      ask(youngMs, 'attack');
      ask(oldMs, how === 'background checks' ? 'flee' : 'attack');
    }
    const [scene] = under.cache.stats().ttlByScene;
    expect(scene?.checks).toBe(200);
    if (how === 'background checks') expect(scene?.ttlMs).toBeLessThan(30_000);
    else expect(scene?.ttlMs).toBe(600_000);
    expect(Math.abs(lifeMs(under, 'combat') - (scene?.ttlMs as number))).toBeLessThanOrEqual(1);
  });

  test('does not learn from states that were not known', () => {
    const under = new CacheUnderTest(ADAPTIVE);
    for (let id = 0; id < 30; id++) under.learn(state(id), under.missed(state(id)));
    expect(under.cache.stats().ttlByScene.every(({ checks }) => checks === 0)).toBe(true);
  });

  test('is off for a fixed one', () => {
    const under = new CacheUnderTest();
    under.teach(seen());
    expect(under.cache.stats()).toMatchObject({ ttl: 'fixed', ttlMs: 120_000, ttlByScene: [] });
  });
});

describe('an error budget', () => {
  const BUDGET = { errorBudget: 0.1, ttlMs: 1_000_000 };

  /** Asks models about what is not served, in `requests` by turns. The looks, in order. */
  function run(under: CacheUnderTest, times: number, answer: (nth: number) => string, requests = [seen()]) {
    return Array.from({ length: times }, (_, nth) => {
      const request = requests[nth % requests.length] as (typeof requests)[number];
      const look = under.look(request);
      if (look.kind === 'miss') under.learn(request, look, { action: answer(nth) });
      return look;
    });
  }

  test('serves nothing at first, and what models agree on after enough of them', () => {
    const under = new CacheUnderTest(BUDGET);
    const looks = run(under, 400, () => 'attack');
    expect(looks.slice(0, 5).every(({ kind }) => kind === 'miss')).toBe(true);
    const late = looks.slice(200);
    const served = late.filter(({ kind }) => kind === 'hit');
    // All but the share of probes.
    expect(served.length).toBeGreaterThan(160);
    expect(served.length).toBeLessThan(200);
    expect(served.at(-1)).toMatchObject({ tier: 'exact', action: 'attack', judgement: { verdict: 'serve' } });
    expect(under.cache.stats().budget).toMatchObject({ budget: 0.1, served: expect.any(Number) });
    expect(under.peek(seen())?.action).toBe('attack');
  });

  test('serves nothing where models do not agree', () => {
    const under = new CacheUnderTest(BUDGET);
    const random = seededRandom(3);
    const looks = run(under, 400, () => (random.next() < 0.5 ? 'attack' : 'block'));
    expect(looks.every(({ kind }) => kind === 'miss')).toBe(true);
    expect(under.peek(seen())).toBeUndefined();
  });

  test('stays within itself where three of four states are clear', () => {
    const under = new CacheUnderTest({ ...BUDGET, checkShare: 0 });
    const random = seededRandom(4);
    const requests = [1, 2, 3, 4].map(state);
    let served = 0;
    let wrong = 0;
    for (let nth = 0; nth < 4_000; nth++) {
      const request = requests[nth % 4] as (typeof requests)[number];
      const truth = nth % 4 === 3 && random.next() < 0.5 ? 'flee' : 'attack';
      const look = under.look(request);
      if (look.kind === 'miss') under.learn(request, look, { action: truth });
      else {
        served++;
        if (look.action !== truth) wrong++;
      }
    }
    expect(served).toBeGreaterThan(2_000);
    expect(wrong / served).toBeLessThanOrEqual(0.1);
  });

  test.each([
    ['off', false],
    ['on', { distanceMax: 0.5, confirmedMax: 0.5 }],
  ] as const)(
    'serves nothing without a fresh decision to stand on, however sure the evidence, similar states %s',
    (_, similar) => {
      const under = new CacheUnderTest({ ...BUDGET, similar });
      run(under, 400, () => 'attack');
      // Some looks are probes.
      const looks = Array.from({ length: 20 }, () => under.look(seen({}, { agent: 'serana' })));
      expect(looks.find(({ kind }) => kind === 'hit')).toMatchObject({ action: 'attack' });
      under.clock.advance(1_000_000);
      for (let look = 0; look < 50; look++) {
        expect(under.missed(seen())).toMatchObject({
          stale: { action: 'attack' },
          judgement: { prediction: { action: 'attack' } },
        });
      }
      expect(under.peek(seen())).toBeUndefined();
      // One answer later it stands again.
      under.learn(seen(), under.missed(seen()), { action: 'attack' });
      expect(run(under, 20, () => 'attack').some(({ kind }) => kind === 'hit')).toBe(true);
    },
  );

  test('serves from a fresh state with equal gates, however far, and not when similar states are off', () => {
    const near = [45, 55].map((health) => seen({ health }));
    for (const similar of [{ distanceMax: 0.01, confirmedMax: 0.01 }, false] as const) {
      const under = new CacheUnderTest({ ...BUDGET, similar });
      run(under, 400, () => 'attack', near);
      const looks = run(
        under,
        40,
        () => 'attack',
        [95, 5, 25, 75].map((health) => seen({ health })),
      ).slice(0, 4);
      const served = looks.filter((look) => look.kind === 'hit');
      if (similar === false) expect(served).toEqual([]);
      else expect(served[0]).toMatchObject({ tier: 'similar', action: 'attack' });
    }
  });

  test('says on what evidence it serves an action that is not that of the decision', () => {
    const under = new CacheUnderTest(BUDGET);
    run(under, 400, () => 'attack');
    // A late outlier is the decision that is remembered; the evidence is still for the other action.
    under.teach(seen(), { action: 'flee', reason: 'for once' });
    const hit = Array.from({ length: 20 }, () => under.look(seen())).find(({ kind }) => kind === 'hit');
    expect(hit).toMatchObject({ action: 'attack', decision: { action: 'flee' } });
    expect(hit?.kind === 'hit' && hit.reason).toMatch(/^\d+ of \d+ decisions in this state chose it$/);
    expect(under.peek(seen())).toMatchObject({ action: 'attack' });
  });

  test('never serves what the agent did twice without effect', () => {
    const under = new CacheUnderTest({ ...BUDGET, loopGuard: true });
    run(under, 400, () => 'attack');
    for (let times = 0; times < 2; times++) under.took(seen(), 'attack');
    for (let look = 0; look < 30; look++) {
      expect(under.missed(seen())).toMatchObject({ inVain: 'attack', tier: 'exact' });
      expect(under.peek(seen())).toBeUndefined();
    }
    expect(under.cache.stats().loopsBroken).toBe(30);
  });

  test('counts no loop as broken where nothing would have been served', () => {
    const under = new CacheUnderTest({ ...BUDGET, loopGuard: true });
    under.learn(seen(), under.missed(seen()), { action: 'attack' });
    for (let times = 0; times < 2; times++) under.took(seen(), 'attack');
    expect(under.missed(seen())).toMatchObject({ inVain: 'attack', tier: 'exact' });
    expect(under.cache.stats()).toMatchObject({ loopsBroken: 0, hits: 0 });
  });

  test('counts its probes as checks of the tier that would have been served', () => {
    const under = new CacheUnderTest(BUDGET);
    const looks = run(under, 600, () => 'attack');
    const probes = looks.filter((look) => look.kind === 'miss' && look.judgement?.verdict === 'probe');
    expect(probes.length).toBeGreaterThan(0);
    expect(under.cache.stats().falseHits.exact).toMatchObject({ checked: probes.length, wrong: 0 });
  });

  test('is lost again when checks say that what is served is wrong', () => {
    const under = new CacheUnderTest({ ...BUDGET, checkShare: 1 });
    run(under, 400, () => 'attack');
    let wrong = 0;
    for (let look = 0; look < 400; look++) {
      const hit = under.look(seen());
      if (hit.kind === 'hit' && hit.action === 'attack') wrong++;
      if (hit.kind === 'miss') under.learn(seen(), hit, { action: 'flee' });
      else if (hit.again === 'check') under.checked(seen(), hit, { action: 'flee' });
    }
    // Probes alone would need some twenty.
    expect(wrong).toBeLessThan(10);
  });

  test('begins anew after a clear', () => {
    const under = new CacheUnderTest(BUDGET);
    run(under, 400, () => 'attack');
    under.cache.clear();
    expect(run(under, 5, () => 'attack').every(({ kind }) => kind === 'miss')).toBe(true);
  });
});

describe('values of now', () => {
  const VALUES = { valuesMin: 0.85, similar: { distanceMax: 0.1, confirmedMax: 0.6 } };
  /** Attack at `attack` of the way from flee, the worst, to block, the best. */
  const valued = (attack: number): { qValues: Record<string, number> } => ({
    qValues: { flee: -1, attack: 2 * attack - 1, block: 1 },
  });

  test('withhold what they place below the least share, from the state itself too, and count it', () => {
    const under = new CacheUnderTest(VALUES);
    under.teach(seen());
    expect(under.served(seen({}, valued(0.85)))).toMatchObject({ tier: 'exact', action: 'attack' });
    expect(under.peek(seen({}, valued(0.85)))?.action).toBe('attack');
    expect(under.cache.stats().contradicted).toBe(0);
    expect(under.peek(seen({}, valued(0.84)))).toBeUndefined();
    expect(under.cache.stats().contradicted).toBe(0);
    expect(under.missed(seen({}, valued(0.84)))).toMatchObject({ tier: 'exact', inVain: undefined, stale: undefined });
    expect(under.cache.stats()).toMatchObject({ contradicted: 1, hits: 1, misses: 1, loopsBroken: 0 });
  });

  test.each([
    ['there are none', {}],
    ['they leave the action out', { qValues: { flee: -1, block: 1 } }],
    ['they are all the same', { qValues: { attack: 0.3, block: 0.3, flee: 0.3 } }],
    ['they are of one action', { qValues: { attack: 0.3 } }],
    ['the better ones are of actions that are not offered', { qValues: { flee: -1, attack: 0, dance: 9 } }],
  ])('withhold nothing where %s', (_, given) => {
    const under = new CacheUnderTest(VALUES);
    under.teach(seen());
    expect(under.peek(seen({}, given))?.action).toBe('attack');
    expect(under.served(seen({}, given))).toMatchObject({ tier: 'exact', action: 'attack' });
    expect(under.served(seen({ health: 45 }, given))).toMatchObject({ tier: 'similar', action: 'attack' });
    expect(under.cache.stats().contradicted).toBe(0);
  });

  test('have no say where none is asked for', () => {
    const under = new CacheUnderTest({ ...VALUES, valuesMin: false });
    under.teach(seen());
    expect(under.served(seen({}, valued(0)))?.tier).toBe('exact');
    expect(under.peek(seen({}, valued(0)))?.action).toBe('attack');
    expect(under.served(seen({ health: 45 }, valued(0)))?.tier).toBe('similar');
    expect(under.look(seen({ health: 35 }, valued(1))).kind).toBe('miss');
  });

  test('serve a similar state from further away where they confirm its answer, up to that distance', () => {
    const under = new CacheUnderTest(VALUES);
    under.teach(seen({ health: 10 }));
    expect(under.served(seen({ health: 70 }, valued(0.85)))).toMatchObject({ tier: 'similar', action: 'attack' });
    expect(under.look(seen({ health: 71 }, valued(1))).kind).toBe('miss');
    expect(under.cache.stats().contradicted).toBe(0);
  });

  test('that say nothing serve it from nearby alone', () => {
    const under = new CacheUnderTest(VALUES);
    under.teach(seen({ health: 11 }));
    for (const given of [{}, { qValues: { flee: -1, block: 1 } }, { qValues: { attack: 1, block: 1, flee: 1 } }]) {
      expect(under.look(seen({ health: 22 }, given)).kind).toBe('miss');
      expect(under.look(seen({ health: 20 }, given)).kind).toBe('hit');
    }
    expect(under.cache.stats().contradicted).toBe(0);
  });

  test('that contradict it serve it from nowhere: withheld is what is near, and far away nothing was to be served', () => {
    const under = new CacheUnderTest(VALUES);
    under.teach(seen({ health: 11 }));
    expect(under.missed(seen({ health: 22 }, valued(0.84)))).toMatchObject({ tier: 'similar' });
    expect(under.cache.stats().contradicted).toBe(0);
    expect(under.missed(seen({ health: 20 }, valued(0.84)))).toMatchObject({ tier: 'similar' });
    expect(under.cache.stats().contradicted).toBe(1);
  });

  test('choose among similar states: one that they confirm, however near one is that they contradict or pass over', () => {
    const under = new CacheUnderTest(VALUES);
    under.teach(seen({ health: 51 }), { action: 'flee' });
    under.teach(seen({ health: 31 }), { action: 'block' });
    expect(under.served(seen({ health: 60 }, valued(0)))).toMatchObject({ tier: 'similar', action: 'block' });
    const silent = { qValues: { block: 1, attack: 0 } };
    expect(under.served(seen({ health: 60 }, silent))).toMatchObject({ tier: 'similar', action: 'block' });
    expect(under.served(seen({ health: 60 }))).toMatchObject({ tier: 'similar', action: 'flee' });
    expect(under.cache.stats().contradicted).toBe(0);
  });

  test('pass on from what they contradict nearby to what they say nothing of, and then nothing was withheld', () => {
    const under = new CacheUnderTest(VALUES);
    under.teach(seen({ health: 59 }), { action: 'flee' });
    under.teach(seen({ health: 70 }), { action: 'attack' });
    const silent = { qValues: { flee: 0, block: 1 } };
    expect(under.served(seen({ health: 60 }, silent))).toMatchObject({ tier: 'similar', action: 'attack' });
    expect(under.cache.stats().contradicted).toBe(0);
  });

  test('break no loop: what they contradict is not withheld by the guard, and what is far and in vain was not to be served', () => {
    const under = new CacheUnderTest({ ...VALUES, loopGuard: true });
    under.teach(seen({ health: 49 }));
    for (let times = 0; times < 2; times++) under.took(seen({ health: 75 }), 'attack');
    under.missed(seen({ health: 75 }, valued(0)));
    expect(under.cache.stats()).toMatchObject({ loopsBroken: 0, contradicted: 0 });
    // Confirmed, it would have been served.
    under.missed(seen({ health: 75 }, valued(1)));
    expect(under.cache.stats()).toMatchObject({ loopsBroken: 1, contradicted: 0 });
  });

  test('withhold within an error budget too, and count only what the evidence would have served', () => {
    const under = new CacheUnderTest({ ...VALUES, errorBudget: 0.1, ttlMs: 1_000_000 });
    under.learn(seen(), under.missed(seen()));
    under.missed(seen({}, valued(0)));
    expect(under.cache.stats().contradicted).toBe(0);
    for (let times = 0; times < 400; times++) {
      const look = under.look(seen());
      if (look.kind === 'miss') under.learn(seen(), look);
    }
    expect(under.peek(seen({}, valued(0.85)))?.action).toBe('attack');
    expect(under.peek(seen({}, valued(0.84)))).toBeUndefined();
    expect(under.cache.stats().contradicted).toBe(0);
    for (let times = 1; times <= 30; times++) {
      under.missed(seen({}, valued(0.84)));
      expect(under.cache.stats().contradicted).toBe(times);
    }
    const looks = Array.from({ length: 30 }, () => under.look(seen({}, valued(0.85))));
    expect(looks.some(({ kind }) => kind === 'hit')).toBe(true);
  });

  test('whatever they are, nothing is served that they place below the least share, at any distance', () => {
    const value = fc.option(fc.integer({ min: -3, max: 3 }), { nil: undefined });
    const request = fc.record({ health: fc.integer({ min: 0, max: 100 }), attack: value, block: value, flee: value });
    fc.assert(
      fc.property(
        fc.array(request, { maxLength: 30 }),
        fc.constantFrom(false as const, 0.3),
        (requests, errorBudget) => {
          const under = new CacheUnderTest({ ...VALUES, entries: 5, errorBudget });
          for (const { health, ...values } of requests) {
            const given = Object.entries(values).filter((each): each is [string, number] => each[1] !== undefined);
            const asked = seen({ health }, { qValues: Object.fromEntries(given) });
            const peeked = under.peek(asked)?.action;
            const look = under.look(asked);
            for (const action of [peeked, look.kind === 'hit' ? look.action : undefined]) {
              const own = given.find(([name]) => name === action)?.[1];
              if (own === undefined) continue;
              const all = given.map(([, each]) => each);
              const [low, high] = [Math.min(...all), Math.max(...all)];
              if (high > low) expect((own - low) / (high - low)).toBeGreaterThanOrEqual(0.85);
            }
            if (look.kind === 'miss') under.learn(asked, look, { action: health % 3 === 0 ? 'flee' : 'attack' });
          }
        },
      ),
    );
  });
});

describe('a peek', () => {
  test('finds what a look would serve from the state itself, and never a similar one', () => {
    const under = new CacheUnderTest({ similar: { distanceMax: 0.5, confirmedMax: 0.5 } });
    under.teach(seen({ health: 49 }));
    expect(under.peek(seen({ health: 49 }))).toMatchObject({ action: 'attack' });
    expect(under.peek(seen({ health: 50 }))).toBeUndefined();
  });

  test('changes no count and no decision', () => {
    const under = new CacheUnderTest({
      loopGuard: true,
      similar: { distanceMax: 0.5, confirmedMax: 0.5 },
      errorBudget: 0.1,
    });
    under.teach(seen());
    for (let times = 0; times < 2; times++) under.took(seen(), 'attack');
    const before = under.cache.stats();
    for (let times = 0; times < 10; times++) {
      under.peek(seen());
      under.peek(state(1));
    }
    expect(under.cache.stats()).toEqual(before);
  });
});

describe('the counts', () => {
  test('tell the entries of each scene, those that were evicted or cleared not among them', () => {
    const under = new CacheUnderTest({ entries: 3 });
    for (const health of [5, 15, 25]) under.teach(seen({ health }));
    expect(under.cache.stats().entriesByScene).toEqual([{ scene: 'combat', entries: 3 }]);
    under.teach(seen({ scene: 'town' }));
    under.teach(seen({ scene: 'town' }));
    expect(under.cache.stats().entriesByScene).toEqual([
      { scene: 'combat', entries: 2 },
      { scene: 'town', entries: 1 },
    ]);
    under.cache.clear();
    expect(under.cache.stats().entriesByScene).toEqual([]);
  });

  test('are all zero at the start', () => {
    const counts = { served: 0, due: 0, checked: 0, lost: 0, wrong: 0, tooFew: true };
    const nothing = { ...counts, rate: null, low: null, high: null };
    const { cache } = new CacheUnderTest({ entries: 3 });
    expect(cache.stats()).toEqual({
      entries: 0,
      entriesMax: 3,
      entriesByScene: [],
      bytes: cache.buffer.byteLength,
      ttl: 'fixed',
      ttlMs: 120_000,
      ttlByScene: [],
      hits: 0,
      similarHits: 0,
      habitHits: 0,
      misses: 0,
      expired: 0,
      hitRate: 0,
      loopsBroken: 0,
      contradicted: 0,
      cyclesBroken: 0,
      withheld: 0,
      probes: 0,
      stood: 0,
      standing: { trust: 'always', models: { compared: 0, agreement: null }, tiers: [] },
      evictions: 0,
      cut: 0,
      tooLarge: 0,
      falseHits: { all: nothing, exact: nothing, similar: nothing, habit: nothing, scenes: [] },
      budget: false,
      disk: false,
    });
  });

  test('hold the lookups of every thread, those from similar states, and none of the peeks', () => {
    const under = new CacheUnderTest({ ttlMs: 100, similar: { distanceMax: 0.1, confirmedMax: 0.1 } });
    under.teach(seen({ health: 49 }));
    under.look(seen({ health: 49 }));
    new StoreReader(under.cache.buffer).lookup(under.sign(seen({ health: 49 })), under.clock.now());
    under.peek(seen({ health: 49 }));
    under.look(seen({ health: 50 }));
    under.look(state(1));
    under.clock.advance(100);
    under.look(seen({ health: 49 }));
    expect(under.cache.stats()).toMatchObject({
      entries: 1,
      hits: 3,
      similarHits: 1,
      misses: 2,
      expired: 1,
      hitRate: 0.6,
    });
  });

  test('hold evictions, decisions that were cut, and those that were too large', () => {
    const under = new CacheUnderTest({ entries: 2 });
    for (const id of [1, 2, 3]) under.teach(state(id));
    under.teach(state(3), { reason: 'x'.repeat(1_000) });
    under.teach(state(4), { action: 'x'.repeat(1_000) });
    expect(under.cache.stats()).toMatchObject({ entries: 2, evictions: 1, cut: 1, tooLarge: 1 });
    expect(under.look(state(4)).kind).toBe('miss');
    expect(held(under, 4)).toEqual([2, 3]);
  });
});

test('an emptied cache finds nothing, also nothing similar, and takes as much as a new one', () => {
  const under = new CacheUnderTest({ entries: 2, similar: { distanceMax: 1, confirmedMax: 1 }, loopGuard: true });
  for (const id of [1, 2]) under.teach(state(id));
  for (let times = 0; times < 2; times++) under.took(state(1), 'attack');
  under.cache.clear();
  expect(under.cache.stats().entries).toBe(0);
  expect([1, 2].map((id) => under.look(state(id)).kind)).toEqual(['miss', 'miss']);
  expect(under.look(seen({ scene: 'scene 1', health: 5 })).kind).toBe('miss');
  expect(under.missed(state(1)).inVain).toBeUndefined();
  assertStoreValid(under.cache.buffer, 0);
  for (const id of [3, 4]) under.teach(state(id));
  expect(under.cache.stats()).toMatchObject({ entries: 2, evictions: 0 });
  assertStoreValid(under.cache.buffer, 2);
});

test.each([
  ['default', { entries: 2_000, ttl: 'adaptive', ttlMs: 600_000, valuesMin: 0.85 }],
  ['november', { entries: 200, ttl: 'fixed', ttlMs: 120_000, valuesMin: false }],
] as const)('holds as many decisions, and for as long, as the profile %s says', (profile, expected) => {
  const endpoints = { local: { baseURL: 'http://localhost:1234/v1' } };
  const { cache } = resolveOptions({ profile, domain: testDomain, endpoints, experts: [] });
  expect(cache).toMatchObject(expected);
  const { entries, ttlMs } = expected;
  const under = new CacheUnderTest({ ...PLAIN_CACHE, ...cache, refreshAhead: false, checkShare: 0 });
  for (let id = 0; id <= entries; id++) under.teach(state(id));
  expect(under.cache.stats()).toMatchObject({ entries, evictions: 1 });
  under.clock.advance(ttlMs - 1);
  expect(under.look(state(entries)).kind).toBe('hit');
  under.clock.advance(1);
  expect(under.look(state(entries)).kind).toBe('miss');
  assertStoreValid(under.cache.buffer, entries);
});

describe('expired neighbours', () => {
  const line = defineDomain({
    name: 'line',
    features: { x: { kind: 'number', edges: Array.from({ length: 600 }, (_, i) => i + 1), range: [0, 600] } },
  });
  const at = (x: number): PlanRequest => ({ agent: 'a', observation: { x }, actions: ['attack', 'flee'] });

  test('are met once, and do not use up the next search for a fresh one', () => {
    const under = new CacheUnderTest(
      { entries: 1_000, similar: { distanceMax: 1, confirmedMax: 1 } },
      { domain: line },
    );
    for (let x = 100; x < 500; x++) under.teach(at(x));
    under.clock.advance(3_600_000);
    under.teach(at(599), { action: 'flee' });
    // More of them than one search looks at.
    expect(under.served(at(50))).toBeUndefined();
    expect(under.served(at(51))).toMatchObject({ tier: 'similar', action: 'flee' });
  });
});

describe('plans that shared the model work of another node', () => {
  test('teach the judge what came of their predictions', () => {
    const under = new CacheUnderTest({ errorBudget: 0.2 });
    const request = seen({ health: 50 });
    under.teach(request);
    for (let i = 0; i < 200; i++) {
      const look = under.look(request);
      if (look.kind === 'hit') continue;
      under.cache.learnOutcomes([{ request, signature: under.sign(request), look }], decision({ action: 'attack' }));
      // What that node learned from it comes through the log.
      const { circumstances } = look.judgement ?? {};
      if (circumstances !== undefined)
        under.cache.hearPrecedent({ circumstances, action: 'attack', prediction: undefined, isCounted: false });
    }
    // Now and then a servable request is a probe.
    const served = Array.from({ length: 20 }, () => under.served(request)).filter((hit) => hit !== undefined);
    expect(served.length).toBeGreaterThan(10);
    expect(served[0]).toMatchObject({ tier: 'exact', action: 'attack' });
  });
});
