import { type DiskFile, type OpenFile, openLmdbFile } from '../../../../../src/main/cache/disk/lmdb-file.ts';

/** What goes wrong from now on, at the seam to lmdb. */
export interface Faults {
  open?: Error;
  commit?: Error;
  read?: Error;
  /** How long the file seems to be. */
  fileBytes?: number;
  /** Commits wait for this before they begin. */
  gate?: Promise<void>;
}

/** Opens real files whose operations fail as `faults` says at the moment they are called. */
export function faultyOpenFile(faults: Faults, log: string[] = []): OpenFile {
  return async (path, bytesMax) => {
    log.push('open');
    if (faults.open) throw faults.open;
    const file = await openLmdbFile(path, bytesMax);
    const reading = <T>(read: () => T): T => {
      if (faults.read) throw faults.read;
      return read();
    };
    return {
      placeOf: (indexKey) => reading(() => file.placeOf(indexKey)),
      leadsTo: (indexKey, place) => reading(() => file.leadsTo(indexKey, place)),
      frameAt: (place) => reading(() => file.frameAt(place)),
      oldest: (limit) => reading(() => file.oldest(limit)),
      newest: (before, limit) => reading(() => file.newest(before, limit)),
      indexKeys: (identity, limit) => reading(() => file.indexKeys(identity, limit)),
      size: () =>
        reading(() => {
          const size = file.size();
          return { ...size, fileBytes: faults.fileBytes ?? size.fileBytes };
        }),
      async commit(changes) {
        log.push('commit');
        await faults.gate;
        if (faults.commit) throw faults.commit;
        await file.commit(changes);
      },
      async close() {
        log.push('close');
        await file.close();
      },
    } satisfies DiskFile;
  };
}

export function errorOf(code: string): Error {
  return Object.assign(new Error(`${code}: said the disk`), { code });
}
