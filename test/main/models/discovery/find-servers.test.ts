import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { findListeners, findServers } from '../../../../src/main/models/discovery/find-servers.ts';
import { systemClock } from '../../../../src/shared/clock.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A server on a free port of localhost: what it answers with to every path, or to some. Undefined never answers. */
async function listen(answer: string | undefined | Record<string, string>, status = 200): Promise<number> {
  const server = createServer(({ url = '' }, response) => {
    if (answer === undefined) return;
    const body = typeof answer === 'string' ? answer : answer[url];
    response.writeHead(body === undefined ? 404 : status, { 'content-type': 'application/json' }).end(body ?? '{}');
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  return (server.address() as AddressInfo).port;
}

const port = (usual: string, at: number) => ({ usual, port: at });

test('finds what answers with models, and neither what is closed, nor what is silent, nor what is something else', async () => {
  const good = await listen('{"data":[{"id":"phi"},{"id":"qwen"}]}');
  const gone = await listen('');
  servers.pop()?.close();
  const known = [
    port('closed', gone),
    port('good', good),
    port('silent', await listen(undefined)),
    port('a web page', await listen('<html>')),
    port('something broken', await listen('{"error":"broken"}', 500)),
  ];
  const there = {
    name: `localhost:${good}`,
    port: good,
    baseURL: `http://localhost:${good}/v1`,
    kind: 'unknown',
    models: ['phi', 'qwen'],
  };
  const [found, listeners] = await Promise.all([
    findServers(systemClock, known, 2_000),
    findListeners(systemClock, known, 2_000),
  ]);
  expect(found).toEqual([there]);
  // Whoever looks for trouble is told of what is silent too.
  const silent = `localhost:${known[2]?.port}`;
  expect(listeners).toEqual([there, { name: silent, port: known[2]?.port, baseURL: `http://${silent}/v1` }]);
});

test('a server is what it says that it is, whatever usually listens at its port', async () => {
  const list = '{"data":[{"id":"phi","owned_by":"llamacpp"}]}';
  const known = [
    port('vLLM', await listen({ '/v1/models': list, '/props': '{"total_slots":2}' })),
    port('llama.cpp', await listen({ '/v1/models': '{"data":[{"id":"phi","owned_by":"vllm"}]}' })),
    port(
      'LM Studio',
      await listen({ '/v1/models': '{"data":[{"id":"phi:3b"}]}', '/api/tags': '{"models":[{"name":"phi:3b"}]}' }),
    ),
    port('Ollama', await listen({ '/v1/models': '{"data":[{"id":"phi"}]}' })),
  ];
  const found = await findServers(systemClock, known, 1_000);
  expect(found.map(({ kind }) => kind)).toEqual(['llamacpp', 'vllm', 'ollama', 'unknown']);
});

test('a server that wants a key, or is loading, is one too', async () => {
  const known = [
    port('keyed', await listen('{"error":{"message":"Invalid API Key"}}', 401)),
    port('loading', await listen('{"error":{"message":"Loading model"}}', 503)),
  ];
  const found = await findServers(systemClock, known, 2_000);
  expect(found).toMatchObject([
    { models: [], trouble: 'key' },
    { models: [], trouble: 'loading' },
  ]);
});
