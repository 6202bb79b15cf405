import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ReportFile } from '../../../src/main/report/report-file.ts';
import { type TempFolder, tempFolder } from '../../support/trace-files.ts';

let folder: TempFolder;
let path: string;
beforeEach(() => {
  folder = tempFolder();
  path = join(folder.path, 'run.html');
});
afterEach(() => folder[Symbol.dispose]());

test('what the file held is replaced as a whole', async () => {
  writeFileSync(path, 'a long report of an earlier session');
  {
    await using file = await ReportFile.open(path);
    await file.write('short');
  }
  expect(readFileSync(path, 'utf8')).toBe('short');
});

test('without a report, an earlier one stays and a new file goes', async () => {
  writeFileSync(path, 'earlier');
  await (await ReportFile.open(path))[Symbol.asyncDispose]();
  expect(readFileSync(path, 'utf8')).toBe('earlier');
  const fresh = join(folder.path, 'fresh.html');
  await (await ReportFile.open(fresh))[Symbol.asyncDispose]();
  expect(existsSync(fresh)).toBe(false);
});

test('a file that cannot be written is told when it is opened', async () => {
  await expect(ReportFile.open(folder.path)).rejects.toMatchObject({ code: 'EISDIR' });
  await expect(ReportFile.open(join(folder.path, 'no', 'folder.html'))).rejects.toMatchObject({ code: 'ENOENT' });
});

test('an empty file that was there before stays without a report', async () => {
  writeFileSync(path, '');
  await (await ReportFile.open(path))[Symbol.asyncDispose]();
  expect(existsSync(path)).toBe(true);
});

// As root, `--report /dev/null` took the device away.
test.skipIf(process.platform === 'win32')('what is no file is refused, not waited for, and stays', async () => {
  spawnSync('mkfifo', [path]);
  await expect(ReportFile.open(path)).rejects.toMatchObject({ code: 'ENXIO' });
  expect(lstatSync(path).isFIFO()).toBe(true);
  await expect(ReportFile.open('/dev/null')).rejects.toThrow('what is there is no file');
  expect(existsSync('/dev/null')).toBe(true);
});
