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
  const target = await freeName(`${path}.damaged-${Math.floor(wallMs)}`);
  if (!(await stillIsIt())) return undefined;
  // Only the lock may be there.
  if (await exists(path)) await rename(path, target);
  await forgetLock(lockPathOf(path), target);
  await keepNewest(path);
  return target;
}

async function freeName(name: string): Promise<string> {
  for (let i = 1; ; i++) {
    const candidate = i === 1 ? name : `${name}-${i}`;
    if (!(await exists(candidate))) return candidate;
  }
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** A process that has the lock open keeps it; only the name goes. What is not a file is somebody's, and is renamed. */
async function forgetLock(lock: string, target: string): Promise<void> {
  const stat = await lstat(lock).catch(() => undefined);
  if (stat === undefined) return;
  if (stat.isDirectory()) await rename(lock, lockPathOf(target));
  else await unlink(lock);
}

/** Folders that were set aside stay: what is in them is not ours. */
async function keepNewest(path: string): Promise<void> {
  const prefix = `${basename(path)}.damaged-`;
  const entries = await readdir(dirname(path), { withFileTypes: true });
  const names = entries
    .filter((entry) => !entry.isDirectory() && entry.name.startsWith(prefix))
    .map(({ name }) => name);
  names.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  for (const name of names.slice(0, Math.max(0, names.length - SET_ASIDE_MAX))) {
    await rm(join(dirname(path), name), { force: true });
  }
}
