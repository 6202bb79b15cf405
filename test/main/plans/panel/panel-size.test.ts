import { describe, expect, test } from 'vitest';
import type { ModelEndpoint } from '../../../../src/main/models/model-endpoint.ts';
import type { ResolvedExpert } from '../../../../src/main/options/planner-options.ts';
import { panelThatFits } from '../../../../src/main/plans/panel/panel-size.ts';
import { MakerUnderTest, voted } from '../../../support/make-maker.ts';

const NEVER = new AbortController().signal;

/** Role and places: "ab" may be asked at `a` and at `b`. */
function expertOf(role: string, places = 'a'): ResolvedExpert {
  const [endpoint = 'a', ...alternatives] = places;
  return {
    role,
    model: 'm',
    endpoint,
    alternatives,
    timeoutMs: 1,
    maxTokens: 1,
    temperature: 0,
    weight: 1,
    thinks: false,
    answers: 'write',
  };
}

const THREE = ['one', 'two', 'three'].map((role) => expertOf(role));

function make(slots = 2): MakerUnderTest {
  const endpoint = { baseURL: 'http://x/v1', maxConcurrent: slots };
  return new MakerUnderTest([], { endpoints: { a: endpoint, b: endpoint } });
}

function fits(
  under: MakerUnderTest,
  experts: readonly ResolvedExpert[],
  leftMs = 1_000,
  rankMs = 1_000_000,
  byChance = false,
) {
  const fit = fitOf(under, experts, leftMs, rankMs, byChance);
  return { roles: fit.members.map(({ role }) => role), isCrowded: fit.isCrowded };
}

function fitOf(
  under: MakerUnderTest,
  experts: readonly ResolvedExpert[],
  leftMs: number,
  rankMs: number,
  byChance: boolean,
) {
  const nowMs = under.clock.now();
  return panelThatFits(experts, {
    placesOf: ({ endpoint, alternatives }) =>
      [endpoint, ...alternatives].map((name) => under.at(name) as ModelEndpoint),
    kindOf: () => 'text',
    rankMs,
    nowMs,
    deadlineMs: nowMs + leftMs,
    needed: 2,
    byChance,
  });
}

/** All slots of an endpoint are at work, and so many calls wait for them. */
function crowd(under: MakerUnderTest, name: string, waiting: number): void {
  const { gate } = under.at(name);
  while (gate.idle > 0) under.takeSlot(name);
  for (let nth = 0; nth < waiting; nth++) void gate.acquire(NEVER, { rankMs: 0 });
}

describe('the panel that fits', () => {
  test('is everyone, in their order, while nothing is known and nobody waits', () => {
    expect(fits(make(), THREE)).toEqual({ roles: ['one', 'two', 'three'], isCrowded: false });
    expect(fits(make(), THREE, 1)).toEqual({ roles: ['one', 'two', 'three'], isCrowded: false });
  });

  test('leaves out those whose work takes longer than there is', () => {
    const under = make();
    under.saw('a', voted(2_000), 30);
    expect(fits(under, [expertOf('slow', 'a'), expertOf('quick', 'b')]).roles).toEqual(['quick']);
    expect(fits(under, [expertOf('slow', 'a'), expertOf('quick', 'b')], 2_100).roles).toEqual(['slow', 'quick']);
  });

  test('counts an expert by the quickest of its places', () => {
    const under = make();
    under.saw('a', voted(2_000), 30);
    under.saw('b', voted(100), 30);
    expect(fits(under, [expertOf('one', 'ab'), expertOf('two', 'a')]).roles).toEqual(['one']);
  });

  test('is the first alone where all are too slow: it may be better by now', () => {
    const under = make();
    under.saw('a', voted(2_000), 30);
    expect(fits(under, THREE)).toEqual({ roles: ['one'], isCrowded: false });
  });

  test('is nobody where the wait alone takes too long, and in a crowd', () => {
    const under = make();
    under.saw('a', voted(400), 30);
    crowd(under, 'a', 5);
    // Six of them share two slots: three times 400 ms, and then its own.
    expect(fits(under, THREE, 1_500)).toEqual({ roles: [], isCrowded: true });
    expect(fits(under, THREE, 1_700).roles).toEqual(['one']);
    expect(fits(under, [...THREE, expertOf('four', 'ab')], 1_500).roles).toEqual(['four']);
  });

  test('does not wait behind those that rank after it', () => {
    const under = make();
    under.saw('a', voted(400), 30);
    crowd(under, 'a', 5);
    expect(fits(under, THREE, 1_000).roles).toEqual([]);
    expect(fits(under, THREE, 1_000, -1).roles).toEqual(['one']);
  });

  test('is two while somebody waits, and one when more wait than are at work', () => {
    const sizes = [0, 1, 2, 3].map((waiting) => {
      const under = make();
      crowd(under, 'a', waiting);
      const { roles, isCrowded } = fits(under, THREE);
      return [roles.length, isCrowded];
    });
    expect(sizes).toEqual([
      [3, false],
      [2, true],
      [2, true],
      [1, true],
    ]);
  });

  test('is crowded only where all of its places are', () => {
    const under = make();
    crowd(under, 'a', 9);
    expect(fits(under, [...THREE, expertOf('four', 'b')])).toEqual({
      roles: ['one', 'two', 'three', 'four'],
      isCrowded: false,
    });
  });

  test('of nobody is nobody', () => {
    expect(fits(make(), []).roles).toEqual([]);
  });
});

describe('by chance', () => {
  const by = (under: MakerUnderTest, leftMs: number, byChance = true) => {
    const { members, atOnce, isForLater } = fitOf(under, THREE, leftMs, 1_000_000, byChance);
    return { count: members.length, atOnce, isForLater };
  };
  /** Of five calls, `quick` took 500 ms and the others 2,000. */
  const mixed = (quick: number): MakerUnderTest => {
    const under = make(8);
    for (let nth = 0; nth < 60; nth++) under.saw('a', voted(nth % 5 < quick ? 500 : 2_000));
    return under;
  };

  test('who is asked where nobody has a chance is one, for later; without chances it is for now', () => {
    const under = mixed(0);
    expect(by(under, 1_000)).toEqual({ count: 1, atOnce: 1, isForLater: true });
    expect(by(under, 1_000, false)).toEqual({ count: 1, atOnce: undefined, isForLater: false });
  });

  test('all are asked that have some chance, though they are expected to be late', () => {
    const under = mixed(1);
    expect(by(under, 1_000)).toEqual({ count: 3, atOnce: 3, isForLater: false });
    expect(by(under, 1_000, false)).toEqual({ count: 1, atOnce: undefined, isForLater: false });
  });

  test('as few are asked at once as a quorum needs, where all are in time', () => {
    expect(by(mixed(5), 1_000)).toEqual({ count: 3, atOnce: 2, isForLater: false });
    expect(by(mixed(5), 1_000, false).atOnce).toBeUndefined();
  });

  test('one is asked where its turn comes late and nobody else waits for it, and nobody where somebody does', () => {
    const at = (waiting: number, leftMs: number, byChance = true): number => {
      const under = make();
      under.saw('a', voted(400), 30);
      crowd(under, 'a', waiting);
      return by(under, leftMs, byChance).count;
    };
    expect([at(0, 1_000), at(0, 500), at(0, 150), at(0, 500, false)]).toEqual([3, 1, 0, 0]);
    expect([at(1, 1_000), at(1, 500)]).toEqual([2, 0]);
  });

  test('nothing is said of how many while nothing is known', () => {
    expect(by(make(8), 1_000)).toEqual({ count: 3, atOnce: undefined, isForLater: false });
  });
});
