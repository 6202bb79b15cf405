import { afterEach, beforeEach, expect, test } from 'vitest';
import { withoutUsage } from '../../../src/main/chat/answers/completion.ts';
import type { ChatPlanner } from '../../../src/main/chat/chat-planner.ts';
import { wholeFrames } from '../../../src/main/chat/chat-reply.ts';
import { ASK, ChatServer, makeChats, readFrames } from '../../support/make-chats.ts';
import { events, FINISH, piece, streamHead } from '../../support/scripted-server.ts';

let server: ChatServer;
let planner: ChatPlanner;

beforeEach(async () => {
  server = await ChatServer.start();
  planner = await makeChats({ e: server });
});
afterEach(async () => {
  await planner.close();
  await server[Symbol.asyncDispose]();
});

const USAGE = { prompt_tokens: 7, completion_tokens: 2 };
const TIMINGS = { cache_n: 1, prompt_n: 6 };

test.each([
  ['alone', { choices: [], usage: USAGE }, [FINISH]],
  ['with choices that are null', { choices: null, usage: USAGE }, [FINISH]],
  ['without choices', { usage: USAGE }, [FINISH]],
  ['with what every event has', { id: 'c', created: 1, model: 'm', object: 'x', choices: [], usage: USAGE }, [FINISH]],
  ['with timings', { choices: [], usage: USAGE, timings: TIMINGS }, [{ ...FINISH, timings: TIMINGS }]],
  ['in an event with a choice', { ...FINISH, usage: USAGE }, [FINISH, { ...FINISH, usage: USAGE }]],
])('the tokens go to who asked for them: %s', async (_, event, expected) => {
  server.chat = ({ response }) => {
    streamHead(response);
    response.end(events(piece('x'), FINISH, event, '[DONE]'));
  };
  for (const include_usage of [true, false]) {
    const reply = await planner.chats.chat({ ...ASK, stream: true, stream_options: { include_usage } });
    if (reply.kind !== 'stream') throw new Error(`a ${reply.kind} reply`);
    const told = (await readFrames(reply.frames)).events;
    expect(told.slice(1)).toEqual(include_usage ? [FINISH, event] : expected);
  }
});

test('timings that come after everything else has gone out are an event of their own, with a choice that adds nothing', async () => {
  const event = { id: 'c', choices: [], usage: USAGE, timings: TIMINGS };
  const alone = { data: JSON.stringify(event), isUsage: true, withoutUsage: withoutUsage(event) as string };
  expect((await readFrames(wholeFrames([alone], false))).events).toEqual([
    { id: 'c', timings: TIMINGS, choices: [{ index: 0, delta: {}, finish_reason: null }] },
  ]);
  expect((await readFrames(wholeFrames([alone], true))).events).toEqual([event]);
});
