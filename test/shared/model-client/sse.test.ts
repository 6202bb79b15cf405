import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SseParser } from '../../../src/shared/model-client/sse.ts';

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

  test('gives up on a line of more than a million characters', () => {
    const parser = new SseParser(() => {});
    const half = Buffer.alloc(500_000, 'x');
    expect(parser.push(half)).toBe(true);
    expect(parser.push(half)).toBe(true);
    expect(parser.push(Buffer.from('x'))).toBe(false);
  });
});
