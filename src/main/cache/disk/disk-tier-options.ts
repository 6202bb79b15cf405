import type { Clock } from '../../../shared/clock.ts';
import type { Random } from '../../../shared/random.ts';
import type { OpenFile } from './lmdb-file.ts';

export const DISK_BYTES_DEFAULT = 256 * 2 ** 20;
export const DISK_BYTES_MIN = 2 ** 20;

export interface DiskTierOptions {
  /** Path of the file. Its folder is created if missing; lmdb keeps a lock file beside it. Must not be on a network share. */
  readonly path: string;
  /**
   * Maximum size of the pages in use, for all identities together; the oldest records are removed first. The file also holds
   * free pages, is usually less than twice as large, and never shrinks. Default 256 MiB, at least 1 MiB.
   */
  readonly bytesMax?: number;
  /** Only records written with the same text are visible: format version and domain fingerprint. */
  readonly identity: string;
  readonly clock: Clock;
  /** Called once when the tier turns off, once when it is back, and once for each file set aside. */
  readonly warn: (message: string) => void;
}

export interface DiskTierParts {
  readonly openFile?: OpenFile;
  readonly random?: Random;
}

export interface DiskTierStats {
  readonly state: 'on' | 'off';
  /** Number of records in the file, of all identities and processes. 0 while off. */
  readonly entries: number;
  /** Size of the pages in use, in bytes. 0 while off. */
  readonly bytes: number;
  readonly queued: number;
  readonly written: number;
  /** Records dropped because the queue was full, the tier was off, or the value exceeded `DISK_VALUE_BYTES_MAX`. */
  readonly dropped: number;
  /** Records with a wrong checksum, place or key. None of them was served. */
  readonly damaged: number;
  /** Records removed to keep `bytesMax`. */
  readonly removedBySize: number;
  readonly batches: number;
}

export const DISK_VALUE_BYTES_MAX = 4_096;
/** Maximum number of queued writes. With the longest values they take 16 MiB. */
export const DISK_QUEUE_MAX = 4_096;
