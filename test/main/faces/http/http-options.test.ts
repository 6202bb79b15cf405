import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readToken } from '../../../../src/main/faces/http/access/bearer-token.ts';
import { type HttpFaceOptions, resolveHttpOptions } from '../../../../src/main/faces/http/http-options.ts';
import { defineDomain } from '../../../../src/shared/domain.ts';
import { testDomain } from '../../../support/make-planner.ts';

const resolve = (options: Partial<HttpFaceOptions>) => resolveHttpOptions({ port: 0, ...options }, testDomain);

describe('options', () => {
  test('this machine alone by default, without a token or a rate', () => {
    expect(resolve({})).toMatchObject({
      host: '127.0.0.1',
      isLocal: true,
      rateLimitPerMinute: false,
      allowedHosts: [],
    });
  });

  test.each(['localhost', '127.0.0.1', '127.8.8.8', '::1'])('%s is this machine', (host) => {
    expect(resolve({ host }).isLocal).toBe(true);
  });

  test.each(['0.0.0.0', '::', '192.168.1.4', 'example.org', '128.0.0.1', '::ffff:10.0.0.1'])(
    '%s is beyond it and needs a token',
    (host) => {
      expect(() => resolve({ host })).toThrow(
        `http.token or http.tokenFile must be given where http.host "${host}" is reached from beyond this machine, got nothing`,
      );
      expect(resolve({ host, token: 'secret' })).toMatchObject({ isLocal: false, rateLimitPerMinute: 6_000 });
    },
  );

  test.each([
    [{ port: 65_536 }, 'http.port must be at most 65535, got 65536'],
    [{ port: '80' }, 'http.port must be a number, got "80"'],
    [{ hots: 'x' }, 'http.hots is not a known option'],
    [{ token: '' }, 'http.token must not be empty, got ""'],
    [{ token: 'a', tokenFile: 'b' }, 'http.tokenFile must not be given beside http.token, got "b"'],
    [{ rateLimitPerMinute: 0 }, 'http.rateLimitPerMinute'],
    [
      { bodyBytesMax: 100_000, largeBodiesBytesMax: 99_999 },
      'http.largeBodiesBytesMax must be at least http.bodyBytesMax (100000), got 99999',
    ],
    [
      { headersTimeoutMs: 5_000, requestTimeoutMs: 1_000 },
      'http.headersTimeoutMs must be at most http.requestTimeoutMs',
    ],
  ])('%j is refused', (options, message) => {
    expect(() => resolve(options as object)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTIONS_INVALID', message: expect.stringContaining(message) }),
    );
  });

  test('bodies may be larger where the domain has images', () => {
    const seeing = defineDomain({ name: 'seeing', features: { view: { kind: 'image' } } });
    expect(resolveHttpOptions({ port: 0 }, seeing).bodyBytesMax).toBeGreaterThan(16_000_000);
    expect(resolve({}).bodyBytesMax).toBe(2_097_152);
  });

  test('a time that is given moves the other one that has its default', () => {
    expect(resolve({ requestTimeoutMs: 500 }).headersTimeoutMs).toBe(500);
    expect(resolve({ headersTimeoutMs: 60_000 }).requestTimeoutMs).toBe(60_000);
  });
});

describe('the token', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'conclave-token-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const read = async (content: string | Buffer, mode = 0o600): Promise<string | undefined> => {
    const tokenFile = join(folder, 'token');
    await rm(tokenFile, { force: true });
    await writeFile(tokenFile, content);
    await chmod(tokenFile, mode);
    return readToken(resolve({ tokenFile }));
  };

  test.each(['secret', 'secret\n', 'secret\r\n'])(
    'of a file is what stands in it without the end of the line: %j',
    async (content) => {
      expect(await read(content)).toBe('secret');
    },
  );

  test.each([
    ['', 'http.tokenFile must hold a token, got an empty one'],
    ['\n', 'http.tokenFile must hold a token, got an empty one'],
    ['two words', 'one token of visible ASCII'],
    ['secret\n\n', 'one token of visible ASCII'],
    ['sécret', 'one token of visible ASCII'],
    ['x'.repeat(5_000), 'http.tokenFile must be at most 4096 characters, got 5000'],
  ])('%j is refused, and not told', async (content, message) => {
    await expect(read(content)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_OPTIONS_INVALID', message: expect.stringContaining(message) }),
    );
    if (content.length > 3) await expect(read(content)).rejects.not.toThrow(content.slice(0, 4));
  });

  test.skipIf(process.platform === 'win32').each([0o640, 0o604, 0o660, 0o610, 0o777])(
    'a file that others may use is refused (%o)',
    async (mode) => {
      await expect(read('secret', mode)).rejects.toThrow(
        expect.objectContaining({
          code: 'ERR_OPTIONS_INVALID',
          message: expect.stringMatching(/readable by its owner alone \(chmod 600 .*\), got mode 0/),
        }),
      );
    },
  );

  test('a file that is not there is refused by name', async () => {
    await expect(readToken(resolve({ tokenFile: '/nowhere/token' }))).rejects.toThrow(
      'http.tokenFile must be a file that can be read',
    );
  });
});
