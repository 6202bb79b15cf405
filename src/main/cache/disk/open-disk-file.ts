import { lstat, mkdir, stat } from 'node:fs/promises';
import { endianness } from 'node:os';
import { dirname } from 'node:path';
import { PlannerError } from '../../../shared/errors.ts';
import { inFileTime } from '../../../shared/regular-file.ts';
import { checkFile } from './file-check.ts';
import type { DiskFile, OpenFile } from './lmdb-file.ts';
import { lockPathOf, setAside } from './set-aside.ts';
import { strangerAt } from './stranger.ts';

export interface DiskFilePlace {
  readonly path: string;
  readonly bytesMax: number;
  readonly openFile: OpenFile;
  readonly wallNow: () => number;
  readonly warn: (message: string) => void;
}

/** Maximum number of files set aside in one go. Beyond it, something else must be wrong. */
const TRIES_MAX = 3;
/** Errors for which retrying is pointless and setting the file aside is wrong: it cannot be read. */
const UNREADABLE = new Set(['EACCES', 'EPERM', 'EISDIR']);

/**
 * Opens the file at a path, after setting aside a damaged file of ours. Throws ERR_OPTIONS_INVALID, and touches nothing, if
 * something else stands there; passes on other errors that it cannot help.
 */
export async function openDiskFile(place: DiskFilePlace): Promise<DiskFile> {
  if (endianness() !== 'LE' || !process.arch.includes('64')) {
    throw new Error(`files are not laid out alike on ${process.arch}, and could not be checked`);
  }
  const stranger = await inFileTime(place.path, () => strangerAt(place.path));
  if (stranger !== undefined) {
    const rule = 'must be a file of the cache, or none yet';
    throw new PlannerError(
      'ERR_OPTIONS_INVALID',
      `cache.disk.path ${rule}: ${stranger} (${place.path}); it is left as it is`,
    );
  }
  await mkdir(dirname(place.path), { recursive: true });
  for (let tries = 1; ; tries++) {
    const identity = await fileIdentity(place.path);
    const damage = await damageOf(place.path);
    if (damage === undefined) {
      try {
        return await place.openFile(place.path, place.bytesMax);
      } catch (error) {
        if (tries === TRIES_MAX || !isOfTheFile(error)) throw error;
        await replace(place, identity, reasonOf(error));
      }
    } else {
      if (tries === TRIES_MAX) throw new Error(damage);
      await replace(place, identity, damage);
    }
  }
}

async function replace(place: DiskFilePlace, identity: string | undefined, reason: string): Promise<void> {
  const stillIsIt = async () => (await fileIdentity(place.path)) === identity;
  const name = await setAside(place.path, place.wallNow(), stillIsIt);
  if (name !== undefined) place.warn(`disk cache ${place.path}: set aside as ${name} and begun anew: ${reason}`);
}

/** Returns what makes the file at a path unusable, or undefined. */
async function damageOf(path: string): Promise<string | undefined> {
  try {
    const lock = await lstat(lockPathOf(path)).catch(() => undefined);
    if (lock !== undefined && !lock.isFile()) return 'its lock is not a file';
    const verdict = await checkFile(path);
    return verdict.kind === 'damaged' ? verdict.reason : undefined;
  } catch (error) {
    if (!isOfTheFile(error)) throw error;
    return reasonOf(error);
  }
}

/** Identifies the file at a path, regardless of its content. */
async function fileIdentity(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/** Whether an error concerns this file and not the disk or the machine. lmdb's own codes are below -30,000. */
function isOfTheFile(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === 'number' ? code < -30_000 : UNREADABLE.has(String(code));
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
