import { describe, expect, test } from 'vitest';
import type { PassReply } from '../../../../src/main/chat/passed/pass-reply.ts';
import type { PassedRoute } from '../../../../src/main/chat/passed/pass-request.ts';
import { flush } from '../../../support/drive.ts';
import type { ChatServer } from '../../../support/make-chats.ts';
import { type Exchange, json, streamHead } from '../../../support/scripted-server.ts';
import { clock, one, open, planner, summary, two, useTwoServers } from '../../../support/two-servers.ts';

useTwoServers();

function pass(more: object = {}, route: PassedRoute = 'responses', timeoutMs = 100_000): Promise<PassReply> {
  return planner.chats.pass(route, Buffer.from(JSON.stringify({ model: 'm', input: 'hi', ...more })), { timeoutMs });
}

const says =
  (id: string) =>
  ({ response }: Exchange): void =>
    json(response, 200, { id, object: 'response', status: 'completed', error: null, output: [] });
const fails =
  (status: number, body: unknown) =>
  ({ response }: Exchange): void =>
    json(response, status, body);

function at(path: string, server: ChatServer, act: (exchange: Exchange) => unknown): void {
  server.routes = { ...server.routes, [path]: act };
}

async function textOf(reply: PassReply): Promise<string> {
  if (reply.kind === 'failed') return summary(reply);
  if (reply.kind === 'whole') return reply.bytes.toString();
  let text = '';
  for await (const bytes of reply.frames) text += bytes.toString();
  return text;
}

const CREATED = 'event: response.created\ndata: {"type":"response.created","response":{"id":"r1"}}\n\n';
const DELTA = 'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"word"}\n\n';
const COMPLETED =
  'event: response.completed\ndata: {"type":"response.completed","response":{"id":"r1","usage":{"input_tokens":5,"output_tokens":1}}}\n\n';

describe('where a server fails before it has said a word, the next place is asked', () => {
  test.each<[string, (exchange: Exchange) => unknown]>([
    ['500', fails(500, { error: { message: 'broken' } })],
    ['503', fails(503, { error: { message: 'loading model' } })],
    ['401', fails(401, { error: { message: 'no key' } })],
    ['another model', fails(404, { error: { message: 'model "m" not found, try pulling it first' } })],
    ['another model, by code', fails(404, { error: { message: 'nothing', code: 'model_not_found' } })],
    ['an error in a 200', fails(200, { error: { message: 'broken' } })],
    ['a response that failed', fails(200, { id: 'x', status: 'failed', error: { message: 'broken' } })],
    ['nothing in a 200', ({ response }) => response.writeHead(200, { 'content-type': 'application/json' }).end()],
    ['no JSON in a 200', ({ response }) => response.writeHead(200, { 'content-type': 'application/json' }).end('hi')],
    ['a reset', ({ socket }) => socket.destroy()],
    [
      'an error event',
      ({ response }) =>
        response
          .writeHead(200, { 'content-type': 'text/event-stream' })
          .end('data: {"error":{"message":"broken"}}\n\n'),
    ],
    [
      'a failed event',
      ({ response }) =>
        response
          .writeHead(200, { 'content-type': 'text/event-stream' })
          .end(`${CREATED}data: {"type":"response.failed","response":{"error":{"message":"broken"}}}\n\n`),
    ],
    [
      'a word and a failure in one packet',
      ({ response }) =>
        response
          .writeHead(200, { 'content-type': 'text/event-stream' })
          .end(`${DELTA}data: {"error":{"message":"broken"}}\n\n`),
    ],
    ['half a stream', ({ response }) => response.writeHead(200, { 'content-type': 'text/event-stream' }).end(CREATED)],
  ])('%s', async (_, act) => {
    await open({ callRetries: 0 });
    at('/v1/responses', one, act);
    at('/v1/responses', two, says('r2'));
    const reply = await pass({ stream: true });
    expect(summary(reply)).toBe('model m at two');
    expect(await textOf(reply)).toContain('"r2"');
    expect(one.passed).toHaveLength(1);
  });

  test.each([400, 413, 422])('but for what the server refuses of the request itself: %i', async (status) => {
    await open();
    at('/v1/responses', one, fails(status, { error: { message: 'too long', code: 'context_length_exceeded' } }));
    const reply = await pass();
    expect(summary(reply)).toBe(`ERR_MODEL_REJECTED ${status}`);
    expect(two.passed).toEqual([]);
  });

  test.each([[null], [false], [''], [{}], [[]], [0]])('an error of %j beside an answer is none', async (error) => {
    await open();
    at('/v1/responses', one, fails(200, { id: 'r1', error, output: [] }));
    expect(summary(await pass())).toBe('model m at one');
  });

  test('the ladder is asked by its models’ own names, and the rest of the bytes stay', async () => {
    await open();
    at('/v1/responses', one, fails(500, {}));
    at('/v1/responses', two, ({ response, body }) => {
      if (body.includes('"m"')) return json(response, 500, {});
      return says('r3')({ response } as Exchange);
    });
    const body = '{ "input": "é", "model" : "m" , "seed":9007199254740993 }';
    const reply = await planner.chats.pass('responses', Buffer.from(body));
    expect(summary(reply)).toBe('fallback backup at two');
    expect(two.passed.at(-1)?.body).toBe(body.replace('"m"', '"backup"'));
    expect(planner.stats().chats.fallbacks).toBe(1);
  });

  test('conclave stands for the ladder, where models write', async () => {
    await open();
    at('/v1/responses', two, says('r1'));
    at('/v1/completions', two, fails(200, { id: 'c', choices: [] }));
    for (const route of ['responses', 'completions'] as const) {
      expect(summary(await pass({ model: 'conclave' }, route))).toBe('model backup at two');
    }
    expect(summary(await pass({ model: 'conclave' }, 'embeddings'))).toBe('ERR_MODEL_MISSING');
  });

  test('embeddings come from no other model', async () => {
    await open();
    at('/v1/embeddings', one, fails(500, {}));
    at('/v1/embeddings', two, fails(500, {}));
    expect(summary(await pass({}, 'embeddings'))).toBe('ERR_MODEL_STATUS 500');
    expect([one, two].map(({ passed }) => passed.length)).toEqual([1, 1]);
    expect(two.passed[0]?.body).toContain('"m"');
  });
});

describe('a route that a server does not have', () => {
  test.each<[string, (exchange: Exchange) => unknown]>([
    ['404', fails(404, { detail: 'Not Found' })],
    [
      '404 in text',
      ({ response }) => response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found'),
    ],
    ['405', fails(405, { detail: 'Method Not Allowed' })],
    [
      '501',
      fails(501, { error: { code: 501, message: 'This server does not support it', type: 'not_supported_error' } }),
    ],
    ['an error in a 200', fails(200, { error: 'Unexpected endpoint or method. (POST /v1/responses)' })],
  ])('is left alone for five minutes: %s', async (_, act) => {
    await open();
    at('/v1/responses', one, act);
    at('/v1/responses', two, says('r2'));
    at('/v1/completions', one, fails(200, { id: 'c', choices: [] }));
    expect(summary(await pass())).toBe('model m at two');
    expect(summary(await pass())).toBe('model m at two');
    expect(one.passed).toHaveLength(1);
    expect(summary(await pass({}, 'completions'))).toBe('model m at one');
    clock.advance(299_999);
    await pass();
    expect(one.passed.filter(({ url }) => url === '/v1/responses')).toHaveLength(1);
    clock.advance(1);
    await pass();
    expect(one.passed.filter(({ url }) => url === '/v1/responses')).toHaveLength(2);
  });

  test('is named where no server has it, and costs no server its health', async () => {
    await open();
    for (const server of [one, two]) at('/v1/responses', server, fails(501, { error: 'no' }));
    for (let nth = 0; nth < 10; nth++) {
      const reply = await pass();
      expect(summary(reply)).toMatch(/^ERR_METHOD_UNKNOWN/);
      clock.advance(300_000);
    }
    expect(planner.stats().endpoints.map(({ breaker }) => breaker.state)).toEqual(['closed', 'closed']);
    const reply = await pass();
    expect(reply.kind === 'failed' && reply.error.message).toContain('POST /responses');
  });
});

describe('what refers to the state of a server never changes server', () => {
  test.each<[string, object, boolean]>([
    ['a response before', { previous_response_id: 'resp_x' }, true],
    ['a conversation', { conversation: 'conv_1' }, true],
    ['a conversation as an object', { conversation: { id: 'conv_1' } }, true],
    ['the background', { background: true }, true],
    ['none of it', {}, false],
    ['none of it, said', { previous_response_id: null, conversation: null, background: false }, false],
  ])('%s', async (_, more, isBound) => {
    await open();
    at('/v1/responses', one, fails(500, {}));
    at('/v1/responses', two, says('r2'));
    expect(summary(await pass(more))).toBe(isBound ? 'ERR_MODEL_STATUS 500' : 'model m at two');
    expect(two.passed).toHaveLength(isBound ? 0 : 1);
  });

  test('a response that goes on from another is asked where that was made', async () => {
    await open();
    at('/v1/responses', one, fails(500, {}));
    at('/v1/responses', two, says('resp_of_two'));
    await pass();
    at('/v1/responses', one, says('resp_of_one'));
    expect(summary(await pass())).toBe('model m at one');
    expect(summary(await pass({ previous_response_id: 'resp_of_two' }))).toBe('model m at two');
    expect(summary(await pass({ previous_response_id: 'resp_of_one' }))).toBe('model m at one');
    expect(summary(await pass({ previous_response_id: 'resp_of_two', model: 'conclave' }))).toBe('model backup at two');
  });

  test('so is one that went on while its stream was not over', async () => {
    await open();
    at('/v1/responses', one, fails(500, {}));
    at('/v1/responses', two, ({ response }) => streamHead(response, CREATED + DELTA));
    const first = await pass({ stream: true });
    at('/v1/responses', one, says('x'));
    at('/v1/responses', two, says('y'));
    expect(summary(await pass({ previous_response_id: 'r1' }))).toBe('model m at two');
    if (first.kind === 'stream') await first.frames.return?.();
  });

  test('that it is not known there is no sign that the route is missing', async () => {
    await open();
    at('/v1/responses', one, fails(404, { error: { message: "Response with id 'resp_x' not found.", code: 404 } }));
    expect(summary(await pass({ previous_response_id: 'resp_x' }))).toBe('ERR_MODEL_REJECTED 404');
    at('/v1/responses', one, says('r1'));
    expect(summary(await pass())).toBe('model m at one');
  });
});

describe('time and slots', () => {
  test('a stream that says nothing gives way to the next place, and a word keeps it', async () => {
    await open();
    const arrived = one.next();
    at('/v1/responses', one, ({ response }) => streamHead(response, CREATED));
    at('/v1/responses', two, ({ response }) => {
      streamHead(response);
      response.end(CREATED + DELTA + COMPLETED);
    });
    const asked = pass({ stream: true });
    await arrived;
    await flush();
    clock.advance(60_001);
    const reply = await asked;
    expect(summary(reply)).toBe('model m at two');
    expect(await textOf(reply)).toBe(CREATED + DELTA + COMPLETED);
    expect(reply.kind === 'failed' ? [] : reply.origin.attempts[0]).toMatchObject({
      endpoint: 'one',
      code: 'ERR_MODEL_TIMEOUT_FIRST_TOKEN',
    });
  });

  test('a stream that stalls after its first word ends with an event that says so', async () => {
    await open({ chat: { stallMs: 20_000 } });
    at('/v1/responses', one, ({ response }) => streamHead(response, CREATED + DELTA));
    const reply = await pass({ stream: true });
    const text = textOf(reply);
    await flush();
    clock.advance(20_001);
    expect(await text).toMatch(/^event: response.created[\s\S]*\n\nevent: error\ndata: \{"error":\{.*TIMEOUT_STREAM/);
    expect(two.passed).toEqual([]);
  });

  test('a stream whose last event has come is whole a second later', async () => {
    await open();
    at('/v1/responses', one, ({ response }) => streamHead(response, CREATED + DELTA + COMPLETED));
    const reply = await pass({ stream: true });
    const text = textOf(reply);
    await flush();
    clock.advance(1_000);
    expect(await text).toBe(CREATED + DELTA + COMPLETED);
    expect(planner.stats().chats).toMatchObject({ promptTokens: 5, completionTokens: 1, inFlight: 0 });
  });

  test('each waits for a slot, as chats do', async () => {
    const endpoints = { one: { baseURL: one.baseURL, maxConcurrent: 1 } };
    await open({ endpoints, synthesis: { models: [] } }, { one });
    const held: Exchange[] = [];
    at('/v1/embeddings', one, (exchange) => held.push(exchange));
    const first = pass({}, 'embeddings');
    const second = pass({}, 'embeddings');
    await expect.poll(() => held.length).toBe(1);
    await flush();
    expect(planner.stats().endpoints[0]).toMatchObject({ busy: 1 });
    expect(held).toHaveLength(1);
    json(held[0]?.response as Exchange['response'], 200, { data: [] });
    expect(summary(await first)).toBe('model m at one');
    await expect.poll(() => held.length).toBe(2);
    json(held[1]?.response as Exchange['response'], 200, { data: [] });
    expect(summary(await second)).toBe('model m at one');
  });

  test('they are bounded with the chats, and refused once closed', async () => {
    await open({ chat: { maxInFlight: 1 } });
    at('/v1/responses', one, () => {});
    const arrived = one.next();
    const first = pass();
    await arrived;
    expect(summary(await pass())).toBe('ERR_PLANNER_OVERLOADED');
    await planner.close();
    expect(summary(await first)).toBe('ERR_PLANNER_CLOSED');
    expect(summary(await pass())).toBe('ERR_PLANNER_CLOSED');
  });

  test('a signal ends the work at the server', async () => {
    await open();
    at('/v1/responses', one, () => {});
    const arrived = one.next();
    const controller = new AbortController();
    const asked = planner.chats.pass('responses', Buffer.from('{"model":"m"}'), { signal: controller.signal });
    const { closed } = await arrived;
    controller.abort();
    expect(summary(await asked)).toBe('ERR_CANCELLED');
    await closed;
  });
});

describe('large answers', () => {
  const say = (bytes: number) => `{"id":"x","data":"${'x'.repeat(bytes)}"}`;

  test('are held whole up to 16 MB, so that a late failure still leads elsewhere', async () => {
    await open({ callRetries: 0 });
    at('/v1/embeddings', one, ({ response, socket }) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(say(10_000_000), () => socket.destroy());
    });
    at('/v1/embeddings', two, ({ response }) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(say(100)),
    );
    const reply = await pass({}, 'embeddings');
    expect(summary(reply)).toBe('model m at two');
    expect(reply.kind).toBe('whole');
  });

  test('begin before their end beyond that, byte for byte, and break off where the server does', async () => {
    await open();
    const body = say(20_000_000);
    at('/v1/embeddings', one, ({ response }) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(body),
    );
    const reply = await pass({}, 'embeddings');
    expect(reply.kind).toBe('stream');
    expect((await textOf(reply)) === body).toBe(true);
    at('/v1/embeddings', one, ({ response, socket }) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(body.slice(0, 18_000_000), () => socket.destroy());
    });
    await expect(pass({}, 'embeddings').then(textOf)).rejects.toThrow('mid-answer');
  });
});
