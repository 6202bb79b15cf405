import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readReport } from '../../../src/main/report/read-report.ts';
import { type TempFolder, tempFolder } from '../../support/trace-files.ts';
import { makeReport, makeSeries } from './make-report.ts';

let folder: TempFolder;
beforeEach(() => {
  folder = tempFolder();
});
afterEach(() => folder[Symbol.dispose]());

function write(text: string): string {
  const path = join(folder.path, 'a.json');
  writeFileSync(path, text);
  return path;
}

test('a report is read as it was written', async () => {
  const report = makeReport();
  expect((await readReport(write(JSON.stringify(report)))).report).toEqual(report);
  const { series, ...older } = report;
  expect((await readReport(write(JSON.stringify(older)))).report).toEqual(older);
});

test('reads are read as they were written, and those of an earlier version are none', async () => {
  const curve = [{ from: 0.9, compared: 30, expected: 0.93, agreed: 0.9 }];
  const calibration = [{ model: 'phi', compared: 30, error: 0.02, brier: 0.1, brierOfMean: 0.2, curve }];
  const report = makeReport({ reads: { asked: 9, decided: 6, unsure: 2, failed: 1, calibration } });
  expect((await readReport(write(JSON.stringify(report)))).report).toEqual(report);
  const { reads, ...older } = report;
  expect((await readReport(write(JSON.stringify(older)))).report).toEqual({ ...older, reads: null });
});

test.each<[string, unknown, string]>([
  ['a list', [], 'a.json: the report must be an object, got an empty list'],
  [
    'a judgement of another form',
    { ...makeReport(), expect: { met: false, plans: 1, criteria: [{ criterion: 7, met: false, value: null }] } },
    'a.json: expect.criteria[0].criterion must be a text, got 7',
  ],
  ['another object', { hello: 1 }, 'a.json: plans must be a number, got nothing'],
  ['a count in words', { ...makeReport(), plans: 'many' }, 'a.json: plans must be a number, got "many"'],
  [
    'a time below 0',
    { ...makeReport(), planningMs: { ...makeReport().planningMs, p95: -1 } },
    'a.json: planningMs.p95',
  ],
  [
    'a hole in the samples',
    { ...makeReport(), series: { ...makeSeries(), plans: [1, null, 3] } },
    'a.json: series.plans',
  ],
  [
    'lists of two lengths',
    { ...makeReport(), series: { ...makeSeries(3), hits: [1] } },
    'a.json: series must have lists of one length, got 3 and 1',
  ],
])('%s is refused with file, key, rule and value', async (_, value, message) => {
  const reading = readReport(write(JSON.stringify(value)), 'a.json');
  await expect(reading).rejects.toMatchObject({ code: 'ERR_REPORT_INVALID' });
  await expect(reading).rejects.toThrow(message);
});

test('what is no JSON, is not there, is a folder or is huge is refused', async () => {
  await expect(readReport(write('{"plans":'), 'a.json')).rejects.toThrow('a.json: is no JSON');
  await expect(readReport(join(folder.path, 'none'), 'none')).rejects.toThrow('none: cannot be read: ENOENT');
  await expect(readReport(folder.path, 'folder')).rejects.toThrow('folder: cannot be read: EISDIR');
  const huge = write('');
  truncateSync(huge, 65 * 2 ** 20);
  await expect(readReport(huge, 'a.json')).rejects.toThrow('a.json: must be at most 67108864 bytes');
});
