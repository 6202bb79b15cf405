import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open } from 'lmdb';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { randomIndex, seededRandom } from '../../src/shared/random.ts';
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

describe('a damaged file never ends the process, serves nothing wrong, and is set aside, left alone or of no harm:', () => {
  test.each(Object.keys(DAMAGES))('%s', { timeout: 10_000 + 1_000 * SEEDS }, async (kind) => {
    const paths = Array.from({ length: SEEDS }, (_, seed) => join(folder.path, `${seed}.lmdb`));
    for (const [seed, path] of paths.entries()) {
      writeFileSync(path, DAMAGES[kind]?.(Buffer.from(new Uint8Array(sound)), seededRandom(seed)) ?? '');
    }
    const before = paths.map((path) => readFileSync(path));
    const visits = visit([...paths, ...paths]);
    for (const [i, { state, served, warnings }] of visits.slice(0, SEEDS).entries()) {
      if (state === 'refused') {
        // Nothing of its head is left: it might be anybody's.
        expect(warnings).toEqual([expect.stringContaining('it is no file of the cache')]);
        expect(readFileSync(paths[i] as string).equals(before[i] as Buffer)).toBe(true);
        continue;
      }
      expect(state).toBe('on');
      const asides = readdirSync(folder.path).filter((name) => name.startsWith(`${i}.lmdb.damaged-`));
      expect(warnings).toHaveLength(asides.length);
      if (asides.length === 0) continue;
      expect(warnings[0]).toMatch(/^disk cache .*\.lmdb: set aside as .*\.damaged-\d+ and begun anew: ./);
      expect(served).toBe(0);
    }
    // Sound again, with what the visit wrote.
    for (const { served, warnings } of visits.slice(SEEDS).filter(({ state }) => state !== 'refused')) {
      expect([served > 0, warnings]).toEqual([true, []]);
    }
  });
});

/** Every path below a folder, with what is in it. */
function contentOf(path: string): unknown[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const name = join(entry.parentPath, entry.name);
      return [name, entry.isFile() && lstatSync(name).size < 1e9 ? readFileSync(name, 'latin1') : lstatSync(name).mode];
    })
    .sort();
}

describe('what else may stand there', () => {
  const foreign = (more: object) => (path: string) => {
    const theirs = open({ path, noSubdir: true, maxDbs: 2, ...more });
    theirs.openDB({ name: 'save games' });
    void theirs.close();
  };

  test.each<[string, (path: string) => void, RegExp, string?]>([
    ['a text file', (path) => writeFileSync(path, 'decisions of last year'), /no file of the cache/],
    ['a save game', (path) => writeFileSync(path, seededBytes(100_000)), /no file of the cache/],
    ['a file of zeros', (path) => writeFileSync(path, Buffer.alloc(100_000)), /no file of the cache/],
    ['the lmdb of another program', foreign({}), /it has a table "save games"/],
    ['one that is made as ours', foreign({ overlappingSync: false }), /it has a table "save games"/],
    [
      'a folder with files',
      (path) => {
        mkdirSync(path);
        writeFileSync(join(path, 'data.mdb'), 'theirs');
      },
      /it is a folder/,
    ],
    ['a lock that is a folder', (path) => mkdirSync(`${path}-lock`), /decisions.lmdb-lock is a folder/],
    ['a pipe', (path) => void execFileSync('mkfifo', [path]), /it is a pipe \(FIFO\)/],
    ['a folder by a slash', () => {}, /it names a folder/, '/'],
    ['the folder itself', () => {}, /it names a folder/, '/.'],
    [
      'a sparse file of a terabyte',
      (path) => {
        writeFileSync(path, 'a');
        truncateSync(path, 2 ** 40);
      },
      /no file of the cache/,
    ],
  ])('%s is refused and not touched', (_name, make, message, more = '') => {
    const path = join(folder.path, 'decisions.lmdb');
    make(path);
    const before = contentOf(folder.path);
    const visits = visit([path + more, path + more]);
    for (const each of visits)
      expect(each).toMatchObject({ state: 'refused', warnings: [expect.stringMatching(message)] });
    expect(contentOf(folder.path)).toEqual(before);
  });

  test('a file of ours that is sparse is read as far as its pages go', () => {
    const path = join(folder.path, 'decisions.lmdb');
    writeFileSync(path, sound);
    truncateSync(path, 2 ** 40);
    expect(visit([path])[0]).toMatchObject({ state: 'on', warnings: [] });
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
  test.skipIf(process.platform === 'win32')('a file without permission is refused', () => {
    const path = join(folder.path, 'decisions.lmdb');
    writeFileSync(path, 'of another user');
    chmodSync(path, 0);
    chmodSync(folder.path, 0o777);
    const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    const child = spawnSync(process.execPath, [CHILD, 'visit', path], { encoding: 'utf8', ...user });
    expect(child.stderr).toBe('');
    expect(JSON.parse(child.stdout)).toMatchObject({ state: 'refused', warnings: [expect.stringMatching(/EACCES/)] });
    expect(readdirSync(folder.path)).toEqual(['decisions.lmdb']);
  });
});

function seededBytes(count: number): Buffer {
  const random = seededRandom(7);
  return Buffer.from(Array.from({ length: count }, () => randomIndex(random, 256)));
}
