import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type EmbeddedSimulator, startEmbeddedSimulator } from '../../../src/main/service/embedded-simulator.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import { startSilentServer } from '../../support/silent-server.ts';
import { recordAt, records, type TempFolder, tempFolder, traceText } from '../../support/trace-files.ts';

/** The real command line, as its users start it. */
const BIN = fileURLToPath(new URL('../../../bin/conclave.js', import.meta.url));
/** Nothing listens there. */
const NOWHERE = 'http://127.0.0.1:9/v1';

let folder: TempFolder;
let simulator: EmbeddedSimulator;
const children: ChildProcess[] = [];

beforeAll(async () => {
  const models = ['microsoft/phi-4', 'microsoft/phi-4:2', 'qwen/qwen3-4b', 'text-embedding-nomic'];
  simulator = await startEmbeddedSimulator({ speed: 500, models: models.map((id) => ({ id })) }, systemClock);
});
afterAll(() => simulator.close());
beforeEach(() => {
  folder = tempFolder();
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  folder[Symbol.dispose]();
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly input?: string;
  readonly onStart?: (child: ChildProcess) => void;
}

async function conclave(args: readonly string[], { input = '', onStart }: RunOptions = {}): Promise<Ended> {
  const child = spawn(process.execPath, [BIN, ...args], { cwd: folder.path, stdio: 'pipe' });
  children.push(child);
  onStart?.(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, stdout, stderr };
}

interface Answering extends AsyncDisposable {
  readonly baseURL: string;
}

/** A server of one model that chooses the first action, as long as it is told to; then it answers nothing more. */
async function answering(mayAnswer: () => boolean): Promise<Answering> {
  const answer = { choices: [{ message: { content: '1. It is best.' }, finish_reason: 'stop' }] };
  const server = createServer((request, response) => {
    const isChat = request.method === 'POST';
    request.resume();
    response.setHeader('content-type', 'application/json');
    if (!isChat) response.end('{"data":[{"id":"phi"}]}');
    else if (mayAnswer()) response.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    baseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    [Symbol.asyncDispose]: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

describe('session', () => {
  test('--json prints exactly one object: the report of a session on the simulated server', async () => {
    const trace = folder.file('trace.jsonl', traceText(records(50)));
    const { code, stdout, stderr } = await conclave(['session', trace, '--limit', '20', '--json', '--speed', '500']);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ plans: 20, legal: 20, onTime: 20, interrupted: false, server: { speed: 500 } });
    expect(report.cache.hits + report.sources.synthesis).toBeGreaterThan(0);
    expect(stderr).toContain('1234 (LM Studio), 11434 (Ollama), 8080 (llama.cpp), 8000 (vLLM)');
    expect(stderr).toContain('--endpoint http://localhost');
    expect(code).toBe(0);
  });

  test('--report writes a page of its own, with the samples that --json has too', async () => {
    const { code, stdout, stderr } = await conclave(['session', '--limit', '60', '--json', '--report', 'run.html']);
    expect(code, stderr).toBe(0);
    const { series, plans } = JSON.parse(stdout);
    const sum = (list: number[]): number => list.reduce((total, value) => total + value, 0);
    expect(sum(series.plans)).toBe(plans);
    expect(sum(Object.values<number[]>(series.sources).map(sum))).toBe(plans);
    const page = readFileSync(join(folder.path, 'run.html'), 'utf8');
    const data = JSON.parse((/id="data">([^<]*)</.exec(page) as RegExpExecArray)[1] as string);
    expect(data.side.series).toEqual(series);
    expect(data.plans.length).toBeGreaterThan(0);
  });

  test.each([
    [['--report', 'no/folder/run.html'], '--report must be a file that can be written, got no/folder/run.html (ENOENT'],
    [['--report', '.'], '--report must be a file that can be written, got . (EISDIR'],
    [['--report', 'x.out', '--record', './x.out'], '--report must be another file than --record, got x.out'],
  ])('%j is refused before anything is started', async (args, message) => {
    const { code, stdout, stderr } = await conclave(['session', '--limit', '5', ...args]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('Looked for');
  });

  test('--report must not be the trace', async () => {
    const text = traceText([recordAt(0)]);
    const file = join(folder.path, 't.jsonl');
    writeFileSync(file, text);
    const { code, stderr } = await conclave(['session', file, '--report', 't.jsonl']);
    expect(code).toBe(2);
    expect(stderr).toContain('--report must be another file than the trace that is read');
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  test('an interrupt prints the report of what was done and exits 1', async () => {
    const trace = folder.file('trace.jsonl', traceText(records(20_000)));
    let child: ChildProcess | undefined;
    let calls = 0;
    // Enough calls for several plans, then the interrupt while the next ones run.
    await using server = await answering(() => {
      if (++calls === 60) child?.kill('SIGINT');
      return calls < 60;
    });
    const args = ['session', trace, '--endpoint', server.baseURL, '--no-cache', '--record', 'out.jsonl.gz'];
    const { code, stdout } = await conclave(args, {
      onStart: (started) => {
        child = started;
      },
    });
    const [, plans = '0'] = /^Session cave, interrupted: (\d+) plans/.exec(stdout) ?? [];
    expect(Number(plans)).toBeGreaterThan(2);
    expect(stdout).toMatch(/LLM success rate +\d/);
    expect(code).toBe(1);
    const recorded = gunzipSync(readFileSync(join(folder.path, 'out.jsonl.gz'))).toString();
    expect(recorded.trimEnd().split('\n')).toHaveLength(Number(plans) + 1);
  });

  test('a broken line ends the session with the report of what precedes it, and the line', async () => {
    const trace = folder.file('trace.jsonl', traceText([recordAt(0), recordAt(1), '{"t":']));
    const args = ['session', trace, '--json', '--endpoint', simulator.baseURL, '--model', 'qwen/qwen3-4b'];
    const { code, stdout, stderr } = await conclave([...args, '--record', 'out.jsonl']);
    expect(JSON.parse(stdout)).toMatchObject({ plans: 2, error: { code: 'ERR_TRACE_INVALID' } });
    expect(stderr).toContain('line 4: is not JSON');
    expect(code).toBe(1);
  });

  test('with --skip-invalid a broken line is left out and counted', async () => {
    const trace = folder.file('trace.jsonl', traceText([recordAt(0), '{"t":', recordAt(1), 'x', recordAt(2)]));
    const args = ['session', trace, '--json', '--endpoint', simulator.baseURL, '--model', 'qwen/qwen3-4b'];
    const { code, stdout } = await conclave([...args, '--skip-invalid']);
    const skipped = { lines: 2, first: expect.stringContaining('line 3: is not JSON') };
    expect(JSON.parse(stdout)).toMatchObject({ plans: 3, trace: { skipped } });
    expect(code).toBe(0);
  });

  test('--expect prints each criterion as met or not, and exits 1 if one is not', async () => {
    const trace = folder.file('trace.jsonl', traceText(records(20)));
    const args = ['session', trace, '--endpoint', simulator.baseURL, '--model', 'qwen/qwen3-4b'];
    const met = await conclave([...args, '--expect', 'legal=100%', '--expect', 'plans=20']);
    expect(met.stdout).toMatch(
      /All criteria met +Expected +Found in 20 plans\n +met +legal=100% +100 %\n +met +plans=20 +20\n/,
    );
    expect(met.code, met.stderr).toBe(0);
    const missed = await conclave([...args, '--json', '--expect', 'plans>20', '--expect', 'published']);
    const { expect: judgement } = JSON.parse(missed.stdout);
    expect(judgement).toMatchObject({ met: false, plans: 20 });
    expect(judgement.criteria).toHaveLength(8);
    expect(judgement.criteria.slice(0, 3)).toEqual([
      { criterion: 'plans>20', met: false, value: 20 },
      { criterion: 'calls.byCode.ERR_MODEL_INVALID_ID=0', met: true, value: 0 },
      { criterion: 'warmUp.hitRate>30%', met: false, value: null, why: 'too few plans: 20, and it takes 100' },
    ]);
    expect(missed.code).toBe(1);
  });

  test('a figure that there is not is wrong usage, with the nearest, and nothing is planned', async () => {
    const trace = folder.file('trace.jsonl', traceText(records(20)));
    const args = ['session', trace, '--endpoint', simulator.baseURL, '--model', 'qwen/qwen3-4b'];
    const { code, stdout, stderr } = await conclave([...args, '--expect', 'planingMs.mean<5s']);
    expect(stderr).toContain(
      'error: --expect: planingMs.mean must be a figure of the report (nearest: planningMs.mean, ',
    );
    expect([code, stdout]).toEqual([2, '']);
  });

  test('--for goes round the trace until its time is over; criteria and recording have the first lap', async () => {
    const trace = folder.file('trace.jsonl', traceText(records(10)));
    const args = ['session', trace, '--endpoint', simulator.baseURL, '--model', 'qwen/qwen3-4b', '--for', '2s'];
    const { code, stdout } = await conclave([...args, '--json', '--record', 'out.jsonl', '--expect', 'plans>0']);
    const report = JSON.parse(stdout);
    // How far it comes in two seconds is the machine's affair.
    expect(report.seconds).toBeGreaterThanOrEqual(2);
    const { plans, met } = report.expect;
    expect([met, plans <= Math.min(report.plans, 10), plans === 10 || report.laps === 1]).toEqual([true, true, true]);
    expect(code).toBe(0);
    expect(readFileSync(join(folder.path, 'out.jsonl'), 'utf8').trimEnd().split('\n')).toHaveLength(plans + 1);
  });

  test('an interrupt of a long run reports, and judges what was done', async () => {
    const trace = folder.file('trace.jsonl', traceText(records(10)));
    let child: ChildProcess | undefined;
    let calls = 0;
    await using server = await answering(() => {
      if (++calls === 90) child?.kill('SIGINT');
      return calls < 90;
    });
    const args = ['session', trace, '--endpoint', server.baseURL, '--no-cache', '--for', '1h'];
    const { code, stdout } = await conclave([...args, '--expect', 'legal=100%', '--expect', 'afterWarmUp.plans>0'], {
      onStart: (started) => {
        child = started;
      },
    });
    expect(stdout).toMatch(
      /^Session cave, interrupted: \d+ plans for 2 agents in .* \d+ laps of the trace started\)\n/,
    );
    expect(stdout).toMatch(
      /1 of 2 criteria not met +Expected +Found in the first lap, 10 plans\n +met +legal=100% +100 %\n/,
    );
    expect(stdout).toMatch(/NOT MET +afterWarmUp\.plans>0 +too few plans: 10, and it takes more than 100\n/);
    expect(code).toBe(1);
  });

  test('more agents at once than the planner takes are planned for in its measure', async () => {
    const trace = folder.file('trace.jsonl', traceText(records(6)));
    const config = { endpoints: { local: { baseURL: simulator.baseURL } }, maxInFlight: 1, cache: false };
    folder.file('conclave.config.json', JSON.stringify(config));
    const { code, stdout, stderr } = await conclave(['session', trace, '--concurrency', '2', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ plans: 6, legal: 6 });
    expect(stderr).toContain('--concurrency 2 is cut to 1 (maxInFlight)');
    expect(code).toBe(0);
  });

  test.skipIf(!existsSync('/dev/full')).each([['/dev/full'], ['full.gz']])(
    'a disk that is full for --record %s ends with the report and the fault',
    async (file) => {
      const trace = folder.file('trace.jsonl', traceText(records(4)));
      symlinkSync('/dev/full', join(folder.path, 'full.gz'));
      await using server = await answering(() => true);
      const args = ['session', trace, '--endpoint', server.baseURL, '--record', file];
      const [json, text] = await Promise.all([conclave([...args, '--json']), conclave(args)]);
      expect(json.stdout.trimEnd().split('\n')).toHaveLength(1);
      expect(JSON.parse(json.stdout)).toMatchObject({
        plans: 4,
        error: { message: expect.stringContaining('ENOSPC') },
      });
      expect(text.stdout).toContain('Session cave, with an error: 4 plans');
      for (const { stderr } of [json, text])
        expect(stderr).toContain(`error: ${file}: the trace cannot be written: ENOSPC`);
      expect([json.code, text.code]).toEqual([1, 1]);
    },
  );

  test('--rate sets how often the simulated server fails', async () => {
    const trace = folder.file('trace.jsonl', traceText(records(6)));
    const args = ['session', trace, '--json', '--speed', '500', '--no-cache', '--rate', 'http500=1'];
    const rest = ['reset', 'hang', 'errorEvent', 'cut'].flatMap((name) => ['--rate', `${name}=0`]);
    const { code, stdout } = await conclave([...args, ...rest]);
    expect(JSON.parse(stdout)).toMatchObject({ plans: 6, legal: 6, llmSuccess: 0, sources: { heuristic: 6 } });
    expect(code).toBe(0);
  });

  test('a model that the server does not list is answered with endpoint, id and the nearest', async () => {
    const trace = folder.file('trace.jsonl', traceText(records(2)));
    const args = ['session', trace, '--endpoint', simulator.baseURL, '--model', 'microsoft/phi-4:5'];
    const { code, stderr, stdout } = await conclave(args);
    expect(stderr).toContain('"microsoft/phi-4:5"');
    expect(stderr).toContain(simulator.baseURL);
    expect(stderr).toContain('nearest: microsoft/phi-4, microsoft/phi-4:2');
    expect(stderr).toContain('(ERR_MODEL_MISSING)\nnext: ');
    expect(stdout).toBe('');
    expect(code).toBe(1);
  });

  test('a server that cannot be reached is an error, and with --allow-offline a warning', async () => {
    const trace = folder.file('trace.jsonl', traceText(records(5)));
    const args = ['session', trace, '--endpoint', NOWHERE, '--model', 'phi', '--json'];
    const [refused, allowed] = await Promise.all([conclave(args), conclave([...args, '--allow-offline'])]);
    expect(refused.stderr).toContain(`(${NOWHERE}) cannot be reached`);
    expect(refused.stderr).toContain('--allow-offline');
    expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'ERR_ENDPOINT_UNREACHABLE' } });
    expect(refused.code).toBe(1);
    expect(allowed.stderr).toContain('warning: ');
    expect(JSON.parse(allowed.stdout)).toMatchObject({ plans: 5, legal: 5, sources: { heuristic: 5 } });
    expect(allowed.code).toBe(0);
  });

  test('a configuration with an unknown key is refused with file and key', async () => {
    folder.file('conclave.config.yaml', 'cache:\n  size: 3\n');
    const trace = folder.file('trace.jsonl', traceText(records(2)));
    const { code, stderr } = await conclave(['session', trace]);
    expect(stderr).toContain('error: conclave.config.yaml: cache.size is not a known option (ERR_OPTIONS_INVALID)\n');
    expect(code).toBe(1);
  });
});

describe('plan', () => {
  test('reads a request from standard input and prints the action first', async () => {
    const request = { observation: { scene: 'combat', health: 41, inCombat: true }, actions: ['attack', 'block'] };
    const { code, stdout, stderr } = await conclave(['plan', '--endpoint', simulator.baseURL], {
      input: JSON.stringify(request),
    });
    expect(request.actions).toContain(stdout.split('\n')[0]);
    expect(stdout).toMatch(/source +\w+/);
    expect(stderr).toContain('Using microsoft/phi-4 and microsoft/phi-4:2');
    expect(code).toBe(0);
  });

  test('refuses a request that breaks a rule before anything is started', async () => {
    const input = '{"observation":{"scene":"combat","health":41,"inCombat":true},"actions":[]}';
    const { code, stderr } = await conclave(['plan'], { input });
    expect(stderr).toContain('error: actions must be a list of at least one action, got an empty list');
    expect(stderr).not.toContain('Looked for');
    expect(code).toBe(1);
  });
});

describe('doctor', () => {
  test('--json tells what is reachable, what is listed, and how long a call takes', async () => {
    const { code, stdout } = await conclave(['doctor', '--endpoint', simulator.baseURL, '--json']);
    const { ok, endpoints, advice } = JSON.parse(stdout);
    expect(ok).toBe(true);
    expect(endpoints).toMatchObject([{ baseURL: simulator.baseURL, reachable: true, missing: [] }]);
    expect(endpoints[0].calls.map(({ model }: { model: string }) => model)).toEqual([
      'microsoft/phi-4',
      'microsoft/phi-4:2',
    ]);
    expect(endpoints[0].calls[0].totalMs).toBeGreaterThan(0);
    expect(endpoints[0].calls.map(({ keepsSchema }: { keepsSchema: boolean }) => keepsSchema)).toEqual([true, true]);
    expect(endpoints[0].server).toMatchObject({ kind: 'lmstudio', slots: 4, tellsSlots: false });
    expect(endpoints[0].server.models[0]).toMatchObject({ id: 'microsoft/phi-4', loaded: true, vision: false });
    expect(advice.length).toBeGreaterThan(0);
    expect(code).toBe(0);
  });

  test('--json is fit to be shown to others: versions, machine, configuration and places, and no secret', async () => {
    const KEY = 'sk-secret-of-config';
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const endpoints = {
      here: { baseURL: simulator.baseURL, apiKey: KEY, headers: { 'x-tenant': 'tenant-secret' } },
      gone: { baseURL: NOWHERE },
    };
    const serve = { http: { port, token: KEY }, socket: { path: join(folder.path, 'no', 'folder.sock') } };
    const file = { endpoints, cache: { disk: { path: 'decisions.lmdb' } }, serve };
    folder.file('conclave.config.json', JSON.stringify(file));
    const { stdout, stderr } = await conclave(['doctor', '--json', '--model', 'qwen/qwen3-4b']);
    const words = await conclave(['doctor', '--endpoint', `http://user:${KEY}@127.0.0.1:9/v1`]);
    taken.close();
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      ok: false,
      versions: { conclave: expect.stringMatching(/^\d/), node: process.version, os: expect.any(String) },
      machine: { cpus: expect.any(Number), memoryBytes: expect.any(Number) },
      configuration: {
        file: 'conclave.config.json',
        endpoints: { here: { baseURL: simulator.baseURL, apiKey: '[hidden]', headers: { 'x-tenant': '[hidden]' } } },
        serve: { http: { port, token: '[hidden]' } },
      },
      places: [
        { face: 'http', address: `127.0.0.1:${port}`, state: 'in use' },
        { face: 'socket', state: 'not available' },
      ],
      disk: { path: 'decisions.lmdb', exists: false },
      endpoints: [
        { name: 'here', reachable: true },
        { name: 'gone', reachable: false },
      ],
    });
    expect(report.warnings.join()).toContain(`127.0.0.1:${port} is in use`);
    expect(words.stdout).toContain('http://[hidden]@127.0.0.1:9/v1');
    for (const text of [stdout, stderr, words.stdout, words.stderr]) {
      for (const secret of [KEY, 'tenant-secret']) expect(text).not.toContain(secret);
    }
  });

  test('says in words what the server is and has, and whether it keeps to a schema', async () => {
    const { stdout } = await conclave(['doctor', '--endpoint', simulator.baseURL]);
    expect(stdout).toContain('\n  is LM Studio and has 4 slots\n  loaded: microsoft/phi-4, ');
    expect(stdout).toContain('\n  takes pictures: none\n');
    expect(stdout).toMatch(/\nConclave +\d.* on Node v\d+.*\nMachine +\d.* GiB of memory\nConfiguration +none\n/);
    expect(stdout).toMatch(/\n {2}Model .* Tokens\/s +Schema\n {2}microsoft\/phi-4 +OK .* kept\n/);
  });

  test('names the models that it leaves out, unless the user chose', async () => {
    const args = ['doctor', '--endpoint', simulator.baseURL];
    const [chosen, named] = await Promise.all([conclave(args), conclave([...args, '--model', 'qwen/qwen3-4b'])]);
    expect(chosen.stdout).toContain('not timed, as no plan would use them: qwen/qwen3-4b (--model names others)\n');
    expect(named.stdout).not.toContain('not timed');
  });

  test('exits 1 for a missing model, with the nearest, and for a server that cannot be reached', async () => {
    const at = ['doctor', '--endpoint', simulator.baseURL];
    const [missing, gone] = await Promise.all([
      conclave([...at, '--model', 'microsoft/phi-4:5']),
      conclave(['doctor', '--endpoint', NOWHERE, '--json']),
    ]);
    expect(missing.stdout).toContain('model microsoft/phi-4:5 is not listed; nearest: microsoft/phi-4');
    expect(missing.code).toBe(1);
    expect(JSON.parse(gone.stdout)).toMatchObject({ ok: false, endpoints: [{ reachable: false }] });
    expect(gone.code).toBe(1);
  });

  test('names a server that accepts connections and stays silent, and a model whose calls get no token', async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const dead = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/v1`;
    await using listing = await startSilentServer('phi');
    const [whole, calls] = await Promise.all([
      conclave(['doctor', '--endpoint', dead]),
      conclave(['doctor', '--endpoint', listing.baseURL, '--timeout-ms', '300']),
    ]);
    silent.closeAllConnections();
    silent.close();
    expect(whole.stdout).toContain(`${dead}\n  accepts connections and stays silent: no answer within 3000 ms`);
    expect(whole.stdout).toContain(
      `The server of ${dead} accepts connections and stays silent: it hangs, or is stopped.`,
    );
    expect(whole.code).toBe(1);
    expect(calls.stdout).toContain(`${listing.baseURL} took a call to phi and sent no token in 0.3 s: it hangs`);
  });
});

test('simulate prints its address and ends well when it is interrupted', async () => {
  const child = spawn(process.execPath, [BIN, 'simulate', '--port', '0', '--json'], { cwd: folder.path });
  children.push(child);
  const started = await new Promise<string>((resolve) => child.stdout.once('data', (chunk) => resolve(String(chunk))));
  const { baseURL, models } = JSON.parse(started);
  expect((await fetch(`${baseURL}/models`)).status).toBe(200);
  expect(models.length).toBeGreaterThan(0);
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

describe('wrong usage is one line and exit code 2', () => {
  test.each([
    [['session', '--limt', '3'], "error: unknown option '--limt' (Did you mean --limit?)"],
    [['session', '--limit', 'x'], "error: option '--limit <n>' argument 'x' is invalid."],
    [['session', '--endpoint', 'nonsense'], "error: option '--endpoint <url>' argument 'nonsense' is invalid."],
    [['session', '--for', '5'], 'It must be a time such as 90s, 5m or 1h, at most 7 days.'],
    [['session', '--for', '0s'], "error: option '--for <time>' argument '0s' is invalid."],
    [['session', '--expect', 'hitRate'], 'It must be a figure of the report, one of < <= > >= =, and a number, '],
    [['session', '--rate', 'hangs=1'], 'It must be NAME=SHARE, a share from 0 to 1 of one of illegal, ambiguous, '],
    [['simulate', '--rate', 'hang=2'], "error: option '--rate <name=share>' argument 'hang=2' is invalid."],
    [['sesion'], "error: unknown command 'sesion' (Did you mean session?)"],
    [['session', 'a', 'b'], "error: too many arguments for 'session'"],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await conclave(args);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });
});

test('--help and --version print and exit 0', async () => {
  const [help, version] = await Promise.all([conclave(['session', '--help']), conclave(['--version'])]);
  expect(help).toMatchObject({ code: 0, stderr: '' });
  expect(help.stdout).toContain('Examples:');
  expect(help.stdout.replace(/\s+/g, ' ')).toContain('default: one fewer than the processors, from 1 to 4');
  expect(version).toMatchObject({ code: 0, stderr: '' });
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});
