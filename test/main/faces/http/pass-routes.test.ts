import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ChatPlanner } from '../../../../src/main/chat/chat-planner.ts';
import type { Face } from '../../../../src/main/faces/face.ts';
import { openHttpFace } from '../../../../src/main/faces/http/open-http-face.ts';
import type { PlannerOptions } from '../../../../src/main/options/planner-options.ts';
import { systemClock } from '../../../../src/shared/clock.ts';
import { ChatServer, makeChats } from '../../../support/make-chats.ts';
import { type Exchange, json, streamHead } from '../../../support/scripted-server.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };

let server: ChatServer;
let other: ChatServer;
let planner: ChatPlanner;
let face: Face;
let client: OpenAI;

async function open(options: Partial<PlannerOptions> = {}, clock = systemClock): Promise<void> {
  planner = await makeChats({ local: server, other }, options, clock);
  face = await openHttpFace(planner, { port: 0 }, { clock: systemClock, log, version: '0.0.0' });
  client = new OpenAI({ baseURL: `${face.address}/v1`, apiKey: 'any', maxRetries: 0 });
}

beforeEach(async () => {
  server = await ChatServer.start('m');
  other = await ChatServer.start('other-7b');
});

afterEach(async () => {
  await face.close();
  await planner.close();
  await server[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

const RESPONSE = {
  id: 'resp_1',
  object: 'response',
  status: 'completed',
  model: 'm',
  error: null,
  output: [
    {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text: 'hello world', annotations: [] }],
    },
  ],
  usage: { input_tokens: 7, output_tokens: 2, total_tokens: 9 },
};

const RESPONSE_EVENTS = [
  { type: 'response.created', response: { id: 'resp_1', status: 'in_progress', model: 'm', output: [] } },
  { type: 'response.output_item.added', output_index: 0, item: { type: 'message', id: 'msg_1', content: [] } },
  { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'hello' },
  { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: ' world' },
  { type: 'response.completed', response: RESPONSE },
];

function named(...all: readonly { readonly type: string }[]): string {
  return all.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
}

const sayResponse = ({ response, body }: Exchange): void => {
  if (!JSON.parse(body).stream) return json(response, 200, RESPONSE);
  streamHead(response);
  response.end(named(...RESPONSE_EVENTS));
};
const COMPLETION = {
  id: 'cmpl_1',
  object: 'text_completion',
  model: 'm',
  choices: [{ index: 0, text: ' two', finish_reason: 'stop' }],
};
const chunk = (text: string, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: 'cmpl_1', object: 'text_completion', model: 'm', choices: [{ index: 0, text, finish_reason: finish }] })}\n\n`;

describe('the openai SDK with its base URL changed', () => {
  test('gets a response, whole and streamed, as its server wrote it', async () => {
    server.routes = { '/v1/responses': sayResponse };
    await open();
    const { data, response } = await client.responses.create({ model: 'm', input: 'hi' }).withResponse();
    expect(data).toMatchObject(RESPONSE);
    expect(data.output_text).toBe('hello world');
    expect(response.headers.get('x-conclave-source')).toBe('model');
    expect(response.headers.get('x-conclave-endpoint')).toBe('local');
    expect(response.headers.get('x-conclave-attempts')).toMatch(/^local m OK \d+$/);
    const events: unknown[] = [];
    for await (const event of await client.responses.create({ model: 'm', input: 'hi', stream: true }))
      events.push(event);
    expect(events).toEqual(RESPONSE_EVENTS);
    expect(planner.stats().chats).toMatchObject({
      requests: 2,
      inFlight: 0,
      calls: 2,
      promptTokens: 14,
      completionTokens: 4,
    });
    expect(planner.stats().chats.byOutcome.answered).toBe(2);
  });

  test('gets a completion, whole and streamed', async () => {
    server.routes = {
      '/v1/completions': ({ response, body }) => {
        if (!JSON.parse(body).stream) return json(response, 200, COMPLETION);
        // As llama.cpp begins the answers to several prompts.
        streamHead(response, `data: null\n\n${chunk(' tw')}`);
        response.end(`${chunk('o')}${chunk('', 'stop')}data: [DONE]\n\n`);
      },
    };
    await open();
    expect(await client.completions.create({ model: 'm', prompt: 'one' })).toMatchObject(COMPLETION);
    let text = '';
    for await (const piece of await client.completions.create({ model: 'm', prompt: 'one', stream: true })) {
      text += piece?.choices[0]?.text ?? '';
    }
    expect(text).toBe(' two');
  });

  test('gets embeddings, in the form that it asks for', async () => {
    const vector = new Float32Array([0.5, -1, 2]);
    server.routes = {
      '/v1/embeddings': ({ response, body }) => {
        const { encoding_format } = JSON.parse(body);
        const embedding = encoding_format === 'base64' ? Buffer.from(vector.buffer).toString('base64') : [...vector];
        json(response, 200, { object: 'list', model: 'm', data: [{ object: 'embedding', index: 0, embedding }] });
      },
    };
    await open();
    const { data } = await client.embeddings.create({ model: 'm', input: ['a'] });
    expect([...(data[0]?.embedding ?? [])]).toEqual([...vector]);
  });

  test('an abort closes the call at the server', async () => {
    server.routes = { '/v1/responses': ({ response }) => streamHead(response, named(...RESPONSE_EVENTS.slice(0, 3))) };
    await open();
    const arrived = server.next();
    const stream = await client.responses.create({ model: 'm', input: 'hi', stream: true });
    const { closed } = await arrived;
    for await (const event of stream) if (event.type === 'response.output_text.delta') stream.controller.abort();
    await closed;
    await expect.poll(() => planner.stats().chats.inFlight).toBe(0);
    expect(planner.stats().chats.byOutcome.cancelled).toBe(1);
  });

  test.each([
    ['responses', '/v1/responses', named(...RESPONSE_EVENTS.slice(0, 3)), /mid-answer|last event/],
    ['completions', '/v1/completions', chunk('half'), /mid-answer|last event/],
    ['responses, within an event', '/v1/responses', `${named(...RESPONSE_EVENTS.slice(0, 3))}data: {"ty`, /.*/],
    [
      'responses, in words of the server',
      '/v1/responses',
      `${named(...RESPONSE_EVENTS.slice(0, 3))}event: error\ndata: {"type":"error","message":"gone bad","code":"server_error"}\n\n`,
      /gone bad/,
    ],
  ])('a stream that breaks off is thrown: %s', async (_, path, text, message) => {
    server.routes = {
      [path]: ({ response, socket }) => {
        streamHead(response);
        response.write(text, () => socket.end());
      },
    };
    await open();
    const read = async (): Promise<void> => {
      const stream = path.endsWith('responses')
        ? await client.responses.create({ model: 'm', input: 'hi', stream: true })
        : await client.completions.create({ model: 'm', prompt: 'hi', stream: true });
      for await (const _event of stream) void _event;
    };
    await expect(read()).rejects.toThrow(message);
    expect(planner.stats().chats.byOutcome.failed).toBe(1);
  });
});

describe('what the gateway does not have is told in the form that the SDK reads', () => {
  test.each<[string, string, number, string]>([
    ['GET', '/v1/responses/resp_1', 404, 'ERR_METHOD_UNKNOWN'],
    ['GET', '/v1/responses', 405, 'ERR_METHOD_UNKNOWN'],
    ['GET', '/v1/chat/completions', 405, 'ERR_METHOD_UNKNOWN'],
    ['POST', '/v1/audio/speech', 404, 'ERR_METHOD_UNKNOWN'],
    ['POST', '/v1/images/generations', 404, 'ERR_METHOD_UNKNOWN'],
    ['POST', '/v1/models', 405, 'ERR_METHOD_UNKNOWN'],
    ['GET', '/v1/models/nothing', 404, 'model_not_found'],
    ['GET', '/v1/models/%ff', 400, 'ERR_PROTOCOL'],
    ['GET', '/v1/', 404, 'ERR_METHOD_UNKNOWN'],
    ['GET', '/v1', 404, 'ERR_METHOD_UNKNOWN'],
    ['GET', '/v1/planships', 404, 'ERR_METHOD_UNKNOWN'],
    ['POST', '/chat/completions', 404, 'ERR_METHOD_UNKNOWN'],
    ['POST', '/responses', 404, 'ERR_METHOD_UNKNOWN'],
    ['GET', '/models', 404, 'ERR_METHOD_UNKNOWN'],
  ])('%s %s', async (method, path, status, code) => {
    await open();
    const response = await fetch(`${face.address}${path}`, { method });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toContain('application/json');
    const { error } = (await response.json()) as { error: Record<string, unknown> };
    expect(error).toMatchObject({ code, type: 'invalid_request_error' });
    if (!path.startsWith('/v1')) expect(error.message).toContain('ends with /v1');
  });

  test.each([
    ['GET', '/v1/plans', 405],
    ['POST', '/v1/plans/x', 404],
    ['POST', '/v1/stats', 405],
    ['GET', '/v1/cache', 405],
    ['POST', '/v1/live', 405],
    ['GET', '/elsewhere', 404],
  ])('our own have problem+json: %s %s', async (method, path, status) => {
    await open();
    const response = await fetch(`${face.address}${path}`, { method });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toContain('application/problem+json');
  });

  test('the SDK prints what is wrong', async () => {
    await open();
    await expect(client.moderations.create({ input: 'x' })).rejects.toThrow('there is no POST /v1/moderations');
    await expect(client.responses.retrieve('resp_1')).rejects.toThrow('there is no GET /v1/responses/resp_1');
  });

  test.each(['responses', 'completions', 'embeddings'])('so is who may not call %s', async (route) => {
    await open();
    const response = await fetch(`${face.address}/v1/${route}`, {
      method: 'POST',
      headers: { origin: 'http://evil.example', 'content-type': 'application/json' },
      body: '{}',
    });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ error: { code: 'ERR_ORIGIN', type: 'permission_error' } });
  });
});

describe('bodies', () => {
  const post = (route: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${face.address}/v1/${route}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: body as string,
    });

  test.each([
    ['{"model":"m" , "input":"\\u00e9\\ud83d\\ude00é", "seed":9007199254740993, "x":1.0}', undefined],
    ['{"model":"m","input":[[1,2,3],[4,5]],"model":"m"}', undefined],
    ['\uFEFF{"model":"m","input":"x"}', '{"model":"m","input":"x"}'],
    [`{"input":"${'x'.repeat(300_000)}","model":"m"}`, undefined],
    [`{"input":[${'1,'.repeat(300_000)}1],"model":"m"}`, undefined],
  ])('go to the server byte for byte: %.60s', async (body, sent = body) => {
    server.routes = { '/v1/embeddings': ({ response }) => json(response, 200, { object: 'list', data: [] }) };
    await open();
    const response = await post('embeddings', body);
    expect(response.status).toBe(200);
    expect(server.passed[0]?.body === sent).toBe(true);
    expect(server.passed[0]?.headers['content-type']).toBe('application/json');
  });

  test.each<[string, string | Buffer, number, string, string]>([
    ['nothing', '', 400, 'ERR_PROTOCOL', 'empty'],
    ['no JSON', 'hello', 400, 'ERR_REQUEST_INVALID', 'must be a JSON object'],
    ['a list', '[]', 400, 'ERR_REQUEST_INVALID', 'must be a JSON object'],
    ['a half', '{"model":"m"', 400, 'ERR_REQUEST_INVALID', 'must be a JSON object'],
    ['no model', '{"input":"x"}', 400, 'ERR_REQUEST_INVALID', 'model must be a text'],
    ['a model of another kind', '{"model":5}', 400, 'ERR_REQUEST_INVALID', 'model must be a text'],
    ['a model that is no JSON', '{"model":m}', 400, 'ERR_REQUEST_INVALID', 'model must be JSON'],
    ['a long model', `{"model":"${'m'.repeat(9_000)}"}`, 400, 'ERR_REQUEST_INVALID', 'at most'],
    ['UTF-16', Buffer.from('\uFEFF{"model":"m"}', 'utf16le'), 400, 'ERR_REQUEST_INVALID', 'UTF-16'],
    ['depth', `{"model":"m","x":${'['.repeat(200)}${']'.repeat(200)}}`, 400, 'ERR_REQUEST_INVALID', 'deeper'],
    ['an unknown model', '{"model":"mm"}', 404, 'model_not_found', 'nearest: m'],
  ])('with %s are refused', async (_, body, status, code, message) => {
    await open();
    for (const route of ['responses', 'completions', 'embeddings']) {
      const response = await post(route, body);
      expect(response.status).toBe(status);
      const { error } = (await response.json()) as { error: Record<string, string> };
      expect(error).toMatchObject({ code, type: 'invalid_request_error' });
      expect(error.message).toContain(message);
    }
    expect(server.passed).toEqual([]);
  });

  test('that are compressed, of another type, or too large are refused', async () => {
    await open({ chat: { bodyBytesMax: 1_024 } });
    expect((await post('responses', '{}', { 'content-encoding': 'gzip' })).status).toBe(415);
    expect((await post('responses', '{}', { 'content-type': 'text/plain' })).status).toBe(415);
    const large = await post('responses', `{"model":"m","input":"${'x'.repeat(2_000)}"}`);
    expect(large.status).toBe(413);
    expect(await large.json()).toMatchObject({ error: { code: 'ERR_MESSAGE_TOO_LARGE' } });
  });
});

describe('what an answer is', () => {
  const answer = (body: string, type: string | undefined) => {
    server.routes = {
      '/v1/responses': ({ response }) => {
        response.writeHead(200, type === undefined ? {} : { 'content-type': type });
        response.end(body);
      },
    };
  };
  const TYPES = ['TEXT/EVENT-STREAM', 'text/plain', 'application/json', 'text/event-stream; charset=utf-8', undefined];

  test.each(TYPES)('shows in how it begins: events as %s', async (type) => {
    answer(`\ufeff\n${named(...RESPONSE_EVENTS)}`, type);
    await open();
    const stream = await client.responses.create({ model: 'm', input: 'hi', stream: true });
    const events: unknown[] = [];
    for await (const event of stream) events.push(event);
    expect(events).toEqual(RESPONSE_EVENTS);
    expect(planner.stats().chats).toMatchObject({ promptTokens: 7, completionTokens: 2 });
  });

  test.each(TYPES)('shows in how it begins: a body as %s', async (type) => {
    answer(JSON.stringify(RESPONSE), type);
    await open();
    expect(await client.responses.create({ model: 'm', input: 'hi' })).toMatchObject({ id: 'resp_1' });
    expect(planner.stats().chats).toMatchObject({ promptTokens: 7, completionTokens: 2 });
  });
});

describe('a picture', () => {
  const ask = (text: string) =>
    client.responses.create({
      model: 'm',
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text },
            ...(text === '' ? [{ type: 'input_image' as const, detail: 'low' as const, image_url: 'data:,' }] : []),
          ],
        },
      ],
    });

  test('is refused with 400, which no client repeats, where no server takes any; words about one are none', async () => {
    for (const each of [server, other]) each.pages = { '/props': { total_slots: 2, modalities: { vision: false } } };
    server.routes = { '/v1/responses': ({ response }) => json(response, 200, RESPONSE) };
    await open({ features: { constrainedAnswers: false } });
    await expect(ask('')).rejects.toMatchObject({ status: 400, message: expect.stringMatching(/takes no pictures/) });
    expect(server.passed).toHaveLength(0);
    expect(await ask('what is "input_image"?')).toMatchObject({ id: 'resp_1' });
  });
});
