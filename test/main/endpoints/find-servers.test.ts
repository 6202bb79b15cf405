import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { findListeners, findServers } from '../../../src/main/endpoints/find-servers.ts';
import { systemClock } from '../../../src/shared/clock.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A server on a free port of localhost; `body` undefined never answers. */
async function listen(body: string | undefined): Promise<number> {
  const server = createServer((_, response) => {
    if (body !== undefined) response.setHeader('content-type', 'application/json').end(body);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  return (server.address() as AddressInfo).port;
}

test('finds what answers with models, and neither what is closed, nor what is silent, nor what is something else', async () => {
  const port = await listen('{"data":[{"id":"phi"},{"id":"qwen"}]}');
  const gone = await listen('');
  servers.pop()?.close();
  const known = [
    { name: 'closed', port: gone },
    { name: 'good', port },
    { name: 'silent', port: await listen(undefined) },
    { name: 'a web page', port: await listen('<html>') },
  ];
  const good = { name: 'good', port, baseURL: `http://localhost:${port}/v1`, models: ['phi', 'qwen'] };
  const [found, listeners] = await Promise.all([
    findServers(systemClock, known, 2_000),
    findListeners(systemClock, known, 2_000),
  ]);
  expect(found).toEqual([good]);
  // Whoever looks for trouble is told of what is silent too.
  const silent = { name: 'silent', baseURL: `http://localhost:${known[2]?.port}/v1` };
  expect(listeners).toMatchObject([good, silent]);
});
