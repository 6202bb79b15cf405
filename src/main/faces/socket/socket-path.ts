import { randomBytes } from 'node:crypto';
import { type BigIntStats, linkSync, lstatSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import { failOptions } from '../../../shared/check-options.ts';
import type { Clock } from '../../../shared/clock.ts';
import { describeValue, PlannerError } from '../../../shared/errors.ts';
import { LineReader } from './line-reader.ts';
import { type HelloResult, PROTOCOL } from './wire.ts';

/**
 * Claims a path for a Unix socket. A server first listens under a name of its own next to the path and is then linked to the path, so that
 * - the path is taken or not in one step, even if others start at the same moment;
 * - the socket has its mode before anyone can find it;
 * - closing does not remove another server's socket at the path: libuv unlinks the name that it was bound to, whatever it has become.
 *
 * A socket is removed only by the process that has claimed it, with a file named after that very socket. So none removes a socket that another has
 * put at the path since, and a socket in use is never moved, not even for a moment in which a third process would find the path free.
 */

/** Maximum length of `sun_path`, without the NUL at its end. */
const PATH_BYTES_MAX = process.platform === 'darwin' ? 103 : 107;
const HELLO_MS = 500;
const HELLO_BYTES_MAX = 65_536;
/** How often taking over is tried, if another server does the same at the same moment. */
const TRIES_MAX = 5;
/** A claim is held for a few system calls; an older one belongs to a process that died. */
const CLAIM_MS = 1_000;

/** Distinguishes a file from a later one at the same path: inode numbers are soon reused. */
export interface FileMark {
  readonly ino: bigint;
  readonly mtimeNs: bigint;
}

/** Throws ERR_OPTIONS_INVALID for a path that no socket can have. */
export function checkSocketPath(path: string): void {
  if (path.includes('\0')) failOptions(`socket.path must not hold a NUL, got ${describeValue(path)}`);
  if (process.platform === 'win32') {
    if (!/^\\\\[.?]\\pipe\\./.test(path))
      failOptions(`socket.path must be a named pipe (\\\\.\\pipe\\NAME), got ${describeValue(path)}`);
    return;
  }
  const bytes = Math.max(Buffer.byteLength(path), Buffer.byteLength(ownNameBeside(path)));
  if (bytes > PATH_BYTES_MAX) {
    failOptions(
      `socket.path must be at most ${PATH_BYTES_MAX} bytes, as sockets are, got ${bytes}: ${describeValue(path)}`,
    );
  }
  const folder = markOf(dirname(path));
  if (folder === undefined) failOptions(`socket.path must be in a folder that there is, got ${describeValue(path)}`);
}

/** The name that a server listens under before it has the path. */
export function ownNameBeside(path: string): string {
  return join(dirname(path), `.${randomBytes(4).toString('hex')}`);
}

/**
 * Gives `path` to the socket at `own`. Takes over an existing socket if nothing answers there. Throws ERR_ADDRESS_IN_USE with its holder, or
 * ERR_OPTIONS_INVALID if the path is not a socket; that is never removed.
 */
export async function publishSocket(own: string, path: string, clock: Clock): Promise<FileMark> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    if (linked(own, path)) {
      rmSync(own, { force: true });
      return markOf(path) as FileMark;
    }
    const occupant = markOf(path);
    if (occupant === undefined) continue;
    if (!occupant.isSocket())
      failOptions(`socket.path must be free or a socket, got ${kindOf(occupant)} at ${describeValue(path)}`);
    const holder = await askHolder(path, clock);
    if (holder !== undefined) throw new PlannerError('ERR_ADDRESS_IN_USE', `${path} is in use by ${holder}`);
    if (!removeIfSame(path, occupant)) await claimGone(path, occupant, clock);
  }
  throw new PlannerError('ERR_ADDRESS_IN_USE', `${path} is being taken by others at the same moment`, {
    retryable: true,
  });
}

/** Removes the file at `path` if `mark` identifies it. Returns false if another process is about to. */
export function removeIfSame(path: string, mark: FileMark): boolean {
  const claim = claimOn(path, mark);
  try {
    writeFileSync(claim, '', { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    // Without its folder, the file is gone.
    if (isCode(error, 'ENOENT')) return true;
    throw error;
  }
  try {
    if (isSame(markOf(path), mark)) rmSync(path, { force: true });
  } finally {
    rmSync(claim, { force: true });
  }
  return true;
}

/** The name of a claim, unique to the socket. */
function claimOn(path: string, { ino, mtimeNs }: FileMark): string {
  return join(dirname(path), `.${ino}-${mtimeNs}`);
}

/** Resolves when no process claims the socket of `mark`; removes the claim of a process that died. */
async function claimGone(path: string, mark: FileMark, clock: Clock): Promise<void> {
  const claim = claimOn(path, mark);
  for (const untilMs = clock.now() + CLAIM_MS; clock.now() < untilMs; ) {
    await new Promise<void>((resolve) => void clock.setTimer(CLAIM_MS / 50, resolve));
    if (markOf(claim) === undefined) return;
  }
  rmSync(claim, { force: true });
}

function isSame(one: FileMark | undefined, other: FileMark): boolean {
  return one !== undefined && one.ino === other.ino && one.mtimeNs === other.mtimeNs;
}

/** Returns false if `path` exists. */
function linked(own: string, path: string): boolean {
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  }
}

function markOf(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

function kindOf(stats: BigIntStats): string {
  if (stats.isFile()) return 'a file';
  if (stats.isDirectory()) return 'a folder';
  return stats.isSymbolicLink() ? 'a symbolic link' : 'something else';
}

/** Describes the server that listens at `path`; undefined if there is none. */
export async function askHolder(path: string, clock: Clock): Promise<string | undefined> {
  const socket = createConnection(path);
  const answer = Promise.withResolvers<string | undefined>();
  const silent = 'a process that does not say who it is';
  const reader = new LineReader(HELLO_BYTES_MAX);
  const timer = clock.setTimer(HELLO_MS, () => answer.resolve(silent));
  socket.on('connect', () => {
    socket.write(`{"jsonrpc":"2.0","id":1,"method":"hello","params":{"protocol":${PROTOCOL}}}\n`);
  });
  socket.on('data', (chunk: Buffer) => {
    reader.push(chunk);
    const line = reader.next();
    if (line !== undefined) answer.resolve(typeof line === 'string' ? holderOf(line) : silent);
  });
  socket.on('error', (error) => {
    const isGone = isCode(error, 'ECONNREFUSED') || isCode(error, 'ENOENT');
    answer.resolve(isGone ? undefined : `a process that cannot be asked (${error.message})`);
  });
  socket.on('close', () => answer.resolve(silent));
  try {
    return await answer.promise;
  } finally {
    timer.cancel();
    socket.destroy();
  }
}

function holderOf(line: string): string {
  try {
    const { result, error } = JSON.parse(line) as { result?: Partial<HelloResult>; error?: { message?: string } };
    if (result?.name === 'conclave') return `conclave ${result.version} (process ${result.pid})`;
    return error?.message === undefined ? 'another kind of server' : `a server that says: ${error.message}`;
  } catch {
    // It speaks another protocol, which answers the question.
    return 'another kind of server';
  }
}

export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}
