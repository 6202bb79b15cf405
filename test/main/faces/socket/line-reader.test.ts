import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteBudget } from '../../../../src/main/faces/byte-budget.ts';
import { type LineFault, LineReader } from '../../../../src/main/faces/socket/line-reader.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const BYTES_MAX = 64;

/** What a reader makes of bytes that come in these chunks. */
function read(chunks: readonly Buffer[], bytesMax = BYTES_MAX): (string | LineFault)[] {
  const reader = new LineReader(bytesMax);
  const lines: (string | LineFault)[] = [];
  const take = (): void => {
    while (reader.hasLine) lines.push(reader.next() as string | LineFault);
  };
  for (const chunk of chunks) {
    reader.push(chunk);
    take();
  }
  reader.end();
  take();
  return lines;
}

/** The same by the plainest means, of bytes that hold no line that is too long. */
function expected(bytes: Buffer): (string | LineFault)[] {
  const lines = [];
  let start = 0;
  for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  if (start < bytes.length) lines.push(bytes.subarray(start));
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  return lines.map((line) => {
    try {
      return decoder.decode(line);
    } catch {
      return { fault: 'not-utf8' };
    }
  });
}

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [...new Set([0, ...at.map((place) => place % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  );
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

const line = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => Buffer.from(text.replaceAll('\n', ''))),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 10))),
);
const bytes = fc
  .tuple(fc.array(line, { maxLength: 12 }), fc.boolean())
  .map(([lines, isWhole]) =>
    Buffer.from(
      Buffer.concat(lines.flatMap((each) => [each, Buffer.from('\n')])).subarray(0, isWhole ? undefined : -1),
    ),
  );

describe('lines', () => {
  test('are the same wherever the bytes are cut, and only what is no UTF-8 is lost', () => {
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(), { maxLength: 30 }), (all, cuts) => {
        expect(read(cut(all, cuts), 10_000)).toEqual(expected(all));
      }),
      { numRuns: 500 },
    );
  });

  test('are the same one byte at a time', () => {
    const all = Buffer.from('{"a":"żółw 🐢"}\n\r\n{"b":1}\nlast');
    expect(read([...all].map((byte) => Buffer.of(byte)))).toEqual(['{"a":"żółw 🐢"}', '\r', '{"b":1}', 'last']);
  });

  test('of the longest length pass, and one byte more is too large', () => {
    const full = Buffer.alloc(BYTES_MAX, 'x');
    for (const cuts of [[], [10], [BYTES_MAX], [BYTES_MAX + 1]]) {
      const one = Buffer.concat([full, Buffer.from('\n')]);
      expect(read(cut(one, cuts))).toEqual([full.toString()]);
      const longer = Buffer.concat([Buffer.from('x'), one, Buffer.from('next\n')]);
      expect(read(cut(longer, cuts))).toEqual([{ fault: 'too-large' }]);
    }
  });

  test('before one that is too large are read', () => {
    expect(read([Buffer.from(`one\ntwo\n${'x'.repeat(BYTES_MAX + 1)}`)])).toEqual([
      'one',
      'two',
      { fault: 'too-large' },
    ]);
  });

  test('together may be longer than one may be', () => {
    const lines = Array.from({ length: 40 }, (_, index) => `line ${index}`);
    expect(read([Buffer.from(`${lines.join('\n')}\n`)])).toEqual(lines);
  });
});

test('a line without end holds no more than its bound, however small its pieces', () => {
  const reader = new LineReader(1_048_576);
  const piece = Buffer.from('x');
  const before = process.memoryUsage();
  for (let count = 0; count < 1_000_000; count++) reader.push(piece);
  const after = process.memoryUsage();
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(8 * 1_048_576);
  expect(reader.hasLine).toBe(false);
  for (let count = 0; count < 100_000; count++) reader.push(piece);
  expect(reader.next()).toEqual({ fault: 'too-large' });
  reader.push(Buffer.from('\nmore\n'));
  expect(reader.hasLine).toBe(false);
});

test('a large line that comes whole in one piece is as large as one that comes in many', () => {
  const budget = new ByteBudget(2 ** 20, new FakeClock());
  const reader = new LineReader(2 ** 24, { budget });
  reader.push(Buffer.from(`${JSON.stringify('x'.repeat(200_000))}\nshort\n`));
  expect(reader.next()).toHaveLength(200_002);
  expect(reader.takeCharge()?.bytes).toBeGreaterThan(65_536);
  expect([reader.next(), reader.takeCharge()]).toEqual(['short', undefined]);
});

describe('a line over the bounds of JSON', () => {
  const deep = '['.repeat(129);
  const wide = `[${'0,'.repeat(100_000)}0]`;

  test.each([
    ['deep', deep, 'too-deep'],
    ['deep and long', deep.padEnd(200_000), 'too-deep'],
    ['wide', wide, 'too-wide'],
  ])('%s is lost, and the next one is read', (_, text, fault) => {
    const all = Buffer.from(`{}\n${text}\n{"a":1}\n`);
    for (const cuts of [[], [10], [3, 70_000], Array.from({ length: 100 }, (_, i) => i * 3_001)]) {
      expect(read(cut(all, cuts), 10_000_000)).toEqual(['{}', { fault }, '{"a":1}']);
    }
  });

  test('is known before it has ended, and is not kept', () => {
    const reader = new LineReader(24 * 2 ** 20);
    reader.push(Buffer.alloc(65_537, '['));
    expect(reader.next()).toEqual({ fault: 'too-deep' });
    for (let i = 0; i < 10; i++) reader.push(Buffer.alloc(65_536, '['));
    expect(reader.hasLine).toBe(false);
    reader.push(Buffer.from(']\n1\n'));
    expect(reader.next()).toBe('1');
  });

  test('is too large where it goes on for longer than a line may', () => {
    const reader = new LineReader(100_000);
    reader.push(Buffer.alloc(70_000, '['));
    reader.push(Buffer.alloc(30_000, '['));
    reader.push(Buffer.alloc(1, '['));
    expect([reader.next(), reader.next(), reader.next()]).toEqual([
      { fault: 'too-deep' },
      { fault: 'too-large' },
      undefined,
    ]);
  });
});
