import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { threadId } from 'node:worker_threads';
import type { Clock } from '../../../shared/clock.ts';
import { setAside } from '../disk/set-aside.ts';
import { inChunks } from './learned-part.ts';

/** Number of files opened in this thread, so that each has its own temporary file. */
let opened = 0;

/** Number of pieces in one write. */
const PIECES_AT_ONCE = 16;

export interface ReplacedFileOptions {
  readonly path: string;
  /** What the file holds, for messages. */
  readonly noun: string;
  readonly bytesMax: number;
  readonly clock: Clock;
  /** Called when a file is set aside, and once if the file cannot be read or written. */
  readonly warn: (message: string) => void;
}

/**
 * A file that is replaced as a whole: written under a temporary name, synced and renamed, so that readers find one complete state,
 * even after a crash. If several processes share a file, the last to write wins. Nothing here rejects because of the file: an
 * invalid one is set aside, and one that cannot be read or written is reported once and ignored.
 */
export class ReplacedFile {
  readonly #options: ReplacedFileOptions;
  readonly #temporaryPath: string;
  #hasWarned = false;

  constructor(options: ReplacedFileOptions) {
    this.#options = options;
    this.#temporaryPath = `${options.path}.${process.pid}-${threadId}-${opened++}.tmp`;
  }

  /**
   * Returns what `parse` makes of the contents, or undefined if there is no usable file. `parse` returns a text if it finds the
   * contents invalid: what is wrong with them.
   */
  async read<T extends object>(parse: (contents: Buffer) => T | string | Promise<T | string>): Promise<T | undefined> {
    try {
      const found = await this.#parsed(parse);
      await this.#sweep();
      return found;
    } catch (error) {
      this.#warnOnce('cannot be read', error);
      return undefined;
    }
  }

  /** Replaces the contents by these pieces of text. */
  async replace(makePieces: () => readonly string[] | Promise<readonly string[]>): Promise<void> {
    try {
      const pieces = await makePieces();
      const folder = dirname(this.#options.path);
      await mkdir(folder, { recursive: true });
      await this.#renamed(pieces);
      await syncFolder(folder);
    } catch (error) {
      this.#warnOnce('cannot be written', error);
    }
  }

  async #renamed(pieces: readonly string[]): Promise<void> {
    try {
      await writeSynced(this.#temporaryPath, pieces);
      await rename(this.#temporaryPath, this.#options.path);
    } catch (error) {
      await rm(this.#temporaryPath, { force: true }).catch(() => {});
      throw error;
    }
  }

  async #parsed<T extends object>(
    parse: (contents: Buffer) => T | string | Promise<T | string>,
  ): Promise<T | undefined> {
    const { path, noun, clock, warn } = this.#options;
    const found = await identityOf(path);
    if (found === undefined) return undefined;
    const contents = await this.#contents();
    const parsed = typeof contents === 'string' ? contents : await parse(contents);
    if (typeof parsed !== 'string') return parsed;
    const isStillIt = async (): Promise<boolean> => (await identityOf(path)) === found;
    const name = await setAside(path, clock.wallNow(), isStillIt);
    if (name !== undefined) warn(`${noun} ${path}: set aside as ${name} and begun anew: ${parsed}`);
    return undefined;
  }

  /** The bytes of the file, or why they are not read. */
  async #contents(): Promise<Buffer | string> {
    const { path, bytesMax } = this.#options;
    const found = await stat(path);
    if (!found.isFile()) return 'it is not a file';
    return found.size > bytesMax ? `it is larger than ${bytesMax} bytes` : readFile(path);
  }

  /** Removes temporary files of processes that ended while writing. */
  async #sweep(): Promise<void> {
    const { path } = this.#options;
    const folder = dirname(path);
    const prefix = `${basename(path)}.`;
    // A missing folder contains none.
    for (const name of await readdir(folder).catch(() => [])) {
      const pid = name.startsWith(prefix) ? /^(\d+)-\d+-\d+\.tmp$/.exec(name.slice(prefix.length))?.[1] : undefined;
      if (pid !== undefined && !isRunning(Number(pid))) await rm(join(folder, name), { force: true });
    }
  }

  #warnOnce(what: string, error: unknown): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const { noun, path, warn } = this.#options;
    warn(`${noun} ${path} ${what}: ${error instanceof Error ? error.message : String(error)}`);
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

async function writeSynced(path: string, pieces: readonly string[]): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (const some of inChunks(pieces, PIECES_AT_ONCE)) await file.writeFile(some.join(''));
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
