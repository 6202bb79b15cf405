import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ChatPlanner } from '../../../src/main/chat/chat-planner.ts';
import type { ChatReply } from '../../../src/main/chat/chat-reply.ts';
import type { PlannerOptions } from '../../../src/main/options/planner-options.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { ASK, ChatServer, makeChats, readFrames } from '../../support/make-chats.ts';
import { type Exchange, events, FINISH, piece, streamHead } from '../../support/scripted-server.ts';

/** Real sockets on a clock that the test moves: time passes only where it says so. */
let one: ChatServer;
let two: ChatServer;
let planner: ChatPlanner;
let clock: FakeClock;

beforeEach(async () => {
  clock = new FakeClock(1_000);
  one = await ChatServer.start('m');
  two = await ChatServer.start('backup');
});
afterEach(async () => {
  await planner.close();
  expect(clock.pendingTimers).toBe(0);
  await one[Symbol.asyncDispose]();
  await two[Symbol.asyncDispose]();
});

async function open(options: Partial<PlannerOptions> = {}): Promise<void> {
  planner = await makeChats(
    { one, two },
    { synthesis: { models: [{ model: 'backup', endpoint: 'two' }] }, ...options },
    clock,
  );
}

const ALONE: Partial<PlannerOptions> = { synthesis: { models: [] } };

function ask(more: object = {}, timeoutMs = 100_000, signal?: AbortSignal): Promise<ChatReply> {
  return planner.chats.chat({ ...ASK, ...more }, { timeoutMs, ...(signal ? { signal } : {}) });
}

/** Whether it has settled, when all that needs no time has been done. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(() => {
    settled = true;
  });
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

function codeOf(reply: ChatReply): string {
  return reply.kind === 'failed' ? reply.error.code : `${reply.kind} of ${reply.origin.endpoint}`;
}

/** A stream that has begun, and its server's end of it. */
async function begun(
  more: object = {},
  timeoutMs?: number,
): Promise<{ reply: Extract<ChatReply, { kind: 'stream' }>; exchange: Exchange }> {
  one.chat = ({ response }) => streamHead(response, events(piece('one')));
  const arrived = one.next();
  const reply = await ask({ stream: true, ...more }, timeoutMs);
  if (reply.kind !== 'stream') throw new Error(codeOf(reply));
  return { reply, exchange: await arrived };
}

/** Thirty times: then it is well known how long it takes. */
async function learn(firstTokenMs: number): Promise<void> {
  for (let nth = 0; nth < 30; nth++) {
    const arrived = one.next();
    one.chat = () => {};
    const asked = ask();
    const { response } = await arrived;
    clock.advance(firstTokenMs);
    streamHead(response, '');
    response.end(events(piece('x'), FINISH, '[DONE]'));
    await asked;
  }
}

describe('where another place follows', () => {
  test.each([
    ['nothing comes', () => {}],
    ['headers come and nothing else', ({ response }: Exchange) => streamHead(response)],
    ['comments come and nothing else', ({ response }: Exchange) => streamHead(response, ': wait\n\n: wait\n\n')],
    [
      'a role comes and no word',
      ({ response }: Exchange) =>
        streamHead(response, events({ choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] })),
    ],
  ])('it is asked after 60 %% of the time, when %s', async (_, chat) => {
    await open();
    one.chat = chat;
    const arrived = one.next();
    const asked = ask({ stream: true }, 10_000);
    const { closed } = await arrived;
    clock.advance(5_999);
    expect(await isSettled(asked)).toBe(false);
    expect(two.chats).toHaveLength(0);
    clock.advance(1);
    expect(codeOf(await asked)).toBe('stream of two');
    await closed;
  });

  test('it is asked sooner where it is known how soon a model answers', async () => {
    await open();
    await learn(3_000);
    one.chat = () => {};
    const arrived = one.next();
    const asked = ask({}, 100_000);
    await arrived;
    clock.advance(5_400);
    expect(await isSettled(asked)).toBe(false);
    clock.advance(2_000);
    expect(codeOf(await asked)).toBe('whole of two');
  });

  test('but never sooner than after five seconds', async () => {
    await open();
    await learn(10);
    one.chat = () => {};
    const arrived = one.next();
    const asked = ask({}, 100_000);
    await arrived;
    clock.advance(4_999);
    expect(await isSettled(asked)).toBe(false);
    clock.advance(1);
    expect(codeOf(await asked)).toBe('whole of two');
  });

  test('the wait for a slot is a part of it', async () => {
    await open({ endpoints: { one: { baseURL: one.baseURL, slots: 1 }, two: { baseURL: two.baseURL } } });
    one.chat = () => {};
    const arrived = one.next();
    const first = ask({}, 1_000_000);
    await arrived;
    const asked = ask({ messages: [{ role: 'user', content: 'other' }] }, 10_000);
    expect(await isSettled(asked)).toBe(false);
    clock.advance(6_000);
    const reply = await asked;
    expect(codeOf(reply)).toBe('whole of two');
    expect(reply.kind === 'whole' && reply.origin.attempts[0]).toMatchObject({
      code: 'ERR_ENDPOINT_BUSY',
      waitMs: 6_000,
    });
    await planner.close();
    expect(codeOf(await first)).toBe('ERR_PLANNER_CLOSED');
  });
});

describe('where nobody else can answer', () => {
  test('a model has all of the time to begin, whatever is known of it', async () => {
    await open(ALONE);
    await learn(10);
    one.chat = () => {};
    const arrived = one.next();
    const asked = ask({ stream: true }, 100_000);
    const { response } = await arrived;
    clock.advance(99_900);
    expect(await isSettled(asked)).toBe(false);
    streamHead(response, events(piece('late')));
    expect(codeOf(await asked)).toBe('stream of one');
  });

  test.each([
    [() => {}, 'ERR_MODEL_TIMEOUT_HEADERS'],
    [({ response }: Exchange) => streamHead(response), 'ERR_MODEL_TIMEOUT_FIRST_TOKEN'],
  ])('the failure names the phase in which its time ran out (%#)', async (chat, code) => {
    await open(ALONE);
    one.chat = chat;
    const arrived = one.next();
    const asked = ask({}, 5_000);
    const { closed } = await arrived;
    expect(await isSettled(asked)).toBe(false);
    clock.advance(5_000);
    expect(codeOf(await asked)).toBe(code);
    await closed;
  });
});

describe('after the first word', () => {
  test('a pause of stallMs ends the stream with an error, and the call', async () => {
    await open({ chat: { stallMs: 8_000 } });
    const { reply, exchange } = await begun();
    exchange.response.write(': alive\n\n');
    clock.advance(7_999);
    const text = readFrames(reply.frames);
    expect(await isSettled(text)).toBe(false);
    clock.advance(1);
    const { events: all, isDone } = await text;
    expect(all.at(-1)).toMatchObject({ error: { code: 'ERR_MODEL_TIMEOUT_STREAM' } });
    expect(isDone).toBe(false);
    await exchange.closed;
    expect(two.chats).toHaveLength(0);
  });

  test('each word begins it anew, and the whole time ends it', async () => {
    await open({ chat: { stallMs: 8_000 } });
    const { reply, exchange } = await begun({}, 20_000);
    const frames = reply.frames[Symbol.asyncIterator]();
    await frames.next();
    for (let nth = 0; nth < 3; nth++) {
      clock.advance(6_000);
      exchange.response.write(events(piece('more')));
      expect((await frames.next()).value).toContain('more');
    }
    clock.advance(2_000);
    expect((await frames.next()).value).toContain('ERR_MODEL_TIMEOUT_STREAM');
    expect(await frames.next()).toEqual({ done: true, value: undefined });
  });

  test('a client that reads nothing holds up the model for stallMs, and no longer', async () => {
    await open({ chat: { stallMs: 8_000 } });
    const { reply, exchange } = await begun();
    const flood = events(piece('x'.repeat(60_000)));
    const pour = (): void => {
      while (exchange.response.write(flood));
      exchange.response.once('drain', pour);
    };
    pour();
    await expect.poll(() => clock.pendingTimers).toBeGreaterThan(1);
    clock.advance(7_999);
    expect(planner.stats().chats.inFlight).toBe(1);
    clock.advance(1);
    await exchange.closed;
    await expect.poll(() => planner.stats().chats.inFlight).toBe(0);
    const { events: all } = await readFrames(reply.frames);
    expect(all.at(-1)).toMatchObject({ error: { code: 'ERR_CLIENT_SLOW' } });
  });
});

test('an endpoint that does not list its models holds up nobody beyond their time', async () => {
  await open();
  clock.advance(10_000);
  let isAsked = (): void => {};
  const asked = new Promise<void>((resolve) => {
    isAsked = resolve;
  });
  two.list = () => isAsked();
  const reply = ask({ model: 'new' }, 500);
  await asked;
  expect(await isSettled(reply)).toBe(false);
  clock.advance(500);
  expect(codeOf(await reply)).toBe('ERR_MODEL_TIMEOUT_STREAM');
  // Whatever still waits for the list.
  clock.advance(10_000);
});

describe('who joins', () => {
  const STEADY = { temperature: 0 };

  test('with less time leaves at its own deadline, and the other one goes on', async () => {
    await open(ALONE);
    one.chat = () => {};
    const arrived = one.next();
    const first = ask(STEADY, 100_000);
    const { response } = await arrived;
    const short = ask(STEADY, 2_000);
    const shortStream = ask({ ...STEADY, stream: true }, 3_000);
    expect(await isSettled(short)).toBe(false);
    clock.advance(2_000);
    expect(codeOf(await short)).toBe('ERR_MODEL_TIMEOUT_STREAM');
    clock.advance(1_000);
    expect(codeOf(await shortStream)).toBe('ERR_MODEL_TIMEOUT_STREAM');
    streamHead(response, '');
    response.end(events(piece('x'), FINISH, '[DONE]'));
    expect(codeOf(await first)).toBe('whole of one');
    expect(planner.stats().chats.byOutcome).toMatchObject({ answered: 1, timeout: 2 });
  });

  test('with less time is told why its stream ends, when it has begun', async () => {
    await open(ALONE);
    const { reply, exchange } = await begun(STEADY, 100_000);
    const short = await ask({ ...STEADY, stream: true }, 2_000);
    if (short.kind !== 'stream') throw new Error(codeOf(short));
    const read = readFrames(short.frames);
    expect(await isSettled(read)).toBe(false);
    clock.advance(2_000);
    expect((await read).events).toEqual([
      piece('one'),
      { error: expect.objectContaining({ code: 'ERR_MODEL_TIMEOUT_STREAM' }) },
    ]);
    exchange.response.end(events(piece('x'), FINISH, '[DONE]'));
    expect(await readFrames(reply.frames)).toMatchObject({ isDone: true });
    expect(planner.stats().chats).toMatchObject({ inFlight: 0, byOutcome: { answered: 1, timeout: 1 } });
  });

  test('with much more time does not: it would end with the other one', async () => {
    await open(ALONE);
    one.chat = () => {};
    const arrived = one.next();
    const first = ask(STEADY, 10_000);
    await arrived;
    clock.advance(1_200);
    const again = one.next();
    const second = ask(STEADY, 10_000);
    await again;
    expect(one.chats).toHaveLength(2);
    clock.advance(20_000);
    expect([codeOf(await first), codeOf(await second)]).toEqual([
      'ERR_MODEL_TIMEOUT_HEADERS',
      'ERR_MODEL_TIMEOUT_HEADERS',
    ]);
  });
});

test('an aborted call holds its slot for as long as its server is thought to work on', async () => {
  await open(ALONE);
  one.chat = () => {};
  const controller = new AbortController();
  const arrived = one.next();
  const asked = ask({}, 100_000, controller.signal);
  const { closed } = await arrived;
  controller.abort();
  expect(codeOf(await asked)).toBe('ERR_CANCELLED');
  await closed;
  expect(planner.stats().endpoints[0]).toMatchObject({ busy: 1, held: 1 });
  clock.advance(10_000);
  expect(planner.stats().endpoints[0]).toMatchObject({ busy: 0, held: 0 });
});

test('the call that shows that an endpoint is well again lets others in with its first event', async () => {
  await open({ ...ALONE, callRetries: 0 });
  one.chat = ({ response }) => response.writeHead(503).end();
  for (let nth = 0; nth < 5; nth++) {
    await ask();
    clock.advance(200);
  }
  expect(planner.stats().endpoints[0]?.breaker.state).toBe('open');
  expect(codeOf(await ask())).toBe('ERR_ENDPOINT_RESTING');
  clock.advance(5_000);
  const { reply, exchange } = await begun();
  expect(planner.stats().endpoints[0]?.breaker.state).toBe('closed');
  exchange.response.end(events(FINISH, '[DONE]'));
  expect((await readFrames(reply.frames)).isDone).toBe(true);
});
