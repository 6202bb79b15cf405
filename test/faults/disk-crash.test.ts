import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/shared/clock.ts';
import { randomIndex, seededRandom } from '../../src/shared/random.ts';
import { type Folder, makeFolder, openTier } from '../main/cache/disk/support/open-tier.ts';
import { keyOf, readRecord } from '../main/cache/disk/support/records.ts';

const CHILD = fileURLToPath(new URL('../main/cache/disk/support/disk-process.ts', import.meta.url));
/** How often a writing process is killed. The whole number is 100. */
const KILLS = Number(process.env.DISK_KILLS ?? 8);
const KEYS = 700;

let folder: Folder;
beforeAll(() => {
  folder = makeFolder();
});
afterAll(() => folder.remove());

interface Writer {
  readonly process: ChildProcess;
  /** Versions below this are on disk, as far as the process has said. */
  flushed(): number | undefined;
  readonly lines: string[];
}

function startWriter(path: string, seed: number): Writer {
  const child = spawn(process.execPath, [CHILD, 'write', path, String(seed), String(KEYS)]);
  const lines: string[] = [];
  let flushed: number | undefined;
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('flushed ')) flushed = Number(line.slice(8));
    else lines.push(line);
  });
  child.stderr.on('data', (data: Buffer) => lines.push(data.toString()));
  return { process: child, flushed: () => flushed, lines };
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => systemClock.setTimer(ms, resolve));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(1);
}

/*
 * A writer is killed at a moment that the seed chooses: while it starts, after its first flush, or anywhere in the
 * following batches. The next one goes on with the same file, so whatever a kill leaves behind is met again.
 */
test(`a process killed while it writes loses nothing that was flushed, ${KILLS} times`, {
  timeout: 1_000 * (KILLS + 20),
}, async () => {
  const path = join(folder.path, 'decisions.lmdb');
  const random = seededRandom(2_026);
  let records = 0;
  let flushes = 0;
  for (let seed = 1; seed <= KILLS; seed++) {
    const writer = startWriter(path, seed);
    if (seed % 5 === 0) await delay(randomIndex(random, 200));
    else {
      await until(() => writer.flushed() !== undefined || writer.process.exitCode !== null);
      await delay(randomIndex(random, 100));
    }
    writer.process.kill('SIGKILL');
    const [code, signal] = await once(writer.process, 'close');
    expect({ seed, code, signal, lines: writer.lines.filter((line) => line !== 'open') }).toEqual({
      seed,
      code: null,
      signal: 'SIGKILL',
      lines: [],
    });
    const { tier, warnings } = await openTier(path, { identity: 'disk process 1', bytesMax: 2 ** 20 });
    expect(warnings).toEqual([]);
    const versions = new Map(
      Array.from(tier.newest(10_000), (record) => [readRecord(record).number, readRecord(record).version]),
    );
    for (const [number, version] of versions)
      expect(readRecord(tier.get(keyOf(number)) ?? { ...nothing }).version).toBe(version);
    expect(tier.stats()).toMatchObject({ state: 'on', damaged: 0 });
    await tier.close();
    records += versions.size;
    const flushed = writer.flushed();
    if (flushed === undefined) continue;
    flushes++;
    // The last version of each key below the mark, unless a later one got there.
    for (let version = Math.max(seed * 1_000_000, flushed - KEYS); version < flushed; version++) {
      expect(versions.get(version % KEYS), `seed ${seed}, version ${version}`).toBeGreaterThanOrEqual(version);
    }
  }
  expect(flushes).toBeGreaterThan(KILLS / 2);
  expect(records).toBeGreaterThan(0);
});

const nothing = { key: new Uint8Array(16), value: new Uint8Array(16), expiresAtWallMs: 0 };

test('a process killed while it writes does not stop another that shares the file', async () => {
  const path = join(folder.path, 'shared.lmdb');
  const random = seededRandom(11);
  const survivor = startWriter(path, 50);
  await until(() => survivor.flushed() !== undefined);
  for (let seed = 1; seed <= 6; seed++) {
    const writer = startWriter(path, seed);
    await until(() => writer.flushed() !== undefined);
    await delay(randomIndex(random, 30));
    writer.process.kill('SIGKILL');
    await once(writer.process, 'close');
    const before = survivor.flushed() ?? 0;
    await until(() => (survivor.flushed() ?? 0) > before + 3_000 || survivor.process.exitCode !== null);
  }
  // What the dead had been reading does not keep the file from using its pages again.
  expect(statSync(path).size).toBeLessThan(5 * 2 ** 20);
  expect(survivor.lines).toEqual(['open']);
  survivor.process.kill('SIGKILL');
  await once(survivor.process, 'close');
  const { tier, warnings } = await openTier(path, { identity: 'disk process 1', bytesMax: 2 ** 20 });
  for (const record of tier.newest(10_000)) readRecord(record);
  expect(tier.stats()).toMatchObject({ state: 'on', damaged: 0 });
  expect(warnings).toEqual([]);
  await tier.close();
});
