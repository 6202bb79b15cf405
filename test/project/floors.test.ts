import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** From top to bottom; first what is in no room. Who imports only from below never imports in a circle. */
const ROOMS = [
  ...['', 'cli', 'doctor', 'replay', 'report', 'session', 'service', 'faces', 'page'],
  ...['chat', 'monitor', 'plans', 'foresight', 'models', 'options', 'cluster', 'cache', 'measure'],
];
const ON_TOP = ['bin.ts', 'index.ts'];
/** What a file names: imports and exports from elsewhere, of types and in JSDoc too, and `new URL`. */
const NAMED = /\b(?:from|import|URL)\s*\(?\s*['"`](\.[^'"`]+)/g;

/** The floor of a file below `src/main`, counted from the top; -1 where there is no such room. */
function floorOf(path: string): number {
  const [first = '', ...rest] = path.split('/');
  return ROOMS.indexOf(rest.length === 0 ? '' : first);
}

/** What a file names in `src/main` that is neither in its room nor below it. */
function upwardImports(file: string, code: string): string[] {
  const named = [...code.matchAll(NAMED)].map(([, path]) => posix.join(posix.dirname(file), path as string));
  return named.filter((path) => !path.startsWith('..') && floorOf(path) < floorOf(file));
}

const main = fileURLToPath(new URL('../../src/main', import.meta.url));
const files = readdirSync(main, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll(sep, '/'))
  .filter((file) => /\.[jt]s$/.test(file));

test('every file of main is in a room, or one of the two on top', () => {
  expect(files.filter((file) => floorOf(file) < (ON_TOP.includes(file) ? 0 : 1))).toEqual([]);
});

test.each(files)('%s imports only from its room and those below', (file) => {
  expect(upwardImports(file, readFileSync(join(main, file), 'utf8'))).toEqual([]);
});

test.each([
  ['models/time/a.ts', "import type {\n  Plan,\n} from '../../plans/b.ts';", 'plans/b.ts'],
  ['cache/a.ts', "export { createPlanner } from '../index.ts';", 'index.ts'],
  ['faces/ipc/a.ts', 'new Worker(new URL(`../../service/b.ts`, import.meta.url))', 'service/b.ts'],
  ['page/browser/a.js', "/** @import { Report } from '../../report/b.ts' */", 'report/b.ts'],
  ['monitor/a.ts', "type Chats = import('../chat/b.ts').Chats;", 'chat/b.ts'],
  ['measure/a.ts', "import '../attic/b.ts';", 'attic/b.ts'],
])('an upward import is found: in %s, %j', (file, code, target) => {
  const allowed = "import { b } from './b.ts';\nimport { clock } from '../../../shared/clock.ts';\n";
  expect(upwardImports(file, `${allowed}${code}`)).toEqual([target]);
});
