import diagnostics from 'node:diagnostics_channel';
import { getEventListeners, once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/shared/clock.ts';
import { type ChatCall, type ChatOutcome, ModelClient } from '../../../src/shared/model-client/model-client.ts';
import { isVoteComplete } from '../../../src/shared/vote/vote-parser.ts';
import { readVote } from '../../../src/shared/vote-answer.ts';
import {
  events,
  FINISH,
  json,
  piece,
  type Script,
  ScriptedServer,
  streamHead,
  streamWhole,
} from '../../support/scripted-server.ts';
import { client, clock, openClient, server, turn, useModelClient } from '../../support/use-model-client.ts';

const CALL: ChatCall = {
  model: 'phi-4-mini',
  messages: [{ role: 'user', content: 'Which one?' }],
  maxTokens: 60,
  temperature: 0.2,
  timeoutMs: 5_000,
};

useModelClient();

function chat(more: Partial<ChatCall> = {}, signal?: AbortSignal): Promise<ChatOutcome> {
  return client.chat({ ...CALL, ...more }, signal);
}

/** The outcome of one call to a server that follows `script`. */
function chatWith(script: Script, more: Partial<ChatCall> = {}): Promise<ChatOutcome> {
  server.script = script;
  return chat(more);
}

/** Resolves when undici has come this far with a request: `headers` are read, `trailers` end the response. */
function clientReads(part: 'headers' | 'trailers'): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const seen = (): void => {
    diagnostics.unsubscribe(`undici:request:${part}`, seen);
    resolve();
  };
  diagnostics.subscribe(`undici:request:${part}`, seen);
  return promise;
}

/** Resolves when the client has read something of a stream: it then asks whether the answer is complete. */
function readGate(): { isComplete: (content: string) => boolean; read: Promise<string> } {
  const { promise, resolve } = Promise.withResolvers<string>();
  return {
    read: promise,
    isComplete: (content) => {
      resolve(content);
      return false;
    },
  };
}

function content(outcome: ChatOutcome): string {
  if (!outcome.ok) throw outcome.failure;
  return outcome.answer.content;
}

/** The code of a failure, and `retryable` where it is. */
function failure(outcome: ChatOutcome): string {
  if (outcome.ok) return `answered ${JSON.stringify(outcome.answer.content)}`;
  return outcome.failure.retryable ? `${outcome.failure.code} retryable` : outcome.failure.code;
}

describe('an answer', () => {
  test('is what its events say, with its times, its tokens and its model', async () => {
    const gate = readGate();
    const arrived = server.next();
    const outcome = chatWith(() => {}, { isComplete: gate.isComplete });
    const { response } = await arrived;
    clock.advance(100);
    streamHead(response, ': waiting\n\n');
    await gate.read;
    clock.advance(50);
    response.end(
      events(
        { model: 'phi-4-mini:2', choices: [{ delta: { role: 'assistant', content: '' } }] },
        piece('2\n'),
        piece('It is safe.'),
        FINISH,
        {
          choices: [],
          usage: { prompt_tokens: 100, completion_tokens: 7, prompt_tokens_details: { cached_tokens: 80 } },
        },
        '[DONE]',
      ),
    );
    expect(await outcome).toEqual({
      ok: true,
      answer: { content: '2\nIt is safe.', reasoning: '', finishReason: 'stop' },
      report: {
        totalMs: 150,
        queueMs: 100,
        firstTokenMs: 150,
        promptTokens: 100,
        completionTokens: 7,
        cachedTokens: 80,
        modelAnswered: 'phi-4-mini:2',
        promptChars: 10,
      },
    });
  });

  test('is asked for as a stream with usage, with the key and headers of the endpoint', async () => {
    await openClient({ apiKey: 'secret', headers: { 'x-team': 'lydia' } });
    await chatWith(({ response }) => streamWhole(response, '2'));
    const [exchange] = server.exchanges;
    expect(exchange?.url).toBe('/v1/chat/completions');
    expect(exchange?.headers).toMatchObject({ authorization: 'Bearer secret', 'x-team': 'lydia' });
    expect(JSON.parse(exchange?.body ?? '')).toEqual({
      model: 'phi-4-mini',
      messages: [{ role: 'user', content: 'Which one?' }],
      max_tokens: 60,
      temperature: 0.2,
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  test('asks llama.cpp for the tokens with every event, which are known then of a stream that is cut', async () => {
    const timings = { cache_n: 80, prompt_n: 20, predicted_n: 1 };
    const outcome = await chatWith(({ response }) => streamHead(response, events({ ...piece('2'), timings })), {
      tellsTokens: true,
      isComplete: (content) => content === '2',
    });
    expect(JSON.parse(server.exchanges[0]?.body ?? '').timings_per_token).toBe(true);
    expect(outcome.report).toMatchObject({ promptTokens: 100, cachedTokens: 80, completionTokens: 1 });
    expect(outcome.report.chunks).toBeUndefined();
    await chatWith(({ response }) => streamWhole(response, '2'));
    expect(server.exchanges[1]?.body).not.toContain('timings');
  });

  test('counts the events of a stream that is cut where nothing is told', async () => {
    const { report } = await chatWith(
      ({ response }) => streamHead(response, events(piece('I'), piece(' go'), piece('!'))),
      {
        isComplete: (content) => content.endsWith('!'),
      },
    );
    expect(report).toMatchObject({ promptChars: 10, chunks: 3 });
    expect([report.promptTokens, report.completionTokens]).toEqual([undefined, undefined]);
  });

  test('has no text that is not Unicode', async () => {
    await chatWith(({ response }) => streamWhole(response, '2'), {
      messages: [{ role: 'user', content: 'a \ud800 b' }],
    });
    expect(JSON.parse(server.exchanges[0]?.body ?? '').messages).toEqual([{ role: 'user', content: 'a \ufffd b' }]);
  });

  test('is asked for by a schema, where the call says so', async () => {
    const schema = { type: 'object', properties: { choice: { type: 'integer' } } };
    await chatWith(({ response }) => streamWhole(response, '{"choice":2}'), { schema: { name: 'vote', schema } });
    expect(JSON.parse(server.exchanges[0]?.body ?? '')).toMatchObject({
      stream: true,
      response_format: { type: 'json_schema', json_schema: { name: 'vote', strict: true, schema } },
    });
  });

  test('is asked for in one piece where the call says so, and then tells nothing of queue and first token', async () => {
    const whole = { choices: [{ message: { role: 'assistant', content: '2' }, finish_reason: 'stop' }] };
    await chatWith(({ response }) => streamWhole(response, '2'));
    const outcome = await chatWith(({ response }) => json(response, 200, whole), { stream: false });
    await chatWith(({ response }) => streamWhole(response, '2'));
    expect(content(outcome)).toBe('2');
    expect(outcome.report).toEqual({ totalMs: 0 });
    const asked = server.exchanges.map(({ body }) => {
      const { stream, stream_options } = JSON.parse(body) as Record<string, unknown>;
      return { stream, stream_options };
    });
    const streamed = { stream: true, stream_options: { include_usage: true } };
    expect(asked).toEqual([streamed, { stream: false, stream_options: undefined }, streamed]);
  });

  test('keeps characters whole that are cut between packets', async () => {
    const bytes = Buffer.from(events(piece('防御 ⚔️'), FINISH, '[DONE]'));
    const outcome = await chatWith(async ({ response }) => {
      streamHead(response);
      for (const byte of bytes) {
        response.write(Buffer.of(byte));
        await turn();
      }
      response.end();
    });
    expect(content(outcome)).toBe('防御 ⚔️');
  });

  test('may be one JSON body although a stream was asked for', async () => {
    const outcome = await chatWith(({ response }) =>
      json(response, 200, {
        model: 'other',
        choices: [{ message: { role: 'assistant', content: '2' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 5, completion_tokens: 1 },
      }),
    );
    expect(content(outcome)).toBe('2');
    expect(outcome.report).toMatchObject({ promptTokens: 5, completionTokens: 1, modelAnswered: 'other' });
  });

  test('may come without a content type', async () => {
    const outcome = await chatWith(({ response }) => {
      response.writeHead(200).end(events(piece('2'), '[DONE]'));
    });
    expect(content(outcome)).toBe('2');
  });

  test.each([
    ['reasoning_content', { reasoning_content: 'Action: 2' }],
    ['reasoning', { reasoning: 'Action: 2' }],
  ])('that stands in %s alone is kept apart, and voted by', async (_, delta) => {
    const outcome = await chatWith(({ response }) => {
      streamHead(response, events({ choices: [{ delta }] }));
      response.end(events(FINISH, '[DONE]'));
    });
    if (!outcome.ok) throw outcome.failure;
    expect(outcome.answer).toMatchObject({ content: '', reasoning: 'Action: 2' });
    expect(readVote(outcome.answer, ['attack', 'block']).action).toBe('block');
  });

  test('after <think> is read without it', async () => {
    const outcome = await chatWith(({ response }) => streamWhole(response, '<think>1? no</think>\n2\nIt is safe.'), {
      isComplete: isVoteComplete,
    });
    if (!outcome.ok) throw outcome.failure;
    expect(readVote(outcome.answer, ['attack', 'block']).action).toBe('block');
  });

  test('without content is an answer here, and empty to who votes', async () => {
    const outcome = await chatWith(({ response }) => {
      streamHead(response);
      response.end(events(FINISH, '[DONE]'));
    });
    if (!outcome.ok) throw outcome.failure;
    expect(outcome.answer.content).toBe('');
    expect(outcome.report.firstTokenMs).toBeUndefined();
    const { answer } = outcome;
    expect(() => readVote(answer, ['a'])).toThrow(expect.objectContaining({ code: 'ERR_MODEL_EMPTY' }));
  });

  test('is whole at a finish reason, also when [DONE] never comes', async () => {
    const ended = await chatWith(({ response }) => {
      streamHead(response);
      response.end(events(piece('2'), FINISH));
    });
    expect(content(ended)).toBe('2');
    // Nor does the end of the response.
    const outcome = await chatWith(({ response }) => streamHead(response, events(piece('2'), FINISH)));
    expect(content(outcome)).toBe('2');
    expect(outcome.report.totalMs).toBe(0);
  });

  test.each([
    ['null', null],
    ['strings', { prompt_tokens: '5', completion_tokens: 'NaN' }],
    ['negative numbers', { prompt_tokens: -1, completion_tokens: -5 }],
    ['null details', { prompt_tokens_details: null }],
  ])('counts no tokens where usage is %s', async (_, usage) => {
    const outcome = await chatWith(({ response }) => {
      streamHead(response);
      response.end(events(piece('2'), { choices: [], usage }, '[DONE]'));
    });
    expect(content(outcome)).toBe('2');
    expect(outcome.report).toEqual({ totalMs: 0, queueMs: 0, firstTokenMs: 0, promptChars: 10, chunks: 1 });
  });

  test('counts no tokens where usage is a number beyond all numbers', async () => {
    const outcome = await chatWith(({ response }) => {
      streamHead(response);
      response.end(`${events(piece('2'))}data: {"choices":[],"usage":{"prompt_tokens":1e999}}\n\n${events('[DONE]')}`);
    });
    expect(content(outcome)).toBe('2');
    expect(outcome.report.promptTokens).toBeUndefined();
  });

  test('tells the cached tokens of llama.cpp', async () => {
    const outcome = await chatWith(({ response }) => {
      streamHead(response);
      response.end(events(piece('2'), { ...FINISH, timings: { cache_n: 236 } }, '[DONE]'));
    });
    expect(outcome.report.cachedTokens).toBe(236);
  });
});

describe('connections', () => {
  test('one connection serves call after call', async () => {
    server.script = ({ response }) => streamWhole(response, '2');
    for (let i = 0; i < 5; i++) {
      expect(content(await chat({ isComplete: isVoteComplete }))).toBe('2');
      await turn();
    }
    expect(server.connections).toBe(1);
  });

  test('calls that follow in the moment of the answer, when its connection is not free yet, take one more at most', async () => {
    server.script = ({ response }) => streamWhole(response, '2');
    for (let i = 0; i < 20; i++) expect(content(await chat())).toBe('2');
    expect(server.connections).toBeLessThanOrEqual(2);
  });

  test('an answer that is decided, but has arrived whole, leaves its connection open', async () => {
    server.script = ({ response }) => streamWhole(response, '2\nIt is safe here.');
    await chat({ isComplete: isVoteComplete });
    await turn();
    await chat({ isComplete: isVoteComplete });
    expect(server.connections).toBe(1);
  });

  test('a decided answer closes its connection while the model goes on', async () => {
    const arrived = server.next();
    const outcome = await chatWith(
      ({ response }) => streamHead(response, events(piece('2\n'), piece('It is safe here. And'))),
      {
        isComplete: isVoteComplete,
      },
    );
    expect(content(outcome)).toBe('2\nIt is safe here. And');
    await (await arrived).closed;
  });

  test('an answer that is not decided is read on', async () => {
    const gate = readGate();
    const outcome = chatWith(
      async ({ response }) => {
        streamHead(response, events(piece('2\nIt is sa')));
        await gate.read;
        response.end(events(piece('fe'), FINISH, '[DONE]'));
      },
      { isComplete: (text) => gate.isComplete(text) || isVoteComplete(text) },
    );
    expect(content(await outcome)).toBe('2\nIt is safe');
  });

  test('a response that ends soon after [DONE] leaves its connection open', async () => {
    const arrived = server.next();
    expect(content(await chatWith(({ response }) => streamHead(response, events(piece('2'), '[DONE]'))))).toBe('2');
    const ended = clientReads('trailers');
    (await arrived).response.end();
    await ended;
    await turn();
    expect(clock.pendingTimers).toBe(0);
    await chatWith(({ response }) => streamWhole(response, '2'));
    expect(server.connections).toBe(1);
  });

  test('a response that never ends after [DONE] loses its connection after 500 ms', async () => {
    const arrived = server.next();
    expect(content(await chatWith(({ response }) => streamHead(response, events(piece('2'), '[DONE]'))))).toBe('2');
    const { socket, closed } = await arrived;
    clock.advance(499);
    await turn();
    expect(socket.destroyed).toBe(false);
    clock.advance(1);
    await closed;
  });

  test('more calls than connections wait, and are answered', async () => {
    await openClient({}, 2);
    server.script = ({ response }) => setImmediate(() => streamWhole(response, '2'));
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => chat()));
    expect(outcomes.map(content)).toEqual(new Array(20).fill('2'));
    expect(server.connections).toBe(2);
  });
});

describe('cancelling', () => {
  test('closes the connection within 100 ms, as the server sees it, in every phase', async () => {
    const heads: readonly (readonly [phase: string, head: Script])[] = [
      ['before headers', () => {}],
      ['before the first token', ({ response }) => streamHead(response, ': ping\n\n')],
      ['between tokens', ({ response }) => streamHead(response, events(piece('2')))],
    ];
    for (const [phase, head] of heads) {
      const gate = readGate();
      const controller = new AbortController();
      const arrived = server.next();
      server.script = head;
      const outcome = chat(gate, controller.signal);
      const { closed } = await arrived;
      if (phase !== 'before headers') await gate.read;
      const cancelledAt = performance.now();
      controller.abort();
      expect(failure(await outcome), phase).toBe('ERR_CANCELLED');
      expect((await closed) - cancelledAt, phase).toBeLessThan(100);
    }
  });

  test('before the call begins sends nothing', async () => {
    expect(failure(await chat({}, AbortSignal.abort()))).toBe('ERR_CANCELLED');
    expect(server.connections).toBe(0);
  });

  test('a call that waits for a connection sends nothing', async () => {
    await openClient({}, 1);
    const arrived = server.next();
    server.script = () => {};
    const first = chat();
    const { response } = await arrived;
    const controller = new AbortController();
    const second = chat({}, controller.signal);
    await turn();
    controller.abort();
    expect(failure(await second)).toBe('ERR_CANCELLED');
    streamWhole(response, '2');
    expect(content(await first)).toBe('2');
    expect(content(await chatWith((exchange) => streamWhole(exchange.response, '1')))).toBe('1');
    expect(server.exchanges).toHaveLength(2);
  });

  test('after the answer changes nothing, and the signal has no listener left', async () => {
    const controller = new AbortController();
    server.script = ({ response }) => streamWhole(response, '2');
    for (let i = 0; i < 3; i++) {
      expect(content(await chat({}, controller.signal))).toBe('2');
      await turn();
    }
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    controller.abort();
    await turn();
    expect(content(await chat())).toBe('2');
    expect(server.connections).toBe(1);
  });

  test('one of several calls leaves the others alone', async () => {
    const controller = new AbortController();
    const arrivals = [server.next(), server.next()];
    server.script = () => {};
    const cancelled = chat({}, controller.signal);
    await arrivals[0];
    const other = chat();
    const { response } = (await arrivals[1]) as Awaited<ReturnType<ScriptedServer['next']>>;
    controller.abort();
    expect(failure(await cancelled)).toBe('ERR_CANCELLED');
    streamWhole(response, '2');
    expect(content(await other)).toBe('2');
  });
});

describe('time', () => {
  /** Whether the call is still open just before its time, and how it ends at it. */
  async function atTimeout(outcome: Promise<ChatOutcome>): Promise<string> {
    let settled = false;
    void outcome.then(() => {
      settled = true;
    });
    clock.advance(CALL.timeoutMs - 1 - clock.now());
    await turn();
    expect(settled, 'settled early').toBe(false);
    clock.advance(1);
    return failure(await outcome);
  }

  test('that runs out before the headers has its code, and the connection is closed', async () => {
    const arrived = server.next();
    const outcome = chatWith(() => {});
    const { closed } = await arrived;
    expect(await atTimeout(outcome)).toBe('ERR_MODEL_TIMEOUT_HEADERS');
    await closed;
  });

  test('that runs out before the first token has its code, and the connection is closed', async () => {
    const arrived = server.next();
    const headersRead = clientReads('headers');
    const outcome = chatWith(({ response }) => streamHead(response));
    await headersRead;
    await turn();
    expect(await atTimeout(outcome)).toBe('ERR_MODEL_TIMEOUT_FIRST_TOKEN');
    await (await arrived).closed;
  });

  test('is not bought by comments, empty pieces or roles: only content is a sign of life', async () => {
    const gate = readGate();
    const outcome = chatWith(
      ({ response }) =>
        streamHead(
          response,
          `: ping\n\n${events({ choices: [{ delta: { role: 'assistant', content: '' } }] })}: ping\n\n`,
        ),
      gate,
    );
    await gate.read;
    expect(await atTimeout(outcome)).toBe('ERR_MODEL_TIMEOUT_FIRST_TOKEN');
    expect((await outcome).report.firstTokenMs).toBeUndefined();
  });

  test('that runs out between tokens has its code, and the connection is closed', async () => {
    const gate = readGate();
    const arrived = server.next();
    const outcome = chatWith(({ response }) => streamHead(response, events(piece('2'))), gate);
    await gate.read;
    expect(await atTimeout(outcome)).toBe('ERR_MODEL_TIMEOUT_STREAM');
    expect((await outcome).report).toMatchObject({ totalMs: CALL.timeoutMs, firstTokenMs: 0 });
    await (await arrived).closed;
  });

  test('that runs out in the body of an error leaves its status, which says more', async () => {
    const arrived = server.next();
    const outcome = chatWith(({ response }) => {
      response.writeHead(500, { 'content-type': 'text/plain' });
      response.write('the server is');
    });
    await (await arrived).response;
    await turn();
    expect(await atTimeout(outcome)).toBe('ERR_MODEL_STATUS');
  });

  test('that runs out while waiting for a free connection counts as connecting', async () => {
    await openClient({}, 1);
    const arrived = server.next();
    const first = chatWith(() => {});
    await arrived;
    const second = chat();
    expect(await atTimeout(second)).toBe('ERR_MODEL_TIMEOUT_CONNECT');
    expect(failure(await first)).toBe('ERR_MODEL_TIMEOUT_HEADERS');
    expect(server.exchanges).toHaveLength(1);
  });

  // A server whose backlog is full is hard to come by; one that accepts and never shakes hands hangs in the same phase.
  test('that runs out while connecting has its code', async () => {
    const sockets: Socket[] = [];
    const deaf: Server = createServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
    const baseURL = `https://127.0.0.1:${(deaf.address() as AddressInfo).port}/v1`;
    await openClient({ name: 'deaf', baseURL }, 1);
    try {
      const connected = once(deaf, 'connection');
      const outcome = chat();
      await connected;
      expect(await atTimeout(outcome)).toBe('ERR_MODEL_TIMEOUT_CONNECT');
    } finally {
      for (const socket of sockets) socket.destroy();
      deaf.close();
    }
  });

  test('of the real clock ends a call too', async () => {
    await using silent = await ScriptedServer.start();
    silent.script = () => {};
    const real = new ModelClient({ name: 'x', baseURL: silent.baseURL }, systemClock, 1);
    expect(failure(await real.chat({ ...CALL, timeoutMs: 20 }))).toMatch(/^ERR_MODEL_TIMEOUT_(CONNECT|HEADERS)$/);
    await real.close();
  });
});

describe('a connection that fails', () => {
  test('is refused where nobody listens', async () => {
    const gone = await ScriptedServer.start();
    const { baseURL } = gone;
    await gone[Symbol.asyncDispose]();
    const lost = new ModelClient({ name: 'gone', baseURL }, clock, 2);
    expect(failure(await lost.chat(CALL))).toBe('ERR_MODEL_REFUSED');
    await lost.close();
  });

  test.each<readonly [string, Script, string]>([
    ['is reset before the headers', ({ socket }) => socket.resetAndDestroy(), 'ERR_MODEL_RESET retryable'],
    ['is closed before the headers', ({ socket }) => socket.end(), 'ERR_MODEL_RESET retryable'],
    [
      'speaks no HTTP',
      ({ socket }) => {
        socket.end('SSH-2.0-OpenSSH_9.6\r\n\r\n');
      },
      'ERR_MODEL_MALFORMED',
    ],
    [
      'ends a stream without [DONE] or a finish reason',
      ({ response }) => {
        streamHead(response);
        response.end(events(piece('2')));
      },
      'ERR_MODEL_RESET',
    ],
    [
      'ends a stream before any event',
      ({ response }) => {
        streamHead(response);
        response.end();
      },
      'ERR_MODEL_RESET',
    ],
  ])('that %s has its code', async (_, script, expected) => {
    expect(failure(await chatWith(script))).toBe(expected);
  });

  test('that is reset in the middle of an answer is not tried again', async () => {
    for (const cut of ['destroy', 'resetAndDestroy'] as const) {
      const gate = readGate();
      const arrived = server.next();
      const outcome = chatWith(({ response }) => streamHead(response, events(piece('2'))), gate);
      await gate.read;
      (await arrived).socket[cut]();
      expect(failure(await outcome), cut).toBe('ERR_MODEL_RESET');
    }
  });

  // Schedule: the first answer leaves its connection open; the server closes it as the second request arrives on it.
  test('that is closed at the moment of its reuse may be tried again', async () => {
    await chatWith(({ response }) => streamWhole(response, '2'));
    await turn();
    expect(failure(await chatWith(({ socket }) => socket.destroy()))).toBe('ERR_MODEL_RESET retryable');
    expect(server.connections).toBe(1);
    expect(content(await chatWith(({ response }) => streamWhole(response, '2')))).toBe('2');
  });

  test('that a closing client still holds is given up', async () => {
    const arrived = server.next();
    const outcome = chatWith(() => {});
    const { closed } = await arrived;
    await client.close();
    expect(failure(await outcome)).toMatch(/^ERR_MODEL_RESET/);
    await closed;
  });
});

describe('a server that says no', () => {
  const html = '<html><head><title>502</title></head><body><h1>Bad\nGateway</h1></body></html>';
  const plain =
    (status: number, body: string, type = 'text/html'): Script =>
    ({ response }) =>
      response.writeHead(status, { 'content-type': type }).end(body);
  const says =
    (status: number, body: unknown): Script =>
    ({ response }) =>
      json(response, status, body);
  const inStream =
    (...all: unknown[]): Script =>
    ({ response }) =>
      streamHead(response, events(...all));

  test.each<readonly [string, Script, code: string, message: RegExp]>([
    [
      '400 invalid model (object)',
      says(400, { error: { message: 'Invalid model identifier "x". Please specify a valid one' } }),
      'ERR_MODEL_INVALID_ID',
      /^400 Invalid model identifier "x"/,
    ],
    [
      '400 invalid model (string)',
      says(400, { error: 'Invalid model identifier "x".' }),
      'ERR_MODEL_INVALID_ID',
      /^400 Invalid model identifier/,
    ],
    [
      '400 no models loaded (object)',
      says(400, { error: { message: 'No models loaded. Please load a model first' } }),
      'ERR_MODEL_INVALID_ID',
      /^400 No models loaded/,
    ],
    [
      '400 no models loaded (string)',
      says(400, { error: 'No models loaded.' }),
      'ERR_MODEL_INVALID_ID',
      /^400 No models loaded/,
    ],
    [
      '404 of Ollama',
      says(404, { error: { message: 'model "x" not found, try pulling it first', type: 'api_error' } }),
      'ERR_MODEL_INVALID_ID',
      /^404 model "x" not found/,
    ],
    [
      '404 of vLLM',
      says(404, { object: 'error', message: 'The model `x` does not exist.', code: 404 }),
      'ERR_MODEL_INVALID_ID',
      /^404 The model `x` does not exist/,
    ],
    [
      '404 of a wrong path',
      plain(404, '404 page not found', 'text/plain'),
      'ERR_MODEL_REJECTED',
      /^404 .*page not found/,
    ],
    [
      '400 of another kind',
      says(400, { error: { message: 'temperature must be positive' } }),
      'ERR_MODEL_REJECTED',
      /^400 temperature must be positive$/,
    ],
    ['401', says(401, { error: { message: 'Incorrect API key' } }), 'ERR_MODEL_REJECTED', /^401 Incorrect API key$/],
    ['429', says(429, { error: { message: 'Too Many Requests' } }), 'ERR_MODEL_OVERLOADED', /^429 Too Many Requests$/],
    ['500 as HTML', plain(500, html), 'ERR_MODEL_STATUS', /^500 502 Bad Gateway$/],
    ['500 without a body', plain(500, ''), 'ERR_MODEL_STATUS', /^500 /],
    [
      '500 that is overload',
      says(500, { error: { message: 'server overloaded' } }),
      'ERR_MODEL_OVERLOADED',
      /^500 server overloaded$/,
    ],
    [
      '503 while loading',
      says(503, { error: { code: 503, message: 'Loading model', type: 'unavailable_error' } }),
      'ERR_MODEL_OVERLOADED',
      /^503 Loading model$/,
    ],
    ['503 as HTML', plain(503, html), 'ERR_MODEL_OVERLOADED', /^503 /],
    ['302', ({ response }) => response.writeHead(302, { location: '/elsewhere' }).end(), 'ERR_MODEL_STATUS', /^302/],
    [
      'an error event with a code',
      inStream({ error: { code: 500, message: 'the context is full' } }),
      'ERR_MODEL_STATUS',
      /^500 the context is full$/,
    ],
    [
      'an error event after content',
      inStream(piece('2'), { error: { message: 'the model crashed' } }),
      'ERR_MODEL_STATUS',
      /^500 the model crashed$/,
    ],
    [
      'an error event that is a string',
      inStream({ error: 'model "x" not found' }),
      'ERR_MODEL_INVALID_ID',
      /^500 model "x" not found$/,
    ],
    [
      'an error event while loading',
      inStream({ error: { code: 503, message: 'Loading model' } }),
      'ERR_MODEL_OVERLOADED',
      /^503 Loading model$/,
    ],
    [
      '200 with an error body',
      says(200, { error: { message: 'out of memory' } }),
      'ERR_MODEL_STATUS',
      /^500 out of memory$/,
    ],
    ['200 with an error string', says(200, { error: 'No models loaded' }), 'ERR_MODEL_INVALID_ID', /No models loaded$/],
    ['200 as HTML', plain(200, html), 'ERR_MODEL_MALFORMED', /neither a stream nor JSON$/],
    [
      '200 with JSON that is cut',
      plain(200, '{"choices":[{"mess', 'application/json'),
      'ERR_MODEL_MALFORMED',
      /neither a stream nor JSON$/,
    ],
    ['200 with JSON without choices', says(200, { hello: 'world' }), 'ERR_MODEL_MALFORMED', /no choices$/],
    ['200 with null', says(200, null), 'ERR_MODEL_MALFORMED', /not an object$/],
    ['200 without a body', plain(200, ' ', 'application/json'), 'ERR_MODEL_EMPTY', /no body$/],
    ['a malformed event', inStream(piece('2'), '{"choices":[{"del'), 'ERR_MODEL_MALFORMED', /not JSON$/],
    [
      'an event that is too deep',
      inStream(piece('2'), '['.repeat(200_000)),
      'ERR_MODEL_MALFORMED',
      /must not nest deeper than 128 levels$/,
    ],
    [
      'an event that is too wide',
      inStream(piece('2'), `[${'0,'.repeat(100_000)}0]`),
      'ERR_MODEL_MALFORMED',
      /must hold at most 100000 members in one list or object and 250000 in all$/,
    ],
    [
      'an event with NaN',
      inStream(piece('2'), '{"choices":[],"usage":{"prompt_tokens":NaN}}'),
      'ERR_MODEL_MALFORMED',
      /not JSON$/,
    ],
    ['an event that is a number', inStream('5'), 'ERR_MODEL_MALFORMED', /not an object$/],
    ['an event that is null', inStream('null'), 'ERR_MODEL_MALFORMED', /not an object$/],
  ])('%s has its code and says why', async (_, script, code, message) => {
    const outcome = await chatWith(script);
    expect(failure(outcome)).toBe(code);
    expect(outcome.ok ? '' : outcome.failure.message).toMatch(message);
  });

  test.each<readonly [string, Script, string]>([
    ["LM Studio's", says(400, { error: "'response_format.type' must be 'json_schema' or 'text'" }), 'ERR_MODEL_SCHEMA'],
    [
      "llama.cpp's",
      says(400, { error: { code: 400, message: 'Failed to initialize samplers: failed to parse grammar' } }),
      'ERR_MODEL_SCHEMA',
    ],
    [
      "vLLM's",
      says(400, { object: 'error', message: 'The provided JSON schema contains features not supported by xgrammar.' }),
      'ERR_MODEL_SCHEMA',
    ],
    ['in a stream', inStream({ error: { code: 400, message: 'unsupported json_schema' } }), 'ERR_MODEL_SCHEMA'],
    ['of pictures', says(400, { error: 'Model does not support images.' }), 'ERR_MODEL_REJECTED'],
    ['while overloaded', says(503, { error: 'grammar slots are busy' }), 'ERR_MODEL_OVERLOADED'],
    ['of something else', says(500, { error: 'out of memory' }), 'ERR_MODEL_STATUS'],
  ])('to a schema has a code of its own, and only to a call that asks for one: %s', async (_, script, code) => {
    const schema = { name: 'vote', schema: { type: 'object' } };
    expect(failure(await chatWith(script, { schema }))).toBe(code);
    const otherwise = code === 'ERR_MODEL_SCHEMA' ? 'ERR_MODEL_REJECTED' : code;
    expect(failure(await chatWith(script))).toBe(otherwise);
  });

  test.each([
    [302, 'ERR_MODEL_STATUS'],
    [400, 'ERR_MODEL_REJECTED'],
    [408, 'ERR_MODEL_STATUS'],
    [413, 'ERR_MODEL_REJECTED'],
    [429, 'ERR_MODEL_OVERLOADED'],
    [499, 'ERR_MODEL_REJECTED'],
    [500, 'ERR_MODEL_STATUS'],
  ])(
    'with %i is %s: from 400 to 499 it refuses the request, but for those that tell of its own trouble',
    async (status, code) => {
      expect(failure(await chatWith(plain(status, 'no')))).toBe(code);
    },
  );

  test('in a stream that it leaves open loses its connection', async () => {
    for (const script of [inStream({ error: { message: 'x' } }), inStream('{')]) {
      const arrived = server.next();
      await chatWith(script);
      await (await arrived).closed;
    }
  });

  test.each([
    ['tags that never close', '<'.repeat(4_000_000)],
    ['"model " without end', 'model '.repeat(700_000)],
    ['white space', ' '.repeat(4_000_000)],
    ['one long word', 'x'.repeat(20_000_000)],
  ])('in %s is understood in bounded time and quoted in brief', async (_, body) => {
    const outcome = await chatWith(plain(500, body));
    expect(failure(outcome)).toBe('ERR_MODEL_STATUS');
    expect(outcome.ok ? '' : outcome.failure.message).toMatch(/^.{0,210}$/);
  });

  test('after informational responses is still heard', async () => {
    const outcome = await chatWith(({ response }) => {
      response.writeProcessing();
      response.writeEarlyHints({ link: '</style.css>; rel=preload' });
      streamWhole(response, '2');
    });
    expect(content(outcome)).toBe('2');
    const refused = await chatWith(({ response }) => {
      response.writeProcessing();
      json(response, 429, { error: 'Too many requests' });
    });
    expect(failure(refused)).toBe('ERR_MODEL_OVERLOADED');
  });

  test('with events of strange shapes is read for what it has', async () => {
    const outcome = await chatWith(({ response }) => {
      streamHead(response);
      response.end(
        events(
          {},
          [],
          { choices: null },
          { choices: 'x' },
          { choices: [null] },
          { choices: [{}] },
          { choices: [{ delta: null }] },
          { choices: [{ delta: { content: 5 } }] },
          { choices: [{ delta: { content: null, reasoning_content: null } }], error: null },
          { model: 5, usage: 'none', timings: null },
          piece('2'),
          '[DONE]',
          piece(' after the end'),
        ),
      );
    });
    expect(content(outcome)).toBe('2');
  });
});

describe('an answer without end', () => {
  const MEGABYTE = 1_000_000;

  /** Writes `chunk` until 100 MB are out or the connection is closed, and says how much went out. */
  function flood(chunk: string, type = 'text/event-stream', status = 200): { script: Script; sent: Promise<number> } {
    const { promise, resolve } = Promise.withResolvers<number>();
    const script: Script = ({ response, socket }) => {
      let sent = 0;
      const more = (): void => {
        while (!socket.destroyed && sent < 100 * MEGABYTE) {
          sent += chunk.length;
          if (!response.write(chunk)) return;
        }
        resolve(sent);
      };
      response.on('drain', more);
      response.on('close', () => resolve(sent));
      response.writeHead(status, { 'content-type': type });
      more();
    };
    return { script, sent: promise };
  }

  test.each([
    ['content', events(piece('word '.repeat(2_000))), 'text/event-stream'],
    ['reasoning', events({ choices: [{ delta: { reasoning_content: 'hm '.repeat(3_000) } }] }), 'text/event-stream'],
    ['comments', ': ping\n\n'.repeat(1_000), 'text/event-stream'],
    ['one line', 'data: x'.repeat(1_000), 'text/event-stream'],
    ['one event of many lines', 'data: x\n'.repeat(1_000), 'text/event-stream'],
    ['one JSON body', ' '.repeat(10_000), 'application/json'],
  ])('of %s is cut at its bound, and its connection closed', async (_, chunk, type) => {
    const { script, sent } = flood(chunk, type);
    expect(failure(await chatWith(script))).toBe('ERR_MODEL_TOO_LARGE');
    // What was read is at most 8 MB; the rest was under way in the buffers of the two sockets.
    expect(await sent).toBeLessThan(40 * MEGABYTE);
  });

  test('of an error page is not read further than its meaning stands', async () => {
    const { script, sent } = flood('<p>Internal error</p>'.repeat(1_000), 'text/html', 500);
    const outcome = await chatWith(script);
    expect(failure(outcome)).toBe('ERR_MODEL_STATUS');
    expect(outcome.ok ? '' : outcome.failure.message).toMatch(/^500 Internal error/);
    expect(await sent).toBeLessThan(40 * MEGABYTE);
  });

  test('is one of more than 200,000 characters', async () => {
    server.script = ({ response }) => streamWhole(response, 'x'.repeat(200_000));
    expect(content(await chat())).toHaveLength(200_000);
    server.script = ({ response }) => streamWhole(response, 'x'.repeat(200_001));
    expect(failure(await chat())).toBe('ERR_MODEL_TOO_LARGE');
  });
});

test('nothing connects before the first call', async () => {
  await turn();
  expect(server.connections).toBe(0);
  // The server does listen.
  const socket = connect(Number(new URL(server.baseURL).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
});

describe('what has been written so far', () => {
  test('is shown after each read that leaves the answer open, and not of the read that ends it', async () => {
    const shown: string[] = [];
    const first = Promise.withResolvers<void>();
    const onContent = (content: string): void => {
      shown.push(content);
      first.resolve();
    };
    const script: Script = async ({ response }) => {
      streamHead(response, events(piece('2')));
      await first.promise;
      response.end(events(piece('\nIt is near.'), FINISH, '[DONE]'));
    };
    const outcome = await chatWith(script, { onContent, isComplete: isVoteComplete });
    expect(outcome).toMatchObject({ ok: true, answer: { content: '2\nIt is near.' } });
    expect(shown).toEqual(['2']);
  });

  test('is not shown of an answer in one piece, nor of one whose stream is one packet', async () => {
    const shown: string[] = [];
    const onContent = (content: string): void => void shown.push(content);
    expect((await chatWith(({ response }) => streamWhole(response, '2\nIt'), { onContent })).ok).toBe(true);
    const body = { choices: [{ message: { content: '2' }, finish_reason: 'stop' }] };
    expect((await chatWith(({ response }) => json(response, 200, body), { onContent, stream: false })).ok).toBe(true);
    expect(shown).toEqual([]);
  });
});
