import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { request } from '../../support/make-planner.ts';
import { makeSocketFace } from '../../support/make-socket-face.ts';
import { openFace, RawConnection } from '../../support/open-face.ts';
import { RawClient } from '../../support/raw-client.ts';

const KIB = 1_024;

/** Writes, and waits until the other side has read it: its loop takes all that is there before it answers what came later. */
async function deliver(socket: Socket, text: string, roundTrip: () => Promise<unknown>): Promise<void> {
  await new Promise((resolve) => socket.write(text, resolve));
  for (let i = 0; i < 3; i++) await roundTrip();
}

function bodyHead(path: string, length: number): string {
  return `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
}

describe.each(['/v1/plans', '/v1/chat/completions', '/v1/responses', '/v1/embeddings'])('bodies for %s', (path) => {
  test('that are large give way, the slowest first; short ones pass beside them', async () => {
    const bytes = 100 * KIB;
    await using at = await openFace({
      http: { bodyBytesMax: bytes, largeBodiesBytesMax: 2 * bytes },
      planner: { chat: { bodyBytesMax: bytes } },
    });
    using stopped = await RawConnection.open(at.port);
    await deliver(stopped.socket, bodyHead(path, bytes) + ' '.repeat(bytes - 1), () => at.call('/healthz'));
    at.clock.advance(1_000);
    using other = await RawConnection.open(at.port);
    other.socket.write(bodyHead(path, bytes) + ' '.repeat(bytes - 1));
    using third = await RawConnection.open(at.port);
    third.socket.write(bodyHead(path, bytes) + ' '.repeat(bytes - 1));
    await stopped.until((text) => text.includes('ERR_PLANNER_OVERLOADED'));
    expect(stopped.received).toMatch(/^HTTP\/1.1 503 /);
    expect(stopped.received).toMatch(/\r\nretry-after: 1\r\n/i);
    expect(other.received + third.received).toBe('');
    expect((await at.post(request({ actions: [] }))).status).toBe(400);
    other.socket.write('0');
    await other.until((text) => text.includes('HTTP/1.1 400'));
  });
});

test('a large body is charged until it has been answered', async () => {
  const bytes = 100 * KIB;
  await using at = await openFace({
    script: () => ({ kind: 'times-out' }),
    http: { bodyBytesMax: bytes, largeBodiesBytesMax: bytes },
    planner: { chat: { bodyBytesMax: bytes } },
  });
  const large = JSON.stringify(request()).padEnd(bytes - 10);
  const leaving = new AbortController();
  const first = at.post(large, {}, leaving.signal).catch(() => 'gone');
  await expect.poll(() => at.planner.stats().plans.inFlight).toBe(1);
  const refused = await at.post(large);
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('1');
  expect(await refused.json()).toMatchObject({ code: 'ERR_PLANNER_OVERLOADED', retryable: true });
  leaving.abort();
  expect(await first).toBe('gone');
  await expect.poll(async () => (await at.post(large.replace('{', '['))).status).toBe(400);
});

describe('lines', () => {
  const bytes = 100 * KIB;
  const options = { messageBytesMax: bytes, largeMessagesBytesMax: 2 * bytes };

  test('that are large give way, the slowest first, and their connections live', async () => {
    await using made = await makeSocketFace({ options, clock: 'fake' });
    using stopped = await RawClient.connect(made.path);
    using other = await RawClient.connect(made.path);
    using third = await RawClient.connect(made.path);
    await deliver(stopped.socket, ' '.repeat(bytes - 1), () => other.ask(0, 'ping'));
    made.clock.advance(1_000);
    for (const client of [other, third])
      client.socket.write('{"jsonrpc":"2.0","id":7,"method":"ping"'.padEnd(bytes - 1));
    expect(await stopped.next()).toMatchObject({
      id: null,
      error: { code: -32001, data: { code: 'ERR_PLANNER_OVERLOADED', retryable: true } },
    });
    for (const client of [other, third]) {
      client.socket.write('}\n');
      expect(await client.next()).toMatchObject({ id: 7, result: 'pong' });
    }
    stopped.socket.write('\n');
    expect(await stopped.ask(1, 'ping')).toMatchObject({ id: 1, result: 'pong' });
  });
});
