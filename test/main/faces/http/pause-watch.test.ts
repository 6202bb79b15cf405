import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { PauseWatch } from '../../../../src/main/faces/http/wire/pause-watch.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { openFace, RawConnection } from '../../../support/open-face.ts';

const GRACE_MS = 30_000;

function watched() {
  const clock = new FakeClock();
  const server = new EventEmitter();
  const watch = new PauseWatch(clock, server as unknown as Server, GRACE_MS);
  server.emit('listening');
  const socket = new EventEmitter() as unknown as Socket;
  const refused: string[] = [];
  const spare = (): void => watch.spare(socket, () => refused.push('refused'));
  const ask = (complete: boolean) => {
    const request = { socket, complete };
    server.emit('request', request);
    return request;
  };
  return { clock, server, watch, socket, refused, spare, ask };
}

describe('a pause', () => {
  test('is seen where the event loop stood still, for as long as node may look at what came meanwhile', () => {
    const { clock, watch } = watched();
    clock.advance(60_000);
    expect(watch.isAfterPause).toBe(false);
    clock.stall(10_000);
    expect(watch.isAfterPause).toBe(true);
    clock.advance(1_499);
    expect(watch.isAfterPause).toBe(true);
    clock.advance(1);
    expect(watch.isAfterPause).toBe(false);
  });

  test('is no short delay, and nothing is watched once the server is closed', () => {
    const { clock, server, watch } = watched();
    clock.stall(900);
    expect(watch.isAfterPause).toBe(false);
    server.emit('close');
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a request that was spared', () => {
  test('is refused where it does not come within its time', () => {
    const { clock, refused, spare } = watched();
    spare();
    clock.advance(GRACE_MS - 1);
    expect(refused).toEqual([]);
    clock.advance(1);
    expect(refused).toEqual(['refused']);
  });

  test('is not refused where it has come whole', () => {
    const { clock, refused, spare, ask } = watched();
    spare();
    ask(true);
    clock.advance(GRACE_MS);
    expect(refused).toEqual([]);
  });

  test('is refused where its headers come and its body does not', () => {
    const { clock, refused, spare, ask } = watched();
    spare();
    ask(false);
    clock.advance(GRACE_MS);
    expect(refused).toEqual(['refused']);
  });

  test('is not refused where the rest of its body comes', () => {
    const { clock, refused, spare, ask } = watched();
    const request = ask(false);
    spare();
    request.complete = true;
    clock.advance(GRACE_MS);
    expect(refused).toEqual([]);
  });

  test('leaves no timer behind when its connection ends', () => {
    const { clock, socket, spare } = watched();
    const before = clock.pendingTimers;
    spare();
    socket.emit('close');
    expect(clock.pendingTimers).toBe(before);
  });
});

/** Half of a request that is taken to be slow, on a server that has just been paused. */
async function sparedRequest(at: Awaited<ReturnType<typeof openFace>>): Promise<RawConnection> {
  at.clock.stall(10_000);
  const timers = at.clock.pendingTimers;
  const client = await RawConnection.open(at.port);
  client.socket.write('GET /healthz HTTP/1.1\r\nhost: loc');
  await expect.poll(() => at.clock.pendingTimers, { timeout: 10_000 }).toBe(timers + 1);
  return client;
}

test('a request that was on its way during a pause of ten seconds is answered', async () => {
  await using at = await openFace({ http: { headersTimeoutMs: 100 } });
  using client = await sparedRequest(at);
  client.socket.write('alhost\r\n\r\n');
  expect(await client.until((text) => text.includes('\r\n\r\n'))).toMatch(/^HTTP\/1.1 200/);
});

test('one that does not come after the pause either is refused', async () => {
  await using at = await openFace({ http: { headersTimeoutMs: 100 } });
  using client = await sparedRequest(at);
  at.clock.advance(60_000);
  expect(await client.until((text) => text.includes('\r\n\r\n'))).toMatch(/^HTTP\/1.1 408/);
});
