import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkFile } from '../../src/main/cache/disk/file-check.ts';
import { type Folder, makeFolder, openTier } from '../main/cache/disk/support/open-tier.ts';
import { readRecord } from '../main/cache/disk/support/records.ts';

const CHILD = fileURLToPath(new URL('../main/cache/disk/support/disk-process.ts', import.meta.url));

let folder: Folder;
beforeEach(() => {
  folder = makeFolder();
});
afterEach(() => folder.remove());

async function run(...args: string[]): Promise<Record<string, unknown>> {
  const child = spawn(process.execPath, [CHILD, ...args]);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  expect(stderr).toBe('');
  return JSON.parse(stdout) as Record<string, unknown>;
}

test('two processes write and read one file at once: each sees the other, nothing is damaged, the bound holds', async () => {
  const path = join(folder.path, 'decisions.lmdb');
  const each = 6_000;
  const outcomes = await Promise.all([
    run('share', path, '1000000', String(each)),
    run('share', path, '2000000', String(each)),
  ]);
  for (const outcome of outcomes) {
    expect(outcome).toMatchObject({ written: each, damaged: 0, state: 'on', dropped: 0 });
    expect(outcome.reads).toBeGreaterThan(1_000);
    expect(outcome.others).toBeGreaterThan(0);
  }
  expect(await checkFile(path)).toEqual({ kind: 'sound' });
  const { tier } = await openTier(path, { identity: 'disk process 1', bytesMax: 2 ** 20 });
  const versions = Array.from(tier.newest(10_000), (record) => readRecord(record).version);
  expect(versions).toHaveLength(300);
  expect(tier.stats()).toMatchObject({ damaged: 0 });
  expect(tier.stats().bytes).toBeLessThanOrEqual(2 ** 20);
  await tier.close();
});

// RLIMIT_FSIZE is a full disk for one process. Only a shell can set it.
test.skipIf(process.platform === 'win32')(
  'a real full disk turns the tier off with one warning and ends nothing',
  async () => {
    const path = join(folder.path, 'decisions.lmdb');
    const command = 'ulimit -f 1000; exec "$@"';
    const child = spawnSync('sh', ['-c', command, 'sh', process.execPath, CHILD, 'fill', path], { encoding: 'utf8' });
    expect({ signal: child.signal, status: child.status }).toEqual({ signal: null, status: 0 });
    const outcome = JSON.parse(child.stdout) as { written: number; states: unknown[]; warnings: string[] };
    expect(outcome.written).toBeGreaterThan(100);
    expect(outcome.warnings[0]).toMatch(/is off and will be tried again/);
    expect(outcome.warnings).toHaveLength(1);
    expect(statSync(path).size).toBeLessThanOrEqual(1_024_000);
    // Without the limit it goes on with what was written.
    const { tier, warnings } = await openTier(path, { identity: 'disk process 1' });
    expect(Array.from(tier.newest(100_000), (record) => readRecord(record)).length).toBeGreaterThan(100);
    expect(warnings).toEqual([]);
    await tier.close();
  },
);
