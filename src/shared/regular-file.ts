import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type Clock, systemClock } from './clock.ts';

/**
 * Access to files that a user names, which may be anything. Opening a FIFO waits for a writer, and a file system whose server is
 * gone never answers; both hold a thread of the process, and `process.exit` waits for that thread. So `open` never waits,
 * anything but a file is rejected, and work that does not answer in time is given up. A path that has not answered is not tried
 * again until it does.
 */

/** Time limit for a file, in milliseconds: far longer than an available file system takes. */
export const FILE_MS_MAX = 3_000;

const stuck = new Set<string>();

/** Whether work was given up that still holds a thread: `process.exit` does not end the process then. */
export function hasStuckFile(): boolean {
  return stuck.size > 0;
}

/** Returns the result of `work` on the files of a path. Rejects if it takes too long; the work then continues, and its result is dropped. */
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

/** Opens a file for reading only, without waiting. The caller must close it. */
export async function openRegular(path: string): Promise<FileHandle> {
  // Windows has no such flag, and no FIFO among files.
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

/** Returns the bytes of a file, at most `bytesMax`. */
export async function readRegular(path: string, bytesMax: number): Promise<Buffer> {
  return inFileTime(path, async () => {
    await using handle = await openRegular(path);
    const { size } = await handle.stat();
    if (size > bytesMax) throw new Error(`it has ${size} bytes, and may have ${bytesMax}`);
    return await handle.readFile();
  });
}
