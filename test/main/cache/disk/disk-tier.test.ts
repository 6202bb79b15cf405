import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DiskTier } from '../../../../src/main/cache/disk/disk-tier.ts';
import {
  DISK_BYTES_MIN,
  DISK_QUEUE_MAX,
  DISK_VALUE_BYTES_MAX,
} from '../../../../src/main/cache/disk/disk-tier-options.ts';
import { type DiskFile, openLmdbFile } from '../../../../src/main/cache/disk/lmdb-file.ts';
import { type Faults, faultyOpenFile } from './support/faulty-file.ts';
import { type Folder, makeFolder, openTier } from './support/open-tier.ts';
import { keyOf, readRecord, recordValue } from './support/records.ts';

let folder: Folder;
let path: string;
const tiers: DiskTier[] = [];

beforeEach(() => {
  folder = makeFolder();
  path = join(folder.path, 'cache', 'decisions.lmdb');
});

afterEach(async () => {
  for (const tier of tiers.splice(0)) await tier.close();
  folder.remove();
});

async function open(...[options, parts]: [Parameters<typeof openTier>[1]?, Parameters<typeof openTier>[2]?]) {
  const opened = await openTier(path, options, parts);
  tiers.push(opened.tier);
  return opened;
}

function put(tier: DiskTier, number: number, version = 0, expiresAtWallMs = Number.POSITIVE_INFINITY): void {
  tier.put(keyOf(number), recordValue(number, version), expiresAtWallMs);
}

function versionOf(tier: DiskTier, number: number): number | undefined {
  const record = tier.get(keyOf(number));
  return record && readRecord(record).version;
}

/** Numbers of the records that a warm start would load. */
function newestOf(tier: DiskTier, limit = 1_000): number[] {
  return Array.from(tier.newest(limit), (record) => readRecord(record).number);
}

describe('records', () => {
  test('are found again after the tier was closed and opened', async () => {
    const first = await open();
    put(first.tier, 1, 7, 1_234);
    put(first.tier, 2, 8);
    await first.tier.close();
    const { tier, warnings } = await open();
    expect(versionOf(tier, 1)).toBe(7);
    expect(tier.get(keyOf(1))?.expiresAtWallMs).toBe(1_234);
    expect(tier.get(keyOf(2))?.expiresAtWallMs).toBe(Number.POSITIVE_INFINITY);
    expect(tier.get(keyOf(3))).toBeUndefined();
    expect(warnings).toEqual([]);
  });

  test('are replaced by a later put, in one file and across restarts', async () => {
    const first = await open();
    put(first.tier, 1, 1);
    await first.tier.flush();
    put(first.tier, 1, 2);
    await first.tier.close();
    const second = await open();
    put(second.tier, 1, 3);
    await second.tier.flush();
    expect(versionOf(second.tier, 1)).toBe(3);
    expect(second.tier.stats().entries).toBe(1);
    expect(newestOf(second.tier)).toEqual([1]);
  });

  test('are gone once removed, and stay gone', async () => {
    const first = await open();
    put(first.tier, 1);
    put(first.tier, 2);
    await first.tier.flush();
    first.tier.remove(keyOf(1));
    expect(first.tier.get(keyOf(1))).toBeUndefined();
    await first.tier.close();
    const { tier } = await open();
    expect(tier.get(keyOf(1))).toBeUndefined();
    expect(newestOf(tier)).toEqual([2]);
    expect(tier.stats().entries).toBe(1);
  });

  test('are copied when they are put: callers encode into scratch memory', async () => {
    const { tier } = await open();
    const key = Buffer.from(keyOf(1));
    const value = Buffer.from(recordValue(1, 1));
    tier.put(key, value, 0);
    key.fill(0);
    value.fill(0);
    await tier.flush();
    expect(versionOf(tier, 1)).toBe(1);
  });

  test('of up to the bound are kept, longer ones are counted and take their older version with them', async () => {
    const { tier } = await open();
    const longest = new Uint8Array(DISK_VALUE_BYTES_MAX).fill(3);
    tier.put(keyOf(1), longest, 0);
    tier.put(keyOf(2), longest, 0);
    await tier.flush();
    tier.put(keyOf(2), new Uint8Array(DISK_VALUE_BYTES_MAX + 1), 0);
    await tier.flush();
    expect(Buffer.from(tier.get(keyOf(1))?.value ?? []).equals(longest)).toBe(true);
    expect(tier.get(keyOf(2))).toBeUndefined();
    expect(tier.stats()).toMatchObject({ dropped: 1, written: 2, entries: 1 });
  });

  test('of another identity are not seen and not touched', async () => {
    const first = await open({ identity: 'skyrim 1' });
    put(first.tier, 1, 1);
    await first.tier.close();
    const other = await open({ identity: 'skyrim 2' });
    expect(other.tier.get(keyOf(1))).toBeUndefined();
    expect(newestOf(other.tier)).toEqual([]);
    put(other.tier, 1, 2);
    put(other.tier, 2, 2);
    await other.tier.flush();
    await other.tier.clear();
    expect(newestOf(other.tier)).toEqual([]);
    await other.tier.close();
    const again = await open({ identity: 'skyrim 1' });
    expect(versionOf(again.tier, 1)).toBe(1);
    expect(again.warnings).toEqual([]);
  });
});

describe('writing behind', () => {
  test('a put is seen at once, written after the delay, and shares its flush', async () => {
    const { tier, clock } = await open();
    put(tier, 1);
    put(tier, 2);
    expect(versionOf(tier, 1)).toBe(0);
    expect(tier.stats()).toMatchObject({ queued: 2, written: 0 });
    clock.advance(49);
    expect(tier.stats().queued).toBe(2);
    clock.advance(1);
    expect(tier.stats().queued).toBe(0);
    expect(clock.pendingTimers).toBe(0);
    await tier.flush();
    expect(tier.stats()).toMatchObject({ queued: 0, written: 2, batches: 1 });
  });

  test('a full batch does not wait for the delay', async () => {
    const { tier } = await open();
    for (let i = 0; i < 127; i++) put(tier, i);
    expect(tier.stats().queued).toBe(127);
    put(tier, 127);
    expect(tier.stats().queued).toBe(0);
    await tier.flush();
    expect(tier.stats()).toMatchObject({ written: 128, batches: 1 });
  });

  test('what is being written is found, and a put that comes meanwhile wins', async () => {
    const gate = Promise.withResolvers<void>();
    const faults: Faults = { gate: gate.promise };
    const { tier, clock } = await open({}, { openFile: faultyOpenFile(faults) });
    put(tier, 1, 1);
    clock.advance(50);
    expect(tier.stats().queued).toBe(0);
    expect(versionOf(tier, 1)).toBe(1);
    put(tier, 1, 2);
    expect(versionOf(tier, 1)).toBe(2);
    gate.resolve();
    await tier.flush();
    expect(versionOf(tier, 1)).toBe(2);
    expect(tier.stats()).toMatchObject({ batches: 2, entries: 1 });
  });

  test('at the bound of the queue the oldest put is dropped and counted', async () => {
    const gate = Promise.withResolvers<void>();
    const { tier, clock } = await open({}, { openFile: faultyOpenFile({ gate: gate.promise }) });
    put(tier, 99_999);
    clock.advance(50);
    for (let i = 0; i < DISK_QUEUE_MAX; i++) put(tier, i);
    expect(tier.stats()).toMatchObject({ queued: DISK_QUEUE_MAX, dropped: 0 });
    put(tier, DISK_QUEUE_MAX);
    put(tier, DISK_QUEUE_MAX);
    expect(tier.stats()).toMatchObject({ queued: DISK_QUEUE_MAX, dropped: 1 });
    expect([versionOf(tier, 0), versionOf(tier, 1)]).toEqual([undefined, 0]);
    gate.resolve();
    await tier.flush();
    expect(tier.stats()).toMatchObject({ queued: 0, written: DISK_QUEUE_MAX + 1 });
  });

  test('close writes what is queued and leaves no timer', async () => {
    const first = await open();
    put(first.tier, 1);
    await first.tier.close();
    expect(first.clock.pendingTimers).toBe(0);
    put(first.tier, 2);
    first.tier.remove(keyOf(1));
    await first.tier.close();
    expect(first.tier.stats()).toMatchObject({ state: 'off', dropped: 1, queued: 0 });
    const { tier } = await open();
    expect(newestOf(tier)).toEqual([1]);
  });
});

describe('clear', () => {
  test('forgets what is written and what is queued, from the call on; later puts stay', async () => {
    const gate = Promise.withResolvers<void>();
    const faults: Faults = {};
    const { tier, clock } = await open({}, { openFile: faultyOpenFile(faults) });
    for (let i = 0; i < 600; i++) put(tier, i);
    await tier.flush();
    faults.gate = gate.promise;
    put(tier, 1_000);
    clock.advance(50);
    put(tier, 1_001);
    const cleared = tier.clear();
    put(tier, 5, 9);
    expect([versionOf(tier, 0), versionOf(tier, 1_000), versionOf(tier, 1_001)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(newestOf(tier)).toEqual([]);
    expect(versionOf(tier, 5)).toBe(9);
    gate.resolve();
    await cleared;
    expect(newestOf(tier)).toEqual([5]);
    expect(tier.stats().entries).toBe(1);
  });
});

describe('newest', () => {
  test('yields the most recently written first, up to the limit', async () => {
    const { tier } = await open();
    for (let i = 0; i < 700; i++) put(tier, i);
    await tier.flush();
    put(tier, 3, 1);
    await tier.flush();
    const all = [3, ...Array.from({ length: 700 }, (_, i) => 699 - i).filter((i) => i !== 3)];
    expect(newestOf(tier)).toEqual(all);
    for (const limit of [0, 1, 255, 256, 257, 512]) expect(newestOf(tier, limit)).toEqual(all.slice(0, limit));
  });

  test('yields the same in chunks, with turns of the event loop in between', async () => {
    const { tier } = await open();
    for (let i = 0; i < 700; i++) put(tier, i);
    await tier.flush();
    let turns = 0;
    const count = (): void => {
      turns++;
      immediate = setImmediate(count);
    };
    let immediate = setImmediate(count);
    const numbers: number[] = [];
    const turnsAt: number[] = [];
    for await (const chunk of tier.newestInChunks(600)) {
      numbers.push(...chunk.map((record) => readRecord(record).number));
      turnsAt.push(turns);
    }
    clearImmediate(immediate);
    expect(numbers).toEqual(newestOf(tier, 600));
    expect(turnsAt).toHaveLength(10);
    expect(new Set(turnsAt).size).toBe(10);
  });

  test('a record that the index does not lead to is neither found nor yielded', async () => {
    let file: DiskFile | undefined;
    const openFile = async (...args: Parameters<typeof openLmdbFile>) => {
      file = await openLmdbFile(...args);
      return file;
    };
    const { tier } = await open({}, { openFile });
    put(tier, 1, 1);
    put(tier, 2, 1);
    await tier.flush();
    // As if another process had written key 1 at the same moment: its record took the index, ours was left behind.
    const left = file?.newest(undefined, 2).at(-1);
    put(tier, 1, 2);
    await tier.flush();
    if (left) await file?.commit([{ table: 'records', key: left.place, value: left.frame }]);
    expect(tier.stats().entries).toBe(3);
    expect(newestOf(tier)).toEqual([1, 2]);
    tier.remove(keyOf(1));
    await tier.flush();
    expect(newestOf(tier)).toEqual([2]);
  });
});

describe('the bound', () => {
  test('keeps the newest records and removes the oldest, in the background', async () => {
    const { tier } = await open({ bytesMax: DISK_BYTES_MIN });
    let highest = 0;
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 200; i++) put(tier, highest++);
      await tier.flush();
      expect(tier.stats().bytes).toBeLessThanOrEqual(DISK_BYTES_MIN);
    }
    const { entries, removedBySize } = tier.stats();
    expect(entries + removedBySize).toBe(highest);
    expect(entries).toBeGreaterThan(2_000);
    expect(newestOf(tier, highest)).toEqual(Array.from({ length: entries }, (_, i) => highest - 1 - i));
    // Free pages are used again, so the file does not grow with what passes through it.
    expect(statSync(path).size).toBeLessThan(2 * DISK_BYTES_MIN);
  });

  test('holds for a file that was filled under a higher one, records of other identities first if they are older', async () => {
    const first = await open({ identity: 'old', bytesMax: 4 * DISK_BYTES_MIN });
    for (let i = 0; i < 4_000; i++) {
      put(first.tier, i);
      if (i % 1_000 === 999) await first.tier.flush();
    }
    await first.tier.close();
    const { tier, clock } = await open({ identity: 'new', bytesMax: DISK_BYTES_MIN });
    expect(tier.stats().bytes).toBeGreaterThan(DISK_BYTES_MIN);
    clock.advance(50);
    await tier.flush();
    expect(tier.stats().bytes).toBeLessThanOrEqual(DISK_BYTES_MIN);
    for (let i = 0; i < 500; i++) put(tier, i);
    await tier.flush();
    expect(newestOf(tier)).toHaveLength(500);
  });

  test('is at least a megabyte', async () => {
    await expect(open({ bytesMax: DISK_BYTES_MIN - 1 })).rejects.toThrow('bytesMax');
  });
});

test('lmdb is loaded when a tier is opened, not when its module is', () => {
  const module = new URL('../../../../src/main/cache/disk/disk-tier.ts', import.meta.url).href;
  // lmdb-js leaves this name when it is loaded.
  const code = `
    const { DiskTier } = await import('${module}');
    const before = '__lmdb_envs__' in globalThis;
    const clock = { now: () => 0, wallNow: () => 0, setTimer: () => ({ cancel() {} }) };
    const tier = await DiskTier.open({ path: process.argv[1], identity: '', clock, warn: console.error });
    console.log(before, '__lmdb_envs__' in globalThis);
    await tier.close();`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', code, path], { encoding: 'utf8' });
  expect(child.stdout + child.stderr).toBe('false true\n');
});
