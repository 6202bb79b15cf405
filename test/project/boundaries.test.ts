import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
let copy = '';
/** The compiler takes seconds, and more where others are at work. */
const COMPILE_MS = 120_000;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'conclave-boundaries-'));
  for (const name of ['src', 'tsconfig.json', 'tsconfig.base.json', 'package.json']) {
    cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction');
});

afterAll(() => rmSync(copy, { recursive: true, force: true }));

function compile(): { status: number | null; output: string } {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, '-b'], { cwd: copy, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

describe('project references', () => {
  test.each([
    ['workers', '../main/plans/planner.ts'],
    ['main', '../workers/prompt.ts'],
    ['shared', '../main/plans/planner.ts'],
    ['shared', '../workers/prompt.ts'],
  ])(
    'src/%s cannot import %s',
    (folder, target) => {
      const file = join(copy, 'src', folder, 'forbidden.ts');
      writeFileSync(file, `export * from '${target}';\n`);
      const { status, output } = compile();
      rmSync(file);
      expect(status).not.toBe(0);
      expect(output).toContain(`src/${folder}/tsconfig.json`);
    },
    COMPILE_MS,
  );

  test('without the forbidden imports it compiles', { timeout: COMPILE_MS }, () => {
    expect(compile()).toEqual({ status: 0, output: '' });
  });
});

describe('time and chance', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const forbidden =
    /\b(?:Date\.now|performance\.now|Math\.random|AbortSignal\.timeout)\b|new Date\(\)|\bset(?:Timeout|Interval)\(|node:timers/;

  test.each(sources.filter((name) => !/^shared[\\/](?:clock|random)\.ts$/.test(name)))(
    '%s takes them from outside',
    (name) => {
      const code = readFileSync(join(root, 'src', name), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      expect(forbidden.exec(code)?.[0]).toBeUndefined();
    },
  );

  test('the rule finds what it forbids', () => {
    expect(forbidden.test('const t = Date.now();')).toBe(true);
  });
});
