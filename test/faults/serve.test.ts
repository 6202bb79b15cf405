import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { GatedServer } from '../support/gated-server.ts';
import { addressOf, type ServeOptions, ServeProcess } from '../support/serve-process.ts';
import { type TempFolder, tempFolder } from '../support/trace-files.ts';

/** `conclave serve` as a process: how it starts, how it ends, what a reload does. */
vi.setConfig({ testTimeout: 90_000 });

let folder: TempFolder;
let server: GatedServer;
const running: ServeProcess[] = [];

beforeEach(async () => {
  folder = tempFolder();
  server = await GatedServer.start();
});
afterEach(async () => {
  for (const process of running.splice(0)) process[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

function serve(args: readonly string[], options: Partial<ServeOptions> = {}): ServeProcess {
  const process = new ServeProcess(args, { cwd: folder.path, ...options });
  running.push(process);
  return process;
}

/** Every call that the server holds is a plan's. */
const NO_PROBES = { constrainedAnswers: false };

/** On the gated server, with slots for all, over HTTP. */
function onGated(args: readonly string[] = [], config: object = {}): ServeProcess {
  configure(config);
  return serve(['serve', '--http', '0', '--json', ...args]);
}

/** The configuration of the folder. */
function configure(config: object = {}): void {
  const endpoints = { local: { baseURL: server.baseURL, slots: 64 } };
  const experts = [{ role: 'threat_assessment', model: 'phi' }];
  folder.file('conclave.config.json', JSON.stringify({ endpoints, experts, features: NO_PROBES, ...config }));
}

function planLine(id: number): string {
  return `${JSON.stringify({ jsonrpc: '2.0', id, method: 'plan', params: request(id, `agent ${id}`) })}\n`;
}

function request(health: number, agent = 'lydia'): object {
  const observation = { scene: 'combat', health, inCombat: true, location: `cave ${health}` };
  return { agent, observation, actions: ['attack', 'block', 'retreat'], timeoutMs: 60_000 };
}

async function plan(url: string, body: object, headers: Record<string, string> = {}): Promise<Record<string, unknown>> {
  const json = { 'content-type': 'application/json', ...headers };
  const answer = await fetch(`${url}/v1/plans`, { method: 'POST', headers: json, body: JSON.stringify(body) });
  return { ...((await answer.json()) as object), status: answer.status };
}

const AGENTS = Array.from({ length: 20 }, (_, index) => `agent ${index}`);

describe('SIGTERM', () => {
  test('while 20 plans are in flight: all are decided by models, the process exits 0, their decisions are on disk', async () => {
    const config = { cache: { disk: { path: join(folder.path, 'decisions.lmdb') }, ttlMs: 600_000 } };
    const first = onGated([], config);
    const url = addressOf(await first.ready(), 'http');
    const plans = AGENTS.map((agent, index) => plan(url, request(index, agent)));
    await server.holds(20);
    first.kill('SIGTERM');
    await first.line('stderr', 'Ending: 20 plans under way');
    server.open();
    for (const each of await Promise.all(plans)) expect(each).toMatchObject({ status: 200, action: 'attack' });
    expect(await first.ended).toBe(0);
    expect(first.stderr).toMatch(/\nEnded after /);

    const second = onGated([], config);
    const again = addressOf(await second.ready(), 'http');
    const remembered = await Promise.all(AGENTS.map((agent, index) => plan(again, request(index, agent))));
    expect(remembered.map(({ source }) => source)).toEqual(AGENTS.map(() => 'cache'));
  });

  test('settles what no model decides in time with what is in hand, before the limit', async () => {
    const process = onGated(['--drain-ms', '1000']);
    const url = addressOf(await process.ready(), 'http');
    const plans = AGENTS.map((agent, index) => plan(url, { ...request(index, agent), qValues: { block: 1 } }));
    await server.holds(20);
    process.kill('SIGTERM');
    for (const each of await Promise.all(plans))
      expect(each).toMatchObject({ status: 200, action: 'block', source: 'heuristic' });
    expect(await process.ended).toBe(0);
    expect(process.stderr).toMatch(/\nEnded after /);
  });

  test('lets nothing new in while it drains', async () => {
    const process = onGated();
    const url = addressOf(await process.ready(), 'http');
    const before = plan(url, request(1));
    await server.holds(1);
    process.kill('SIGTERM');
    await process.line('stderr', 'Ending');
    // Refused at the door, or by the face where the connection was open.
    const after = await plan(url, request(2)).catch(() => ({ status: 0 }));
    expect(after.status).not.toBe(200);
    server.open();
    expect(await before).toMatchObject({ status: 200 });
    expect(await process.ended).toBe(0);
  });

  test('and then another signal ends the process at once, with 128 and its number', async () => {
    const process = onGated(['--drain-ms', '600000']);
    const url = addressOf(await process.ready(), 'http');
    const lost = plan(url, request(1)).catch((error: Error) => error);
    await server.holds(1);
    process.kill('SIGTERM');
    await process.line('stderr', 'Ending');
    process.kill('SIGINT');
    expect(await process.ended).toBe(130);
    expect(await lost).toBeInstanceOf(Error);
  });

  test('twice within a moment is one, as from npm, which passes it on', async () => {
    const process = onGated();
    const url = addressOf(await process.ready(), 'http');
    const before = plan(url, request(1));
    await server.holds(1);
    process.kill('SIGINT');
    process.kill('SIGINT');
    await process.line('stderr', 'Ending');
    server.open();
    expect(await before).toMatchObject({ status: 200 });
    expect(await process.ended).toBe(0);
  });
});

describe('start', () => {
  test('a port in use is said in one line, and the planner is closed: the process ends with 1', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const process = serve(['serve', '--endpoint', server.baseURL, '--model', 'phi', '--http', String(port)]);
    expect(await process.ended).toBe(1);
    expect(process.stderr).toContain(`port ${port} of 127.0.0.1 is in use`);
    expect(process.stderr.match(/^error: .*\(ERR_ADDRESS_IN_USE\)$/gm)).toHaveLength(1);
    taken.close();
  });

  test('without a way in is a wrong usage, told before anything is started', async () => {
    const process = serve(['serve']);
    expect(await process.ended).toBe(2);
    expect(process.stderr).toContain('error: serve needs a way in');
    expect(process.stderr).not.toContain('Looked for');
  });

  test('what is for HTTP alone is not quietly left out without it', async () => {
    const process = serve(['serve', '--socket', join(folder.path, 'plan.sock'), '--token-file', 'token']);
    expect(await process.ended).toBe(2);
    expect(process.stderr).toContain('--host and --token-file are for HTTP alone');
  });

  test('takes its ways in from the configuration, and says what is wrong there', async () => {
    const config = { serve: { http: { port: 0 }, drainMs: 500 }, log: { level: 'info' } };
    folder.file('conclave.config.json', JSON.stringify(config));
    const process = serve(['serve', '--endpoint', server.baseURL, '--model', 'phi', '--json']);
    expect(addressOf(await process.ready(), 'http')).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(JSON.parse(await process.line('stderr', '"msg":"listening"'))).toMatchObject({ level: 30, face: 'http' });
    folder.file('wrong.json', JSON.stringify({ serve: { http: { port: 70_000 } } }));
    const wrong = serve(['serve', '--config', 'wrong.json']);
    expect(await wrong.ended).toBe(1);
    expect(wrong.stderr).toContain('wrong.json: serve.http.port must be at most 65535, got 70000');
  });

  test('an unknown log level of the environment is told', async () => {
    const process = serve(['serve', '--http', '0'], { env: { CONCLAVE_LOG_LEVEL: 'loud' } });
    expect(await process.ended).toBe(1);
    expect(process.stderr).toContain('CONCLAVE_LOG_LEVEL must be one of silent, error, warn, info, debug, got "loud"');
  });
});

describe.skipIf(process.platform === 'win32')('a file that nobody writes to is not waited for', () => {
  const pipe = (): string => {
    const path = join(folder.path, 'pipe');
    execFileSync('mkfifo', ['-m', '600', path]);
    return path;
  };

  test('as token file, disk path, configuration or domain: the start fails, and the process ends', async () => {
    const path = pipe();
    configure();
    const disk = folder.file('disk.json', JSON.stringify({ cache: { disk: { path } } }));
    execFileSync('mkfifo', [join(folder.path, 'pipe.json')]);
    execFileSync('mkfifo', [join(folder.path, 'pipe.mjs')]);
    for (const [args, message] of [
      [['--token-file', path], /http.tokenFile must be a file that can be read: it is a pipe/],
      [['--config', disk], /cache.disk.path must be a file of the cache, or none yet: it is a pipe/],
      [['--config', 'pipe.json'], /pipe.json: must be a file, and is a pipe/],
      [['--config', 'pipe.mjs'], /pipe.mjs: must be a file, and is a pipe/],
      [['--domain', 'pipe.json'], /pipe.json: must be a file, and is a pipe/],
    ] as const) {
      const told = serve(['serve', '--http', '0', ...args]);
      expect(await told.ended).toBe(1);
      expect(told.stderr).toMatch(message);
    }
  });

  test('and a token file that becomes one while it serves: SIGHUP is refused, again too, and SIGTERM ends it', async () => {
    configure();
    const token = folder.file('token', 'secret');
    chmodSync(token, 0o600);
    const told = onGated(['--token-file', token]);
    await told.ready();
    rmSync(token);
    execFileSync('mkfifo', ['-m', '600', token]);
    told.kill('SIGHUP');
    await told.line('stderr', 'Reload refused, nothing has changed: http.tokenFile must be a file');
    rmSync(token);
    folder.file('token', 'another');
    chmodSync(token, 0o600);
    told.kill('SIGHUP');
    await told.line('stderr', 'Reloaded');
    told.kill('SIGTERM');
    expect(await told.ended).toBe(0);
  });
});

describe('--stdio', () => {
  test('ends when the input does: what was asked is answered, and the process exits 0', async () => {
    configure();
    const process = serve(['serve', '--stdio']);
    process.child.stdin.write(planLine(1) + planLine(2));
    await server.holds(2);
    process.child.stdin.end();
    server.open();
    expect(await process.ended).toBe(0);
    const answers = process.stdout.trimEnd().split('\n');
    expect(answers.map((line) => JSON.parse(line)).sort((a, b) => a.id - b.id)).toMatchObject([
      { jsonrpc: '2.0', id: 1, result: { action: 'attack' } },
      { jsonrpc: '2.0', id: 2, result: { action: 'attack' } },
    ]);
  });

  test('ends at SIGTERM although the input stays open, and when its reader has gone', async () => {
    configure();
    const [told, left] = [serve(['serve', '--stdio']), serve(['serve', '--stdio'])];
    await Promise.all([told, left].map((each) => each.line('stderr', 'Listening on standard input')));
    told.kill('SIGTERM');
    server.open();
    left.child.stdout.destroy();
    left.child.stdin.write(planLine(1));
    expect(await Promise.all([told.ended, left.ended])).toEqual([0, 0]);
    expect(left.stderr).toContain('Ended after');
  });

  test('cannot go with --json: its output is the protocol', async () => {
    const process = serve(['serve', '--stdio', '--json']);
    expect(await process.ended).toBe(2);
    expect(process.stderr).toContain('--json cannot go with --stdio');
  });
});

describe.skipIf(process.platform === 'win32')('--socket', () => {
  test('a path where somebody listens is refused; one that a killed process left is taken over, and gone at the end', async () => {
    configure();
    const path = join(folder.path, 'plan.sock');
    const args = ['serve', '--socket', path, '--json'];
    const first = serve(args);
    expect(addressOf(await first.ready(), 'socket')).toContain(path);
    const second = serve(args);
    expect(await second.ended).toBe(1);
    expect(second.stderr.match(/^error: .*\(ERR_ADDRESS_IN_USE\)$/gm)).toHaveLength(1);
    first.kill('SIGKILL');
    await first.ended;
    expect(existsSync(path)).toBe(true);
    const third = serve(args);
    await third.ready();
    third.kill('SIGTERM');
    expect(await third.ended).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  test('and a port that is taken leaves no socket behind', async () => {
    configure();
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const path = join(folder.path, 'plan.sock');
    const process = serve(['serve', '--socket', path, '--http', String(port)]);
    expect(await process.ended).toBe(1);
    expect(existsSync(path)).toBe(false);
    taken.close();
  });
});

describe('SIGHUP', () => {
  const CONFIG = {
    endpoints: { local: { baseURL: '', apiKey: 'sk-first-secret' } },
    experts: [{ role: 'threat_assessment', model: 'phi' }],
    timeoutMs: 5_000,
    cache: { entries: 100 },
    serve: { http: { port: 0, token: 'token-one' }, drainMs: 2_000 },
  };

  function write(more: object): void {
    const endpoints = { local: { ...CONFIG.endpoints.local, baseURL: server.baseURL } };
    folder.file('conclave.config.json', JSON.stringify({ ...CONFIG, endpoints, ...more }));
  }

  async function asked(url: string, token: string): Promise<unknown> {
    return (await plan(url, request(1), { authorization: `Bearer ${token}` })).status;
  }

  test('puts to use what it can, and names the changed keys that need a restart, until they are as they were', async () => {
    server.open();
    write({});
    const process = serve(['serve', '--json']);
    const url = addressOf(await process.ready(), 'http');
    expect([await asked(url, 'token-one'), await asked(url, 'token-two')]).toEqual([200, 401]);

    write({ cache: { entries: 200 }, serve: { http: { port: 0, token: 'token-two' }, drainMs: 3_000 } });
    process.kill('SIGHUP');
    expect(await process.line('stderr', 'Reloaded')).toBe(
      'Reloaded conclave.config.json: applied serve.http.token, serve.drainMs; needs a restart: cache.entries; all else is unchanged',
    );
    expect([await asked(url, 'token-one'), await asked(url, 'token-two')]).toEqual([401, 200]);

    write({ serve: { http: { port: 0, token: 'token-two' }, drainMs: 3_000 }, log: { level: 'info' } });
    process.kill('SIGHUP');
    expect(JSON.parse(await process.line('stderr', '"reloaded"'))).toMatchObject({
      applied: ['log.level'],
      needRestart: [],
    });
    process.kill('SIGTERM');
    expect(await process.ended).toBe(0);
    expect(process.stderr).toContain('"drainMs":3000');
  });

  test('while it starts or drains does not end it: the one is heard of when it is ready, the other is too late', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const asked = once(silent, 'connection');
    const baseURL = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/v1`;
    const starting = serve([
      'serve',
      '--http',
      '0',
      '--json',
      '--endpoint',
      baseURL,
      '--model',
      'phi',
      '--allow-offline',
    ]);
    await asked;
    starting.kill('SIGHUP');
    await starting.ready();
    await starting.line('stderr', 'Reloaded the command line');
    silent.close();

    const draining = onGated();
    const url = addressOf(await draining.ready(), 'http');
    const before = plan(url, request(1));
    await server.holds(1);
    draining.kill('SIGTERM');
    await draining.line('stderr', 'Ending: 1 plan under way');
    draining.kill('SIGHUP');
    server.open();
    expect(await before).toMatchObject({ status: 200, action: 'attack' });
    expect(await draining.ended).toBe(0);
  });

  test('where nobody reads what it says any more: it serves on', async () => {
    write({ serve: { http: { port: 0, token: 'token-one' } } });
    server.open();
    const process = serve(['serve', '--json']);
    const url = addressOf(await process.ready(), 'http');
    process.child.stderr.destroy();
    write({ serve: { http: { port: 0, token: 'token-two' } } });
    process.kill('SIGHUP');
    await vi.waitFor(async () => expect(await asked(url, 'token-two')).toBe(200), { timeout: 40_000, interval: 50 });
    process.kill('SIGTERM');
    expect(await process.ended).toBe(0);
  });

  test('and a file that is invalid, or a token file that others may read, changes nothing at all', async () => {
    server.open();
    write({});
    const process = serve(['serve', '--json']);
    const url = addressOf(await process.ready(), 'http');
    write({ serve: { http: { port: 0, token: 'token-two' }, drainMs: -1 } });
    process.kill('SIGHUP');
    expect(await process.line('stderr', 'Reload refused')).toBe(
      'Reload refused, nothing has changed: conclave.config.json: serve.drainMs must be at least 0, got -1 (ERR_OPTIONS_INVALID)',
    );
    write({ experts: [{ role: 'nobody', model: 'phi' }], serve: { http: { port: 0, token: 'token-two' } } });
    process.kill('SIGHUP');
    await process.line('stderr', 'experts[0].role must be one of');
    const tokenFile = folder.file('token', 'token-two\n');
    write({ serve: { http: { port: 0, tokenFile } }, log: { level: 'debug' } });
    process.kill('SIGHUP');
    await process.line('stderr', 'http.tokenFile must be readable by its owner alone');
    expect([await asked(url, 'token-one'), await asked(url, 'token-two')]).toEqual([200, 401]);
    expect(process.stderr).not.toContain('"level"');
  });
});
