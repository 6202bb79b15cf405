import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CliContext, CliLog } from '../../../src/main/cli/cli-context.ts';
import { runCli } from '../../../src/main/cli/run-cli.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type TempFolder, tempFolder } from '../../support/trace-files.ts';
import { makeReport } from '../report/make-report.ts';

let folder: TempFolder;
beforeEach(() => {
  folder = tempFolder();
  const slower = { ...makeReport().planningMs, p95: 180 };
  write('a.json', makeReport());
  write('b.json', makeReport({ planningMs: slower, onTime: 900, trace: { file: 't', name: 'town' } }));
});
afterEach(() => folder[Symbol.dispose]());

function write(name: string, value: unknown): void {
  writeFileSync(join(folder.path, name), JSON.stringify(value));
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function conclave(...args: string[]): Promise<Ended> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const log: CliLog = { debug() {}, info() {}, warn() {}, isLevelEnabled: () => false };
  const context: CliContext = {
    stdin: new PassThrough(),
    stdout,
    stderr,
    cwd: folder.path,
    clock: new FakeClock(),
    signal: new AbortController().signal,
    version: '0.0.0',
    keys: {},
    packageDir: folder.path,
    log,
  };
  const code = await runCli(args, context, { debug: false, onLogLevel: () => {} });
  const read = (output: PassThrough): string => String(output.read() ?? '');
  return { code, stdout: read(stdout), stderr: read(stderr) };
}

test('prints each figure of both, the difference and which is better, and warns where they are not of the same', async () => {
  const { code, stdout, stderr } = await conclave('compare', 'a.json', 'b.json');
  expect(code).toBe(0);
  expect(stderr).toBe('warning: the traces differ: cave and town\n');
  const row = (name: string): string[] =>
    (stdout.split('\n').find((line) => line.trim().startsWith(name)) ?? '').trim().split(/ {2,}/);
  expect(row('A: a.json')).toEqual(['A: a.json', 'B: b.json', 'B against A', 'better']);
  expect(row('Planning time, p95')).toEqual(['Planning time, p95', '90 ms', '180 ms', '× 2', 'A']);
  expect(row('Planning time, p99')).toEqual(['Planning time, p99', '200 ms', '200 ms', '=', 'about the same']);
  expect(row('On time')).toEqual(['On time', '100 %', '90 %', '−10 points', 'A']);
});

test('--json prints the comparison as one object', async () => {
  const { code, stdout } = await conclave('compare', 'a.json', 'b.json', '--json');
  const { a, b, warnings, rows } = JSON.parse(stdout);
  expect({ code, a, b, warnings }).toEqual({
    code: 0,
    a: { file: 'a.json' },
    b: { file: 'b.json' },
    warnings: ['the traces differ: cave and town'],
  });
  expect(rows).toContainEqual({ key: 'onTime', name: 'On time', unit: 'share', a: 1, b: 0.9, better: 'a' });
});

test('--report writes one page with both', async () => {
  expect((await conclave('compare', 'a.json', 'b.json', '--report', 'ab.html')).code).toBe(0);
  const [, json = ''] = /id="data">([^<]*)</.exec(readFileSync(join(folder.path, 'ab.html'), 'utf8')) ?? [];
  const { kind, sides } = JSON.parse(json);
  expect(kind).toBe('comparison');
  expect(sides.map((side: { title: string; series: { plans: number[] } }) => [side.title, side.series.plans])).toEqual([
    ['a.json', [5, 5, 5]],
    ['b.json', [5, 5, 5]],
  ]);
});

test('a file that is no report is refused with its name, key, rule and value, and nothing is written', async () => {
  write('b.json', { ...makeReport(), legal: 'all' });
  const { code, stdout, stderr } = await conclave('compare', 'a.json', 'b.json', '--report', 'ab.html');
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toContain('error: b.json: legal must be a number, got "all" (ERR_REPORT_INVALID)');
  expect(existsSync(join(folder.path, 'ab.html'))).toBe(false);
});

test('a report is not written over one of those that are compared', async () => {
  const before = readFileSync(join(folder.path, 'b.json'), 'utf8');
  const { code, stderr } = await conclave('compare', 'a.json', 'b.json', '--report', './b.json');
  expect(code).toBe(2);
  expect(stderr).toContain('--report must be another file than those that are compared, got ./b.json');
  expect(readFileSync(join(folder.path, 'b.json'), 'utf8')).toBe(before);
});

test('a report that cannot be written is wrong usage', async () => {
  const { code, stderr } = await conclave('compare', 'a.json', 'b.json', '--report', 'no/folder.html');
  expect(code).toBe(2);
  expect(stderr).toContain('--report must be a file that can be written, got no/folder.html (ENOENT');
});
