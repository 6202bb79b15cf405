import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ChatPlanner } from '../../../../src/main/chat/chat-planner.ts';
import type { Face } from '../../../../src/main/faces/face.ts';
import { openHttpFace } from '../../../../src/main/faces/http/open-http-face.ts';
import type { PlannerOptions } from '../../../../src/main/options/planner-options.ts';
import { systemClock } from '../../../../src/shared/clock.ts';
import { ChatServer, HELLO, makeChats, wordsOf } from '../../../support/make-chats.ts';
import { events, json, piece, streamHead } from '../../../support/scripted-server.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };
const messages = [{ role: 'user' as const, content: 'hi' }];

let server: ChatServer;
let planner: ChatPlanner;
let face: Face;
let client: OpenAI;

async function open(options: Partial<PlannerOptions> = {}): Promise<void> {
  planner = await makeChats({ local: server }, options);
  face = await openHttpFace(planner, { port: 0 }, { clock: systemClock, log, version: '0.0.0' });
  client = new OpenAI({ baseURL: `${face.address}/v1`, apiKey: 'any', maxRetries: 0 });
}

beforeEach(async () => {
  server = await ChatServer.start('m', 'a/b-7b');
});

afterEach(async () => {
  await face.close();
  await planner.close();
  await server[Symbol.asyncDispose]();
});

describe('the openai SDK with its base URL changed', () => {
  test('gets a whole answer, although the server is asked for a stream', async () => {
    await open();
    const { data, response } = await client.chat.completions.create({ model: 'm', messages }).withResponse();
    expect(data).toMatchObject({
      id: 'c1',
      object: 'chat.completion',
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content: 'hello world' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 7, completion_tokens: 2 },
    });
    expect(server.bodies).toEqual([{ model: 'm', messages, stream: true, stream_options: { include_usage: true } }]);
    expect(response.headers.get('x-conclave-source')).toBe('model');
    expect(response.headers.get('x-conclave-endpoint')).toBe('local');
    expect(response.headers.get('x-conclave-attempts')).toMatch(/^local m OK \d+$/);
  });

  test('gets the very events of the server, without the tokens that it did not ask for', async () => {
    await open();
    const stream = await client.chat.completions.create({ model: 'm', messages, stream: true });
    const chunks: unknown[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks).toEqual(HELLO.slice(0, 4));
    expect(wordsOf(chunks)).toBe('hello world');
  });

  test('gets the tokens where it asks for them', async () => {
    await open();
    const stream = await client.chat.completions.create({
      model: 'm',
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks: unknown[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks).toEqual(HELLO.slice(0, 5));
  });

  test('calls tools, streamed and whole', async () => {
    const call = (part: object) => ({
      id: 'c',
      model: 'm',
      choices: [{ index: 0, delta: { tool_calls: [part] }, finish_reason: null }],
    });
    server.chat = ({ response }) => {
      streamHead(response);
      response.end(
        events(
          HELLO[0],
          call({ index: 0, id: 'call_1', type: 'function', function: { name: 'look', arguments: '' } }),
          call({ index: 0, function: { arguments: '{"at":' } }),
          call({ index: 1, id: 'call_2', type: 'function', function: { name: 'run', arguments: '{}' } }),
          call({ index: 0, function: { arguments: '"door"}' } }),
          { choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
          '[DONE]',
        ),
      );
    };
    await open();
    const tools = [{ type: 'function' as const, function: { name: 'look', parameters: { type: 'object' } } }];
    const whole = await client.chat.completions.create({ model: 'm', messages, tools });
    const streamed = await client.chat.completions.stream({ model: 'm', messages, tools }).finalChatCompletion();
    for (const { choices } of [whole, streamed]) {
      expect(choices[0]?.finish_reason).toBe('tool_calls');
      expect(choices[0]?.message.content).toBeFalsy();
      expect(choices[0]?.message.tool_calls).toMatchObject([
        { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"at":"door"}' } },
        { id: 'call_2', type: 'function', function: { name: 'run', arguments: '{}' } },
      ]);
    }
    expect(server.bodies[0]).toMatchObject({ tools });
  });

  test('an abort closes the call at the server, and nothing is in flight any more', async () => {
    server.chat = ({ response }) => streamHead(response, events(piece('hello')));
    await open();
    const arrived = server.next();
    const stream = await client.chat.completions.create({ model: 'm', messages, stream: true });
    const { closed } = await arrived;
    for await (const _ of stream) stream.controller.abort();
    await closed;
    await expect.poll(() => planner.stats().chats.inFlight).toBe(0);
    expect(planner.stats().chats.byOutcome.cancelled).toBe(1);
  });

  test('an abort before the first word closes the call as well', async () => {
    server.chat = () => {};
    await open();
    const arrived = server.next();
    const controller = new AbortController();
    const asked = client.chat.completions.create({ model: 'm', messages }, { signal: controller.signal });
    const { closed } = await arrived;
    controller.abort();
    await expect(asked).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    await closed;
    await expect.poll(() => planner.stats().chats.inFlight).toBe(0);
  });
});

describe('errors are those that the SDK has classes for', () => {
  test('an unknown model is not found, and the nearest is named', async () => {
    await open();
    const asked = client.chat.completions.create({ model: 'a/b-8b', messages });
    await expect(asked).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(asked).rejects.toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
    await expect(asked).rejects.toThrow('a/b-7b');
    expect(server.chats).toEqual([]);
  });

  test('a request without messages is a bad one', async () => {
    await open();
    const asked = client.chat.completions.create({ model: 'm', messages: [] });
    await expect(asked).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    await expect(asked).rejects.toMatchObject({ status: 400, code: 'ERR_REQUEST_INVALID' });
  });

  test('what the server refuses comes back in its own words', async () => {
    const error = {
      message: 'too long',
      type: 'invalid_request_error',
      code: 'context_length_exceeded',
      param: 'messages',
    };
    server.chat = ({ response }) => json(response, 400, { error });
    await open({ synthesis: { models: ['a/b-7b'] } });
    const asked = client.chat.completions.create({ model: 'm', messages });
    await expect(asked).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    await expect(asked).rejects.toMatchObject({ status: 400, error });
    expect(server.chats).toHaveLength(1);
  });

  test.each([
    ['{"model": "m"', 400, 'ERR_PROTOCOL'],
    ['[]', 400, 'ERR_REQUEST_INVALID'],
    ['null', 400, 'ERR_REQUEST_INVALID'],
    ['{"model": 5, "messages": [1]}', 400, 'ERR_REQUEST_INVALID'],
    [`{"model":"m","messages":[${'['.repeat(5_000)}${']'.repeat(5_000)}]}`, 400, 'ERR_PROTOCOL'],
    [`{"temperature":0,"model":"m","messages":[${'{},'.repeat(100_000)}{}]}`, 400, 'ERR_PROTOCOL'],
  ])('a body such as %.40s is refused with a code', async (body, status, code) => {
    await open();
    const response = await fetch(`${face.address}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { code, type: 'invalid_request_error', param: null } });
    expect(server.chats).toEqual([]);
  });

  test('a body over its bound is too large', async () => {
    await open({ chat: { bodyBytesMax: 1_024 } });
    const asked = client.chat.completions.create({
      model: 'm',
      messages: [{ role: 'user', content: 'x'.repeat(2_000) }],
    });
    await expect(asked).rejects.toMatchObject({ status: 413, code: 'ERR_MESSAGE_TOO_LARGE' });
  });

  test('headers that make no sense are named', async () => {
    await open();
    for (const [name, value] of [
      ['x-conclave-timeout-ms', 'soon'],
      ['x-conclave-fallback', 'maybe'],
    ] as const) {
      const asked = client.chat.completions.create({ model: 'm', messages }, { headers: { [name]: value } });
      await expect(asked).rejects.toThrow(name);
    }
  });

  test('out of time is a 504 that the SDK does not make again', async () => {
    server.chat = () => {};
    await open();
    const patient = client.withOptions({ maxRetries: 2 });
    const asked = patient.chat.completions.create(
      { model: 'm', messages },
      { headers: { 'x-conclave-timeout-ms': '50' } },
    );
    await expect(asked).rejects.toMatchObject({ status: 504, code: 'ERR_MODEL_TIMEOUT_HEADERS' });
    expect(server.chats).toHaveLength(1);
  });

  test('a failure after the first word ends the stream with an error that the SDK throws', async () => {
    server.chat = ({ response }) => streamHead(response, events(piece('hello')));
    await open({ synthesis: { models: ['a/b-7b'] } });
    const arrived = server.next();
    const response = await fetch(`${face.address}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', messages, stream: true }),
    });
    (await arrived).socket.resetAndDestroy();
    const text = await response.text();
    expect(text).toContain('"content":"hello"');
    expect(text).toContain('"code":"ERR_MODEL_RESET"');
    expect(text).not.toContain('[DONE]');
    const again = server.next();
    const stream = await client.chat.completions.create({ model: 'm', messages, stream: true });
    (await again).socket.resetAndDestroy();
    const read = async (): Promise<void> => {
      for await (const _ of stream);
    };
    await expect(read()).rejects.toBeInstanceOf(OpenAI.APIError);
  });
});

describe('the cache', () => {
  test('gives the same answer again, with its age, in both forms', async () => {
    await open();
    const ask = { model: 'm', messages, temperature: 0 };
    const first = await client.chat.completions.create(ask);
    const { data, response } = await client.chat.completions.create({ ...ask, user: 'other' }).withResponse();
    expect(data).toEqual(first);
    expect(response.headers.get('x-conclave-source')).toBe('cache');
    expect(response.headers.get('age')).toBe('0');
    const streamed = await client.chat.completions.stream({ ...ask }).finalChatCompletion();
    expect(streamed.choices[0]?.message.content).toBe('hello world');
    expect(server.chats).toHaveLength(1);
    for (const value of ['no-cache', 'no-store']) {
      await client.chat.completions.create(ask, { headers: { 'cache-control': value } });
    }
    expect(server.chats).toHaveLength(3);
  });
});

test('GET /v1/models lists what the endpoints do, and the alias of the ladder', async () => {
  await open({ synthesis: { models: ['m'] } });
  const ids: string[] = [];
  for await (const { id, owned_by } of client.models.list()) ids.push(`${owned_by}: ${id}`);
  expect(ids).toEqual(['conclave: conclave', 'local: m', 'local: a/b-7b']);
  expect(await client.models.retrieve('m')).toMatchObject({ id: 'm', object: 'model', owned_by: 'local' });
  const slashed = await fetch(`${face.address}/v1/models/a/b-7b`);
  expect(await slashed.json()).toMatchObject({ id: 'a/b-7b' });
  await expect(client.models.retrieve('x')).rejects.toBeInstanceOf(OpenAI.NotFoundError);
});

test('a client that reads slowly holds up the server, and gets all of it in the end', async () => {
  const word = piece('x'.repeat(16_384));
  const count = 3_000;
  let sent = 0;
  server.chat = ({ response }) => {
    streamHead(response);
    const pour = (): void => {
      while (sent < count) {
        sent++;
        if (!response.write(events(word))) return void response.once('drain', pour);
      }
      response.end(events({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }, '[DONE]'));
    };
    pour();
  };
  await open();
  const response = await fetch(`${face.address}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm', messages, stream: true }),
  });
  const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  await reader.read();
  // It comes to rest before all has been sent.
  let [before, rests] = [-1, 0];
  await expect
    .poll(
      () => {
        rests = sent === before ? rests + 1 : 0;
        before = sent;
        return rests;
      },
      { interval: 100, timeout: 15_000 },
    )
    .toBeGreaterThan(5);
  expect(sent).toBeLessThan(count * 0.8);
  let bytes = 0;
  for (let read = await reader.read(); !read.done; read = await reader.read()) bytes += read.value.length;
  expect(sent).toBe(count);
  expect(bytes).toBeGreaterThan((count - 8) * 16_384);
});

test('chats in flight end before the planner does, and new ones are refused', async () => {
  await open();
  const arrived = server.next();
  server.chat = ({ response }) => streamHead(response, events(piece('hello')));
  const asked = client.chat.completions.create({ model: 'm', messages });
  const { response } = await arrived;
  const closed = planner.close({ drainMs: 10_000 });
  const refused = client.chat.completions.create({ model: 'm', messages });
  await expect(refused).rejects.toMatchObject({ status: 503, code: 'ERR_PLANNER_CLOSED' });
  response.end(events({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }, '[DONE]'));
  expect((await asked).choices[0]?.message.content).toBe('hello');
  await closed;
});
