import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { availableParallelism, freemem, release, totalmem, type } from 'node:os';
import { dirname } from 'node:path';
import { withoutSecrets } from '../../shared/secrets.ts';
import type { LoadedConfig } from '../service/config/config-file.ts';

/** The facts that remote support asks for first. Contains no secrets. */
export interface SupportFacts {
  readonly versions: { readonly conclave: string; readonly node: string; readonly os: string };
  readonly machine: {
    readonly cpus: number;
    readonly memoryBytes: number;
    readonly freeMemoryBytes: number;
  };
  /** The configuration as in its file, with secrets hidden; only the name of a domain. Absent if there is no file. */
  readonly configuration?: { readonly file: string; readonly [section: string]: unknown };
  /** The addresses at which `serve` would listen. Empty if the configuration does not specify them. */
  readonly places: readonly FaceAddress[];
  /** The file of the disk tier. Absent if none is configured. */
  readonly disk?: DiskFacts;
}

interface FaceAddress {
  readonly face: 'http' | 'socket';
  readonly address: string;
  /** `stale`: a socket without a server; `serve` takes it over. */
  readonly state: 'free' | 'in use' | 'stale' | 'not available';
  readonly message?: string;
}

interface DiskFacts {
  readonly path: string;
  readonly exists: boolean;
  readonly bytes?: number;
  readonly isReadable?: boolean;
  readonly isWritable?: boolean;
}

export async function supportFacts(version: string, loaded: LoadedConfig | undefined): Promise<SupportFacts> {
  const disk = diskPathOf(loaded);
  return {
    versions: { conclave: version, node: process.version, os: `${type()} ${release()} ${process.arch}` },
    machine: { cpus: availableParallelism(), memoryBytes: totalmem(), freeMemoryBytes: freemem() },
    ...(loaded === undefined ? {} : { configuration: configurationOf(loaded) }),
    places: await placesOf(loaded),
    ...(disk === undefined ? {} : { disk: await diskFile(disk) }),
  };
}

function configurationOf({ file, config, serve, log }: LoadedConfig): { readonly file: string } {
  const { domain, domains, ...rest } = config;
  const shown = {
    ...rest,
    ...(domain === undefined ? {} : { domain: domain.name }),
    ...(domains === undefined ? {} : { domains: Object.keys(domains) }),
    serve,
    log,
  };
  return { file, ...(withoutSecrets(shown) as object) };
}

function diskPathOf(loaded: LoadedConfig | undefined): string | undefined {
  const cache = loaded?.config.cache;
  return cache ? (cache.disk || undefined)?.path : undefined;
}

async function diskFile(path: string): Promise<DiskFacts> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return { path, exists: false };
  const may = (mode: number): Promise<boolean> =>
    access(path, mode).then(
      () => true,
      () => false,
    );
  const [isReadable, isWritable] = await Promise.all([may(constants.R_OK), may(constants.W_OK)]);
  return { path, exists: true, bytes: found.size, isReadable, isWritable };
}

async function placesOf(loaded: LoadedConfig | undefined): Promise<FaceAddress[]> {
  const { http, socket } = loaded?.serve ?? {};
  const places: Promise<FaceAddress>[] = [];
  if (http?.port !== undefined) places.push(httpPlace(http.host ?? '127.0.0.1', http.port));
  if (socket?.path !== undefined) places.push(socketPlace(socket.path));
  return Promise.all(places);
}

/** Listens there for a moment. */
function httpPlace(host: string, port: number): Promise<FaceAddress> {
  const place = { face: 'http', address: `${host.includes(':') ? `[${host}]` : host}:${port}` } as const;
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', ({ code, message }: NodeJS.ErrnoException) =>
      resolve({ ...place, state: code === 'EADDRINUSE' ? 'in use' : 'not available', message }),
    );
    server.listen(port, host, () => server.close(() => resolve({ ...place, state: 'free' })));
  });
}

/** Only tries to connect: listening would leave a socket behind if this process was killed. If nothing is there, checks its folder. */
function socketPlace(path: string): Promise<FaceAddress> {
  const place = { face: 'socket', address: path } as const;
  return new Promise((resolve) => {
    const peer = connect(path, () => {
      peer.destroy();
      resolve({ ...place, state: 'in use' });
    });
    peer.once('error', ({ code, message }: NodeJS.ErrnoException) => {
      if (code === 'ENOENT' && process.platform !== 'win32')
        access(dirname(path), constants.W_OK).then(
          () => resolve({ ...place, state: 'free' }),
          (error: Error) => resolve({ ...place, state: 'not available', message: error.message }),
        );
      else if (code === 'ENOENT') resolve({ ...place, state: 'free' });
      else if (code === 'ECONNREFUSED') resolve({ ...place, state: 'stale' });
      else resolve({ ...place, state: 'not available', message });
    });
  });
}

/** Problems that the user must fix, one sentence each. */
export function warningsIn({ places, disk }: SupportFacts): string[] {
  const taken = places.filter(({ state }) => state === 'in use' || state === 'not available');
  const warnings = taken.map(({ address, state, message }) =>
    state === 'in use'
      ? `${address} is in use: by a "conclave serve" that runs, or by another program.`
      : `${address} cannot be listened at: ${message ?? 'no reason given'}.`,
  );
  if (disk?.exists && !(disk.isReadable && disk.isWritable)) {
    warnings.push(
      `${disk.path} may not be ${disk.isReadable ? 'written' : 'read'} by this user: decisions would not outlive the process.`,
    );
  }
  return warnings;
}
