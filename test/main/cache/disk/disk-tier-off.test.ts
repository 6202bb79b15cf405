import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DiskTier } from '../../../../src/main/cache/disk/disk-tier.ts';
import { DISK_BYTES_DEFAULT, DISK_QUEUE_MAX } from '../../../../src/main/cache/disk/disk-tier-options.ts';
import { fileBytesMax } from '../../../../src/main/cache/disk/lmdb-file.ts';
import { errorOf, type Faults, faultyOpenFile } from './support/faulty-file.ts';
import { type Folder, makeFolder, openTier } from './support/open-tier.ts';
import { keyOf, readRecord, recordValue } from './support/records.ts';

let folder: Folder;
let path: string;
const tiers: DiskTier[] = [];

beforeEach(() => {
  folder = makeFolder();
  path = join(folder.path, 'decisions.lmdb');
});

afterEach(async () => {
  for (const tier of tiers.splice(0)) await tier.close();
  folder.remove();
});

async function open(faults: Faults = {}, log: string[] = []) {
  const opened = await openTier(path, {}, { openFile: faultyOpenFile(faults, log) });
  tiers.push(opened.tier);
  return opened;
}

function put(tier: DiskTier, number: number, version = 0): void {
  tier.put(keyOf(number), recordValue(number, version), Number.POSITIVE_INFINITY);
}

function versionOf(tier: DiskTier, number: number): number | undefined {
  const record = tier.get(keyOf(number));
  return record && readRecord(record).version;
}

const OFF = /^disk cache .*decisions\.lmdb is off and will be tried again: /;
const ON = /^disk cache .*decisions\.lmdb is on again$/;

describe('a disk that takes no writes', () => {
  test.each(['ENOSPC', 'EIO', 'EACCES', 'MDB_MAP_FULL'])(
    '%s turns the tier off with one warning, and is counted',
    async (code) => {
      const faults: Faults = { commit: errorOf(code) };
      const { tier, warnings } = await open(faults);
      put(tier, 1);
      put(tier, 2);
      await tier.flush();
      put(tier, 3);
      expect(tier.stats()).toMatchObject({ state: 'off', dropped: 3, written: 0, entries: 0, bytes: 0 });
      expect(warnings).toEqual([expect.stringMatching(OFF)]);
      expect(warnings[0]).toContain(code);
      expect([...tier.newest(10)]).toEqual([]);
      expect(tier.get(keyOf(3))).toBeUndefined();
    },
  );

  test('is tried again after 1 s, 2 s, 4 s, ... without another warning', async () => {
    const faults: Faults = { commit: errorOf('ENOSPC') };
    const log: string[] = [];
    const { tier, clock, warnings } = await open(faults, log);
    put(tier, 1);
    await tier.flush();
    for (const delayMs of [1_000, 2_000, 4_000, 8_000]) {
      log.length = 0;
      clock.advance(delayMs - 1);
      await tier.flush();
      expect(log).toEqual([]);
      clock.advance(1);
      await tier.flush();
      expect(log).toEqual(['open', 'commit', 'close']);
    }
    expect(warnings).toHaveLength(1);
  });

  test('is never tried less often than every five minutes', async () => {
    const faults: Faults = { open: errorOf('EROFS') };
    const log: string[] = [];
    const { tier, clock, warnings } = await open(faults, log);
    for (let i = 0; i < 20; i++) {
      clock.advance(300_000);
      await tier.flush();
    }
    expect(log.length).toBeGreaterThanOrEqual(20);
    expect(warnings).toHaveLength(1);
  });

  test('comes back with one message, once a batch is written, and serves what was there', async () => {
    const faults: Faults = {};
    const { tier, clock, warnings } = await open(faults);
    put(tier, 1, 1);
    await tier.flush();
    faults.commit = errorOf('ENOSPC');
    put(tier, 2, 1);
    await tier.flush();
    expect(versionOf(tier, 1)).toBeUndefined();
    delete faults.commit;
    clock.advance(1_000);
    await tier.flush();
    expect(versionOf(tier, 1)).toBe(1);
    clock.advance(5_000);
    put(tier, 2, 2);
    await tier.flush();
    clock.advance(4_999);
    expect(warnings).toEqual([expect.stringMatching(OFF)]);
    clock.advance(1);
    expect(warnings).toEqual([expect.stringMatching(OFF), expect.stringMatching(ON)]);
    clock.advance(60_000);
    expect(warnings).toEqual([expect.stringMatching(OFF), expect.stringMatching(ON)]);
    put(tier, 2, 3);
    await tier.flush();
    expect(versionOf(tier, 2)).toBe(3);
    expect(tier.stats()).toMatchObject({ state: 'on', dropped: 1, written: 3 });
  });

  test('never leads to an older decision: what could not be written is removed when the disk is back', async () => {
    const faults: Faults = {};
    const { tier, clock } = await open(faults);
    for (let i = 0; i < 4; i++) put(tier, i, 1);
    await tier.flush();
    faults.commit = errorOf('ENOSPC');
    put(tier, 0, 2);
    tier.remove(keyOf(1));
    await tier.flush();
    put(tier, 2, 2);
    delete faults.commit;
    clock.advance(1_000);
    await tier.flush();
    expect([0, 1, 2, 3].map((number) => versionOf(tier, number))).toEqual([undefined, undefined, undefined, 1]);
  });

  test('remembers a bounded number of removals', async () => {
    const { tier } = await open({ open: errorOf('EIO') });
    for (let i = 0; i < DISK_QUEUE_MAX + 10; i++) put(tier, i);
    expect(tier.stats()).toMatchObject({ queued: DISK_QUEUE_MAX, dropped: DISK_QUEUE_MAX + 10 });
  });

  test('that takes a batch and fails again is on trial: no word of it, and a longer back-off', async () => {
    const faults: Faults = { commit: errorOf('ENOSPC') };
    const log: string[] = [];
    const { tier, clock, warnings } = await open(faults, log);
    put(tier, 1);
    await tier.flush();
    delete faults.commit;
    clock.advance(1_000);
    await tier.flush();
    expect(tier.stats().state).toBe('on');
    faults.commit = errorOf('ENOSPC');
    put(tier, 1);
    await tier.flush();
    log.length = 0;
    clock.advance(1_999);
    await tier.flush();
    expect(log).toEqual([]);
    clock.advance(1);
    await tier.flush();
    expect(log).toContain('open');
    expect(warnings).toHaveLength(1);
  });

  test('that held for a minute begins its back-off anew; before that it goes on', async () => {
    const faults: Faults = { commit: errorOf('ENOSPC') };
    const log: string[] = [];
    const { tier, clock, warnings } = await open(faults, log);
    const failAndWait = async (delayMs: number): Promise<void> => {
      faults.commit = errorOf('ENOSPC');
      put(tier, 1);
      await tier.flush();
      log.length = 0;
      clock.advance(delayMs - 1);
      await tier.flush();
      expect(log).toEqual([]);
      delete faults.commit;
      clock.advance(1);
      await tier.flush();
      expect(log).toContain('open');
    };
    await failAndWait(1_000);
    clock.advance(10_000 + 59_999);
    await failAndWait(2_000);
    clock.advance(10_000 + 60_000);
    await failAndWait(1_000);
    expect(warnings).toHaveLength(5);
  });

  test('forgets at once what is cleared while it is off, and does so on disk when it is back', async () => {
    const faults: Faults = {};
    const { tier, clock } = await open(faults);
    put(tier, 1);
    await tier.flush();
    faults.commit = errorOf('EIO');
    put(tier, 2);
    await tier.flush();
    await tier.clear();
    delete faults.commit;
    clock.advance(1_000);
    expect(tier.get(keyOf(1))).toBeUndefined();
    await tier.flush();
    expect(tier.stats()).toMatchObject({ state: 'on', entries: 0 });
  });

  test('does not keep close waiting, whenever it comes', async () => {
    const gate = Promise.withResolvers<void>();
    const faults: Faults = { commit: errorOf('EIO') };
    const { tier, clock } = await open(faults);
    put(tier, 1);
    await tier.flush();
    clock.advance(1_000);
    faults.gate = gate.promise;
    const closed = tier.close();
    gate.resolve();
    await closed;
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a file that grows', () => {
  test('past its limit turns the tier off; one that is so large already, and stays so, does not', async () => {
    const limit = fileBytesMax(DISK_BYTES_DEFAULT);
    const faults: Faults = { fileBytes: limit - 1 };
    const { tier, warnings } = await open(faults);
    for (const [fileBytes, state] of [
      [limit, 'on'],
      [limit + 1, 'off'],
    ] as const) {
      faults.fileBytes = fileBytes;
      put(tier, 1);
      await tier.flush();
      expect(tier.stats()).toMatchObject({ state, dropped: 0 });
    }
    expect(warnings).toEqual([expect.stringContaining(`has grown to ${limit + 1} bytes`)]);
    await tier.close();
    const { tier: second } = await open(faults);
    put(second, 1, 2);
    await second.flush();
    expect(second.stats()).toMatchObject({ state: 'on', written: 1 });
  });
});

describe('reads that fail', () => {
  test('turn the tier off, and the file is looked at before it is used again', async () => {
    const faults: Faults = {};
    const log: string[] = [];
    const { tier, clock, warnings } = await open(faults, log);
    put(tier, 1);
    await tier.flush();
    faults.read = errorOf('MDB_CORRUPTED');
    put(tier, 2);
    expect(tier.get(keyOf(1))).toBeUndefined();
    // Only that of the next try is left.
    expect(clock.pendingTimers).toBe(1);
    expect([...tier.newest(5)]).toEqual([]);
    expect(tier.stats().state).toBe('off');
    expect(warnings).toHaveLength(1);
    delete faults.read;
    clock.advance(1_000);
    await tier.flush();
    expect(versionOf(tier, 1)).toBe(0);
  });

  test('of a single record are counted, and the record goes', async () => {
    const { tier } = await open();
    put(tier, 1);
    put(tier, 2);
    await tier.flush();
    await tier.close();
    const { tier: damaged } = await openTier(
      path,
      {},
      {
        openFile: async (...args) => {
          const file = await faultyOpenFile({})(...args);
          return { ...file, frameAt: (place) => file.frameAt(place)?.map((byte, i) => (i === 60 ? byte ^ 1 : byte)) };
        },
      },
    );
    tiers.push(damaged);
    expect(damaged.get(keyOf(1))).toBeUndefined();
    expect(damaged.stats().damaged).toBe(1);
    await damaged.flush();
    expect(damaged.get(keyOf(1))).toBeUndefined();
    expect(damaged.stats()).toMatchObject({ damaged: 1, entries: 1, state: 'on' });
  });
});

describe('a place where no file can be', () => {
  test('below a file: off with a warning, and back when the file is gone', async () => {
    writeFileSync(join(folder.path, 'file'), '');
    path = join(folder.path, 'file', 'decisions.lmdb');
    const { tier, clock, warnings } = await open();
    put(tier, 1);
    expect(tier.stats()).toMatchObject({ state: 'off', dropped: 1 });
    expect(warnings).toEqual([expect.stringMatching(OFF)]);
    rmSync(join(folder.path, 'file'));
    clock.advance(1_000);
    await tier.flush();
    put(tier, 1);
    await tier.flush();
    expect(versionOf(tier, 1)).toBe(0);
    expect(warnings).toHaveLength(1);
  });

  // Nobody can forbid the superuser anything.
  test.skipIf(process.platform === 'win32' || process.getuid?.() === 0)('in a folder without permission', async () => {
    const closed = join(folder.path, 'closed');
    mkdirSync(closed);
    chmodSync(closed, 0o500);
    path = join(closed, 'decisions.lmdb');
    const { tier, clock, warnings } = await open();
    expect(tier.stats().state).toBe('off');
    chmodSync(closed, 0o700);
    clock.advance(1_000);
    await tier.flush();
    put(tier, 1);
    await tier.flush();
    expect(tier.stats()).toMatchObject({ state: 'on', written: 1 });
    expect(warnings).toHaveLength(1);
    expect(existsSync(path)).toBe(true);
  });
});
