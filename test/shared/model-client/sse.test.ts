import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EVENT_CHARS_MAX, SseParser } from '../../../src/shared/model-client/sse.ts';

/** The events of a stream that arrives in these chunks. */
function parse(chunks: readonly Buffer[]): string[] {
  const found: string[] = [];
  const parser = new SseParser((data) => found.push(data));
  for (const chunk of chunks) if (!parser.push(chunk)) throw new Error('given up');
  parser.end();
  return found;
}

const parseText = (text: string): string[] => parse([Buffer.from(text)]);

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length));
}

describe('SseParser', () => {
  test('reports the data of each event', () => {
    expect(parseText('data: a\n\ndata: b\n\n')).toEqual(['a', 'b']);
  });

  test('takes one space off after the colon, and no more', () => {
    expect(parseText('data:a\n\ndata:  b\n\ndata:\n\n')).toEqual(['a', ' b', '']);
  });

  test('joins data lines of one event with a line break', () => {
    expect(parseText('data: {\ndata: }\n\n')).toEqual(['{\n}']);
  });

  test('passes over comments, other fields and empty events', () => {
    expect(parseText(': ping\n\n:\n\nevent: x\nid: 1\nretry: 5\n\n\n\ndata: a\n: inside\nevent: y\n\n')).toEqual(['a']);
  });

  test('takes CRLF, LF and a mix of them for line ends', () => {
    expect(parseText('data: a\r\n\r\ndata: b\n\r\ndata: c\r\n\n')).toEqual(['a', 'b', 'c']);
  });

  test('reports an event that the end of the stream closes', () => {
    expect(parseText('data: a\n\ndata: b')).toEqual(['a', 'b']);
    expect(parseText('data: a\n\ndata: b\r')).toEqual(['a', 'b']);
    expect(parseText('data: a\n\n: ping')).toEqual(['a']);
  });

  test('finds the same events in any cut of the bytes', () => {
    const line = fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.replace(/[\r\n]/g, ' '));
    const event = fc.array(line, { minLength: 1, maxLength: 3 });
    const noise = fc.constantFrom('', ': comment', 'event: x', ': 注释');
    const stream = fc.array(fc.tuple(event, noise, fc.constantFrom('\n', '\r\n')), { maxLength: 8 });
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 30 }), (parts, cuts) => {
        const text = parts
          .map(([lines, between, end]) => [between, ...lines.map((data) => `data: ${data}`), '', ''].join(end))
          .join('');
        // A comment line after a blank one is no event of its own; an empty noise line is another blank.
        const expected = parts.map(([lines]) => lines.join('\n')).map((data) => Buffer.from(data).toString());
        const bytes = Buffer.from(text);
        expect(parse([bytes])).toEqual(expected);
        expect(parse(cutAt(bytes, cuts))).toEqual(expected);
        expect(parse([...bytes].map((byte) => Buffer.of(byte)))).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  test.each([
    ['one line', '', 'x'],
    ['one line of data', 'data: ', 'x'],
    ['lines of data', '', 'data: xxxxxxxxx\n'],
  ])('takes an event of 16 MiB, and gives up on a longer one: %s', (_, head, unit) => {
    const parser = new SseParser(() => {});
    parser.push(Buffer.from(head));
    const piece = Buffer.alloc(EVENT_CHARS_MAX / 16, unit);
    for (let nth = 0; nth < 15; nth++) expect(parser.push(piece)).toBe(true);
    parser.push(piece);
    expect(parser.push(piece)).toBe(false);
  });

  test('has no bound for comments and events that end', () => {
    const parser = new SseParser(() => {});
    const piece = Buffer.alloc(EVENT_CHARS_MAX / 4, `: comment\ndata: ${'x'.repeat(1_000)}\n\n`);
    for (let nth = 0; nth < 8; nth++) expect(parser.push(piece)).toBe(true);
  });

  /** WHATWG HTML, section 9.2. */
  test.each<readonly [what: string, text: string, events: readonly string[]]>([
    ['a byte order mark', '\ufeffdata: a\n\n', ['a']],
    ['a second byte order mark is part of a name', '\ufeff\ufeffdata: a\n\ndata: b\n\n', ['b']],
    ['a byte order mark inside', 'data: \ufeffa\n\n', ['\ufeffa']],
    ['CR line ends', 'data: a\r\rdata: b\rdata: c\r\r', ['a', 'b\nc']],
    ['CR, CRLF and LF', 'data: a\r\r\ndata: b\n\rdata: c\r\n\n', ['a', 'b', 'c']],
    ['CR at the end', 'data: a\r', ['a']],
    ['a field without a colon', 'data\n\ndata\ndata\n\n', ['', '\n']],
    ['a field of a longer name', 'database: x\ndata: a\n\n', ['a']],
    ['a field after a blank', ' data: x\n\ndata: a\n\n', ['a']],
    ['other line ends of Unicode', 'data: a\u2028b\u0085c\n\n', ['a\u2028b\u0085c']],
  ])('reads %s as the standard does, in any cut', (_, text, events) => {
    const bytes = Buffer.from(text);
    expect(parse([bytes])).toEqual(events);
    expect(parse([...bytes].map((byte) => Buffer.of(byte)))).toEqual(events);
    for (let cut = 1; cut < bytes.length; cut++) expect(parse(cutAt(bytes, [cut]))).toEqual(events);
  });

  test('reports the name of an event', () => {
    const found: unknown[] = [];
    const parser = new SseParser((data, name) => found.push([data, name]));
    parser.push(Buffer.from('event: error\ndata: a\n\ndata: b\nevent\n\ndata: c\n\n'));
    expect(found).toEqual([
      ['a', 'error'],
      ['b', ''],
      ['c', undefined],
    ]);
  });
});
