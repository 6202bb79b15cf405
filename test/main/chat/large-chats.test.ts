import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ChatPlanner } from '../../../src/main/chat/chat-planner.ts';
import { ASK, ChatServer, makeChats } from '../../support/make-chats.ts';
import { json } from '../../support/scripted-server.ts';

/** Chats of so many members, or so much text, that they are read, keyed and written in parts. */
let server: ChatServer;
let planner: ChatPlanner;
const NAMES = Array.from({ length: 10_000 }, (_, nth) => `name ${nth}`);
const WIDE: Readonly<Record<string, object>> = {
  messages: { messages: NAMES.map((content) => ({ role: 'user', content })) },
  parts: { messages: [{ role: 'user', content: NAMES.map((text) => ({ type: 'text', text })) }] },
  tools: { tools: NAMES.map((name) => ({ type: 'function', function: { name, parameters: {} } })) },
  member: { metadata: Object.fromEntries(NAMES.map((name) => [name, [name, null, 1.5, true]])) },
  members: Object.fromEntries(NAMES.map((name) => [name, {}])),
  text: { messages: [{ role: 'user', content: '😀"\\'.repeat(400_000) }] },
};

beforeEach(async () => {
  server = await ChatServer.start();
  planner = await makeChats({ e: server }, { callRetries: 0 });
});
afterEach(async () => {
  await planner.close();
  await server[Symbol.asyncDispose]();
});

test.each(Object.keys(WIDE))('many or much of it reaches the server as it is: %s', async (what) => {
  const body = { ...ASK, ...WIDE[what], stream: true };
  const reply = await planner.chats.chat(body);
  expect(reply.kind).toBe('stream');
  if (reply.kind === 'stream') for await (const _ of reply.frames);
  expect(server.bodies).toEqual([{ ...body, stream_options: { include_usage: true } }]);
  expect(server.chats[0]?.headers).toMatchObject({ 'content-type': 'application/json' });
});

test('a text that is not Unicode is mended on the way', async () => {
  await planner.chats.chat({ ...ASK, ...WIDE.messages, user: 'half \ud83d', '\ude00': ['\ude00'] });
  expect(server.bodies[0]).toMatchObject({ user: 'half \ufffd', '\ufffd': ['\ufffd'] });
});

test('a server that refuses stream_options is asked again without them, and with all else', async () => {
  server.chat = ({ response, body }) =>
    body.includes('stream_options')
      ? json(response, 400, { error: { message: 'unknown field stream_options' } })
      : json(response, 200, { id: 'w', choices: [{ message: { content: 'yes' }, finish_reason: 'stop' }] });
  const body = { ...ASK, ...WIDE.messages };
  expect(await planner.chats.chat(body)).toMatchObject({ kind: 'whole' });
  expect(server.bodies[1]).toEqual({ ...body, stream: true });
});

test('the same one is answered from memory, unless an object of it is too wide', async () => {
  const sources = async (body: object): Promise<unknown[]> => {
    const replies = [await planner.chats.chat(body), await planner.chats.chat({ ...body, user: 'other' })];
    return replies.map((reply) => reply.kind === 'whole' && reply.origin.source);
  };
  expect(await sources({ ...ASK, ...WIDE.messages, seed: 1 })).toEqual(['model', 'cache']);
  expect(await sources({ ...ASK, ...WIDE.member, seed: 1 })).toEqual(['model', 'cache']);
  const wide = Object.fromEntries([...NAMES, ...NAMES.map((name) => `${name} again`)].map((name) => [name, 1]));
  expect(await sources({ ...ASK, metadata: wide, seed: 1 })).toEqual(['model', 'model']);
});

test('one that throws when it is read has a coded error', async () => {
  const content = new Proxy([] as unknown[], {
    get: () => {
      throw new Error('gone');
    },
  });
  const body = { ...ASK, messages: [...NAMES.map((text) => ({ text })), { content }] };
  expect(await planner.chats.chat(body)).toMatchObject({ kind: 'failed', error: { code: 'ERR_REQUEST_INVALID' } });
});

test('one that is too wide or too deep is refused', async () => {
  const deep = { ...ASK, deep: JSON.parse('['.repeat(200) + ']'.repeat(200)) };
  for (const body of [
    { ...ASK, wide: Array(100_001).fill(0) },
    { ...deep, ...WIDE.messages },
  ]) {
    expect(await planner.chats.chat(body)).toMatchObject({ kind: 'failed', error: { code: 'ERR_REQUEST_INVALID' } });
  }
  expect(server.chats).toEqual([]);
});
