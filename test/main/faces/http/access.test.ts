import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { request } from '../../../support/make-planner.ts';
import { openFace, RawConnection } from '../../../support/open-face.ts';

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

describe('a token', () => {
  test.each(['/v1/stats', '/metrics', '/openapi.json', '/v1/live', '/nowhere'])('is asked for at %s', async (path) => {
    await using at = await openFace({ http: { token: 'secret' } });
    const response = await at.call(path);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(await response.json()).toMatchObject({ code: 'ERR_UNAUTHORIZED', status: 401 });
  });

  test.each(['/healthz', '/readyz'])('is not asked for at %s', async (path) => {
    await using at = await openFace({ http: { token: 'secret' } });
    expect((await at.call(path)).status).toBe(200);
  });

  test.each(['secret2', 'secre', 'Secret', '', 'secret secret', 's'.repeat(5_000)])('%j is not it', async (token) => {
    await using at = await openFace({ http: { token: 'secret' } });
    expect((await at.call('/v1/stats', bearer(token))).status).toBe(401);
  });

  test.each(['Basic secret', 'secret', 'Bearersecret'])('%j is no bearer token', async (authorization) => {
    await using at = await openFace({ http: { token: 'secret' } });
    expect((await at.call('/v1/stats', { headers: { authorization } })).status).toBe(401);
  });

  test('that is right lets in, by whatever case of the scheme', async () => {
    await using at = await openFace({ http: { token: 'secret' } });
    for (const authorization of ['Bearer secret', 'bearer secret']) {
      expect((await at.call('/v1/stats', { headers: { authorization } })).status).toBe(200);
    }
  });

  test('a body is not read before the token is known to be right', async () => {
    await using at = await openFace({ http: { token: 'secret', bodyBytesMax: 1_024 } });
    const response = await at.post('x'.repeat(5_000));
    expect(response.status).toBe(401);
  });

  test('of a file is read again by reload, and one that breaks a rule changes nothing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'conclave-reload-'));
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, 'old\n', { mode: 0o600 });
    await using at = await openFace({ http: { tokenFile } });
    expect((await at.call('/v1/stats', bearer('old'))).status).toBe(200);
    await writeFile(tokenFile, 'new\n');
    expect(await at.face.reload({ port: 0, tokenFile })).toEqual([]);
    expect((await at.call('/v1/stats', bearer('old'))).status).toBe(401);
    expect((await at.call('/v1/stats', bearer('new'))).status).toBe(200);
    await writeFile(tokenFile, '');
    await expect(at.face.reload({ port: 0, tokenFile })).rejects.toThrow('empty');
    expect((await at.call('/v1/stats', bearer('new'))).status).toBe(200);
    await rm(folder, { recursive: true });
  });
});

describe('Host', () => {
  const send = async (port: number, host: string): Promise<string> => {
    using client = await RawConnection.open(port);
    client.socket.write(`GET /healthz HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
    await client.ended;
    return client.received.split('\r\n', 1)[0] as string;
  };

  test.each(['127.0.0.1', '127.0.0.1:7411', 'localhost', 'LOCALHOST:80', '[::1]:7411'])(
    '%s is this server',
    async (host) => {
      await using at = await openFace();
      expect(await send(at.port, host)).toBe('HTTP/1.1 200 OK');
    },
  );

  test('an address of this machine that is not the usual one is this server', async () => {
    await using at = await openFace({ http: { host: '127.0.0.2' } });
    expect((await at.call('/healthz')).status).toBe(200);
  });

  test.each(['evil.example', 'evil.example:7411', 'localhost.evil.example', '127.0.0.1.evil.example', '', '[::2]'])(
    '%j was made to point here, and is refused',
    async (host) => {
      await using at = await openFace();
      expect(await send(at.port, host)).toBe('HTTP/1.1 403 Forbidden');
    },
  );

  test('a name that is allowed is this server, and no longer after a reload without it', async () => {
    await using at = await openFace({ http: { allowedHosts: ['Planner.lan'] } });
    expect(await send(at.port, 'planner.lan:80')).toBe('HTTP/1.1 200 OK');
    await at.face.reload({ port: 0 });
    expect(await send(at.port, 'planner.lan:80')).toBe('HTTP/1.1 403 Forbidden');
  });

  test('one that was refused does not pass because another one passed before it', async () => {
    await using at = await openFace();
    expect(await send(at.port, 'localhost')).toBe('HTTP/1.1 200 OK');
    expect(await send(at.port, 'evil.example')).toBe('HTTP/1.1 403 Forbidden');
  });
});

describe('Origin', () => {
  test.each(['http://evil.example', 'null', 'http://127.0.0.1:1', 'file://'])(
    '%s is another one, and is refused',
    async (origin) => {
      await using at = await openFace();
      const response = await at.call('/v1/cache', { method: 'DELETE', headers: { origin } });
      expect(response.status).toBe(403);
      expect(await response.json()).toMatchObject({ code: 'ERR_ORIGIN' });
      expect(at.planner.stats().plans.settled).toBe(0);
    },
  );

  test('the page of this server may call', async () => {
    await using at = await openFace();
    const { status, headers } = await at.call('/v1/cache', { method: 'DELETE', headers: { origin: at.face.address } });
    expect(status).toBe(204);
    expect(headers.get('access-control-allow-origin')).toBeNull();
  });

  test('a preflight is not answered with leave', async () => {
    await using at = await openFace();
    const headers = { origin: 'http://evil.example', 'access-control-request-method': 'POST' };
    const response = await at.call('/v1/plans', { method: 'OPTIONS', headers });
    expect(response.status).toBe(403);
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  });
});

describe('the rate of a client', () => {
  test('is kept: the one over it is told when to come again', async () => {
    await using at = await openFace({ http: { rateLimitPerMinute: 3 } });
    for (let i = 0; i < 3; i++) expect((await at.call('/v1/stats')).status).toBe(200);
    const response = await at.call('/v1/stats');
    expect(response.status).toBe(429);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await response.json()).toMatchObject({ code: 'ERR_CLIENT_LIMIT', retryable: true });
    expect((await at.call('/healthz')).status).toBe(200);
  });

  test('counts wrong tokens too', async () => {
    await using at = await openFace({ http: { rateLimitPerMinute: 2, token: 'secret' } });
    expect((await at.call('/v1/stats', bearer('a'))).status).toBe(401);
    expect((await at.call('/v1/stats', bearer('b'))).status).toBe(401);
    expect((await at.call('/v1/stats', bearer('secret'))).status).toBe(429);
  });

  test('is switched on and off by reload', async () => {
    await using at = await openFace();
    await at.face.reload({ port: 0, rateLimitPerMinute: 1 });
    expect((await at.post(request({ actions: [] }))).status).toBe(400);
    expect((await at.post(request({ actions: [] }))).status).toBe(429);
    await at.face.reload({ port: 0 });
    expect((await at.post(request({ actions: [] }))).status).toBe(400);
  });
});

test('reload keeps the token of an address beyond this machine until a restart has left it', async () => {
  // For node this is a name, which could be any address.
  await using at = await openFace({ http: { host: '127.1', token: 'secret' } });
  await expect(at.face.reload({ port: 0 })).rejects.toThrow('http.token or http.tokenFile must be given');
  expect((await at.call('/v1/stats')).status).toBe(401);
  expect(await at.face.reload({ port: 0, token: 'other' })).toEqual(['host']);
  expect((await at.call('/v1/stats', bearer('other'))).status).toBe(200);
});

test('reload names what needs a restart', async () => {
  await using at = await openFace();
  expect(await at.face.reload({ port: 1, bodyBytesMax: 5_000, token: 'secret' })).toEqual(['port', 'bodyBytesMax']);
  await expect(at.face.reload({ port: -1 })).rejects.toThrow('http.port must be at least 0, got -1');
});

test.each(['/v1/models', '/v1/models/m'])('a foreign name at %s is 403, in the form of OpenAI', async (path) => {
  await using at = await openFace();
  using client = await RawConnection.open(at.port);
  client.socket.write(`GET ${path} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n`);
  await client.ended;
  expect(client.received).toMatch(/^HTTP\/1.1 403 /);
  expect(JSON.parse(client.received.split('\r\n\r\n')[1] as string)).toMatchObject({
    error: { code: 'ERR_ORIGIN', type: 'permission_error' },
  });
});
