import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ResolvedCache } from '../../../src/main/cache/cache-options.ts';
import { openPlanCache } from '../../../src/main/cache/open-plan-cache.ts';
import type { PanelAgreement } from '../../../src/main/cache/standing/tier-standing.ts';
import { type Domain, defineDomain } from '../../../src/shared/domain.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { CacheUnderTest, cacheDomain, PLAIN_CACHE, seen, state } from '../../support/make-cache.ts';
import { FakeWallClock } from '../../support/wall-clock.ts';
import { type Folder, makeFolder } from './disk/support/open-tier.ts';

let folder: Folder;
let path: string;
let warnings: string[];
const opened: CacheUnderTest[] = [];

beforeEach(() => {
  folder = makeFolder();
  path = join(folder.path, 'decisions.lmdb');
  warnings = [];
});
afterEach(async () => {
  for (const { cache } of opened.splice(0)) await cache.close();
  folder.remove();
});

interface Opening {
  readonly options?: Partial<ResolvedCache>;
  readonly domain?: Domain;
  readonly clock?: FakeWallClock;
  readonly models?: PanelAgreement;
}

interface CacheOnDisk extends CacheUnderTest {
  readonly clock: FakeWallClock;
}

async function open(opening: Opening = {}): Promise<CacheOnDisk> {
  const { options, domain = cacheDomain, clock = new FakeWallClock(500), models } = opening;
  const cache: ResolvedCache = { ...PLAIN_CACHE, disk: { path, bytesMax: 2 ** 24 }, ...options };
  const warn = (message: string): void => void warnings.push(message);
  const plans = await openPlanCache({ cache, domain }, clock, seededRandom(1), warn, models);
  if (plans === undefined) throw new Error('no cache was opened');
  const under = new CacheUnderTest(options, { domain, clock }, plans);
  opened.push(under);
  return under as CacheOnDisk;
}

/** The cache of a process that is started after the other one has ended. */
async function restarted(under: CacheOnDisk, opening: Opening = {}): Promise<CacheOnDisk> {
  await under.cache.close();
  return open({ clock: under.clock.restarted(9_000_000), ...opening });
}

const WITHIN_BUDGET = { options: { errorBudget: 0.1, ttlMs: 1_000_000, entries: 600, loopGuard: true } };

/** Requests after which most are served. */
const LEARNED = 700;

/** Agents ask about states in turn; models that are asked always decide the same. Returns how often the cache answered. */
function play(under: CacheUnderTest, requests: number): number {
  let served = 0;
  for (let i = 0; i < requests; i++) {
    const request = { ...state(i % 60), agent: `agent ${i % 7}` };
    const action = ['attack', 'block', 'flee'][i % 3] as string;
    const look = under.look(request);
    if (look.kind === 'hit') served++;
    else under.learn(request, look, { action });
    under.took(request, action, look.kind === 'hit');
  }
  return served;
}

describe('within an error budget', () => {
  test('a restarted planner serves what one that was not restarted serves', async () => {
    const twin = await open({ ...WITHIN_BUDGET, options: { ...WITHIN_BUDGET.options, disk: false } });
    const first = await open(WITHIN_BUDGET);
    for (const each of [twin, first]) play(each, LEARNED);
    const under = await restarted(first, WITHIN_BUDGET);
    const byTwin = play(twin, 300);
    expect(byTwin).toBeGreaterThan(200);
    expect(play(under, 300)).toBeGreaterThanOrEqual(0.95 * byTwin);
    expect(warnings).toEqual([]);
  });

  test('its first peek knows what is known', async () => {
    const first = await open(WITHIN_BUDGET);
    play(first, LEARNED);
    expect(first.peek(state(3))).toBeDefined();
    const under = await restarted(first, WITHIN_BUDGET);
    under.look(state(3));
    expect(under.peek(state(3))).toBeDefined();
  });

  test('what agents usually do next is known after a restart, and as old as it is', async () => {
    /** One agent that does three things in turn, each in a state of its own. Returns how many of these were answered by habit. */
    function wander(under: CacheUnderTest, turns: number, from: number): number {
      let habits = 0;
      for (let i = from; i < from + turns; i++) {
        const request = seen({ scene: 'road', place: `place ${i}` });
        const action = ['attack', 'block', 'flee'][i % 3] as string;
        const look = under.look(request);
        if (look.kind === 'miss') under.learn(request, look, { action });
        else if (look.tier === 'habit') habits++;
        under.took(request, action, look.kind === 'hit');
      }
      return habits;
    }
    const domain = defineDomain({
      name: 'road',
      features: { scene: { kind: 'category' }, place: { kind: 'category' } },
    });
    const first = await open({ ...WITHIN_BUDGET, domain });
    wander(first, 402, 0);
    const under = await restarted(first, { ...WITHIN_BUDGET, domain });
    expect(wander(under, 60, 402)).toBeGreaterThan(40);
    await under.cache.close();
    under.clock.advance(1_000_000);
    const late = await open({ ...WITHIN_BUDGET, domain, clock: under.clock.restarted(0) });
    expect(wander(late, 1, 462)).toBe(0);
    expect(warnings).toEqual([]);
  });

  test('what was served under another budget does not count for this one, but what is known of classes does', async () => {
    const first = await open(WITHIN_BUDGET);
    play(first, LEARNED);
    const strict = { options: { ...WITHIN_BUDGET.options, errorBudget: 0.05 } };
    const under = await restarted(first, strict);
    expect(play(under, 300)).toBeGreaterThan(100);
    expect(under.cache.stats().budget).toMatchObject({ budget: 0.05, judged: 300 });
  });

  test('nothing is served without the evidence, of another domain or after all was forgotten', async () => {
    const first = await open(WITHIN_BUDGET);
    play(first, LEARNED);
    first.cache.clear();
    const emptied = await restarted(first, WITHIN_BUDGET);
    expect(play(emptied, 60)).toBe(0);
    play(emptied, LEARNED);
    const other = await restarted(emptied, {
      ...WITHIN_BUDGET,
      domain: defineDomain({ ...cacheDomain, name: 'other' }),
    });
    expect(play(other, 60)).toBe(0);
    expect(warnings).toEqual([expect.stringMatching(/evidence .* set aside as .* it is about another domain/)]);
  });

  test('a damaged file is set aside, and evidence is gathered anew beside the decisions', async () => {
    const first = await open(WITHIN_BUDGET);
    play(first, LEARNED);
    await first.cache.close();
    const [file] = readdirSync(folder.path).filter((name) => name.endsWith('.evidence.json'));
    const evidence = join(folder.path, file as string);
    writeFileSync(evidence, readFileSync(evidence, 'utf8').replace('attack', 'attach'));
    const under = await restarted(first, WITHIN_BUDGET);
    expect(play(under, 60)).toBe(0);
    expect(warnings).toEqual([expect.stringMatching(/it is damaged/)]);
    expect(play(under, LEARNED)).toBeGreaterThan(100);
  });
});

describe('what tiers have shown', () => {
  const EARNED = { trust: 'earned', entries: 600, similar: { distanceMax: 0.1, confirmedMax: 0.1 } } as const;
  const AGREE: PanelAgreement = { compared: 100, rate: 0.9 };

  /** Similar states that are always right, until their tier serves. */
  function earn(under: CacheUnderTest): void {
    for (let i = 0; i < 60; i++) {
      under.teach(seen({ scene: `scene ${i}`, health: 49 }), { action: 'block' });
      const near = seen({ scene: `scene ${i}`, health: 51 });
      const look = under.look(near);
      if (look.kind === 'miss') under.learn(near, look, { action: 'block' });
    }
  }

  test('is known after a restart, also before models have agreed again', async () => {
    const first = await open({ options: EARNED, models: AGREE });
    earn(first);
    const before = first.cache.stats().standing;
    const under = await restarted(first, { options: EARNED, models: { compared: 0, rate: undefined } });
    const after = under.cache.stats().standing;
    if (before === false || after === false) throw new Error('there is no standing');
    expect(before.tiers.map(({ serving }) => serving)).toContain(true);
    expect(after.tiers).toEqual(before.tiers);
    under.teach(seen({ health: 49 }), { action: 'block' });
    expect([1, 2, 3, 4, 5].map(() => under.served(seen({ health: 51 }))?.tier)).toContain('similar');
  });

  test('withholds decisions of a scene that were wrong, from other threads too', async () => {
    const options = { trust: 'earned', checkShare: 1 } as const;
    const models: PanelAgreement = { compared: 100, rate: 1 };
    const first = await open({ options, models });
    first.teach(seen());
    for (let i = 0; i < 40; i++) {
      const hit = first.served(seen());
      if (hit !== undefined) first.checked(seen(), hit, { action: i % 2 === 0 ? 'block' : 'flee' });
    }
    const under = await restarted(first, { options, models });
    under.teach(seen());
    expect(first.peek(seen())).toBeUndefined();
    expect(under.peek(seen())).toBeUndefined();
  });
});

describe('what the guards know', () => {
  const GUARDED = { options: { loopGuard: true, cycleGuard: true } };

  async function stuck(): Promise<CacheOnDisk> {
    const first = await open(GUARDED);
    first.teach(seen());
    for (let i = 0; i < 2; i++) {
      expect(first.served(seen())?.action).toBe('attack');
      first.took(seen(), 'attack', true);
    }
    return first;
  }

  test('is known after a restart: an action without effect is not served a third time', async () => {
    const under = await restarted(await stuck(), GUARDED);
    expect(under.missed(seen()).inVain).toBe('attack');
  });

  test('counts no longer than a decision is fresh, nor if the wall clock was set back', async () => {
    const first = await stuck();
    first.clock.advance(120_001);
    const late = await restarted(first, GUARDED);
    late.teach(seen());
    expect(late.served(seen())?.action).toBe('attack');
    late.took(seen(), 'attack', true);
    late.took(seen(), 'attack', true);
    await late.cache.close();
    late.clock.wallShiftMs -= 1_000;
    const back = await restarted(late, GUARDED);
    back.teach(seen());
    expect(back.served(seen())?.action).toBe('attack');
  });

  test('includes the cycles of an agent, and those that models have confirmed', async () => {
    const states = [state(1), state(2)];
    const round = (under: CacheUnderTest): (string | undefined)[] =>
      states.map((request) => {
        const look = under.look(request);
        if (look.kind === 'miss') under.learn(request, look);
        under.took(request, 'attack', look.kind === 'hit');
        return look.kind;
      });
    const twin = await open({ options: { ...GUARDED.options, disk: false } });
    const first = await open(GUARDED);
    const rounds = [twin, first].map((under) => Array.from({ length: 6 }, () => round(under)));
    expect(rounds[0]).toEqual(rounds[1]);
    expect(rounds[0]?.slice(1).flat()).toContain('miss');
    const under = await restarted(first, GUARDED);
    for (let i = 0; i < 12; i++) expect(round(under), `round ${i}`).toEqual(round(twin));
  });
});
