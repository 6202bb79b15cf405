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
 * Profiles of latencies outlive the process in one small file, so that the first calls after a restart have timeouts too.
 *
 * The file is replaced as a whole: written beside, synced and renamed, so that whoever reads it, also after a crash, finds
 * one state or the one before. Of several processes with one file the last to write wins. Nothing here fails a start or a
 * plan: what is no file of profiles is set aside, and one that cannot be read or written is told once and done without.
 */
export interface ProfileFile {
  /** What was there when it was opened, by `profileKey`. */
  readonly saved: ReadonlyMap<string, SavedProfile>;
  /**
   * These are to be written, beside what was saved of others. Within half a minute, and of what is told until then only
   * the last; it is read when it is written.
   */
  save(entries: Iterable<ProfileEntry>): void;
  /** Writes these and ends. What is told later is not written. Never rejects. */
  close(entries: Iterable<ProfileEntry>): Promise<void>;
}

const WRITE_EVERY_MS = 30_000;

/** What a profile is saved under. A key in the address of a server is not written to the file: a fingerprint stands for it. */
export function profileKey(baseURL: string, model: string, kind: CallKind): string {
  return JSON.stringify([savedURL(baseURL), model, kind]);
}

function savedURL(baseURL: string): string {
  const shown = shownURL(baseURL);
  if (shown === baseURL) return baseURL;
  return `${shown} ${createHash('sha256').update(baseURL).digest('hex').slice(0, 16)}`;
}

/** Never rejects. `warn` is told what was set aside, and once that the file cannot be read or written. */
export async function openProfileFile(
  path: string,
  clock: Clock,
  warn: (message: string) => void,
): Promise<ProfileFile> {
  const file = new OpenProfileFile(path, clock, warn);
  await file.open();
  return file;
}

/** In this thread, so that each has a temporary file of its own. */
let opened = 0;

class OpenProfileFile implements ProfileFile {
  readonly saved = new Map<string, SavedProfile>();
  readonly #path: string;
  readonly #temporaryPath: string;
  readonly #clock: Clock;
  readonly #warn: (message: string) => void;
  #hasWarned = false;
  /** Each as text, the oldest first. */
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
    // The latest stands last.
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

  /** The profiles, or what is wrong with what stands there. */
  async #profilesThere(): Promise<readonly ProfileEntry[] | string> {
    const found = await stat(this.#path);
    if (!found.isFile()) return 'it is not a file';
    if (found.size > PROFILE_BYTES_MAX) return `it is larger than ${PROFILE_BYTES_MAX} bytes`;
    return parseProfiles(await readFile(this.#path, 'utf8'));
  }

  /** Removes what processes left behind that ended while they wrote. */
  async #sweep(): Promise<void> {
    const folder = dirname(this.#path);
    const prefix = `${basename(this.#path)}.`;
    // A folder that is not there yet has none.
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

/** Which file stands at a path, in which state; undefined where none does. */
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

/** So that the new name outlives a loss of power. Not every system opens folders. */
async function syncFolder(path: string): Promise<void> {
  let folder: FileHandle | undefined;
  try {
    folder = await open(path, 'r');
    await folder.sync();
  } catch {
    // The file is whole with either name.
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
