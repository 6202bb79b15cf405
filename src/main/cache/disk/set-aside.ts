import { lstat, readdir, rename, rm, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Damaged files that are kept for people to look at. Older ones go. */
export const SET_ASIDE_MAX = 3;

export function lockPathOf(path: string): string {
  return `${path}-lock`;
}

/**
 * Renames what stands at `path`, and forgets lmdb's lock of it, which belongs to that file. Returns the new name. Another
 * process may have found the same damage: `stillIsIt` is asked last, so that its new file is not set aside as well.
 */
export async function setAside(
  path: string,
  wallMs: number,
  stillIsIt: () => Promise<boolean>,
): Promise<string | undefined> {
  const asides = await setAsideOf(path);
  // Names go up even if the clock does not, so that the oldest is known by its name.
  const number = Math.max(Math.floor(wallMs), (asides.at(-1)?.number ?? 0) + 1);
  const target = `${path}.damaged-${number}`;
  if (!(await stillIsIt())) return undefined;
  // Only the lock may be there.
  if ((await lstat(path).catch(() => undefined)) !== undefined) await rename(path, target);
  await forgetLock(lockPathOf(path), target);
  // Folders stay: what is in them is not ours.
  const files = (await setAsideOf(path)).filter(({ isFolder }) => !isFolder);
  for (const { name } of files.slice(0, Math.max(0, files.length - SET_ASIDE_MAX))) await rm(name, { force: true });
  return target;
}

interface Aside {
  readonly name: string;
  readonly number: number;
  readonly isFolder: boolean;
}

/** What was set aside of a path before, the oldest first. */
async function setAsideOf(path: string): Promise<Aside[]> {
  const prefix = `${basename(path)}.damaged-`;
  const entries = await readdir(dirname(path), { withFileTypes: true });
  return entries
    .filter(({ name }) => name.startsWith(prefix) && /^\d{1,15}$/.test(name.slice(prefix.length)))
    .map((entry) => ({
      name: join(dirname(path), entry.name),
      number: Number(entry.name.slice(prefix.length)),
      isFolder: entry.isDirectory(),
    }))
    .sort((a, b) => a.number - b.number);
}

/** A process that has the lock open keeps it; only the name goes. What is not a file is somebody's, and is renamed. */
async function forgetLock(lock: string, target: string): Promise<void> {
  const stat = await lstat(lock).catch(() => undefined);
  if (stat === undefined) return;
  if (stat.isDirectory()) await rename(lock, lockPathOf(target));
  else await unlink(lock);
}
