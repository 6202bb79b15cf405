import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/shared/random.ts';
import { DAMAGES } from '../main/cache/disk/support/damage.ts';
import { type Folder, makeFolder, openTier } from '../main/cache/disk/support/open-tier.ts';
import { keyOf, recordValue } from '../main/cache/disk/support/records.ts';

const CHILD = fileURLToPath(new URL('../main/cache/disk/support/disk-process.ts', import.meta.url));
/** Files of each kind of damage. */
const SEEDS = Number(process.env.DISK_DAMAGES ?? 2);

let folder: Folder;
let sound: Buffer;
let soundPath: string;

beforeAll(async () => {
  const made = makeFolder();
  soundPath = join(made.path, 'sound.lmdb');
  const { tier } = await openTier(soundPath, { identity: 'disk process 1', bytesMax: 2 ** 20 });
  for (let i = 0; i < 4_000; i++) {
    tier.put(keyOf(i % 3_000), recordValue(i % 3_000, i), Number.POSITIVE_INFINITY);
    if (i % 400 === 0) await tier.flush();
  }
  await tier.close();
  sound = readFileSync(soundPath);
  made.remove();
});
beforeEach(() => {
  folder = makeFolder();
});
afterEach(() => folder.remove());

interface Visit {
  readonly served: number;
  readonly state: string;
  readonly damaged: number;
  readonly warnings: readonly string[];
}

/** Opens, reads and writes files in another process, which must live: lmdb cannot be asked to throw. */
function visit(paths: readonly string[]): Visit[] {
  const child = spawnSync(process.execPath, [CHILD, 'visit', ...paths], { encoding: 'utf8' });
  const visits = child.stdout.trim().split('\n').filter(Boolean);
  const diedAt = paths[visits.length] ?? 'the end';
  expect({ signal: child.signal, status: child.status, diedAt, stderr: child.stderr }).toEqual({
    signal: null,
    status: 0,
    diedAt: 'the end',
    stderr: '',
  });
  return visits.map((line) => JSON.parse(line) as Visit);
}

describe('a damaged file never ends the process, serves nothing wrong, and is set aside or of no harm:', () => {
  test.each(Object.keys(DAMAGES))('%s', { timeout: 10_000 + 1_000 * SEEDS }, async (kind) => {
    const paths = Array.from({ length: SEEDS }, (_, seed) => {
      const path = join(folder.path, `${seed}.lmdb`);
      writeFileSync(path, DAMAGES[kind]?.(Buffer.from(new Uint8Array(sound)), seededRandom(seed)) ?? '');
      return path;
    });
    const visits = visit([...paths, ...paths]);
    for (const [i, { state, served, warnings }] of visits.slice(0, SEEDS).entries()) {
      expect(state).toBe('on');
      const asides = readdirSync(folder.path).filter((name) => name.startsWith(`${i}.lmdb.damaged-`));
      expect(warnings).toHaveLength(asides.length);
      if (asides.length === 0) continue;
      expect(warnings[0]).toMatch(/^disk cache .*\.lmdb: set aside as .*\.damaged-\d+ and begun anew: ./);
      expect(served).toBe(0);
    }
    // Sound again, with what the visit wrote.
    for (const { served, warnings } of visits.slice(SEEDS)) expect([served > 0, warnings]).toEqual([true, []]);
  });
});

describe('what else may stand there', () => {
  test.each([
    ['a text file', (path: string) => writeFileSync(path, 'decisions of last year')],
    [
      'a folder with files',
      (path: string) => {
        mkdirSync(path);
        writeFileSync(join(path, 'data.mdb'), 'theirs');
      },
    ],
    ['a lock that is a folder', (path: string) => mkdirSync(`${path}-lock`)],
    [
      'a folder in place of both',
      (path: string) => {
        mkdirSync(path);
        mkdirSync(`${path}-lock`);
      },
    ],
  ])('%s is set aside with one warning, and kept', (_name, make) => {
    const path = join(folder.path, 'decisions.lmdb');
    make(path);
    const [first, second] = visit([path, path]);
    expect(first).toMatchObject({ state: 'on', served: 0, warnings: [expect.stringMatching(/set aside/)] });
    expect(second).toMatchObject({ state: 'on', warnings: [] });
    const asides = readdirSync(folder.path).filter((name) => name.includes('.damaged-'));
    expect(asides.length).toBeGreaterThan(0);
    const aside = join(folder.path, asides[0] ?? '');
    if (existsSync(join(aside, 'data.mdb'))) expect(readFileSync(join(aside, 'data.mdb'), 'utf8')).toBe('theirs');
  });

  test.each([
    ['an empty file', (path: string) => writeFileSync(path, '')],
    ['a lock of noise', (path: string) => writeFileSync(`${path}-lock`, Buffer.alloc(9_000, 0xa5))],
    ['a lock of nothing', (path: string) => writeFileSync(`${path}-lock`, '')],
    ['a folder that is not there yet', () => undefined],
  ])('%s is no damage', (name, make) => {
    const path = name.startsWith('a folder') ? join(folder.path, 'a', 'b', 'c.lmdb') : join(folder.path, 'c.lmdb');
    make(path);
    expect(visit([path])[0]).toMatchObject({ state: 'on', warnings: [] });
  });

  test('a lock of noise beside a sound file is no damage', () => {
    const path = join(folder.path, 'sound.lmdb');
    writeFileSync(path, sound);
    writeFileSync(`${path}-lock`, Buffer.alloc(9_000, 0xa5));
    const [first] = visit([path]);
    expect(first).toMatchObject({ state: 'on', warnings: [] });
    expect(first?.served).toBeGreaterThan(1_000);
  });

  // Nobody can forbid the superuser anything, so the process is another user then.
  test.skipIf(process.platform === 'win32')('a file without permission is set aside, if the folder permits', () => {
    const path = join(folder.path, 'decisions.lmdb');
    writeFileSync(path, 'of another user');
    chmodSync(path, 0);
    chmodSync(folder.path, 0o777);
    const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    const child = spawnSync(process.execPath, [CHILD, 'visit', path], { encoding: 'utf8', ...user });
    expect(child.stderr).toBe('');
    expect(JSON.parse(child.stdout)).toMatchObject({ state: 'on', warnings: [expect.stringMatching(/EACCES/)] });
  });
});
