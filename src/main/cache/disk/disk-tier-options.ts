import type { Clock } from '../../../shared/clock.ts';
import type { Random } from '../../../shared/random.ts';
import type { OpenFile } from './lmdb-file.ts';

export const DISK_BYTES_DEFAULT = 256 * 2 ** 20;
export const DISK_BYTES_MIN = 2 ** 20;

export interface DiskTierOptions {
  /** The file. Its folder is made if need be; lmdb keeps a lock beside it. Not on a network share. */
  readonly path: string;
  /**
   * Most bytes of pages in use, of all identities together; the oldest records go first. The file itself holds free pages
   * too, is mostly under twice as large, and never becomes shorter. Default 256 MiB, at least 1 MiB.
   */
  readonly bytesMax?: number;
  /** Only records that were written under an equal text are seen: format version and domain fingerprint. */
  readonly identity: string;
  readonly clock: Clock;
  /** Told once when the tier goes off, once when it is back, and once for each file set aside. */
  readonly warn: (message: string) => void;
}

export interface DiskTierParts {
  readonly openFile?: OpenFile;
  readonly random?: Random;
}

export interface DiskTierStats {
  readonly state: 'on' | 'off';
  /** Records in the file, of all identities and processes. 0 while off. */
  readonly entries: number;
  /** Pages in use, in bytes. 0 while off. */
  readonly bytes: number;
  readonly queued: number;
  readonly written: number;
  /** Records given up: the queue was full, the tier was off, or the value was longer than `DISK_VALUE_BYTES_MAX`. */
  readonly dropped: number;
  /** Records whose checksum, place or key was not as written. None of them was served. */
  readonly damaged: number;
  /** Records that went to keep `bytesMax`. */
  readonly removedBySize: number;
  readonly batches: number;
}

export const DISK_VALUE_BYTES_MAX = 4_096;
/** Writes that may wait. With the longest values they take 16 MiB. */
export const DISK_QUEUE_MAX = 4_096;
