import diagnostics from 'node:diagnostics_channel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Relay, RelayCall } from '../../../src/shared/model-client/chat-relay.ts';
import { ModelClient } from '../../../src/shared/model-client/model-client.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { events, FINISH, json, piece, ScriptedServer, streamHead } from '../../support/scripted-server.ts';

let server: ScriptedServer;
let client: ModelClient;
let clock: FakeClock;
let told: string[];

beforeEach(async () => {
  server = await ScriptedServer.start();
  clock = new FakeClock();
  client = new ModelClient({ name: 'e', baseURL: server.baseURL, apiKey: 'secret' }, clock, 4);
  told = [];
});
afterEach(async () => {
  await client.close();
  await server[Symbol.asyncDispose]();
});

function relay(more: Partial<RelayCall> = {}, signal?: AbortSignal): Relay {
  const call: RelayCall = {
    body: { model: 'm', messages: [], stream: true, odd: { b: 1, a: [null] } },
    timeoutMs: 10_000,
    choices: 1,
    listener: { onEvent: (data) => told.push(data), onBody: (text) => told.push(`body ${text}`) },
    ...more,
  };
  return client.relay(call, signal);
}

describe('a server that says the key again', () => {
  const KEY = 'sk-of-the-endpoint';
  const echo: ScriptedServer['script'] = ({ response, headers }) =>
    json(response, 400, { error: { message: `no: ${headers.authorization}`, param: [KEY, headers['x-tenant']] } });

  test('is not quoted with it: by a chat, a relay, or a list of models', async () => {
    await using stack = new AsyncDisposableStack();
    const address = { name: 'e', baseURL: server.baseURL, apiKey: KEY, headers: { 'x-tenant': 'tenant-1234' } };
    const keyed = stack.adopt(new ModelClient(address, clock, 4), (each) => each.close());
    server.script = echo;
    const chat = { model: 'm', messages: [], maxTokens: 1, temperature: 0, timeoutMs: 10_000 };
    const listener = { onEvent: () => {}, onBody: () => {} };
    const said = [
      await keyed.chat(chat),
      await keyed.relay({ body: { model: 'm', messages: [] }, timeoutMs: 10_000, choices: 1, listener }).ended,
      await keyed.listModels(10_000).catch((failure: Error) => ({ failure })),
    ];
    for (const each of said) {
      expect(each).toMatchObject({ failure: { code: 'ERR_MODEL_REJECTED', message: '400 no: Bearer [hidden]' } });
      expect(JSON.stringify(each)).not.toMatch(/of-the-endpoint|tenant-1234/);
    }
    expect(said[1]).toMatchObject({ refusal: { status: 400, error: { param: ['[hidden]', '[hidden]'] } } });
  });
});

describe('a relayed call', () => {
  test('sends the body as it is, with the key of the endpoint, and tells the events in the words of the server', async () => {
    const odd = '{"choices": [ {"delta":{"content":"é"}, "x": 1.50} ]}';
    server.script = ({ response }) => {
      streamHead(response);
      response.end(`: hi\n\ndata: ${odd}\n\n${events(FINISH)}data: [DONE]\n\ndata: late\n\n`);
    };
    const { failure, report } = await relay().ended;
    expect(failure).toBeUndefined();
    expect(told).toEqual([odd, JSON.stringify(FINISH)]);
    expect(JSON.parse(server.exchanges[0]?.body as string)).toEqual({
      model: 'm',
      messages: [],
      stream: true,
      odd: { b: 1, a: [null] },
    });
    expect(server.exchanges[0]?.headers.authorization).toBe('Bearer secret');
    expect(report).toMatchObject({ firstTokenMs: 0, queueMs: 0 });
  });

  test('tells the whole body of a server that does not stream, and what it told of tokens', async () => {
    const body = {
      model: 'real',
      choices: [{ message: { content: 'x' } }],
      usage: { prompt_tokens: 3, completion_tokens: 4 },
    };
    server.script = ({ response }) => json(response, 200, body);
    const { failure, report } = await relay().ended;
    expect([failure, told]).toEqual([undefined, [`body ${JSON.stringify(body)}`]]);
    expect(report).toMatchObject({ modelAnswered: 'real', promptTokens: 3, completionTokens: 4 });
  });

  test.each([
    [
      'a status',
      ({ response }) => json(response, 422, { error: { message: 'no', code: 'x' } }),
      'ERR_MODEL_REJECTED',
      { status: 422, error: { message: 'no', code: 'x' } },
    ],
    [
      'an event',
      ({ response }) =>
        response
          .writeHead(200, { 'content-type': 'text/event-stream' })
          .end(events({ error: { message: 'no', code: 503 } })),
      'ERR_MODEL_OVERLOADED',
      { status: 503, error: { message: 'no', code: 503 } },
    ],
    [
      'a body',
      ({ response }) => json(response, 200, { error: 'no' }),
      'ERR_MODEL_STATUS',
      { status: 500, error: 'no' },
    ],
  ] as [string, ScriptedServer['script'], string, object][])(
    'tells what the server said where it refuses by %s',
    async (_, script, code, refusal) => {
      server.script = script;
      const end = await relay().ended;
      expect(end).toMatchObject({ failure: { code }, refusal });
      expect(told).toEqual([]);
    },
  );

  test('of two answers is whole when both have ended, or with [DONE]', async () => {
    const finish = (index: number) => ({ choices: [{ index, delta: {}, finish_reason: 'stop' }] });
    for (const [all, choices, isWhole] of [
      [[finish(0)], 1, true],
      [[finish(0)], 2, false],
      [[finish(0), finish(0)], 2, false],
      [[finish(0), finish(1)], 2, true],
      [[finish(0), '[DONE]'], 2, true],
      [[piece('x')], 1, false],
    ] as const) {
      server.script = ({ response }) =>
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end(events(...all));
      const { failure } = await relay({ choices }).ended;
      expect(failure?.code).toBe(isWhole ? undefined : 'ERR_MODEL_RESET');
    }
  });

  test('counts tool calls and thoughts as life, and comments, roles and empty words as none', async () => {
    const delta = (part: object) => events({ choices: [{ index: 0, delta: part }] });
    const phases = { headersMs: 1_000, firstTokenMs: 1_000, gapMs: 1_000 };
    const arrived = server.next();
    server.script = ({ response }) => streamHead(response);
    const { ended } = relay({ phases });
    const { response } = await arrived;
    for (const part of [{ tool_calls: [{ index: 0 }] }, { reasoning_content: 'hm' }, { content: ' ' }]) {
      clock.advance(900);
      response.write(delta(part));
      await expect.poll(() => told.at(-1)).toContain(JSON.stringify(part));
    }
    response.write(`: alive\n\n${delta({ role: 'assistant', content: '' })}${events({ choices: [] })}`);
    await expect.poll(() => told.length).toBe(5);
    clock.advance(1_000);
    expect((await ended).failure?.code).toBe('ERR_MODEL_TIMEOUT_STREAM');
  });

  test.each([true, false])(
    'ends with what its listener throws (streamed: %s), and its connection',
    async (isStreamed) => {
      server.script = ({ response }) => {
        if (!isStreamed) return json(response, 200, { choices: [{ message: { content: 'x' } }] });
        streamHead(response, events(piece('x')));
      };
      const arrived = server.next();
      const listener = (): never => {
        throw new TypeError('a bug');
      };
      const { failure } = await relay({ listener: { onEvent: listener, onBody: listener } }).ended;
      expect(failure).toMatchObject({ code: 'ERR_INTERNAL', cause: expect.any(TypeError) });
      if (isStreamed) await (await arrived).closed;
    },
  );

  test('that is paused is not read, and no phase of it is over', async () => {
    const phases = { headersMs: 1_000, firstTokenMs: 1_000, gapMs: 1_000 };
    const arrived = server.next();
    let written = 0;
    server.script = ({ response }) => streamHead(response, events(piece('first')));
    const call = relay({ phases, timeoutMs: 60_000 });
    const { response } = await arrived;
    await expect.poll(() => told.length).toBe(1);
    call.pause();
    const flood = events(piece('x'.repeat(65_000)));
    while (response.write(flood) || written < 64_000_000) {
      written += flood.length;
      if (written > 30_000_000) break;
    }
    clock.advance(5_000);
    await new Promise((resolve) => setImmediate(resolve));
    const before = told.length;
    expect(before).toBeLessThan(50);
    call.resume();
    clock.advance(999);
    await expect.poll(() => told.length).toBeGreaterThan(before + 100);
    response.end(events(FINISH, '[DONE]'));
    expect((await call.ended).failure).toBeUndefined();
  });

  test('that is paused ends with its whole time', async () => {
    server.script = ({ response }) => streamHead(response, events(piece('first')));
    const arrived = server.next();
    const call = relay({ timeoutMs: 5_000 });
    const { closed } = await arrived;
    await expect.poll(() => told.length).toBe(1);
    call.pause();
    clock.advance(5_000);
    expect((await call.ended).failure?.code).toBe('ERR_MODEL_TIMEOUT_STREAM');
    await closed;
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('an answer whose choices have ended, on a connection that stays open', () => {
  const finish = (index: number) => ({ choices: [{ index, delta: {}, finish_reason: 'stop' }] });

  async function begun(choices: number, more: Partial<RelayCall> = {}) {
    const arrived = server.next();
    server.script = ({ response }) => streamHead(response, events(piece('x'), finish(0)));
    const under = relay({ choices, ...more });
    const exchange = await arrived;
    await expect.poll(() => told.length).toBe(2);
    return { under, exchange };
  }

  test('is whole after a second, and its connection is closed', async () => {
    const { under, exchange } = await begun(1);
    clock.advance(999);
    exchange.response.write(events({ choices: [], usage: { prompt_tokens: 3 } }));
    await expect.poll(() => told.length).toBe(3);
    clock.advance(1);
    const { failure, report } = await under.ended;
    expect([failure, report.promptTokens, report.totalMs]).toEqual([undefined, 3, 1_000]);
    clock.advance(500);
    await exchange.closed;
  });

  test('is whole sooner where the call has less time', async () => {
    const { under } = await begun(1, { timeoutMs: 300 });
    clock.advance(300);
    expect((await under.ended).failure).toBeUndefined();
  });

  test('is waited for until every choice has ended', async () => {
    const { under, exchange } = await begun(2);
    clock.advance(1_500);
    exchange.response.write(events(finish(1)));
    await expect.poll(() => told.length).toBe(3);
    clock.advance(1_000);
    const { failure, report } = await under.ended;
    expect([failure, report.totalMs]).toEqual([undefined, 2_500]);
  });

  test('is not over while its client reads nothing', async () => {
    const { under, exchange } = await begun(1);
    under.pause();
    clock.advance(2_000);
    under.resume();
    exchange.response.end(events({ choices: [], usage: { prompt_tokens: 3 } }, '[DONE]'));
    const { failure, report } = await under.ended;
    expect([failure, report.promptTokens]).toEqual([undefined, 3]);
  });

  test('in one piece is whole when its time is over', async () => {
    const read = Promise.withResolvers<void>();
    const seen = (): void => read.resolve();
    diagnostics.subscribe('undici:request:headers', seen);
    const body = JSON.stringify({ choices: [{ message: { content: 'x' }, finish_reason: 'stop' }] });
    server.script = ({ response }) => response.writeHead(200, { 'content-type': 'application/json' }).write(body);
    const { ended } = relay({ body: { model: 'm', messages: [] } });
    await read.promise;
    diagnostics.unsubscribe('undici:request:headers', seen);
    // Its body is in the packet of the headers.
    for (let nth = 0; nth < 5; nth++) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(10_000);
    expect((await ended).failure).toBeUndefined();
    expect(told).toEqual([`body ${body}`]);
  });
});
