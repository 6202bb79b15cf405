import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { setAside } from '../../../../src/main/cache/disk/set-aside.ts';
import { type Folder, makeFolder } from './support/open-tier.ts';

let folder: Folder;
let path: string;

beforeEach(() => {
  folder = makeFolder();
  path = join(folder.path, 'decisions.lmdb');
});
afterEach(() => folder.remove());

const isIt = async (): Promise<boolean> => true;

test('renames the file by the wall clock and forgets its lock', async () => {
  writeFileSync(path, 'damaged');
  writeFileSync(`${path}-lock`, '');
  expect(await setAside(path, 1_234.5, isIt)).toBe(`${path}.damaged-1234`);
  expect(readdirSync(folder.path)).toEqual(['decisions.lmdb.damaged-1234']);
});

test('keeps the three newest, in the order of setting aside, even if the clock stands or goes back', async () => {
  for (const [i, wallMs] of [500, 500, 500, 100, 100].entries()) {
    writeFileSync(path, `damage ${i}`);
    await setAside(path, wallMs, isIt);
  }
  const kept = readdirSync(folder.path).sort();
  expect(kept.map((name) => readFileSync(join(folder.path, name), 'utf8'))).toEqual([
    'damage 2',
    'damage 3',
    'damage 4',
  ]);
});

test('removes neither folders nor files of similar names', async () => {
  const others = ['decisions.lmdb.damaged-1 of mine', 'decisions.lmdb.damaged-', 'other.lmdb.damaged-5'];
  for (const name of others) writeFileSync(join(folder.path, name), '');
  for (let i = 0; i < 5; i++) {
    mkdirSync(path);
    mkdirSync(`${path}-lock`);
    await setAside(path, 10 + i, isIt);
  }
  for (const name of others) expect(existsSync(join(folder.path, name)), name).toBe(true);
  for (let i = 10; i < 15; i++) {
    expect(existsSync(`${path}.damaged-${i}`)).toBe(true);
    expect(existsSync(`${path}.damaged-${i}-lock`)).toBe(true);
  }
});

test('leaves a file alone that another process has put in the place of the damaged one', async () => {
  writeFileSync(path, 'new and sound');
  expect(await setAside(path, 1, async () => false)).toBeUndefined();
  expect(readdirSync(folder.path)).toEqual(['decisions.lmdb']);
});
