import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readToken } from '../../../src/main/faces/http/access/bearer-token.ts';
import { readReport } from '../../../src/main/report/read-report.ts';
import { loadConfig, loadDomain } from '../../../src/main/service/config/config-file.ts';
import { readText } from '../../../src/shared/untrusted-json.ts';
import { request } from '../../support/make-planner.ts';
import { makeSocketFace } from '../../support/make-socket-face.ts';
import { openFace } from '../../support/open-face.ts';
import { RawClient } from '../../support/raw-client.ts';

const swapped = (text: string) => Buffer.from(text, 'utf16le').swap16();
const MARKED = (text: string) => Buffer.from(`\ufeff${text}`);
/** As Windows programs save a text, and as they send one without its mark. */
const WIDE: [string, (text: string) => Buffer][] = [
  ['UTF-16 little endian', (text) => Buffer.from(`\ufeff${text}`, 'utf16le')],
  ['UTF-16 big endian', (text) => swapped(`\ufeff${text}`)],
  ['UTF-16 little endian without a mark', (text) => Buffer.from(text, 'utf16le')],
  ['UTF-16 big endian without a mark', swapped],
];
const RULE = 'must be UTF-8, and is UTF-16';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'conclave-encodings-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, bytes: Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  chmodSync(path, 0o600);
  return path;
}

const DOMAIN = JSON.stringify({ domain: { name: 'd', features: { place: { kind: 'category' } } } });
const message = async (reading: Promise<unknown>): Promise<string> =>
  reading.then(
    () => 'read',
    (error: Error) => error.message,
  );

describe('a byte order mark is no part of what it stands before:', () => {
  test('a line of the socket, each of them', async () => {
    await using made = await makeSocketFace();
    using client = await RawClient.connect(made.path);
    for (const id of [1, 2]) client.socket.write(MARKED(`{"jsonrpc":"2.0","id":${id},"method":"ping"}\n`));
    for (const id of [1, 2]) expect(await client.next()).toMatchObject({ id, result: 'pong' });
  });

  test('a body over HTTP', async () => {
    await using at = await openFace();
    const answer = await at.post(MARKED(JSON.stringify(request({ actions: [] }))));
    expect(await answer.json()).toMatchObject({ code: 'ERR_REQUEST_INVALID' });
  });

  test('a configuration, a domain, a token', async () => {
    await loadConfig(folder, file('c.json', MARKED('{"timeoutMs":5}')));
    await loadConfig(folder, file('c.yaml', MARKED('timeoutMs: 5')));
    expect((await loadDomain(folder, file('d.json', MARKED(DOMAIN)))).name).toBe('d');
    expect(await readToken({ token: undefined, tokenFile: file('token', MARKED('secret\r\n')) })).toBe('secret');
  });
});

describe.each(WIDE)('%s is told by its name:', (_, wide) => {
  test('a line of the socket, whose connection lives', async () => {
    await using made = await makeSocketFace();
    using client = await RawClient.connect(made.path);
    const newline = wide === WIDE[1]?.[1] || wide === swapped ? Buffer.from([0, 10]) : Buffer.from([10]);
    client.socket.write(Buffer.concat([wide('{"jsonrpc":"2.0","id":1,"method":"ping"}'), newline]));
    expect(await client.next()).toMatchObject({ id: null, error: { code: -32700, message: `a line ${RULE}` } });
    expect(await client.ask(2, 'ping')).toMatchObject({ id: 2, result: 'pong' });
  });

  test('a body over HTTP', async () => {
    await using at = await openFace();
    const answer = await at.post(wide(JSON.stringify(request())));
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: 'ERR_PROTOCOL', detail: `the body ${RULE}` });
    for (const path of ['/v1/chat/completions', '/v1/responses', '/v1/completions', '/v1/embeddings']) {
      const headers = { 'content-type': 'application/json' };
      const body = wide('{"model":"m"}') as unknown as string;
      const refused = await at.call(path, { method: 'POST', headers, body });
      expect(refused.status).toBe(400);
      expect(await refused.json()).toMatchObject({ error: { message: expect.stringContaining(RULE) } });
    }
  });

  test('a configuration, a domain, a report, a token', async () => {
    expect(await message(loadConfig(folder, file('c.json', wide('{}'))))).toContain(RULE);
    expect(await message(loadConfig(folder, file('c.yaml', wide('timeoutMs: 5'))))).toContain(RULE);
    expect(await message(loadDomain(folder, file('d.json', wide(DOMAIN))))).toContain(RULE);
    expect(await message(readReport(file('r.json', wide('{}'))))).toContain(RULE);
    const token = readToken({ token: undefined, tokenFile: file('token', wide('secret')) });
    expect(await message(token)).toBe(`http.tokenFile ${RULE}`);
  });
});

test('a text is what its bytes say', () => {
  expect(readText(Buffer.from(''))).toEqual({ text: '' });
  expect(readText(Buffer.from('ż'))).toEqual({ text: 'ż' });
  expect(readText(Buffer.from([0xc5]))).toEqual({ rule: 'must be UTF-8' });
  expect(readText(Buffer.from([0xff, 0xfe]))).toEqual({ rule: RULE });
});
