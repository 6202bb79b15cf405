import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { threadId } from 'node:worker_threads';
import type { Clock, Timer } from '../../../shared/clock.ts';
import { shownURL } from '../../../shared/shown-url.ts';
import { setAside } from '../../cache/disk/set-aside.ts';
import type { CallKind, SavedProfile } from './latency-profile.ts';
import { PROFILE_BYTES_MAX, PROFILES_MAX, type ProfileEntry, parseProfiles, profilesText } from './profile-text.ts';

/**
 * Stores latency profiles in one small file, so that the first calls after a restart have timeouts too.
 *
 * The file is replaced as a whole: written under a temporary name, synced and renamed, so that readers find one complete state,
 * even after a crash. If several processes share a file, the last to write wins. No error here fails a start or a plan: an
 * invalid file is set aside, and one that cannot be read or written is reported once and ignored.
 */
export interface ProfileFile {
  /** The contents when the file was opened, by `profileKey`. */
  readonly saved: ReadonlyMap<string, SavedProfile>;
  /**
   * Schedules these to be written, in addition to what was saved of others, within half a minute. Only the last entries passed by
   * then are written; they are read at that time.
   */
  save(entries: Iterable<ProfileEntry>): void;
  /** Writes these and ends. Later entries are not written. Never rejects. */
  close(entries: Iterable<ProfileEntry>): Promise<void>;
}

const WRITE_EVERY_MS = 30_000;

/** The key under which a profile is saved. A secret in a server's address is not written to the file: a fingerprint replaces it. */
export function profileKey(baseURL: string, model: string, kind: CallKind): string {
  return JSON.stringify([savedURL(baseURL), model, kind]);
}

function savedURL(baseURL: string): string {
  const shown = shownURL(baseURL);
  if (shown === baseURL) return baseURL;
  return `${shown} ${createHash('sha256').update(baseURL).digest('hex').slice(0, 16)}`;
}

/** Never rejects. `warn` is called when a file is set aside, and once if the file cannot be read or written. */
export async function openProfileFile(
  path: string,
  clock: Clock,
  warn: (message: string) => void,
): Promise<ProfileFile> {
  const file = new OpenProfileFile(path, clock, warn);
  await file.open();
  return file;
}

/** Number of files opened in this thread, so that each has its own temporary file. */
let opened = 0;

class OpenProfileFile implements ProfileFile {
  readonly saved = new Map<string, SavedProfile>();
  readonly #path: string;
  readonly #temporaryPath: string;
  readonly #clock: Clock;
  readonly #warn: (message: string) => void;
  #hasWarned = false;
  /** Each profile as text, the oldest first. */
  readonly #profiles = new Map<string, string>();
  #wanted: Iterable<ProfileEntry> | undefined;
  #timer: Timer | undefined;
  #nextWriteAtMs: number;
  #writing: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(path: string, clock: Clock, warn: (message: string) => void) {
    this.#path = path;
    this.#temporaryPath = `${path}.${process.pid}-${threadId}-${opened++}.tmp`;
    this.#clock = clock;
    this.#warn = warn;
    this.#nextWriteAtMs = clock.now() + WRITE_EVERY_MS;
  }

  async open(): Promise<void> {
    try {
      await this.#read();
      await this.#sweep();
    } catch (error) {
      this.#warnOnce('cannot be read', error);
    }
  }

  save(entries: Iterable<ProfileEntry>): void {
    if (this.#closed !== undefined) return;
    this.#wanted = entries;
    if (this.#writing === undefined) this.#arm();
  }

  close(entries: Iterable<ProfileEntry>): Promise<void> {
    this.#closed ??= this.#close(entries);
    return this.#closed;
  }

  async #close(entries: Iterable<ProfileEntry>): Promise<void> {
    this.#timer?.cancel();
    this.#wanted = undefined;
    await this.#writing;
    await this.#write(entries);
  }

  #arm(): void {
    this.#timer ??= this.#clock.setTimer(this.#nextWriteAtMs - this.#clock.now(), () => {
      this.#timer = undefined;
      this.#writing = this.#writeWanted();
    });
  }

  async #writeWanted(): Promise<void> {
    const entries = this.#wanted as Iterable<ProfileEntry>;
    this.#wanted = undefined;
    this.#nextWriteAtMs = this.#clock.now() + WRITE_EVERY_MS;
    await this.#write(entries);
    this.#writing = undefined;
    if (this.#wanted !== undefined) this.#arm();
  }

  async #write(entries: Iterable<ProfileEntry>): Promise<void> {
    try {
      for (const entry of entries) this.#keep(entry);
      await this.#replace(profilesText([...this.#profiles.values()]));
    } catch (error) {
      this.#warnOnce('cannot be written', error);
    }
  }

  #keep(entry: ProfileEntry): void {
    const [key] = entry;
    // Moves the latest to the end.
    this.#profiles.delete(key);
    this.#profiles.set(key, JSON.stringify(entry));
    if (this.#profiles.size > PROFILES_MAX) this.#profiles.delete(this.#profiles.keys().next().value as string);
  }

  async #replace(text: string): Promise<void> {
    const folder = dirname(this.#path);
    await mkdir(folder, { recursive: true });
    try {
      await writeSynced(this.#temporaryPath, text);
      await rename(this.#temporaryPath, this.#path);
    } catch (error) {
      await rm(this.#temporaryPath, { force: true }).catch(() => {});
      throw error;
    }
    await syncFolder(folder);
  }

  async #read(): Promise<void> {
    const found = await identityOf(this.#path);
    if (found === undefined) return;
    const profiles = await this.#profilesThere();
    if (typeof profiles !== 'string') {
      for (const entry of profiles) {
        this.saved.set(...entry);
        this.#keep(entry);
      }
      return;
    }
    const isStillIt = async (): Promise<boolean> => (await identityOf(this.#path)) === found;
    const name = await setAside(this.#path, this.#clock.wallNow(), isStillIt);
    if (name !== undefined) this.#warn(`profiles ${this.#path}: set aside as ${name} and begun anew: ${profiles}`);
  }

  /** The profiles in the file, or what is wrong with its contents. */
  async #profilesThere(): Promise<readonly ProfileEntry[] | string> {
    const found = await stat(this.#path);
    if (!found.isFile()) return 'it is not a file';
    if (found.size > PROFILE_BYTES_MAX) return `it is larger than ${PROFILE_BYTES_MAX} bytes`;
    return parseProfiles(await readFile(this.#path, 'utf8'));
  }

  /** Removes temporary files of processes that ended while writing. */
  async #sweep(): Promise<void> {
    const folder = dirname(this.#path);
    const prefix = `${basename(this.#path)}.`;
    // A missing folder contains none.
    for (const name of await readdir(folder).catch(() => [])) {
      const pid = name.startsWith(prefix) ? /^(\d+)-\d+-\d+\.tmp$/.exec(name.slice(prefix.length))?.[1] : undefined;
      if (pid !== undefined && !isRunning(Number(pid))) await rm(join(folder, name), { force: true });
    }
  }

  #warnOnce(what: string, error: unknown): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#warn(`profiles ${this.#path} ${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Identifies the file at a path and its state; undefined if there is none. */
async function identityOf(path: string): Promise<string | undefined> {
  try {
    const { ino, size, mtimeMs } = await stat(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Syncs the folder, so that the new name survives a loss of power. Not every system opens folders. */
async function syncFolder(path: string): Promise<void> {
  let folder: FileHandle | undefined;
  try {
    folder = await open(path, 'r');
    await folder.sync();
  } catch {
    // The file is complete under either name.
  } finally {
    await folder?.close();
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
