import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openTrace, type TraceRecord, traceOfDomain } from '../../../src/main/session/trace-reader.ts';
import { TraceWriter } from '../../../src/main/session/trace-writer.ts';
import { HEADER, records, type TempFolder, tempFolder, traceText } from '../../support/trace-files.ts';

let folder: TempFolder;
beforeEach(() => {
  folder = tempFolder();
});
afterEach(() => folder[Symbol.dispose]());

async function readTrace(file: string): Promise<TraceRecord[]> {
  await using trace = await openTrace(file);
  const read: TraceRecord[] = [];
  for await (const record of trace.records()) read.push(record);
  return read;
}

const { trace: _version, ...RECORDED } = HEADER;

test.each(['out.jsonl', 'out.jsonl.gz'])(
  'what was written is read again, with the planned action: %s',
  async (name) => {
    const given = await readTrace(folder.file('given', traceText(records(300))));
    const file = `${folder.path}/${name}`;
    const writer = await TraceWriter.open(file, RECORDED);
    for (const [index, record] of given.entries()) writer.add(index, record, 'stay');
    await writer.close();
    const written = await readTrace(file);
    expect(written).toEqual(given.map((record) => ({ ...record, chosen: 'stay' })));
    expect(readFileSync(file)[0] === 0x1f).toBe(name.endsWith('.gz'));
  },
);

test('the order is that of the requests, whatever order plans settle in', async () => {
  const [a, b, c, d] = (await readTrace(folder.file('given', traceText(records(4))))) as [
    TraceRecord,
    TraceRecord,
    TraceRecord,
    TraceRecord,
  ];
  const file = `${folder.path}/out`;
  const writer = await TraceWriter.open(file, RECORDED);
  writer.add(3, d, 'go');
  writer.add(1, b, 'go');
  writer.skip(2);
  writer.add(0, a, 'stay');
  await writer.close();
  const written = await readTrace(file);
  expect(written.map(({ t, chosen }) => [t, chosen])).toEqual([
    [a.t, 'stay'],
    [b.t, 'go'],
    [d.t, 'go'],
  ]);
  expect(c.t).toBe(2);
});

test('what waits behind a request that never settled is written at the close', async () => {
  const given = await readTrace(folder.file('given', traceText(records(3))));
  const file = `${folder.path}/out.gz`;
  const writer = await TraceWriter.open(file, RECORDED);
  writer.add(2, given[2] as TraceRecord, 'go');
  writer.add(1, given[1] as TraceRecord, 'go');
  await writer.close();
  expect((await readTrace(file)).map(({ t }) => t)).toEqual([1, 2]);
});

test('thousands of records at once are written without loss, and readers of memory are told to wait', async () => {
  const given = await readTrace(folder.file('given', traceText(records(5_000))));
  const file = `${folder.path}/out.gz`;
  const writer = await TraceWriter.open(file, RECORDED);
  for (const [index, record] of given.entries()) {
    writer.add(index, record, 'go');
    if (index % 500 === 0) await writer.ready();
  }
  await writer.close();
  expect(gunzipSync(readFileSync(file)).toString().trimEnd().split('\n')).toHaveLength(5_001);
});

test('a file that cannot be written is refused with its name', async () => {
  await expect(TraceWriter.open(`${folder.path}/none/out`, RECORDED)).rejects.toMatchObject({
    code: 'ERR_OPTIONS_INVALID',
    message: expect.stringContaining('none/out: the trace cannot be written: there is no such folder'),
  });
});

test('a trace of several domains names the domain of each record, and is read again', async () => {
  const domains = { ours: HEADER.domain, theirs: { ...HEADER.domain, name: 'den' } };
  const { domain: _, ...header } = HEADER;
  const lines = records(6).map((record, index) => ({ ...Object(record), domain: index % 2 === 0 ? 'ours' : 'theirs' }));
  const given = await readTrace(folder.file('given', traceText(lines, { ...header, domains })));
  expect(given.map(({ request: { domain } }) => domain).slice(0, 3)).toEqual(['ours', 'theirs', 'ours']);
  const { trace: _version, ...recorded } = { ...header, domains };
  const writer = await TraceWriter.open(`${folder.path}/out`, recorded);
  for (const [index, record] of given.entries()) writer.add(index, record, 'go');
  await writer.close();
  expect(await readTrace(`${folder.path}/out`)).toEqual(given);
  await using whole = await openTrace(`${folder.path}/out`);
  const own: string[] = [];
  for await (const { request } of traceOfDomain(whole, 'theirs').records()) own.push(request.domain ?? '');
  expect(own).toEqual(['theirs', 'theirs', 'theirs']);
});

test.each([
  [{}, 'header: domains must be an object of domains by name, got an object'],
  [{ ours: 5 }, 'header: domains.ours must be an object with name and features, got 5'],
  [{ ours: HEADER.domain, theirs: HEADER.domain }, 'line 2: domain must be one of ours, theirs, got nothing'],
])('is refused with its line, key, rule and value: %#', async (domains, message) => {
  const { domain: _, ...header } = HEADER;
  const file = folder.file('given', traceText(records(1), { ...header, domains }));
  await expect(readTrace(file)).rejects.toThrow(message);
});
