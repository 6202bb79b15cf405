import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ModelClient } from '../../../src/shared/model-client/model-client.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { STREAM_OPTIONS_REFUSED } from '../../support/rows/refusal-rows.ts';
import {
  type Exchange,
  events,
  FINISH,
  json,
  piece,
  ScriptedServer,
  streamWhole,
} from '../../support/scripted-server.ts';

const MEMBER = 'stream_options';
let server: ScriptedServer;
let client: ModelClient;
let clock: FakeClock;

beforeEach(async () => {
  server = await ScriptedServer.start();
  clock = new FakeClock();
  client = new ModelClient({ name: 'e', baseURL: server.baseURL }, clock, 2);
});
afterEach(async () => {
  await client.close();
  await server[Symbol.asyncDispose]();
});

const has = ({ body }: Exchange): boolean => MEMBER in (JSON.parse(body) as object);
const asked = (): boolean[] => server.exchanges.map(has);

function refuse(status: number, body: unknown): void {
  server.script = (exchange) => {
    if (!has(exchange)) return streamWhole(exchange.response, 'hello');
    if (status >= 400) return json(exchange.response, status, body);
    return exchange.response.writeHead(200, { 'content-type': 'text/event-stream' }).end(events(body));
  };
}

/** What a plan's call, or a chat's, comes to. */
const DOORS = {
  plan: async (schema = false): Promise<string> => {
    const outcome = await client.chat({
      model: 'm',
      messages: [{ role: 'user', content: 'x' }],
      maxTokens: 9,
      temperature: 0,
      timeoutMs: 10_000,
      ...(schema ? { schema: { name: 'vote', schema: { type: 'object' } } } : {}),
    });
    return outcome.ok ? outcome.answer.content : outcome.failure.code;
  },
  chat: async (): Promise<string> => {
    let words = '';
    const listener = {
      onEvent: (_: string, event: { choices?: readonly { delta?: { content?: unknown } | null }[] }) => {
        words += event.choices?.[0]?.delta?.content ?? '';
      },
      onBody: () => {},
    };
    const body = { model: 'm', messages: [], stream: true, [MEMBER]: { include_usage: true } };
    const { failure } = await client.relay({ body, timeoutMs: 10_000, choices: 1, listener }).ended;
    return failure?.code ?? words;
  },
};

describe.each(Object.entries(DOORS))('a server that refuses stream_options, asked by a %s', (_, ask) => {
  test.each(STREAM_OPTIONS_REFUSED)('is asked again without, and from then on: %s', async (_whose, status, body) => {
    refuse(status, body);
    expect(await ask()).toBe('hello');
    expect(await ask()).toBe('hello');
    expect(asked()).toEqual([true, false, false]);
  });

  test('is asked with them again after ten minutes', async () => {
    refuse(400, { error: { message: 'stream_options is not supported' } });
    await ask();
    clock.advance(600_000);
    await ask();
    await ask();
    expect(asked()).toEqual([true, false, true, false, false]);
  });
});

test('a server that also keeps a schema is not taken for one that refuses it', async () => {
  refuse(400, { error: { message: 'stream_options is not supported' } });
  expect(await DOORS.plan(true)).toBe('hello');
});

describe.each(Object.entries(DOORS))('a refusal of something else, of a %s', (_, ask) => {
  test.each([
    ['a model', 404, { error: { message: 'model "m" not found' } }],
    ['a key', 401, { error: { message: 'Incorrect API key' } }],
    ['load', 429, { error: { message: 'stream_options: too many requests' } }],
    ['a request', 400, { error: { message: 'the prompt is too long' } }],
  ])('is not tried again: %s', async (_whose, status, body) => {
    refuse(status, body);
    expect(await ask()).toMatch(/^ERR_MODEL/);
    expect(server.exchanges).toHaveLength(1);
  });

  test('is told as it is where the call fails without them too', async () => {
    server.script = ({ response }) => json(response, 400, { error: { message: 'Bad Request' } });
    expect(await ask()).toBe('ERR_MODEL_REJECTED');
    expect(await ask()).toBe('ERR_MODEL_REJECTED');
    expect(asked()).toEqual([true, false, true, false]);
  });

  test('is not tried again once the server has taken them', async () => {
    server.script = ({ response }) => response.writeHead(200).end(events(piece('hello'), FINISH, '[DONE]'));
    await ask();
    server.script = ({ response }) => json(response, 400, { error: { message: 'Bad Request' } });
    expect(await ask()).toBe('ERR_MODEL_REJECTED');
    expect(server.exchanges).toHaveLength(2);
  });
});
