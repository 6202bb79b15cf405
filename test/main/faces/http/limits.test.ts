import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openHttpFace } from '../../../../src/main/faces/http/open-http-face.ts';
import { drive } from '../../../support/drive.ts';
import { request } from '../../../support/make-planner.ts';
import { openFace, RawConnection, rawPlan, silentLog } from '../../../support/open-face.ts';

/** The problem that came as raw bytes, with its status line. */
async function problemOf(
  client: RawConnection,
): Promise<{ status: number; code: string; detail: string; closed: boolean }> {
  await client.until((text) => /\r\n\r\n\{.*\}/.test(text));
  const [head, body] = client.received.split('\r\n\r\n') as [string, string];
  expect(head).toContain('application/problem+json');
  const { code, detail } = JSON.parse(body);
  return { status: Number(head.split(' ')[1]), code, detail, closed: /connection: close/i.test(head) };
}

describe('what comes is bounded', () => {
  test('a body at its bound is read, one byte more is refused', async () => {
    await using at = await openFace({ http: { bodyBytesMax: 2_000 } });
    const body = JSON.stringify(request({ actions: [] }));
    expect((await at.post(body.padEnd(2_000, ' '))).status).toBe(400);
    const refused = await at.post(body.padEnd(2_001, ' '));
    expect(refused.status).toBe(413);
    expect(await refused.json()).toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE', status: 413 });
  });

  test('a body without a length is cut at its bound', async () => {
    await using at = await openFace({ http: { bodyBytesMax: 2_000 } });
    using client = await RawConnection.open(at.port);
    const head =
      'POST /v1/plans HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
    client.socket.write(`${head}fff\r\n${'x'.repeat(4_095)}\r\n`);
    expect(await problemOf(client)).toMatchObject({ status: 413, code: 'ERR_MESSAGE_TOO_LARGE' });
  });

  test('headers over their bound are refused', async () => {
    await using at = await openFace({ http: { headerBytesMax: 2_048 } });
    using client = await RawConnection.open(at.port);
    client.socket.write(`GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(4_000)}\r\n\r\n`);
    expect(await problemOf(client)).toMatchObject({ status: 431, code: 'ERR_MESSAGE_TOO_LARGE', closed: true });
    await client.ended;
  });

  test('a connection over their number is closed at once, and the others are served', async () => {
    await using at = await openFace({ http: { connectionsMax: 2 } });
    using first = await RawConnection.open(at.port);
    using second = await RawConnection.open(at.port);
    using third = await RawConnection.open(at.port);
    await third.ended;
    for (const client of [first, second]) {
      client.socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
      await client.until((text) => text.includes('"ok"'));
    }
  });
});

describe('what is no request is a coded problem', () => {
  test.each([
    ['half a character', Buffer.from([0x7b, 0x22, 0xc3]), 'ERR_PROTOCOL', 'the body must be UTF-8'],
    ['half a character inside a text', Buffer.from('{"agent":"\xe2\x82"}', 'latin1'), 'ERR_PROTOCOL', 'UTF-8'],
    ['half an object', '{"agent":', 'ERR_PROTOCOL', 'the body must be JSON'],
    ['nothing', '', 'ERR_PROTOCOL', 'cannot be empty'],
    ['a list', '[]', 'ERR_REQUEST_INVALID', 'request must be an object, got an empty list'],
    ['null', 'null', 'ERR_REQUEST_INVALID', 'request must be an object, got null'],
    ['a number', '7', 'ERR_REQUEST_INVALID', 'request must be an object, got 7'],
    ['a prototype', '{"__proto__":{"agent":"x"}}', 'ERR_REQUEST_INVALID', '__proto__ is not a part of a request'],
    [
      'an unknown member',
      JSON.stringify({ ...request(), colour: 1 }),
      'ERR_REQUEST_INVALID',
      'colour is not a part of a request',
    ],
    [
      'a wrong member',
      JSON.stringify({ ...request(), observation: { place: 'cave', health: 'x' } }),
      'ERR_REQUEST_INVALID',
      'observation.health must be a finite number, got "x"',
    ],
    [
      'a number as a text',
      JSON.stringify(request()).replace('50', '"50"'),
      'ERR_REQUEST_INVALID',
      'observation.health must be a finite number, got "50"',
    ],
    [
      'no time',
      JSON.stringify({ ...request(), timeoutMs: 0 }),
      'ERR_REQUEST_INVALID',
      'timeoutMs must be a number of milliseconds above 0 and at most 86400000, got 0',
    ],
    ['a time of null', JSON.stringify({ ...request(), timeoutMs: null }), 'ERR_REQUEST_INVALID', 'timeoutMs must be'],
    [
      'infinity',
      JSON.stringify(request()).replace('50', '1e999'),
      'ERR_REQUEST_INVALID',
      'observation.health must be a finite number',
    ],
  ])('%s', async (_, body, code, detail) => {
    await using at = await openFace();
    const response = await at.post(body);
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toContain('application/problem+json');
    expect(await response.json()).toEqual({
      type: 'about:blank',
      title: 'Bad Request',
      status: 400,
      code,
      detail: expect.stringContaining(detail),
      retryable: false,
    });
  });

  test('what is refused was asked of the planner once, and no plan was begun', async () => {
    await using at = await openFace();
    const { planNow } = at.planner;
    let asked = 0;
    at.planner.planNow = (...args) => {
      asked++;
      return planNow.apply(at.planner, args);
    };
    const response = await at.post({ ...request(), colour: 1 });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: 'ERR_REQUEST_INVALID',
      detail: expect.stringMatching(/colour/),
    });
    expect([asked, at.planner.stats().plans.inFlight]).toEqual([1, 0]);
  });

  test('a request that breaks a rule is counted as everywhere', async () => {
    await using at = await openFace();
    await at.post({ ...request(), colour: 1 });
    expect(at.planner.stats().plans).toMatchObject({ invalid: 1, cancelled: 0, settled: 0 });
  });

  test('a body of another type', async () => {
    await using at = await openFace();
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'text/json']) {
      const response = await at.post(request(), { 'content-type': type });
      expect(response.status).toBe(415);
      expect(await response.json()).toMatchObject({ code: 'ERR_PROTOCOL' });
    }
  });

  test('a body that nests deeper than 128 levels, and not one whose texts look like it', async () => {
    await using at = await openFace();
    const nested = (levels: number, text: string) =>
      `{"agent":${JSON.stringify(text)},"x":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
    const detail = async (body: string) => (await (await at.post(body)).json()) as { code: string; detail: string };
    for (const text of ['', '\\"[{'.repeat(10_000), '\\"[{'.repeat(100_000)]) {
      expect(await detail(nested(128, text))).toMatchObject({ code: 'ERR_REQUEST_INVALID' });
      expect(await detail(nested(129, text))).toMatchObject({
        code: 'ERR_PROTOCOL',
        detail: 'the body must not nest deeper than 128 levels',
      });
    }
    expect(await detail(`${nested(128, '')},`.repeat(100))).toMatchObject({ detail: expect.stringContaining('JSON') });
    expect(await detail(`"${'['.repeat(20_000)}`)).toMatchObject({ detail: expect.stringContaining('JSON') });
  });

  test('a body of more members than any request has', async () => {
    await using at = await openFace();
    const detail = async (body: string) => (await (await at.post(body)).json()) as { code: string; detail: string };
    const actions = (count: number) => `{"actions":[${Array.from({ length: count }, () => '""').join(',')}]}`;
    expect(await detail(actions(100_000))).toMatchObject({ code: 'ERR_REQUEST_INVALID' });
    expect(await detail(actions(100_001))).toMatchObject({
      code: 'ERR_PROTOCOL',
      detail: 'the body must hold at most 100000 members in one list or object and 250000 in all',
    });
  });

  test.each(['/v1/plans', '/v1/chat/completions'])(
    'a body for %s that is too deep, before it has come',
    async (path) => {
      await using at = await openFace();
      using client = await RawConnection.open(at.port);
      const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2000000\r\n\r\n`;
      client.socket.write(head + '['.repeat(100_000));
      await client.until((text) => text.includes('must not nest deeper than 128 levels'));
      expect(client.received).toMatch(/^HTTP\/1.1 400 /);
      expect(client.received).toMatch(/connection: close/i);
    },
  );

  test('a body that is compressed, or is said to be', async () => {
    await using at = await openFace();
    for (const [encoding, body] of [
      ['gzip', gzipSync(JSON.stringify(request()))],
      ['br', JSON.stringify(request())],
      ['identity, gzip', JSON.stringify(request())],
    ] as const) {
      const response = await at.post(body, { 'content-encoding': encoding });
      expect(response.status).toBe(415);
      expect(await response.json()).toMatchObject({
        code: 'ERR_PROTOCOL',
        detail: `the body must be plain, and its content-encoding is ${encoding}`,
      });
    }
    const plain = await at.post({ ...request(), actions: [] }, { 'content-encoding': 'identity' });
    expect(await plain.json()).toMatchObject({ code: 'ERR_REQUEST_INVALID' });
  });

  test('a path that cannot be decoded', async () => {
    await using at = await openFace();
    for (const path of ['/%zz', '/v1/plans/%ff']) {
      const response = await at.call(path);
      expect(response.status).toBe(400);
      expect(response.headers.get('content-type')).toContain('application/problem+json');
      expect(await response.json()).toMatchObject({ code: 'ERR_PROTOCOL', detail: 'the path cannot be decoded' });
    }
  });

  test('a path that there is not, and a method that a path has not', async () => {
    await using at = await openFace();
    const missing = await at.call('/nothing?x=1');
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({ code: 'ERR_METHOD_UNKNOWN', detail: 'there is no GET /nothing' });
    const wrong = await at.call('/v1/plans', { method: 'PUT' });
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get('allow')).toBe('POST');
    expect(await wrong.json()).toMatchObject({ code: 'ERR_METHOD_UNKNOWN', status: 405 });
  });

  test.each([
    'hello\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'GET / HTTP/9.9\r\n\r\n',
    'POST /v1/plans HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n',
  ])('%j is no HTTP', async (bytes) => {
    await using at = await openFace();
    using client = await RawConnection.open(at.port);
    client.socket.write(Buffer.from(bytes, 'latin1'));
    expect(await problemOf(client)).toMatchObject({ status: 400, code: 'ERR_PROTOCOL', closed: true });
    await client.ended;
    expect((await at.call('/healthz')).status).toBe(200);
  });

  test('two lengths in one request are refused, not read as two requests', async () => {
    await using at = await openFace();
    using client = await RawConnection.open(at.port);
    client.socket.write(
      'POST /v1/plans HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n',
    );
    expect(await problemOf(client)).toMatchObject({ status: 400, closed: true });
    await client.ended;
    expect(client.received).not.toContain('"ok"');
  });
});

describe('a client that takes its time', () => {
  test('has so long for its headers', async () => {
    await using at = await openFace({ http: { headersTimeoutMs: 100 } });
    using client = await RawConnection.open(at.port);
    client.socket.write('GET /healthz HTTP/1.1\r\nhost: loc');
    expect(await problemOf(client)).toMatchObject({ status: 408, code: 'ERR_CLIENT_SLOW', closed: true });
    await client.ended;
  });

  test('has so long for its body, however many bytes it sends one by one', async () => {
    await using at = await openFace({ http: { requestTimeoutMs: 300 } });
    using client = await RawConnection.open(at.port);
    client.socket.write(
      'POST /v1/plans HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n',
    );
    const drip = setInterval(() => client.socket.write(' '), 20);
    await client.ended;
    clearInterval(drip);
    expect(client.received).toMatch(/^HTTP\/1.1 408/);
  });

  test('and takes nothing of its answers is cut off', async () => {
    await using at = await openFace({ http: { slowClientMs: 200 } });
    const before = sockets();
    using client = await RawConnection.open(at.port);
    await expect.poll(sockets).toBe(before + 2);
    client.socket.pause();
    // Its answers are more than the buffers between the two hold.
    client.socket.write('GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(2_000));
    // The server's end is gone; its own it cannot know of before it reads.
    await expect.poll(sockets, { timeout: 15_000 }).toBe(before + 1);
    client.socket.resume();
    await client.ended;
    expect(client.received.split('HTTP/1.1 200').length).toBeLessThan(2_000);
  });
});

/** Of this process, both ends of a connection within it. */
function sockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
}

test('a connection that asks for nothing more is ended after keepAliveTimeoutMs', async () => {
  await using at = await openFace({ http: { keepAliveTimeoutMs: 50 } });
  using client = await RawConnection.open(at.port);
  client.socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await client.ended;
  expect(client.received).toContain('"ok"');
});

test('a port in use is told with what to do', async () => {
  await using at = await openFace();
  await expect(
    openHttpFace(at.planner, { port: at.port }, { clock: at.clock, log: silentLog, version: '1' }),
  ).rejects.toThrow(
    expect.objectContaining({
      code: 'ERR_ADDRESS_IN_USE',
      message: `port ${at.port} of 127.0.0.1 is in use: stop what listens there, or choose another one (http.port)`,
    }),
  );
  expect((await at.call('/healthz')).status).toBe(200);
});

test('an address that is not of this machine is refused by name', async () => {
  await using at = await openFace();
  const options = { port: 0, host: '192.0.2.1', token: 'secret' };
  await expect(openHttpFace(at.planner, options, { clock: at.clock, log: silentLog, version: '1' })).rejects.toThrow(
    expect.objectContaining({ code: 'ERR_OPTIONS_INVALID', message: expect.stringContaining('192.0.2.1') }),
  );
});

test('a plan longer than a slow client has is not cut', async () => {
  await using at = await openFace({
    script: () => ({ kind: 'answers', action: 'flee', afterMs: 500 }),
    http: { slowClientMs: 1 },
  });
  using client = await RawConnection.open(at.port);
  client.socket.write(rawPlan());
  await expect.poll(() => at.planner.stats().plans.inFlight).toBe(1);
  // Real time goes by, in which the socket's own timer fires several times.
  await expect.poll(async () => (await at.call('/healthz')).status, { interval: 5 }).toBe(200);
  await drive(
    at.clock,
    client.until((text) => text.includes('"flee"')),
  );
});
