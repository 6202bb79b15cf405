import { once } from 'node:events';
import { connect } from 'node:net';
import { PassThrough, type Writable } from 'node:stream';
import { wrap } from 'comlink';
import { Pool } from 'undici';
import { expect, test } from 'vitest';
import { openHttpFace } from '../../src/main/faces/http/open-http-face.ts';
import type { PlanCallWire, PlannerApi } from '../../src/main/faces/ipc/messages.ts';
import { PlannerServer } from '../../src/main/faces/ipc/planner-server.ts';
import { openStdioFace } from '../../src/main/faces/socket/stdio-face.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { ERROR_CODES, PlannerError } from '../../src/shared/errors.ts';
import { forkRandom, pick, type Random, randomIndex } from '../../src/shared/random.ts';
import { StandingChoice } from '../../src/shared/vote/standing-choice.ts';
import { isVoteComplete } from '../../src/shared/vote/vote-parser.ts';
import { readVote } from '../../src/shared/vote-answer.ts';
import { DOOR_ROWS } from '../support/door-rows.ts';
import { ChatServer, makeChats } from '../support/make-chats.ts';
import { request, testOptions } from '../support/make-planner.ts';
import { makeSocketLoad, type SocketUnderLoad } from '../support/make-socket-load.ts';
import { mutate } from '../support/mutate.ts';
import { silentLog } from '../support/open-face.ts';

/**
 * Inputs mutated from the rows of every door, at every door of one planner at once, while a second client asks for plans. `FUZZ_INPUTS`
 * makes the long run (100,000 of them, on a quiet machine), which also has a bound on how long the event loop is held up.
 * `FUZZ_SEED` replays a run.
 */
const INPUTS = Number(process.env.FUZZ_INPUTS ?? 2_000);
const SEED = Number(process.env.FUZZ_SEED ?? 2_026);
const HELD_UP_MS_MAX = Number(process.env.FUZZ_HELD_UP_MS ?? (process.env.FUZZ_INPUTS === undefined ? Infinity : 250));
const AT_ONCE = 8;
const ACTIONS = ['attack', 'block', 'retreat'];
/** A mutated request may ask for any time; its caller leaves after this. */
const PATIENCE_MS = 2_000;

type Door = (bytes: Buffer) => Promise<void> | void;

interface Doors extends AsyncDisposable {
  readonly at: SocketUnderLoad;
  readonly each: Readonly<Record<string, { readonly rows: readonly Buffer[]; readonly door: Door }>>;
}

/** Part of any repeated row of its own, so that long inputs come as well. */
function input(random: Random, rows: readonly Buffer[]): Buffer {
  const bytes = mutate(random, pick(random, rows));
  if (randomIndex(random, 20) > 0) return bytes;
  const from = randomIndex(random, bytes.length + 1);
  const part = bytes.subarray(from, from + 1 + randomIndex(random, 30));
  const many = Buffer.concat(Array<Buffer>(1 + randomIndex(random, 2_000)).fill(part));
  return Buffer.concat([bytes.subarray(0, from), many, bytes.subarray(from)]);
}

function httpDoor(pool: Pool, path: string): Door {
  return async (body) => {
    const headers = { 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(PATIENCE_MS);
    try {
      const { statusCode, body: answer } = await pool.request({ path, method: 'POST', headers, body, signal });
      const told = await answer.text();
      expect(statusCode, told).not.toBe(500);
      if (statusCode >= 400) expect(told).toMatch(/"code"/);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  };
}

/** Lines are answered in any order and some not at all: that they are answered is for the fuzz of the socket. */
function lineDoor(open: () => Writable): Door {
  let output = open();
  return async (line) => {
    // A client that says too much at once is cut off, and comes again.
    if (output.destroyed) output = open();
    if (output.write(Buffer.concat([line, Buffer.from('\n')]))) return;
    await Promise.race([once(output, 'drain'), once(output, 'close')]);
  };
}

function connectTo(path: string): Writable {
  return connect(path)
    .resume()
    .on('error', () => {});
}

/** What cannot be parsed crosses as text: any value may come. */
function parsedOrText(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return bytes.toString('latin1');
  }
}

function ipcDoor(planner: SocketUnderLoad['planner']): Door {
  const replies = new Set<(event: MessageEvent) => void>();
  let hear: (message: unknown) => void = () => {};
  new PlannerServer({
    channel: {
      post: (message) => {
        const data: unknown = structuredClone(message);
        for (const listener of replies) listener({ data } as MessageEvent);
      },
      listen: (listener) => {
        hear = listener;
      },
    },
    createPlanner: async () => planner,
    clock: systemClock,
    sharesMemory: false,
  });
  hear({ kind: 'start', options: testOptions });
  const api = wrap<PlannerApi>({
    postMessage: (message) => hear(structuredClone(message)),
    addEventListener: (_type, listener) => void replies.add(listener as (event: MessageEvent) => void),
    removeEventListener: (_type, listener) => void replies.delete(listener as (event: MessageEvent) => void),
  });
  let calls = 0;
  return async (bytes) => {
    const request = parsedOrText(bytes) as PlanCallWire['request'];
    const asked = { request, timeoutMs: 500, priority: undefined, wantsAttempts: false, sentAtMs: undefined };
    const reply = await api.plan({ ...asked, call: calls++ });
    if (!reply.ok) expect(reply.error.code).not.toBe('ERR_INTERNAL');
  };
}

function answerDoor(bytes: Buffer): void {
  const text = bytes.toString();
  const standing = new StandingChoice(ACTIONS);
  for (let end = 0; end <= text.length; end += Math.max(1, text.length >> 4)) standing.look(text.slice(0, end));
  isVoteComplete(text);
  for (const [content, reasoning] of [
    [text, ''],
    ['', text],
  ] as const) {
    try {
      expect(ACTIONS).toContain(readVote({ content, reasoning, finishReason: 'stop' }, ACTIONS).action);
    } catch (error) {
      if (!(error instanceof PlannerError)) throw error;
      expect(Object.keys(ERROR_CODES)).toContain(error.code);
    }
  }
}

async function openDoors(): Promise<Doors> {
  const at = await makeSocketLoad();
  const parts = { clock: systemClock, log: silentLog, version: '1.2.3' };
  const face = await openHttpFace(at.planner, { port: 0 }, parts);
  const pool = new Pool(face.address, { connections: AT_ONCE });
  const models = await ChatServer.start('m', 'a/b-7b');
  const gateway = await makeChats({ local: models });
  const chatFace = await openHttpFace(gateway, { port: 0 }, parts);
  const chatPool = new Pool(chatFace.address, { connections: AT_ONCE });
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  stdout.resume();
  const stdio = openStdioFace(at.planner, {}, { ...parts, input: stdin, output: stdout });
  const { plans, chats, lines, answers } = DOOR_ROWS;
  return {
    at,
    each: {
      'http plans': { rows: plans, door: httpDoor(pool, '/v1/plans') },
      'http chats': { rows: chats, door: httpDoor(chatPool, '/v1/chat/completions') },
      socket: { rows: lines, door: lineDoor(() => connectTo(at.path)) },
      stdio: { rows: lines, door: lineDoor(() => stdin) },
      ipc: { rows: plans, door: ipcDoor(at.planner) },
      'model answers': { rows: answers, door: answerDoor },
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([pool.destroy(), chatPool.destroy()]);
      await Promise.all([stdio.close(), face.close(), chatFace.close()]);
      await gateway.close();
      await models[Symbol.asyncDispose]();
      await at[Symbol.asyncDispose]();
    },
  };
}

/** How long the event loop was held up at most, as a second client sees it that asks for plans all the while. */
async function bystand({ planner }: SocketUnderLoad, isOver: () => boolean): Promise<number> {
  let heldUpMs = 0;
  let turnedAt = performance.now();
  const look = (): void => {
    const nowAt = performance.now();
    heldUpMs = Math.max(heldUpMs, nowAt - turnedAt);
    turnedAt = nowAt;
    if (!isOver()) setImmediate(look);
  };
  setImmediate(look);
  for (let nth = 0; !isOver(); nth++) {
    expect(await planner.plan(request({ agent: `beside ${nth}` }))).toMatchObject({ agent: `beside ${nth}` });
    await new Promise(setImmediate);
  }
  return heldUpMs;
}

test(`${INPUTS} mutated inputs at every door hold nobody up (FUZZ_SEED=${SEED})`, {
  timeout: 60_000 + 20 * INPUTS,
}, async () => {
  await using doors = await openDoors();
  const names = Object.keys(doors.each);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < INPUTS) {
      const index = next++;
      const name = names[index % names.length] as string;
      const { rows, door } = doors.each[name] as Doors['each'][string];
      const bytes = input(forkRandom(SEED, `input ${index}`), rows);
      try {
        await door(bytes);
      } catch (cause) {
        const told = JSON.stringify(bytes.subarray(0, 2_000).toString('latin1'));
        throw new Error(`input ${index} of FUZZ_SEED=${SEED}, at ${name}: ${told}`, { cause });
      }
    }
  };
  let isOver = false;
  const bystander = bystand(doors.at, () => isOver);
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
  } finally {
    isOver = true;
  }
  const heldUpMs = await bystander;
  if (Number.isFinite(HELD_UP_MS_MAX)) console.info(`FUZZ_SEED=${SEED}: held up ${heldUpMs.toFixed(1)} ms at most`);
  expect(heldUpMs).toBeLessThan(HELD_UP_MS_MAX);
  expect((await doors.at.planner.plan(request({ agent: 'last' }))).agent).toBe('last');
});
