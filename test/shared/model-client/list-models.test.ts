import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { ModelClient } from '../../../src/shared/model-client/model-client.ts';
import { json, type Script, ScriptedServer } from '../../support/scripted-server.ts';
import { client, clock, server, turn, useModelClient } from '../../support/use-model-client.ts';

useModelClient();

function listWith(script: Script, signal?: AbortSignal): Promise<string[]> {
  server.script = script;
  return client.listModels(2_000, signal);
}

const body =
  (value: unknown): Script =>
  ({ response }) =>
    json(response, 200, value);
const text =
  (value: string, status = 200, type = 'text/html'): Script =>
  ({ response }) =>
    response.writeHead(status, { 'content-type': type }).end(value);

async function codeOf(list: Promise<string[]>): Promise<string> {
  return list.then(
    (ids) => `listed ${ids.join()}`,
    (error: { code: string }) => error.code,
  );
}

describe('listModels', () => {
  test('takes a list behind a byte order mark', async () => {
    server.script = ({ response }) => response.writeHead(200).end('\ufeff{"data":[{"id":"m"}]}');
    expect(await client.listModels(1_000)).toEqual(['m']);
  });

  test('gives the ids in the order of the endpoint', async () => {
    const ids = await listWith(body({ object: 'list', data: [{ id: 'phi-4:2' }, { id: '/models/qwen.gguf' }] }));
    expect(ids).toEqual(['phi-4:2', '/models/qwen.gguf']);
    expect(server.exchanges[0]?.url).toBe('/v1/models');
  });

  test('gives an empty list where there are no models, also as Ollama says it', async () => {
    expect(await listWith(body({ object: 'list', data: [] }))).toEqual([]);
    expect(await listWith(body({ object: 'list', data: null }))).toEqual([]);
  });

  test('passes over entries without an id', async () => {
    expect(await listWith(body({ data: [null, {}, { id: 5 }, 'x', { id: 'a' }] }))).toEqual(['a']);
  });

  test('keeps the connection for the calls that follow', async () => {
    for (let i = 0; i < 3; i++) {
      await listWith(body({ data: [] }));
      await turn();
    }
    expect(server.connections).toBe(1);
  });

  test.each<readonly [string, Script, string]>([
    ['HTML with 200', text('<html>Welcome</html>'), 'ERR_MODEL_MALFORMED'],
    ['JSON that is cut', text('{"data":[', 200, 'application/json'), 'ERR_MODEL_MALFORMED'],
    ['an empty body', text('', 200, 'application/json'), 'ERR_MODEL_MALFORMED'],
    ['JSON of another shape', body({ models: [] }), 'ERR_MODEL_MALFORMED'],
    ['null', body(null), 'ERR_MODEL_MALFORMED'],
    ['a list that is a string', body({ data: 'phi' }), 'ERR_MODEL_MALFORMED'],
    ['404', text('404 page not found', 404), 'ERR_MODEL_REJECTED'],
    ['401', text('{"error":{"message":"no key"}}', 401, 'application/json'), 'ERR_MODEL_REJECTED'],
    ['503', text('{"error":{"message":"Loading model"}}', 503, 'application/json'), 'ERR_MODEL_OVERLOADED'],
    ['a reset', ({ socket }) => socket.resetAndDestroy(), 'ERR_MODEL_RESET'],
    ['no HTTP', ({ socket }) => socket.end('hello\r\n\r\n'), 'ERR_MODEL_MALFORMED'],
    [
      'a list of 20 MB',
      text(`{"data":[],"x":"${'x'.repeat(20_000_000)}"}`, 200, 'application/json'),
      'ERR_MODEL_TOO_LARGE',
    ],
  ])('answered with %s is a coded error', async (_, script, code) => {
    expect(await codeOf(listWith(script))).toBe(code);
  });

  test('is refused where nobody listens', async () => {
    const gone = await ScriptedServer.start();
    const lost = new ModelClient({ name: 'gone', baseURL: gone.baseURL }, clock, 1);
    await gone[Symbol.asyncDispose]();
    expect(await codeOf(lost.listModels(2_000))).toBe('ERR_MODEL_REFUSED');
    await lost.close();
  });

  test.each<readonly [string, Script]>([
    ['before the headers', () => {}],
    [
      'in the body',
      ({ response }) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.write('{"data":[');
      },
    ],
  ])('ends at its timeout %s, and closes the connection', async (_, script) => {
    const arrived = server.next();
    const list = codeOf(listWith(script));
    const { closed } = await arrived;
    await turn();
    clock.advance(1_999);
    expect(clock.pendingTimers).toBe(1);
    clock.advance(1);
    expect(await list).toBe('ERR_MODEL_TIMEOUT_HEADERS');
    await closed;
  });

  test('is cancelled by its signal before and while it runs, and leaves no listener', async () => {
    expect(await codeOf(listWith(body({ data: [] }), AbortSignal.abort()))).toBe('ERR_CANCELLED');
    expect(server.exchanges).toHaveLength(0);
    const controller = new AbortController();
    await listWith(body({ data: [] }), controller.signal);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    const arrived = server.next();
    const list = codeOf(listWith(() => {}, controller.signal));
    const { closed } = await arrived;
    controller.abort();
    expect(await list).toBe('ERR_CANCELLED');
    await closed;
  });
});

describe('getJson', () => {
  test.each<readonly [base: string, url: string]>([
    ['/v1', '/props'],
    ['/v1/', '/props'],
    ['', '/props'],
    ['/proxy/v1', '/proxy/props'],
    ['/api/v3', '/api/v3/props'],
  ])('reads a path beside the version path of %j', async (base, url) => {
    const origin = new URL(server.baseURL).origin;
    const endpoint = { name: 'x', baseURL: `${origin}${base}`, apiKey: 'secret', headers: { 'x-team': 'lydia' } };
    const at = new ModelClient(endpoint, clock, 1);
    server.script = body({ total_slots: 4 });
    expect(await at.getJson('/props', 1_000)).toEqual({ total_slots: 4 });
    expect(server.exchanges[0]?.url).toBe(url);
    expect(server.exchanges[0]?.headers).toMatchObject({ authorization: 'Bearer secret', 'x-team': 'lydia' });
    await at.close();
  });

  test('fails with the codes of a list', async () => {
    const codeAt = async (script: Script): Promise<string> => {
      server.script = script;
      return client.getJson('/props', 1_000).then(
        () => 'read',
        (error: { code: string }) => error.code,
      );
    };
    expect(await codeAt(text('404 page not found', 404))).toBe('ERR_MODEL_REJECTED');
    expect(await codeAt(text('<html>'))).toBe('ERR_MODEL_MALFORMED');
    expect(await codeAt(text('x'.repeat(5_000_000)))).toBe('ERR_MODEL_TOO_LARGE');
    expect(await codeAt(({ socket }) => socket.resetAndDestroy())).toBe('ERR_MODEL_RESET');
  });
});
