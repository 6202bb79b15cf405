import { describe, expect, test } from 'vitest';
import { NameTable } from '../../../src/shared/store/name-table.ts';

function nameIn(table: NameTable, name: string): string {
  const bytes = Buffer.from(`before${name}after`);
  return table.nameOf(bytes, 6, 6 + Buffer.byteLength(name));
}

describe('a name', () => {
  test.each(['', 'a', 'attack the wolf', 'flüchten', '逃げる', '🐺', 'Ã¼', '\u0000', '\u007f\u0080'])(
    '%j is read as it is',
    (name) => {
      const table = new NameTable();
      for (let time = 0; time < 3; time++) expect(nameIn(table, name)).toBe(name);
    },
  );

  test('is never that of another, of ten thousand names that share places', () => {
    const table = new NameTable();
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 10_000; i++) expect(nameIn(table, `action ${i}`)).toBe(`action ${i}`);
    }
  });

  test('in bytes that are not UTF-8 is what a decoder makes of them, also the second time', () => {
    const table = new NameTable();
    const bytes = Buffer.from([0xc3, 0x28, 0xff]);
    for (let time = 0; time < 2; time++) expect(table.nameOf(bytes, 0, 3)).toBe(bytes.toString());
  });
});
