import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ChatPlanner } from '../../../../src/main/chat/chat-planner.ts';
import { openSocketFace, type SocketFace } from '../../../../src/main/faces/socket/socket-face.ts';
import type { SocketFaceOptions } from '../../../../src/main/faces/socket/socket-options.ts';
import { removeIfSame } from '../../../../src/main/faces/socket/socket-path.ts';
import { systemClock } from '../../../../src/shared/clock.ts';
import { makePlanner } from '../../../support/make-planner.ts';
import { makeLog, makeSocketFolder, type SocketFolder } from '../../../support/make-socket-face.ts';
import { RawClient } from '../../../support/raw-client.ts';

let folder: SocketFolder;
let planner: ChatPlanner;
beforeEach(async () => {
  folder = makeSocketFolder();
  ({ planner } = await makePlanner(() => ({ kind: 'answers', action: 'block' })));
});
afterEach(async () => {
  await planner.close();
  folder[Symbol.dispose]();
});

function open(path: string, options: Partial<SocketFaceOptions> = {}): Promise<SocketFace> {
  return openSocketFace(planner, { path, ...options }, { clock: systemClock, log: makeLog().log, version: '1.2.3' });
}

async function isServed(path: string): Promise<boolean> {
  using client = await RawClient.connect(path);
  return (await client.ask(1, 'ping')).result === 'pong';
}

/** A server of another kind, in this process. */
async function listen(path: string, onLine: (write: (text: string) => void) => void = () => {}): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => onLine((text) => socket.write(text)));
  });
  server.listen(path);
  await once(server, 'listening');
  return server;
}

/** A socket whose process was killed. */
async function leaveStale(path: string): Promise<void> {
  const script = `require('node:net').createServer().listen(process.argv[1], () => console.log('up'))`;
  const child: ChildProcess = spawn(process.execPath, ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout as NonNullable<typeof child.stdout>, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('the socket is for its owner alone, and gone when the face is closed', async () => {
  const path = join(folder.path, 's');
  const face = await open(path);
  expect(face.address).toBe(path);
  expect(lstatSync(path).isSocket()).toBe(true);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder.path)).toEqual(['s']);
  await face.close();
  expect(readdirSync(folder.path)).toEqual([]);
});

test('the socket is for its owner alone also where everybody may do everything by default', async () => {
  const mask = process.umask(0);
  try {
    await using face = await open(join(folder.path, 's'));
    expect(statSync(face.address).mode & 0o777).toBe(0o600);
    expect(process.umask()).toBe(0);
  } finally {
    process.umask(mask);
  }
});

test('a socket that nobody answers at is taken over', async () => {
  const path = join(folder.path, 's');
  await leaveStale(path);
  expect(lstatSync(path).isSocket()).toBe(true);
  await using _face = await open(path);
  expect(await isServed(path)).toBe(true);
  expect(readdirSync(folder.path)).toEqual(['s']);
});

test('a path that is served by a planner is in use, by whom is said, and it goes on', async () => {
  const path = join(folder.path, 's');
  await using _face = await open(path);
  const message = `${path} is in use by conclave 1.2.3 (process ${process.pid})`;
  await expect(open(path)).rejects.toMatchObject({ code: 'ERR_ADDRESS_IN_USE', message });
  expect(await isServed(path)).toBe(true);
  expect(readdirSync(folder.path)).toEqual(['s']);
});

test.each<[string, string, (write: (text: string) => void) => void]>([
  ['says nothing', 'a process that does not say who it is', () => {}],
  ['speaks another protocol', 'another kind of server', (write) => write('220 ready\r\n')],
  ['says something without end', 'a process that does not say who it is', (write) => write('x'.repeat(100_000))],
])('a path whose server %s is in use', async (_, who, onLine) => {
  const path = join(folder.path, 's');
  const server = await listen(path, onLine);
  await expect(open(path)).rejects.toMatchObject({
    code: 'ERR_ADDRESS_IN_USE',
    message: `${path} is in use by ${who}`,
  });
  expect(readdirSync(folder.path)).toEqual(['s']);
  server.close();
});

test('what is no socket is never removed', async () => {
  const path = join(folder.path, 'notes');
  writeFileSync(path, 'mine');
  const rule = (what: string, at: string) =>
    `socket.path must be free or a socket, got ${what} at ${JSON.stringify(at)}`;
  await expect(open(path)).rejects.toMatchObject({ code: 'ERR_OPTIONS_INVALID', message: rule('a file', path) });
  expect(readFileSync(path, 'utf8')).toBe('mine');
  const link = join(folder.path, 'link');
  symlinkSync(path, link);
  await expect(open(link)).rejects.toMatchObject({ message: rule('a symbolic link', link) });
  const inner = join(folder.path, 'inner');
  mkdirSync(inner);
  await expect(open(inner)).rejects.toMatchObject({ message: rule('a folder', inner) });
  expect(readdirSync(folder.path).sort()).toEqual(['inner', 'link', 'notes']);
});

test('a path of 107 bytes is served, and one of 108 is refused by name', async () => {
  const pad = (bytes: number) => join(folder.path, 'x'.repeat(bytes - folder.path.length - 1));
  const longest = pad(107);
  await using _face = await open(longest);
  expect(await isServed(longest)).toBe(true);
  await expect(open(pad(108))).rejects.toMatchObject({
    code: 'ERR_OPTIONS_INVALID',
    message: expect.stringMatching(/^socket\.path must be at most 107 bytes, as sockets are, got 108: /),
  });
});

test.each<[SocketFaceOptions, string]>([
  [{ path: '' }, 'socket.path must not be empty, got ""'],
  [{ path: 'a\0b' }, 'socket.path must not hold a NUL, got "a\\u0000b"'],
  [{ path: '/no/such/folder/s' }, 'socket.path must be in a folder that there is, got "/no/such/folder/s"'],
  [{ path: 's', callsMax: 1 }, 'socket.callsMax must be at least 2, got 1'],
  [{ path: 's', color: 1 } as SocketFaceOptions, 'socket.color is not a known option'],
  [
    { path: 's', writeBufferBytes: 5_000, writeBufferBytesMax: 4_000 },
    'socket.writeBufferBytes must be at most socket.writeBufferBytesMax (4000), got 5000',
  ],
])('options that break a rule are refused by name: %j', async (options, message) => {
  await expect(open(options.path, options)).rejects.toMatchObject({ code: 'ERR_OPTIONS_INVALID', message });
});

test('closing leaves a socket alone that somebody else has put at the path since', async () => {
  const path = join(folder.path, 's');
  const face = await open(path);
  unlinkSync(path);
  const server = await listen(path, (write) => write('other\n'));
  await face.close();
  using client = await RawClient.connect(path);
  client.send('hello\n');
  expect(await client.line()).toBe('other');
  server.close();
});

test('closing ends also where the folder of the socket is gone, and what cannot be removed is told', async () => {
  const path = join(folder.path, 's');
  const { log, logged } = makeLog();
  const face = await openSocketFace(planner, { path }, { clock: systemClock, log, version: '1.2.3' });
  using client = await RawClient.connect(path);
  rmSync(folder.path, { recursive: true });
  // No folder of that name: it is a file now.
  writeFileSync(folder.path, '');
  await face.drain();
  expect(await client.line()).toBeUndefined();
  expect(logged.at(-1)).toMatchObject({ level: 'warn', message: 'the socket could not be removed' });
});

/*
 * A finds a stale socket. B takes it over. A, late, goes about removing what it found; were what is there now so much as moved
 * aside and back, C could find the path free in between, and B would serve at no path.
 */
test('a server that comes late to a stale socket does not touch the one that has taken it over', async () => {
  const path = join(folder.path, 's');
  await leaveStale(path);
  const stale = lstatSync(path, { bigint: true });
  await using _face = await open(path);
  const { ctimeNs, ino } = lstatSync(path, { bigint: true });
  expect(removeIfSame(path, stale)).toBe(true);
  expect(lstatSync(path, { bigint: true })).toMatchObject({ ctimeNs, ino });
  expect(await isServed(path)).toBe(true);
  expect(readdirSync(folder.path)).toEqual(['s']);
});

test('a stale socket is claimed by one at a time, and a claim whose process died does not stand for ever', async () => {
  const path = join(folder.path, 's');
  await leaveStale(path);
  const stale = lstatSync(path, { bigint: true });
  writeFileSync(join(folder.path, `.${stale.ino}-${stale.mtimeNs}`), '');
  expect(removeIfSame(path, stale)).toBe(false);
  expect(lstatSync(path, { bigint: true }).ino).toBe(stale.ino);
  await using _face = await open(path);
  expect(await isServed(path)).toBe(true);
  expect(readdirSync(folder.path)).toEqual(['s']);
});

/*
 * Both find the stale socket, and one takes it over. The other one must neither remove what the first has put there nor
 * serve a path that leads elsewhere.
 */
test('of two that start at once at a stale path, one serves and the other is told so', async () => {
  for (let times = 0; times < 10; times++) {
    const path = join(folder.path, `s${times}`);
    await leaveStale(path);
    const outcomes = await Promise.allSettled([open(path), open(path)]);
    const faces = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    expect(faces).toHaveLength(1);
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'ERR_ADDRESS_IN_USE' },
    });
    expect(await isServed(path)).toBe(true);
    await faces[0]?.close();
    expect(existsSync(path)).toBe(false);
  }
});
