import { createHash } from 'node:crypto';
import type { Clock } from '../../../shared/clock.ts';
import { shownURL } from '../../../shared/shown-url.ts';
import { ReplacedFile } from '../../cache/learned/replaced-file.ts';
import { WriteBehind } from '../../cache/learned/write-behind.ts';
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
 * another file how reliable reads are. No error here fails a start or a plan.
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
  const { noun } = format;
  const file = new OpenFile(new ReplacedFile({ path, noun, bytesMax: PROFILE_BYTES_MAX, clock, warn }), format, clock);
  await file.open();
  return file;
}

class OpenFile<Value> implements SavedFile<Value> {
  readonly saved = new Map<string, Value>();
  readonly #file: ReplacedFile;
  readonly #format: EntryFormat<Value>;
  readonly #writes: WriteBehind;
  /** Each entry as text, the oldest first. */
  readonly #entries = new Map<string, string>();
  #wanted: Iterable<SavedEntry<Value>> = [];

  constructor(file: ReplacedFile, format: EntryFormat<Value>, clock: Clock) {
    this.#file = file;
    this.#format = format;
    this.#writes = new WriteBehind(
      clock,
      () => WRITE_EVERY_MS,
      () => this.#file.replace(() => this.#pieces()),
    );
  }

  async open(): Promise<void> {
    const entries = await this.#file.read((contents) => parseEntries(contents.toString(), this.#format));
    for (const entry of entries ?? []) {
      this.saved.set(...entry);
      this.#keep(entry);
    }
  }

  save(entries: Iterable<SavedEntry<Value>>): void {
    if (this.#writes.isClosed) return;
    this.#wanted = entries;
    this.#writes.want();
  }

  close(entries: Iterable<SavedEntry<Value>>): Promise<void> {
    if (!this.#writes.isClosed) this.#wanted = entries;
    return this.#writes.close();
  }

  #pieces(): readonly string[] {
    for (const entry of this.#wanted) this.#keep(entry);
    return [profilesText([...this.#entries.values()], this.#format)];
  }

  #keep(entry: SavedEntry<Value>): void {
    const [key] = entry;
    // Moves the latest to the end.
    this.#entries.delete(key);
    this.#entries.set(key, JSON.stringify(entry));
    if (this.#entries.size > PROFILES_MAX) this.#entries.delete(this.#entries.keys().next().value as string);
  }
}
