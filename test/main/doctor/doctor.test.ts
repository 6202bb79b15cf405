import { Readable, Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CliContext } from '../../../src/main/cli/cli-context.ts';
import { runCli } from '../../../src/main/cli/run-cli.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import { ChatServer } from '../../support/make-chats.ts';
import { type Exchange, events, FINISH, json, piece, streamHead } from '../../support/scripted-server.ts';
import { type TempFolder, tempFolder } from '../../support/trace-files.ts';

let server: ChatServer;
let folder: TempFolder;
beforeEach(async () => {
  server = await ChatServer.start('phi-4');
  folder = tempFolder();
});
afterEach(async () => {
  folder[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const REQUEST = '{"observation":{"scene":"combat","health":41,"inCombat":true},"actions":["attack","block"]}';

async function conclave(args: readonly string[], keys: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const told = { stdout: '', stderr: '' };
  const into = (name: keyof typeof told): Writable =>
    new Writable({
      write(chunk, _, done) {
        told[name] += chunk;
        done();
      },
    });
  const context: CliContext = {
    stdin: Readable.from([Buffer.from(REQUEST)]),
    stdout: into('stdout'),
    stderr: into('stderr'),
    cwd: folder.path,
    clock: systemClock,
    signal: new AbortController().signal,
    version: '1.2.3',
    packageDir: folder.path,
    keys,
    log: { isLevelEnabled: () => false, debug() {}, info() {}, warn() {} },
  };
  const code = await runCli(args, context, { debug: false, onLogLevel: () => {} });
  return { code, ...told };
}

const doctor = (...more: string[]): Promise<Ended> => conclave(['doctor', '--endpoint', server.baseURL, ...more]);
const says =
  (status: number, body: unknown) =>
  ({ response }: Exchange): void =>
    json(response, status, body);
const LOADING = { error: { code: 503, message: 'Loading model', type: 'unavailable_error' } };
const NO_KEY = { error: { code: 401, message: 'Invalid API Key', type: 'authentication_error' } };

describe('what is wrong with a server has its own advice, and ends with 1', () => {
  test.each<[string, () => void, RegExp]>([
    ['it is loading, and lists nothing', () => (server.list = says(503, LOADING)), /is loading its model: wait for it/],
    [
      'it is loading, and lists its model',
      () => (server.chat = says(503, LOADING)),
      /is loading its model: wait for it/,
    ],
    [
      'it wants a key for its list',
      () => (server.list = says(401, NO_KEY)),
      /requires a key: set it with --api-key, CONCLAVE_API_KEY_127_0_0_1_\d+ or apiKey/,
    ],
    ['it wants a key for a call', () => (server.chat = says(401, NO_KEY)), /requires a key: set it with/],
    ['it forbids', () => (server.list = says(403, 'no')), /requires a key: set it with/],
    [
      'its only model fails',
      () => (server.chat = says(500, { error: { message: 'out of memory' } })),
      /Model phi-4 at http\S+ did not answer \(500 out of memory\): see the log/,
    ],
    [
      'its only model says nothing',
      () =>
        (server.chat = ({ response }) =>
          response.writeHead(200, { 'content-type': 'text/event-stream' }).end(events(FINISH, '[DONE]'))),
      /Model phi-4 at http\S+ did not answer/,
    ],
    [
      'it has too much to do',
      () => (server.chat = says(429, { error: { message: 'too many requests' } })),
      /wait until the server is less busy/,
    ],
    ['it lists no model', () => (server.models = []), /Load a model at http\S+: it lists none/],
    ['it lists none that chats', () => (server.models = ['nomic-embed-text']), /Load a chat model at/],
    [
      'it is a web page',
      () => (server.list = ({ response }) => response.end('<html>')),
      /answers, but with no list of models/,
    ],
    [
      'it breaks',
      () => (server.list = says(500, { error: 'boom' })),
      /answers, but with no list of models \(500 boom\)/,
    ],
  ])('%s', async (_, arrange, advice) => {
    arrange();
    const { code, stdout } = await doctor();
    expect(stdout).toMatch(advice);
    expect(stdout).not.toContain('Start the model server');
    expect(code).toBe(1);
  });

  test('nothing is there', async () => {
    const { code, stdout } = await conclave(['doctor', '--endpoint', 'http://127.0.0.1:9/v1']);
    expect(stdout).toContain('Start the model server of http://127.0.0.1:9/v1, or correct the address.');
    expect(code).toBe(1);
  });

  test('all is well', async () => {
    const { code, stdout } = await doctor();
    expect(stdout).toContain(`Use it: conclave session --endpoint ${server.baseURL} --model phi-4`);
    expect(code).toBe(0);
  });
});

describe('keys', () => {
  const KEY = 'sk-test-key-1';
  const isKeyed = ({ headers }: Exchange): boolean => headers.authorization === `Bearer ${KEY}`;
  const nameOf = (at: ChatServer): string => new URL(at.baseURL).host;
  const variable = (at: ChatServer): string => `CONCLAVE_API_KEY_127_0_0_1_${new URL(at.baseURL).port}`;

  beforeEach(() => {
    const { list, chat } = server;
    server.list = (exchange) => (isKeyed(exchange) ? list(exchange) : json(exchange.response, 401, NO_KEY));
    server.chat = (exchange, nth) => (isKeyed(exchange) ? chat(exchange, nth) : json(exchange.response, 401, NO_KEY));
  });

  test.each<[string, () => [string[], Record<string, string>]]>([
    ['a flag', () => [['--api-key', KEY], {}]],
    ['a flag with its endpoint', () => [['--api-key', `${nameOf(server)}=${KEY}`], {}]],
    ['the variable of the only endpoint', () => [[], { CONCLAVE_API_KEY: KEY }]],
    ['its own variable', () => [[], { CONCLAVE_API_KEY: 'sk-of-another', [variable(server)]: KEY }]],
    ['a flag before a variable', () => [['--api-key', KEY], { CONCLAVE_API_KEY: 'sk-of-another' }]],
  ])('come by %s', async (_, given) => {
    const [args, keys] = given();
    const { code, stdout, stderr } = await conclave(['doctor', '--endpoint', server.baseURL, ...args], keys);
    expect(code).toBe(0);
    for (const text of [stdout, stderr]) expect(text).not.toContain(KEY);
  });

  test('go to their own server only', async () => {
    await using other = await ChatServer.start('phi-4');
    const heard: (string | undefined)[] = [];
    const { list } = other;
    other.list = (exchange) => {
      heard.push(exchange.headers.authorization);
      return list(exchange);
    };
    const both = ['doctor', '--endpoint', server.baseURL, '--endpoint', other.baseURL];
    for (const [args, keys] of [
      [['--api-key', `${nameOf(server)}=${KEY}`], {}],
      [[], { [variable(server)]: KEY }],
    ] as const) {
      expect((await conclave([...both, ...args], keys)).code).toBe(0);
    }
    expect(new Set(heard)).toEqual(new Set(['Bearer not-needed']));
    // The one without a name is the only endpoint's.
    expect((await conclave(both, { CONCLAVE_API_KEY: KEY })).code).toBe(1);
    const unclear = await conclave([...both, '--api-key', KEY]);
    expect(unclear.code).toBe(2);
    expect(unclear.stderr).toContain(`NAME=KEY, with one of ${nameOf(server)}, ${nameOf(other)}`);
    expect(unclear.stderr).not.toContain(KEY);
  });

  test('that are refused are named as such', async () => {
    const { code, stdout } = await doctor('--api-key', 'sk-wrong-key');
    expect(stdout).toContain('refuses its key: correct it with --api-key, CONCLAVE_API_KEY_');
    expect(code).toBe(1);
  });

  test('are for endpoints of a configuration too, by their names', async () => {
    folder.file('conclave.config.json', JSON.stringify({ endpoints: { 'my gpu': { baseURL: server.baseURL } } }));
    expect((await conclave(['doctor'], { CONCLAVE_API_KEY_MY_GPU: KEY })).code).toBe(0);
    expect((await conclave(['doctor', '--api-key', `my gpu=${KEY}`])).code).toBe(0);
    expect((await conclave(['doctor'])).code).toBe(1);
  });

  test('are sent by plan as well', async () => {
    const { chat } = server;
    server.chat = (exchange, nth) => {
      if (!isKeyed(exchange)) return chat(exchange, nth);
      streamHead(exchange.response);
      return exchange.response.end(events(piece('1\nit fits'), FINISH, '[DONE]'));
    };
    const args = ['plan', '--json', '--endpoint', server.baseURL, '--model', 'phi-4'];
    const { code, stdout } = await conclave(args, { [variable(server)]: KEY });
    expect(JSON.parse(stdout)).toMatchObject({ action: 'attack', source: 'quorum' });
    expect(code).toBe(0);
    expect((await conclave(['session', '--api-key', KEY])).stderr).toContain('add --endpoint URL');
  });

  test('are asked for by plan and session as well', async () => {
    const { stderr } = await conclave(['plan', '--endpoint', server.baseURL]);
    expect(stderr).toContain('requires a key');
    expect(stderr).not.toContain('start the model server');
  });
});

test('two endpoints with one model are told apart', async () => {
  await using other = await ChatServer.start('phi-4');
  other.chat = says(500, { error: { message: 'out of memory' } });
  const { code, stdout } = await doctor('--endpoint', other.baseURL);
  expect(stdout).toContain(`Model phi-4 at ${other.baseURL} did not answer`);
  expect(stdout).not.toContain(`Model phi-4 at ${server.baseURL}`);
  expect(code).toBe(1);
});

describe('an address without its version path', () => {
  const bare = (): string => server.baseURL.replace(/\/v1$/, '');

  test.each<[string, (exchange: Exchange) => unknown]>([
    ['404', says(404, { detail: 'Not Found' })],
    ['a page', ({ response }) => response.end('<html>')],
    ['an error in a 200', says(200, { error: 'Unexpected endpoint or method. (GET /models)' })],
  ])('is tried below /v1, and said so: %s', async (_, act) => {
    const { list } = server;
    server.list = (exchange) => (exchange.url === '/models' ? act(exchange) : list(exchange));
    server.chat = ({ response, url }) => {
      expect(url).toBe('/v1/chat/completions');
      streamHead(response);
      response.end(events(piece('1'), FINISH, '[DONE]'));
    };
    folder.file('conclave.config.json', JSON.stringify({ endpoints: { a: { baseURL: bare() } } }));
    const { code, stdout } = await conclave(['doctor']);
    expect(stdout).toContain(`Use ${server.baseURL} instead of ${bare()}`);
    expect(code).toBe(0);
  });

  test.each(['/v1/chat/completions', '/v1/models/', '/api', '/api/chat', '/chat/completions'])(
    'and one with the path of a call is corrected: %s',
    async (path) => {
      const { list } = server;
      server.list = (exchange) =>
        exchange.url === '/v1/models' ? list(exchange) : says(404, '404 page not found')(exchange);
      folder.file('conclave.config.json', JSON.stringify({ endpoints: { a: { baseURL: `${bare()}${path}` } } }));
      const { stdout } = await conclave(['doctor']);
      expect(stdout).toContain(`Use ${server.baseURL} instead of ${bare()}${path}`);
    },
  );

  test('is left as it is where its list is there', async () => {
    folder.file('conclave.config.json', JSON.stringify({ endpoints: { a: { baseURL: bare() } } }));
    const { stdout } = await conclave(['doctor']);
    expect(stdout).not.toContain('is written');
  });
});

describe('a key in an address is shown nowhere', () => {
  const SECRET = 'SECRET01SECRET01SECRET01';
  const nowhere = 'http://127.0.0.1:9';
  const there = (): string => server.baseURL.replace(/\/v1$/, `/${SECRET}/v1`);

  test.each<[string, () => string]>([
    ['in its query', () => `${nowhere}/v1?code=${SECRET}`],
    ['in its path', () => `${nowhere}/${SECRET}/v1`],
    ['in its path, of a server that answers', there],
  ])('%s', async (_, url) => {
    const commands = [
      ['doctor', '--endpoint', url()],
      ['doctor', '--json', '--endpoint', url()],
      ['plan', '--endpoint', url()],
      ['plan', '--endpoint', url(), '--model', 'x'],
      ['plan', '--json', '--endpoint', url(), '--model', 'phi-4', '--allow-offline', '--timeout-ms', '200'],
    ];
    for (const args of commands) {
      const { stdout, stderr } = await conclave(args);
      expect(`${stdout}${stderr}`, args.join(' ')).not.toContain('SECRET');
      expect(stdout + stderr).not.toBe('');
    }
  });

  test('two servers that only their keys tell apart are two', async () => {
    const other = there().replace(SECRET, SECRET.replaceAll('01', '02'));
    const { stdout } = await conclave(['doctor', '--json', '--endpoint', there(), '--endpoint', other]);
    const { host } = new URL(server.baseURL);
    const names = JSON.parse(stdout).endpoints.map(({ name }: { name: string }) => name);
    expect(names).toEqual([`${host}/[hidden]/v1`, `${host}/[hidden]/v1#2`]);
  });
});

describe('what others say reaches no terminal as it is', () => {
  const EVIL = '\u001b]0;owned\u0007\u001b[2J\u009b31m\u0085\u202e\u2028x';

  test.each<[string, () => readonly string[]]>([
    ['in words', () => ['doctor', '--endpoint', server.baseURL]],
    ['as JSON', () => ['doctor', '--json', '--endpoint', server.baseURL]],
    ['of a plan', () => ['plan', '--endpoint', server.baseURL, '--model', 'phi-4', '--timeout-ms', '500']],
    [
      'of a plan, as JSON',
      () => ['plan', '--json', '--endpoint', server.baseURL, '--model', 'phi-4', '--timeout-ms', '500'],
    ],
    ['in what is wrong', () => ['plan', '--json', '--endpoint', server.baseURL, '--model', `m${EVIL}`]],
    ['in a wrong argument', () => ['doctor', `--${EVIL}`]],
  ])('%s', async (_, args) => {
    server.models = ['phi-4', `${EVIL}/phi-4`];
    server.chat = ({ response }) => {
      streamHead(response);
      response.end(events(piece(`1\n${EVIL}`, { model: EVIL }), FINISH, '[DONE]'));
    };
    const { stdout, stderr } = await conclave(args());
    expect(stdout + stderr).not.toBe('');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
    expect(stdout + stderr).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u202e]/);
    if (args().includes('--json')) for (const line of stdout.trim().split('\n')) JSON.parse(line);
  });
});

describe('in which form plans ask a model', () => {
  const READ = /\n {2}phi-4 +log probabilities +text +log probabilities, then text +\S+ ms +\S+ m?s\n/;
  const reads = ({ body, response }: Exchange): void => {
    const token = '1';
    const content = [{ token, logprob: 0, top_logprobs: [{ token, logprob: 0 }] }];
    if (body.includes('"logprobs":true'))
      return json(response, 200, { choices: [{ message: { content: token }, logprobs: { content } }] });
    streamHead(response);
    return void response.end(events(piece('1'), FINISH, '[DONE]'));
  };
  const configured = async (config: object): Promise<unknown> => {
    const endpoints = { a: { baseURL: server.baseURL } };
    folder.file('conclave.config.json', JSON.stringify({ endpoints, ...config }));
    const { stdout } = await conclave(['doctor', '--json']);
    return JSON.parse(stdout).endpoints[0].calls.map(({ asked }: { asked: unknown }) => asked);
  };
  beforeEach(() => {
    server.chat = reads;
  });

  test('stands in a table, with how long each takes', async () => {
    const { code, stdout } = await doctor();
    expect(stdout).toMatch(/\n {2}Model +Can be read +Writes +Plans ask for +One read +One written vote\n/);
    expect(stdout).toMatch(READ);
    expect(code).toBe(0);
  });

  test('is what the configuration says of all, of its experts, or by its profile', async () => {
    const role = 'threat_assessment';
    expect(await configured({})).toEqual([['logprobs', 'text']]);
    expect(await configured({ answers: 'read' })).toEqual([['logprobs']]);
    expect(await configured({ answers: 'write' })).toEqual([['text']]);
    expect(await configured({ profile: 'november' })).toEqual([['text']]);
    expect(await configured({ experts: [{ role, model: 'phi-4', answers: 'write' }] })).toEqual([['text']]);
    const both = [
      { role, model: 'phi-4', answers: 'write' },
      { role: 'spatial_reasoning', model: 'phi-4' },
    ];
    expect(await configured({ experts: both })).toEqual([['logprobs', 'text']]);
  });
});
