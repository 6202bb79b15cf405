import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FILE_MS_MAX, hasStuckFile, inFileTime, readRegular } from '../../src/shared/regular-file.ts';
import { FakeClock } from '../support/fake-clock.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'conclave-regular-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a file is read, and no longer one than there may be', async () => {
  const path = join(folder, 'file');
  writeFileSync(path, 'ten bytes.');
  expect((await readRegular(path, 10)).toString()).toBe('ten bytes.');
  await expect(readRegular(path, 9)).rejects.toThrow('it has 10 bytes, and may have 9');
});

test.skipIf(process.platform === 'win32')('what nobody writes to is not waited for', async () => {
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  await expect(readRegular(path, 10)).rejects.toThrow('it is a pipe (FIFO), not a file');
  await expect(readRegular(folder, 10)).rejects.toThrow('it is a folder, not a file');
  await expect(readRegular('/dev/zero', 10)).rejects.toThrow('it is a device, not a file');
});

test('what does not answer in its time is given up, and not asked again until it does', async () => {
  const clock = new FakeClock();
  const answer = Promise.withResolvers<string>();
  let asked = 0;
  const work = (): Promise<string> => {
    asked++;
    return answer.promise;
  };
  const read = inFileTime('/mnt/gone/token', work, clock);
  clock.advance(FILE_MS_MAX - 1);
  expect(hasStuckFile()).toBe(false);
  clock.advance(1);
  await expect(read).rejects.toThrow('it did not answer in 3000 ms: is its file system there?');
  expect(hasStuckFile()).toBe(true);
  await expect(inFileTime('/mnt/gone/token', work, clock)).rejects.toThrow('it has not answered before');
  expect(asked).toBe(1);
  answer.resolve('late');
  await expect.poll(hasStuckFile).toBe(false);
  expect(await inFileTime('/mnt/gone/token', work, clock)).toBe('late');
  expect(clock.pendingTimers).toBe(0);
});
