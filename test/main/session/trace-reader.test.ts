import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fileLines } from '../../../src/main/session/file-lines.ts';
import { countRecords, openTrace, type TraceRecord } from '../../../src/main/session/trace-reader.ts';
import { GENERIC_ROLES } from '../../../src/shared/domain.ts';
import { skyrim } from '../../../src/shared/domains/skyrim.ts';
import type { PlannerError } from '../../../src/shared/errors.ts';
import { HEADER, recordAt, records, type TempFolder, tempFolder, traceText } from '../../support/trace-files.ts';

let folder: TempFolder;
beforeEach(() => {
  folder = tempFolder();
});
afterEach(() => folder[Symbol.dispose]());

interface Outcome {
  readonly records: TraceRecord[];
  readonly error?: PlannerError;
}

/** Everything a trace gives until its end or its fault. */
async function readAll(file: string): Promise<Outcome> {
  const read: TraceRecord[] = [];
  try {
    await using trace = await openTrace(file);
    for await (const record of trace.records()) read.push(record);
    return { records: read };
  } catch (error) {
    return { records: read, error: error as PlannerError };
  }
}

const sent = (overrides: object): object => ({ ...recordAt(0), ...overrides });

describe('a good trace', () => {
  test.each([
    ['plain', (text: string) => text],
    ['gzip, told by its content', (text: string) => gzipSync(text)],
    ['with a byte order mark and Windows line ends', (text: string) => `\ufeff${text.replaceAll('\n', '\r\n')}`],
    ['without a last line end', (text: string) => text.trimEnd()],
    ['with blank lines', (text: string) => `\n${text.replaceAll('\n', '\n\n')}`],
  ])('is read whole: %s', async (_, packed) => {
    const file = folder.file('trace', packed(traceText(records(500))));
    const { records: read, error } = await readAll(file);
    expect(error).toBeUndefined();
    expect(read.map(({ t }) => t)).toEqual(Array.from({ length: 500 }, (_, index) => index));
    expect(read[3]?.request).toEqual({
      agent: 'b',
      observation: { place: 'hall', health: 3 },
      actions: ['go', 'stay'],
      qValues: { go: 0.5 },
    });
    expect(read[3]?.chosen).toBe('go');
    expect(await countRecords(file)).toBe(500);
  });

  test('may tell more of a moment than a request has', async () => {
    const line = sent({ cycle: 7, planningSeconds: 2.4, source: 'synthesis' });
    const { records: read, error } = await readAll(folder.file('trace', traceText([line])));
    expect(error).toBeUndefined();
    expect(Object.keys(read[0]?.request ?? {})).toEqual(['agent', 'observation', 'actions', 'qValues']);
  });

  test('keeps its own features and gets generic roles', async () => {
    await using trace = await openTrace(folder.file('trace', traceText([])));
    expect(trace.domain.roles).toEqual(GENERIC_ROLES);
    expect({ ...trace.domain.features }).toEqual(HEADER.domain.features);
  });

  test('of the domain skyrim gets the built-in roles and description with the features of its header', async () => {
    const header = { ...HEADER, domain: { name: 'skyrim', features: { scene: { kind: 'category' } } } };
    await using trace = await openTrace(folder.file('trace', traceText([], header)));
    expect(trace.domain.roles).toEqual(skyrim.roles);
    expect(trace.domain.description).toBe(skyrim.description);
    expect(Object.keys(trace.domain.features)).toEqual(['scene']);
  });

  test('may have members that nobody knows', async () => {
    const { records: read, error } = await readAll(folder.file('trace', traceText([sent({ cycle: 5 })])));
    expect(error).toBeUndefined();
    expect(read).toHaveLength(1);
  });
});

describe('a broken line', () => {
  test.each([
    ['not JSON', '{"t":1,', 'is not JSON'],
    ['cut in the middle of a text', JSON.stringify(recordAt(2)).slice(0, 40), 'is not JSON'],
    ['not an object', '[1]', 'must be an object, got a list of 1'],
    ['no time', sent({ t: undefined }), 't must be a number of seconds, got nothing'],
    ['a chosen that is no text', sent({ chosen: 3 }), 'chosen must be a text, got 3'],
    ['no agent', sent({ agent: undefined }), 'agent must be a name, got nothing'],
    ['no actions', sent({ actions: [] }), 'actions must be a list of at least one action'],
    ['a duplicate action', sent({ actions: ['go', 'go'] }), 'actions[1] must differ from actions[0]'],
    ['an empty action', sent({ actions: ['go', ''] }), 'actions[1] must be a name'],
    ['no observation', sent({ observation: undefined }), 'observation must be an object'],
    ['a missing feature', sent({ observation: { place: 'hall' } }), 'observation.health is a number that cave needs'],
    [
      'a feature of a wrong type',
      sent({ observation: { place: 7, health: 1 } }),
      'observation.place must be a string, got 7',
    ],
    [
      'an unknown feature',
      sent({ observation: { place: 'a', health: 1, mood: 'b' } }),
      'observation.mood is not a feature',
    ],
    ['a Q-value that is no number', sent({ qValues: { go: null } }), 'qValues.go must be a finite number'],
  ])('is told with its number, after the records before it: %s', async (_, line, message) => {
    const file = folder.file('trace', traceText([recordAt(0), recordAt(1), line, recordAt(3)]));
    const { records: read, error } = await readAll(file);
    expect(error?.code).toBe('ERR_TRACE_INVALID');
    expect(error?.message).toContain(`${file}, line 4: `);
    expect(error?.message).toContain(message);
    expect(read.map((record) => record.line)).toEqual([2, 3]);
  });

  test('is told with its number where it is not UTF-8', async () => {
    const text = Buffer.concat([Buffer.from(traceText([recordAt(0)])), Buffer.from([0x22, 0xff, 0x22, 10])]);
    const { records: read, error } = await readAll(folder.file('trace', text));
    expect(error?.message).toContain('line 3: is not UTF-8 text');
    expect(read).toHaveLength(1);
  });

  test('may be as long as the bound and not longer', async () => {
    const file = folder.file('lines', 'short\n12345678\n123456789\nlast');
    const seen: string[] = [];
    for await (const { text, fault } of fileLines(file, undefined, 8)) seen.push(fault?.message ?? text);
    expect(seen).toEqual(['short', '12345678', `${file}, line 3: is longer than 8 bytes`, 'last']);
  });
});

describe('broken lines that are left out', () => {
  const broken: readonly (string | Buffer)[] = [
    'hello',
    '{"t":1,"agent":"a"',
    '[]',
    'null',
    JSON.stringify(sent({ t: 'soon' })),
    JSON.stringify(sent({ chosen: 5 })),
    JSON.stringify(sent({ actions: [] })),
    JSON.stringify(sent({ observation: { place: 'hall', health: 'x' } })),
    JSON.stringify(sent({ observation: { colour: 'red' } })),
    Buffer.from([0x22, 0xff, 0x22]),
  ];

  test.each(broken.map((line) => [line]))('%s', async (line) => {
    const lines = [JSON.stringify(HEADER), JSON.stringify(recordAt(0)), line, JSON.stringify(recordAt(1)), line];
    const text = Buffer.concat(lines.flatMap((each) => [Buffer.from(each), Buffer.from('\n')]));
    for (const packed of [text, gzipSync(text)]) {
      const file = folder.file('trace', packed);
      await using trace = await openTrace(file, { skipsInvalid: true });
      expect(trace.skipped).toBeUndefined();
      const read: number[] = [];
      for await (const record of trace.records()) read.push(record.line);
      expect(read).toEqual([2, 4]);
      expect(trace.skipped).toEqual({ lines: 2, first: expect.stringContaining(`${file}, line 3: `) });
      // Unless it was asked for, the first one ends it.
      const { records: before, error } = await readAll(file);
      expect(before).toHaveLength(1);
      expect(error?.code).toBe('ERR_TRACE_INVALID');
    }
  });

  test('do not make up for a header, or for a file that is cut short', async () => {
    const options = { skipsInvalid: true };
    await expect(openTrace(folder.file('a', 'hello\n'), options)).rejects.toThrow('line 1: is not JSON');
    const whole = gzipSync(traceText(records(2_000)));
    await using cut = await openTrace(folder.file('b', whole.subarray(0, whole.length - 20)), options);
    const reading = async (): Promise<void> => {
      for await (const record of cut.records()) void record;
    };
    await expect(reading()).rejects.toThrow('the gzip file is cut short');
  });
});

describe('a header', () => {
  test.each([
    ['of another kind of file', '{"name":"x"}', 'header: trace must be "conclave/1", got nothing'],
    ['of another version', { ...HEADER, trace: 'conclave/2' }, 'header: trace must be "conclave/1", got "conclave/2"'],
    ['without a name', { ...HEADER, name: undefined }, 'header: name must be a name, got nothing'],
    ['with a licence that is no text', { ...HEADER, licence: 1 }, 'header: licence must be a text, got 1'],
    ['without a domain', { ...HEADER, domain: undefined }, 'header: domain must be an object with name and features'],
    [
      'with a domain that names code',
      { ...HEADER, domain: { ...HEADER.domain, next: './world.js' } },
      'header: domain.next is not allowed: a trace is data, and runs no code',
    ],
    ['without features', { ...HEADER, domain: { name: 'cave' } }, 'header: domain.features must name at least one'],
    [
      'with an unknown kind of feature',
      { ...HEADER, domain: { name: 'cave', features: { a: { kind: 'colour' } } } },
      'header: domain.features.a.kind must be one of',
    ],
    ['that is not JSON', 'hello', 'line 1: is not JSON'],
  ])('is refused with its key, its rule and its value: %s', async (_, header, message) => {
    const { error } = await readAll(folder.file('trace', traceText([recordAt(0)], header)));
    expect(error?.code).toBe('ERR_TRACE_INVALID');
    expect(error?.message).toContain(message);
    expect(error?.message).toContain('line 1');
  });
});

describe('a file', () => {
  test.each([
    ['empty', '', 'is empty'],
    ['of blank lines', '\n\n', 'is empty'],
  ])('without a header is refused: %s', async (_, content, message) => {
    const { error } = await readAll(folder.file('trace', content));
    expect(error?.message).toContain(message);
    expect(error?.code).toBe('ERR_TRACE_INVALID');
  });

  test('that does not exist is refused', async () => {
    const { error } = await readAll(`${folder.path}/none`);
    expect(error?.message).toContain('cannot be read: there is no such file');
  });

  test('that is a folder is refused', async () => {
    const { error } = await readAll(folder.path);
    expect(error?.message).toContain('it is a folder');
  });

  test('of gzip cut short gives every record before the cut', async () => {
    const whole = gzipSync(traceText(records(20_000)));
    const { records: read, error } = await readAll(folder.file('cut.gz', whole.subarray(0, whole.length - 200)));
    expect(error?.code).toBe('ERR_TRACE_INVALID');
    expect(error?.message).toContain('cut short');
    // 200 bytes of deflate hold at most a few hundred of these lines.
    expect(read.length).toBeGreaterThan(15_000);
    expect(read.map(({ t }) => t)).toEqual(read.map((_, index) => index));
  });

  test.each([1, 5, 12])('of gzip cut after %i bytes is refused', async (bytes) => {
    const whole = gzipSync(traceText(records(3)));
    const { error } = await readAll(folder.file('cut.gz', whole.subarray(0, bytes)));
    expect(error?.code).toBe('ERR_TRACE_INVALID');
  });

  test('of gzip with a damaged middle gives what precedes the damage', async () => {
    const whole = gzipSync(traceText(records(20_000)));
    whole.fill(0xff, whole.length >> 1, (whole.length >> 1) + 64);
    const { records: read, error } = await readAll(folder.file('broken.gz', whole));
    expect(error?.code).toBe('ERR_TRACE_INVALID');
    expect(read.length).toBeGreaterThan(1_000);
  });
});

test('a trace ends where its signal aborts', async () => {
  const interrupt = new AbortController();
  await using trace = await openTrace(folder.file('trace', traceText(records(20_000))), { signal: interrupt.signal });
  let read = 0;
  for await (const _ of trace.records()) if (++read === 10) interrupt.abort();
  expect(read).toBeLessThan(20_000);
});
