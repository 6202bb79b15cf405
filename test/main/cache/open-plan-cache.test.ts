import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ResolvedCache } from '../../../src/main/cache/cache-options.ts';
import type { DecisionDisk } from '../../../src/main/cache/disk/decision-disk.ts';
import { openPlanCache } from '../../../src/main/cache/open-plan-cache.ts';
import { type Domain, defineDomain } from '../../../src/shared/domain.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { decision } from '../../support/decisions.ts';
import { flush } from '../../support/drive.ts';
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
}

interface CacheOnDisk extends CacheUnderTest {
  readonly clock: FakeWallClock;
}

async function open({
  options,
  domain = cacheDomain,
  clock = new FakeWallClock(500),
}: Opening = {}): Promise<CacheOnDisk> {
  const cache: ResolvedCache = { ...PLAIN_CACHE, disk: { path, bytesMax: 2 ** 24 }, ...options };
  const plans = await openPlanCache({ cache, domain }, clock, seededRandom(1), (message) => warnings.push(message));
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

/** Waits until what the disk held is in memory. */
async function warm(under: CacheUnderTest, entries: number): Promise<void> {
  await vi.waitFor(() => expect(under.cache.stats().entries).toBe(entries));
}

/** Waits until what was learned is on disk, where another process sees it. */
async function written(under: CacheUnderTest, count: number): Promise<void> {
  under.clock.advance(50);
  await vi.waitFor(() => expect(under.cache.stats().disk).toMatchObject({ queued: 0, written: count }));
}

test('the scene of a decision of an earlier run is known from its first hit on', async () => {
  const first = await open();
  first.teach(seen());
  const under = await restarted(first);
  await warm(under, 1);
  expect(under.cache.stats().entriesByScene).toEqual([]);
  expect(under.served(seen())).toBeDefined();
  expect(under.cache.stats().entriesByScene).toEqual([{ scene: 'combat', entries: 1 }]);
});

test('a clear while decisions are loaded is not undone by those that were read before it', async () => {
  const under = new CacheUnderTest();
  const restored = (id: number) => ({
    ...{ signature: under.sign(state(id)).slice(), place: undefined },
    ...{ decision: decision(), expiresAtMs: 1_000_000 },
  });
  const disk = {
    async *newest() {
      yield [restored(1)];
      const read = restored(2);
      under.cache.clear();
      yield [read];
    },
    read: () => undefined,
    clear: () => {},
    close: async () => {},
  };
  await under.cache.useDisk(disk as unknown as DecisionDisk);
  for (const id of [1, 2]) expect(under.peek(state(id))).toBeUndefined();
});

describe('a cache', () => {
  test('is none where it is switched off', async () => {
    const clock = new FakeWallClock();
    expect(
      await openPlanCache({ cache: false, domain: cacheDomain }, clock, seededRandom(1), () => {}),
    ).toBeUndefined();
  });

  test('without a disk tier writes no file, and has no figures of one', async () => {
    const under = await open({ options: { disk: false } });
    under.teach(seen());
    await under.cache.close();
    expect([under.cache.stats().disk, readdirSync(folder.path)]).toEqual([false, []]);
  });

  test('with one has its figures', async () => {
    const under = await open();
    under.teach(seen());
    await written(under, 1);
    expect(under.cache.stats().disk).toMatchObject({ state: 'on', entries: 1, written: 1, dropped: 0 });
    expect(warnings).toEqual([]);
  });
});

describe('a restart', () => {
  const SIMILAR = { similar: { distanceMax: 0.1, confirmedMax: 0.1 } };

  test('is warm for the same state, from the first look on', async () => {
    const first = await open();
    first.teach(seen(), { action: 'block', reason: 'it is strong' });
    const under = await restarted(first);
    expect(under.look(seen())).toMatchObject({ kind: 'hit', tier: 'exact', action: 'block', reason: 'it is strong' });
    expect(under.cache.stats()).toMatchObject({ hits: 1, misses: 0 });
  });

  test('is warm for similar states, once they are read', async () => {
    const first = await open({ options: SIMILAR });
    first.teach(seen({ health: 49 }), { action: 'block' });
    const under = await restarted(first, { options: SIMILAR });
    await warm(under, 1);
    expect(under.look(seen({ health: 52 }))).toMatchObject({ kind: 'hit', tier: 'similar', action: 'block' });
    expect(under.look(seen({ health: 60 })).kind).toBe('miss');
  });

  test('has a state that was looked for before it was read found by similar ones, too', async () => {
    const first = await open({ options: SIMILAR });
    first.teach(seen({ health: 49 }));
    const under = await restarted(first, { options: SIMILAR });
    expect(under.served(seen({ health: 49 }))?.tier).toBe('exact');
    expect(under.served(seen({ health: 52 }))?.tier).toBe('similar');
  });

  test('knows the place of a state also where similar ones were off before', async () => {
    const first = await open({ options: { similar: false } });
    first.teach(seen({ health: 49 }));
    const under = await restarted(first, { options: SIMILAR });
    await warm(under, 1);
    expect(under.served(seen({ health: 52 }))?.tier).toBe('similar');
  });

  test('does not make a decision fresh again: it expires when it would have', async () => {
    const first = await open();
    first.teach(seen());
    first.clock.advance(100_000);
    const under = await restarted(first);
    under.clock.advance(19_999);
    expect(under.look(seen()).kind).toBe('hit');
    under.clock.advance(1);
    expect(under.missed(seen()).stale?.action).toBe('attack');
    const again = await restarted(under);
    expect(again.missed(seen()).stale?.action).toBe('attack');
  });

  test.each([1, 1_000, 100_000, 86_400_000])(
    'with the wall clock set back %i ms serves nothing longer than its TTL from then on',
    async (backMs) => {
      const first = await open({ options: SIMILAR });
      for (const id of [1, 2]) first.teach(state(id));
      first.clock.advance(119_000);
      first.clock.wallShiftMs -= backMs;
      const under = await restarted(first, { options: SIMILAR });
      under.look(state(1));
      await warm(under, 2);
      // Longer by what the clock was set back by, which nobody can know, and never by more.
      under.clock.advance(Math.min(1_000 + backMs, 120_000));
      expect([1, 2].map((id) => under.look(state(id)).kind)).toEqual(['miss', 'miss']);
    },
  );

  test.each([
    ['fixed', { ttlMs: 1_000 }],
    ['adaptive', { ttl: 'adaptive', ttlMs: 500, ttlMinMs: 100, ttlMaxMs: 1_000 }],
  ] as const)('with a shorter TTL holds what it finds to that, if it is %s', async (_, shorter) => {
    const first = await open();
    first.teach(seen());
    const under = await restarted(first, { options: shorter });
    expect(under.look(seen()).kind).toBe('hit');
    under.clock.advance(1_000);
    expect(under.look(seen()).kind).toBe('miss');
  });

  test('brings the decisions written last into a smaller memory, and finds the others on disk', async () => {
    const first = await open();
    for (let id = 1; id <= 10; id++) {
      first.teach(state(id));
      await written(first, id);
    }
    const under = await restarted(first, { options: { entries: 3 } });
    await warm(under, 3);
    const inMemory = [...Array(10).keys()].map((i) => i + 1).filter((id) => under.peek(state(id)) !== undefined);
    expect(inMemory).toEqual([8, 9, 10]);
    expect(under.look(state(1)).kind).toBe('hit');
    // The oldest of them went, and it is on disk still.
    expect(under.peek(state(8))).toBeUndefined();
    expect(under.look(state(8)).kind).toBe('hit');
    expect(under.cache.stats().entries).toBe(3);
  });

  test('gives no slot to an old decision that a new one could have', async () => {
    const first = await open();
    for (let id = 1; id <= 10; id++) first.teach(state(id));
    const under = await restarted(first, { options: { entries: 3 } });
    for (const id of [11, 12, 13]) under.teach(state(id));
    for (let turn = 0; turn < 20; turn++) await flush();
    expect([11, 12, 13].map((id) => under.peek(state(id)) !== undefined)).toEqual([true, true, true]);
  });

  test('does not put an older decision in the place of one made meanwhile', async () => {
    const first = await open({ options: { entries: 600 } });
    for (let id = 1; id <= 600; id++) first.teach(state(id), { action: 'attack' });
    const under = await restarted(first, { options: { entries: 600 } });
    for (const id of [1, 600]) under.teach(state(id), { action: 'flee' });
    await warm(under, 600);
    expect([1, 300, 600].map((id) => under.served(state(id))?.action)).toEqual(['flee', 'attack', 'flee']);
  });

  test('may be closed at once', async () => {
    const first = await open({ options: { entries: 600 } });
    for (let id = 1; id <= 600; id++) first.teach(state(id));
    const under = await restarted(first, { options: { entries: 600 } });
    await under.cache.close();
    const again = await restarted(under, { options: { entries: 600 } });
    await warm(again, 600);
    expect(warnings).toEqual([]);
  });

  test('serves nothing of another domain, nor of one that measures or buckets otherwise', async () => {
    const first = await open({ options: SIMILAR });
    first.teach(seen({ health: 49 }));
    const { scene, health } = cacheDomain.features;
    if (scene === undefined || health?.kind !== 'number') throw new Error('the domain of these tests is another one');
    const OTHERS = {
      name: defineDomain({ ...cacheDomain, name: 'other' }),
      weight: defineDomain({ ...cacheDomain, features: { scene, health: { ...health, weight: 3 } } }),
      range: defineDomain({ ...cacheDomain, features: { scene, health: { ...health, range: [0, 1_000] } } }),
      edges: defineDomain({ ...cacheDomain, features: { scene, health: { ...health, edges: [10, 40, 60] } } }),
    };
    let last = first;
    for (const domain of Object.values(OTHERS)) {
      last = await restarted(last, { domain, options: SIMILAR });
      expect(last.look(seen({ health: 49 })).kind).toBe('miss');
      expect(last.look(seen({ health: 52 })).kind).toBe('miss');
    }
    // Its own are still there.
    const under = await restarted(last, { options: SIMILAR });
    expect(under.look(seen({ health: 49 })).kind).toBe('hit');
  });

  test('of a domain that only describes itself otherwise is as warm', async () => {
    const first = await open();
    first.teach(seen());
    const described = defineDomain({ ...cacheDomain, description: 'said otherwise', roles: [] });
    const under = await restarted(first, { domain: described });
    expect(under.look(seen()).kind).toBe('hit');
  });

  test('on a file of another kind is refused, and leaves the file as it is', async () => {
    const text = 'no cache at all\n'.repeat(1_000);
    writeFileSync(path, text);
    await expect(open()).rejects.toMatchObject({ code: 'ERR_OPTIONS_INVALID' });
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  test('keeps what a background check has found, with its tally', async () => {
    const first = await open({ options: { checkShare: 1 } });
    first.teach(seen(), { action: 'attack' });
    const hit = first.served(seen());
    first.checked(seen(), hit as never, { action: 'block', tally: [{ action: 'block', count: 3, weight: 1 }] });
    const under = await restarted(first);
    expect(under.served(seen())).toMatchObject({
      action: 'block',
      decision: {
        tally: [
          { action: 'block', count: 3 },
          { action: 'attack', count: 1 },
        ],
      },
    });
  });
});

describe('two processes on one file', () => {
  const ON_ONE_DAY = (): FakeWallClock => new FakeWallClock(500);

  test('find on a miss what the other one has decided', async () => {
    const [one, other] = [await open({ clock: ON_ONE_DAY() }), await open({ clock: ON_ONE_DAY() })];
    expect(other.look(seen()).kind).toBe('miss');
    one.teach(seen(), { action: 'block' });
    await written(one, 1);
    expect(other.look(seen())).toMatchObject({ kind: 'hit', tier: 'exact', action: 'block' });
    other.teach(state(2), { action: 'flee' });
    await written(other, 1);
    expect(one.look(state(2))).toMatchObject({ kind: 'hit', action: 'flee' });
  });

  test('find it also in the place of a decision of their own that has expired', async () => {
    const [one, other] = [await open({ clock: ON_ONE_DAY() }), await open({ clock: ON_ONE_DAY() })];
    other.teach(seen(), { action: 'attack' });
    await written(other, 1);
    for (const { clock } of [one, other]) clock.advance(120_000);
    expect(other.missed(seen()).stale?.action).toBe('attack');
    one.teach(seen(), { action: 'block' });
    await written(one, 1);
    expect(other.look(seen())).toMatchObject({ kind: 'hit', action: 'block' });
    for (const { clock } of [one, other]) clock.advance(120_000);
    expect(other.missed(seen()).stale?.action).toBe('block');
  });

  test('forget both what one of them is told to forget', async () => {
    const [one, other] = [await open({ clock: ON_ONE_DAY() }), await open({ clock: ON_ONE_DAY() })];
    one.teach(seen());
    await written(one, 1);
    one.cache.clear();
    expect(one.look(seen()).kind).toBe('miss');
    await vi.waitFor(() => expect(other.cache.stats().disk).toMatchObject({ entries: 0 }));
    expect(other.look(seen()).kind).toBe('miss');
  });
});

test('an expired decision is moved no more for being on disk: it goes when its slot is needed', async () => {
  const under = await open({ options: { entries: 2 } });
  under.teach(state(1));
  under.clock.advance(60_000);
  under.teach(state(2));
  under.clock.advance(60_000);
  expect(under.missed(state(1)).stale).toBeDefined();
  under.teach(state(3));
  expect([1, 2, 3].map((id) => under.peek(state(id)) !== undefined)).toEqual([false, true, true]);
});

test('what is emptied stays empty over a restart', async () => {
  const first = await open({ options: { similar: { distanceMax: 0.1, confirmedMax: 0.1 } } });
  for (const id of [1, 2]) first.teach(state(id));
  await written(first, 2);
  first.teach(state(3));
  first.cache.clear();
  expect([1, 2, 3].map((id) => first.look(state(id)).kind)).toEqual(['miss', 'miss', 'miss']);
  first.teach(state(4));
  const under = await restarted(first);
  expect([1, 2, 3, 4].map((id) => under.look(state(id)).kind)).toEqual(['miss', 'miss', 'miss', 'hit']);
});
