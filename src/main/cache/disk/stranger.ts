import { lstat, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { kindOf, openRegular } from '../../../shared/regular-file.ts';
import { hasOwnHead, tableNamesOf } from './file-check.ts';
import { lockPathOf } from './set-aside.ts';
import { TABLE_MARK } from './tables.ts';

/**
 * Returns what is at a path, or at that of its lock, and is not ours; it is never touched. Empty files are ours, and so are
 * files with a header of our kind, however damaged, unless their tables show that another program wrote them. Undefined for
 * nothing, or for ours.
 */
export async function strangerAt(path: string): Promise<string | undefined> {
  if (/[/\\]$/.test(path) || basename(path) === '.' || basename(path) === '..') return 'it names a folder';
  const lock = await lstat(lockPathOf(path)).catch(absent);
  if (lock !== undefined && !lock.isFile()) return `${basename(lockPathOf(path))} is ${kindOf(lock)}`;
  const there = await stat(path).catch(absent);
  if (there === undefined) return undefined;
  if (!there.isFile()) return `it is ${kindOf(there)}`;
  if (there.size === 0) return undefined;
  try {
    await using handle = await openRegular(path);
    if (!hasOwnHead(handle.fd)) return 'it is no file of the cache';
    const names = tableNamesOf(handle.fd);
    const isTheirs = names.length > 0 && !names.some((name) => name.startsWith(TABLE_MARK));
    return isTheirs ? `it has a table ${JSON.stringify(names[0]?.slice(0, 40))}` : undefined;
  } catch (error) {
    if (!isDenied(error)) throw error;
    return `it cannot be read (${error.message})`;
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}

function isDenied(error: unknown): error is NodeJS.ErrnoException {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EACCES' || code === 'EPERM';
}
