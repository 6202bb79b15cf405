import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type Clock, systemClock } from './clock.ts';

/**
 * Files that a user names, which may be anything. Opening a FIFO waits for somebody who writes, and a file system whose server is gone
 * answers never; both hold a thread of the process, and `process.exit` waits for that thread. So nothing is waited for in `open`, what
 * is no file is refused, and what does not answer in its time is given up. A path that has not answered is not asked again until it does.
 */

/** Far longer than a file system takes that is there. */
export const FILE_MS_MAX = 3_000;

const stuck = new Set<string>();

/** Whether something has been given up that still holds a thread: the process does not end by `process.exit` then. */
export function hasStuckFile(): boolean {
  return stuck.size > 0;
}

/** What `work` on the files of a path comes to. Rejects where it takes too long; then it goes on for nobody. */
export async function inFileTime<T>(path: string, work: () => Promise<T>, clock: Clock = systemClock): Promise<T> {
  if (stuck.has(path)) throw new Error('it has not answered before, and still does not');
  const late = Promise.withResolvers<never>();
  const timer = clock.setTimer(FILE_MS_MAX, () => {
    stuck.add(path);
    late.reject(new Error(`it did not answer in ${FILE_MS_MAX} ms: is its file system there?`));
  });
  const working = work();
  const free = (): void => void stuck.delete(path);
  working.then(free, free);
  try {
    return await Promise.race([working, late.promise]);
  } finally {
    timer.cancel();
  }
}

/** Opens a file for reading and nothing else, without waiting for anybody. Close it. */
export async function openRegular(path: string): Promise<FileHandle> {
  // On Windows there is no such flag, and no FIFO among files.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  const kind = kindOf(await handle.stat());
  if (kind === 'a file') return handle;
  await handle.close();
  throw new Error(`it is ${kind}, not a file`);
}

export function kindOf(stats: Pick<Stats, 'isFile' | 'isDirectory' | 'isFIFO' | 'isSocket'>): string {
  if (stats.isFile()) return 'a file';
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a pipe (FIFO)';
  return stats.isSocket() ? 'a socket' : 'a device';
}

/** The bytes of a file, at most `bytesMax`. */
export async function readRegular(path: string, bytesMax: number, clock: Clock = systemClock): Promise<Buffer> {
  return inFileTime(
    path,
    async () => {
      await using handle = await openRegular(path);
      const { size } = await handle.stat();
      if (size > bytesMax) throw new Error(`it has ${size} bytes, and may have ${bytesMax}`);
      return await handle.readFile();
    },
    clock,
  );
}
