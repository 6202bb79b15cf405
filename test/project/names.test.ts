import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** A declaration at the head of a line, and whether it is exported. */
const DECLARED = /^(export )?(?:abstract |async )*(?:class|interface|type|function\*?|const|let|enum) (\w+)/gm;

interface Declared {
  readonly file: string;
  readonly name: string;
  readonly isExported: boolean;
}

function declaredIn(file: string, code: string): Declared[] {
  return [...code.matchAll(DECLARED)].map(([, exported, name]) => ({
    file,
    name: name as string,
    isExported: exported !== undefined,
  }));
}

/** Exported names that several files define, each with its files. */
function twins(declared: readonly Declared[]): Record<string, readonly string[]> {
  const byName = Map.groupBy(
    declared.filter(({ isExported }) => isExported),
    ({ name }) => name,
  );
  const files = [...byName].map(([name, each]) => [name, [...new Set(each.map(({ file }) => file))]] as const);
  return Object.fromEntries(files.filter(([, named]) => named.length > 1));
}

/** Types and classes that hide one of the language or of Node from the rest of their file. */
function shadows(declared: readonly Declared[]): Declared[] {
  return declared.filter(({ name }) => name === 'Record' || (/^[A-Z]/.test(name) && name in globalThis));
}

const src = fileURLToPath(new URL('../../src', import.meta.url));
const declared = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
  .flatMap((file) => declaredIn(file.replaceAll(sep, '/'), readFileSync(join(src, file), 'utf8')));

test('no exported name is defined in two files', () => {
  expect(declared.length).toBeGreaterThan(1_000);
  expect(twins(declared)).toEqual({});
});

test('nothing hides a global', () => {
  expect(shadows(declared)).toEqual([]);
});

test('a twin and a shadow are found', () => {
  const planted = [
    ...declaredIn('a.ts', 'export interface Seat {\n}\nexport async function ask() {}\nexport function* steps() {}'),
    ...declaredIn(
      'b.ts',
      'export class Seat {}\nexport const steps = 1;\nfunction ask() {}\ninterface Record {}\nclass Event {}',
    ),
  ];
  expect(twins(planted)).toEqual({ Seat: ['a.ts', 'b.ts'], steps: ['a.ts', 'b.ts'] });
  expect(shadows(planted).map(({ name }) => name)).toEqual(['Record', 'Event']);
});
