import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ChatPlanner } from '../../../src/main/chat/chat-planner.ts';
import { ASK, ChatServer, makeChats } from '../../support/make-chats.ts';
import { STREAM_REFUSED } from '../../support/rows/refusal-rows.ts';
import { type Exchange, events, json } from '../../support/scripted-server.ts';

/** Whole answers are asked for as streams; some servers give some of them in one piece only. */
let server: ChatServer;
let planner: ChatPlanner;
const LOGPROBS = { ...ASK, logprobs: true, top_logprobs: 2, tools: [] };
const WHOLE = {
  id: 'w',
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'whole' }, finish_reason: 'stop' }],
};

beforeEach(async () => {
  server = await ChatServer.start();
  planner = await makeChats({ e: server }, { callRetries: 0 });
});
afterEach(async () => {
  await planner.close();
  await server[Symbol.asyncDispose]();
});

const isStreamed = ({ body }: Exchange): boolean => (JSON.parse(body) as { stream?: boolean }).stream === true;
const asked = (): boolean[] => server.chats.map(isStreamed);

function refuse(status: number, error: unknown): void {
  server.chat = (exchange) => {
    if (!isStreamed(exchange)) return json(exchange.response, 200, WHOLE);
    if (status >= 400) return json(exchange.response, status, { error });
    return exchange.response.writeHead(200, { 'content-type': 'text/event-stream' }).end(events({ error }));
  };
}

describe('a server that refuses a stream that the client did not ask for', () => {
  test.each(STREAM_REFUSED)('is asked for the answer in one piece: %s', async (_whose, status, error) => {
    refuse(status, error);
    const reply = await planner.chats.chat(LOGPROBS);
    expect(reply.kind === 'whole' && JSON.parse(reply.completion)).toEqual(WHOLE);
    expect(asked()).toEqual([true, false]);
    expect(server.bodies[1]).toEqual(LOGPROBS);
  });

  test('is asked once more at most, and its last words count', async () => {
    server.chat = (exchange) =>
      json(exchange.response, 400, { error: { message: isStreamed(exchange) ? 'cannot stream' : 'nor whole' } });
    expect(await planner.chats.chat(LOGPROBS)).toMatchObject({
      kind: 'failed',
      refusal: { status: 400, error: { message: 'nor whole' } },
    });
    expect(asked()).toEqual([true, false]);
  });

  test('is not asked for what the client does not want', async () => {
    refuse(400, { message: 'logprobs is not supported with tools + stream' });
    expect(await planner.chats.chat({ ...LOGPROBS, stream: true })).toMatchObject({
      kind: 'failed',
      refusal: { status: 400 },
    });
    expect(asked()).toEqual([true]);
  });
});

test.each([
  [400, { message: 'the prompt is too long' }],
  [400, { message: 'upstream said no' }],
  [401, { message: 'the key is not for streams' }],
  [500, { message: 'the stream ended' }],
])('another refusal is told as it is: %i %j', async (status, error) => {
  refuse(status, error);
  expect(await planner.chats.chat(LOGPROBS)).toMatchObject({ kind: 'failed' });
  expect(asked()).toEqual([true]);
});
