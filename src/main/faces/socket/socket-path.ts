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
 * A path for a Unix socket, and who has it. A server listens under a name of its own beside the path first and is then linked
 * to the path, because then
 * - the path is taken or not, in one step, whoever else starts at the same moment;
 * - the socket has its mode before anyone can find it;
 * - closing does not remove what stands at the path: libuv unlinks the name that it was bound to, whoever has it by then.
 *
 * A socket is removed by whoever has claimed it, with a file named after that very socket. So nobody removes what another
 * one has put at the path since, and what is in use is never moved, not even for a moment in which a third one would find
 * the path free.
 */

/** What `sun_path` holds, less the NUL at its end. */
const PATH_BYTES_MAX = process.platform === 'darwin' ? 103 : 107;
const HELLO_MS = 500;
/** Of answers to `hello`. */
const HELLO_BYTES_MAX = 65_536;
/** Taking over is tried again where another server does the same at the same moment. */
const TRIES_MAX = 5;
/** A claim is held for a few system calls; one that is still there after this long is of a process that died. */
const CLAIM_MS = 1_000;

/** Tells a file from another one that comes after it at the same path: a number of an inode is soon given again. */
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
 * Gives `path` to the socket at `own`. What stands there is taken over if nobody answers. Throws ERR_ADDRESS_IN_USE, saying
 * by whom, or ERR_OPTIONS_INVALID where it is no socket; that is never removed.
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

/** Removes the file at `path` if it is the one of `mark`. False where another one is about to. */
export function removeIfSame(path: string, mark: FileMark): boolean {
  const claim = claimOn(path, mark);
  try {
    writeFileSync(claim, '', { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    // Without its folder it is gone.
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

/** No two sockets have the same. */
function claimOn(path: string, { ino, mtimeNs }: FileMark): string {
  return join(dirname(path), `.${ino}-${mtimeNs}`);
}

/** Resolves when nobody claims the socket of `mark`; drops the claim of a process that died with it. */
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

/** False where there is something at `path`. */
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

/** Who listens at `path`, for people; undefined where nobody does. */
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
    // Whoever it is speaks another protocol; that is the answer.
    return 'another kind of server';
  }
}

export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}
