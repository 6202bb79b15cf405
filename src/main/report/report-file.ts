import { type FileHandle, open, unlink } from 'node:fs/promises';

/**
 * The file that a report will be written to, opened before the work that it reports begins: what cannot be written is known
 * at once. What the file held stays until there is a report.
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

  /** Rejects with the error of the file system. */
  static async open(path: string): Promise<ReportFile> {
    // To append: that makes the file where there is none, and takes nothing away where there is one.
    const handle = await open(path, 'a');
    try {
      const { size } = await handle.stat();
      return new ReportFile(path, handle, size === 0);
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
