import { lstat, readdir, rename, rm, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Maximum number of damaged files kept for inspection. Older ones are removed. */
export const SET_ASIDE_MAX = 3;

export function lockPathOf(path: string): string {
  return `${path}-lock`;
}

/**
 * Renames the file at `path` and removes its lmdb lock, which belongs to that file. Returns the new name. Another process may
 * have found the same damage, so `stillIsIt` is called last: its new file must not be set aside too.
 */
export async function setAside(
  path: string,
  wallMs: number,
  stillIsIt: () => Promise<boolean>,
): Promise<string | undefined> {
  const asides = await setAsideOf(path);
  // Numbers increase even if the clock does not, so that names show which file is oldest.
  const number = Math.max(Math.floor(wallMs), (asides.at(-1)?.number ?? 0) + 1);
  const target = `${path}.damaged-${number}`;
  if (!(await stillIsIt())) return undefined;
  // The file itself may be missing, and only its lock left.
  if ((await lstat(path).catch(() => undefined)) !== undefined) await rename(path, target);
  await forgetLock(lockPathOf(path), target);
  // Folders stay, because their content is not ours.
  const files = (await setAsideOf(path)).filter(({ isFolder }) => !isFolder);
  for (const { name } of files.slice(0, Math.max(0, files.length - SET_ASIDE_MAX))) await rm(name, { force: true });
  return target;
}

interface Aside {
  readonly name: string;
  readonly number: number;
  readonly isFolder: boolean;
}

/** Lists what was set aside from a path before, oldest first. */
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

/** Removes a lock file; a process that has it open keeps it. Anything that is not a file belongs to someone else, and is renamed. */
async function forgetLock(lock: string, target: string): Promise<void> {
  const stat = await lstat(lock).catch(() => undefined);
  if (stat === undefined) return;
  if (stat.isDirectory()) await rename(lock, lockPathOf(target));
  else await unlink(lock);
}
