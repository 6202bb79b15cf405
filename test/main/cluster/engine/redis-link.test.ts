import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createServer as createSecureServer } from 'node:tls';
import { expect, it, onTestFinished } from 'vitest';
import { engineHost } from '../../../../src/main/cluster/engine/engine-host.ts';
import { openRedisLink } from '../../../../src/main/cluster/engine/redis-link.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

it('both connections to an engine behind TLS ask for it by its name', async () => {
  const asked: string[] = [];
  const bothAsked = Promise.withResolvers<void>();
  // Nobody is answered, since the end of one connection is the end of the other.
  const SNICallback = (name: string): void => {
    if (asked.push(name) === 2) bothAsked.resolve();
  };
  const server = createSecureServer({ SNICallback }).listen(0, 'localhost');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const closing = new AbortController();
  const { port } = server.address() as AddressInfo;
  const opened = openRedisLink(`rediss://localhost:${port}`, closing.signal, new FakeClock());
  await bothAsked.promise;
  closing.abort(new Error('enough'));
  await expect(opened).rejects.toThrow('enough');
  expect(asked).toEqual(['localhost', 'localhost']);
});

it('neither asks for an address', async () => {
  const hellos: Buffer[] = [];
  const bothSaidHello = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (bytes) => {
      if (hellos.push(Buffer.from(bytes)) === 2) bothSaidHello.resolve();
    });
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const closing = new AbortController();
  const { port } = server.address() as AddressInfo;
  const opened = openRedisLink(`rediss://127.0.0.1:${port}`, closing.signal, new FakeClock());
  await bothSaidHello.promise;
  closing.abort(new Error('enough'));
  await expect(opened).rejects.toThrow('enough');
  expect(hellos.map((hello) => hello.includes('127.0.0.1'))).toEqual([false, false]);
});

it.each([
  ['rediss://me:secret@cache.example:6380/2', { host: 'cache.example', servername: 'cache.example' }],
  ['rediss://cache.example.', { host: 'cache.example.', servername: 'cache.example' }],
  ['rediss://10.0.0.1', { host: '10.0.0.1' }],
  ['rediss://[fe80::1]:7', { host: 'fe80::1' }],
])('the host of %s', (url, expected) => {
  expect(engineHost(url)).toEqual(expected);
});
