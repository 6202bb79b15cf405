import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { threadId } from 'node:worker_threads';
import type { Clock, Timer } from '../../../shared/clock.ts';
import { shownURL } from '../../../shared/shown-url.ts';
import { setAside } from '../../cache/disk/set-aside.ts';
import type { CallKind, SavedProfile } from './latency-profile.ts';
import {
  type EntryFormat,
  PROFILE_BYTES_MAX,
  PROFILE_FORMAT,
  PROFILES_MAX,
  parseEntries,
  profilesText,
  type SavedEntry,
} from './profile-text.ts';

/**
 * Stores what was learned in one small file: latency profiles, so that the first calls after a restart have timeouts too, and in
 * another file how reliable reads are.
 *
 * The file is replaced as a whole: written under a temporary name, synced and renamed, so that readers find one complete state,
 * even after a crash. If several processes share a file, the last to write wins. No error here fails a start or a plan: an
 * invalid file is set aside, and one that cannot be read or written is reported once and ignored.
 */
export interface SavedFile<Value> {
  /** The contents when the file was opened, by key. */
  readonly saved: ReadonlyMap<string, Value>;
  /**
   * Schedules these to be written, in addition to what was saved of others, within half a minute. Only the last entries passed by
   * then are written; they are read at that time.
   */
  save(entries: Iterable<SavedEntry<Value>>): void;
  /** Writes these and ends. Later entries are not written. Never rejects. */
  close(entries: Iterable<SavedEntry<Value>>): Promise<void>;
}
export type ProfileFile = SavedFile<SavedProfile>;

const WRITE_EVERY_MS = 30_000;

/** The key under which something about a model is saved. A secret in a server's address is not written to the file: a fingerprint replaces it. */
export function profileKey(baseURL: string, model: string, kind: CallKind | 'calibration'): string {
  return JSON.stringify([savedURL(baseURL), model, kind]);
}

function savedURL(baseURL: string): string {
  const shown = shownURL(baseURL);
  if (shown === baseURL) return baseURL;
  return `${shown} ${createHash('sha256').update(baseURL).digest('hex').slice(0, 16)}`;
}

/** Opens the file of latency profiles, as `openSavedFile` does. */
export function openProfileFile(path: string, clock: Clock, warn: (message: string) => void): Promise<ProfileFile> {
  return openSavedFile(path, PROFILE_FORMAT, clock, warn);
}

/** Never rejects. `warn` is called when a file is set aside, and once if the file cannot be read or written. */
export async function openSavedFile<Value>(
  path: string,
  format: EntryFormat<Value>,
  clock: Clock,
  warn: (message: string) => void,
): Promise<SavedFile<Value>> {
  const file = new OpenFile(path, format, clock, warn);
  await file.open();
  return file;
}

/** Number of files opened in this thread, so that each has its own temporary file. */
let opened = 0;

class OpenFile<Value> implements SavedFile<Value> {
  readonly saved = new Map<string, Value>();
  readonly #path: string;
  readonly #format: EntryFormat<Value>;
  readonly #temporaryPath: string;
  readonly #clock: Clock;
  readonly #warn: (message: string) => void;
  #hasWarned = false;
  /** Each entry as text, the oldest first. */
  readonly #entries = new Map<string, string>();
  #wanted: Iterable<SavedEntry<Value>> | undefined;
  #timer: Timer | undefined;
  #nextWriteAtMs: number;
  #writing: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(path: string, format: EntryFormat<Value>, clock: Clock, warn: (message: string) => void) {
    this.#path = path;
    this.#format = format;
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

  save(entries: Iterable<SavedEntry<Value>>): void {
    if (this.#closed !== undefined) return;
    this.#wanted = entries;
    if (this.#writing === undefined) this.#arm();
  }

  close(entries: Iterable<SavedEntry<Value>>): Promise<void> {
    this.#closed ??= this.#close(entries);
    return this.#closed;
  }

  async #close(entries: Iterable<SavedEntry<Value>>): Promise<void> {
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
    const entries = this.#wanted as Iterable<SavedEntry<Value>>;
    this.#wanted = undefined;
    this.#nextWriteAtMs = this.#clock.now() + WRITE_EVERY_MS;
    await this.#write(entries);
    this.#writing = undefined;
    if (this.#wanted !== undefined) this.#arm();
  }

  async #write(entries: Iterable<SavedEntry<Value>>): Promise<void> {
    try {
      for (const entry of entries) this.#keep(entry);
      await this.#replace(profilesText([...this.#entries.values()], this.#format));
    } catch (error) {
      this.#warnOnce('cannot be written', error);
    }
  }

  #keep(entry: SavedEntry<Value>): void {
    const [key] = entry;
    // Moves the latest to the end.
    this.#entries.delete(key);
    this.#entries.set(key, JSON.stringify(entry));
    if (this.#entries.size > PROFILES_MAX) this.#entries.delete(this.#entries.keys().next().value as string);
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
    const entries = await this.#entriesThere();
    if (typeof entries !== 'string') {
      for (const entry of entries) {
        this.saved.set(...entry);
        this.#keep(entry);
      }
      return;
    }
    const isStillIt = async (): Promise<boolean> => (await identityOf(this.#path)) === found;
    const name = await setAside(this.#path, this.#clock.wallNow(), isStillIt);
    if (name !== undefined)
      this.#warn(`${this.#format.noun} ${this.#path}: set aside as ${name} and begun anew: ${entries}`);
  }

  /** The entries in the file, or what is wrong with its contents. */
  async #entriesThere(): Promise<readonly SavedEntry<Value>[] | string> {
    const found = await stat(this.#path);
    if (!found.isFile()) return 'it is not a file';
    if (found.size > PROFILE_BYTES_MAX) return `it is larger than ${PROFILE_BYTES_MAX} bytes`;
    return parseEntries(await readFile(this.#path, 'utf8'), this.#format);
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
    this.#warn(`${this.#format.noun} ${this.#path} ${what}: ${error instanceof Error ? error.message : String(error)}`);
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
