import { constants } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';

/**
 * The file for a report, opened before the reported work begins, so that an unwritable file is an error at once. Its old content stays until there is
 * a report.
 */
export class ReportFile implements AsyncDisposable {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #isNew: boolean;
  #isWritten = false;

  private constructor(path: string, handle: FileHandle, isNew: boolean) {
    this.#path = path;
    this.#handle = handle;
    this.#isNew = isNew;
  }

  /** Rejects with the error of the file system, or if the path is not a regular file: a device, a pipe. */
  static async open(path: string): Promise<ReportFile> {
    const { handle, isNew } = await openToAppend(path);
    try {
      const status = await handle.stat();
      if (!status.isFile()) throw new Error('what is there is no file');
      return new ReportFile(path, handle, isNew);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async write(text: string): Promise<void> {
    await this.#handle.truncate(0);
    await this.#handle.writeFile(text);
    this.#isWritten = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
    if (this.#isNew && !this.#isWritten) await unlink(this.#path);
  }
}

/** Opens to append: creates a missing file and keeps the content of an existing one. */
async function openToAppend(path: string): Promise<{ handle: FileHandle; isNew: boolean }> {
  const { O_WRONLY, O_APPEND, O_CREAT, O_EXCL, O_NONBLOCK } = constants;
  try {
    return { handle: await open(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL), isNew: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // Opening a pipe without a reader would block.
    return { handle: await open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK), isNew: false };
  }
}
