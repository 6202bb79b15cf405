import { type ChildProcess, spawn } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { CliContext, Output } from '../../../src/main/cli/cli-context.ts';
import { runCli } from '../../../src/main/cli/run-cli.ts';
import { type Clock, systemClock } from '../../../src/shared/clock.ts';
import { HEADER, recordAt, records, type TempFolder, tempFolder, traceText } from '../../support/trace-files.ts';

const BIN = fileURLToPath(new URL('../../../bin/conclave.js', import.meta.url));

const machine = vi.hoisted(() => ({ memoryBytes: undefined as number | undefined }));
vi.mock(import('node:os'), async (original) => {
  const os = await original();
  return { ...os, totalmem: () => machine.memoryBytes ?? os.totalmem() };
});

let folder: TempFolder;
beforeEach(() => {
  folder = tempFolder();
});
afterEach(() => {
  machine.memoryBytes = undefined;
  folder[Symbol.dispose]();
});

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Surroundings {
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
  readonly isTTY?: boolean;
}

function output(isTTY: boolean): { stream: Output; text: () => string } {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 100, cursorTo: () => true, clearLine: () => true });
  const chunks: string[] = [];
  stream.on('data', (chunk) => chunks.push(String(chunk)));
  return { stream, text: () => chunks.join('') };
}

/** The command line, in this process. */
async function replay(
  args: readonly string[],
  { clock = systemClock, signal, isTTY = false }: Surroundings = {},
): Promise<Ended> {
  const [stdout, stderr] = [output(false), output(isTTY)];
  const context: CliContext = {
    stdin: new PassThrough(),
    stdout: stdout.stream,
    stderr: stderr.stream,
    cwd: folder.path,
    clock,
    signal: signal ?? new AbortController().signal,
    version: '0.0.0',
    keys: {},
    packageDir: folder.path,
    log: { isLevelEnabled: () => false, debug: () => {}, info: () => {}, warn: () => {} },
  };
  const code = await runCli(['replay', ...args], context, { debug: false, onLogLevel: () => {} });
  // What was written is passed on a turn later.
  await new Promise<void>((resolve) => systemClock.setTimer(1, resolve));
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

function trace(lines: readonly (object | string)[] = records(20), name = 'trace.jsonl'): string {
  const text = traceText(lines);
  return folder.file(name, name.endsWith('.gz') ? gzipSync(text) : text);
}

describe('--json', () => {
  test('prints one line: the seven figures first, in their order, then what they are of', async () => {
    const file = trace();
    const { code, stdout, stderr } = await replay([
      file,
      '--json',
      '--no-similar',
      '--no-guard',
      '--check',
      '0',
      '--ttl',
      '0',
    ]);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    const report = JSON.parse(stdout);
    expect(Object.keys(report)).toEqual([
      ...['decisions', 'served', 'wrong', 'wrongHigh', 'looped', 'thirdInARow', 'lookupsPerSecond'],
      ...[
        'trace',
        'serve',
        'trust',
        'errorBudget',
        'ttlSeconds',
        'entries',
        'unjudged',
        'wrongLow',
        'exact',
        'similar',
        'habit',
        'advice',
        'similarAdvice',
      ],
      ...['cache', 'guard', 'withheld', 'running'],
      ...['servedCount', 'wrongCount', 'loopedCount', 'disordered', 'restarts', 'interrupted'],
    ]);
    // Two agents in one state take turns, and both always go: all but the first record are served, and all but the first
    // one served to each agent repeat its last action.
    expect(report).toMatchObject({
      decisions: 20,
      served: 0.95,
      wrong: 0,
      wrongHigh: 0.168184,
      looped: 0.947368,
      thirdInARow: 16,
      trace: { file, name: 'cave' },
      serve: 'first',
      errorBudget: null,
      ttlSeconds: 0,
      entries: 100_000,
      unjudged: 0,
      exact: { servedCount: 19 },
      similar: { servedCount: 0 },
      habit: { servedCount: 0 },
      interrupted: false,
    });
    expect(report.advice).toMatchObject([
      { feature: 'place', advised: false },
      { feature: 'health', advised: false },
    ]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
  });

  test('several traces are one line each, every one on a cache of its own', async () => {
    const files = [trace(records(4), 'a.jsonl'), trace(records(6), 'b.jsonl.gz')];
    const { code, stdout } = await replay([...files, '--json']);
    const reports = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(reports.map(({ trace: of, decisions, cache }) => [of.file, decisions, cache.entries])).toEqual([
      [files[0], 4, 1],
      [files[1], 6, 1],
    ]);
    expect(code).toBe(0);
  });

  test('--compare-guard replays a trace with the guard and without it, and says what each held back', async () => {
    const { stdout } = await replay([trace(records(6)), '--compare-guard', '--trust', 'always', '--json']);
    const reports = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(reports.map(({ guard }) => guard)).toEqual([true, false]);
    for (const { withheld, cache, running, servedCount, wrongCount } of reports) {
      expect(withheld).toMatchObject({ loop: cache.loopsBroken, cycle: cache.cyclesBroken, values: 0, expiry: 0 });
      expect(running).toEqual([{ decisions: 6, served: servedCount, wrong: wrongCount }]);
    }
  });

  test('a seed tells all but the speed', async () => {
    const file = trace(
      Array.from({ length: 400 }, (_, index) => ({ ...recordAt(index), chosen: index % 7 ? 'go' : 'stay' })),
    );
    const run = async (seed: string): Promise<object> => {
      const { stdout } = await replay([
        file,
        '--json',
        '--serve',
        'budget',
        '--error-budget',
        '0.4',
        '--check',
        '0.5',
        '--seed',
        seed,
      ]);
      return { ...JSON.parse(stdout), lookupsPerSecond: 0 };
    };
    expect(await run('5')).toEqual(await run('5'));
    expect(await run('5')).not.toEqual(await run('6'));
  });
});

describe('flags', () => {
  test('without any, answers are first ones, for 600 s, guarded, from similar states too, with checks', async () => {
    const lines = [
      { ...recordAt(0), t: 0, observation: { place: 'hall', health: 48 } },
      { ...recordAt(1), t: 1, observation: { place: 'hall', health: 52 } },
      { ...recordAt(1), t: 600.5, observation: { place: 'hall', health: 52 } },
      { ...recordAt(1), t: 601.5, observation: { place: 'hall', health: 52 } },
    ];
    const file = trace(lines);
    const of = async (...flags: string[]): Promise<object> =>
      JSON.parse((await replay([file, '--json', '--check', '0', ...flags])).stdout);
    // At 600.5 s the answer of 0 s has expired, and at 601.5 s the agent has gone twice in vain.
    expect(await of('--trust', 'always')).toMatchObject({
      serve: 'first',
      trust: 'always',
      ttlSeconds: 600,
      servedCount: 1,
      similar: { servedCount: 1 },
    });
    // One similar state has not earned it: the second record is learned, and its answer serves at 600.5 s.
    expect(await of()).toMatchObject({ trust: 'earned', servedCount: 1, similar: { servedCount: 0 } });
    // That of 1 s is served at 600.5 s.
    expect(await of('--no-similar')).toMatchObject({ servedCount: 1, exact: { servedCount: 1 } });
    expect(await of('--ttl', '0.5')).toMatchObject({ ttlSeconds: 0.5, servedCount: 0 });
    expect(await of('--ttl', '0')).toMatchObject({ ttlSeconds: 0, servedCount: 1, thirdInARow: 0 });
    expect(await of('--ttl', '0', '--no-guard')).toMatchObject({ servedCount: 2, thirdInARow: 1 });
    expect(await of('--no-advice')).toMatchObject({ advice: [] });
    expect(await of('--limit', '2')).toMatchObject({ decisions: 2 });
    expect(await of('--entries', '7')).toMatchObject({ entries: 7, cache: { entriesMax: 7 } });
  });

  test('recorded values have no say unless asked: then they withhold answers, and confirm some from further away', async () => {
    const at = (health: number, go: number): object => ({
      ...recordAt(0),
      agent: `at ${health}`,
      observation: { place: 'hall', health },
      qValues: { go, stay: 0.5 },
    });
    // Of the three answers of the first record, the values speak against that in its own state.
    const file = trace([at(20, 1), at(25, 0), at(55, 1), at(75, 0.9)]);
    const of = async (...flags: string[]): Promise<object> =>
      JSON.parse((await replay([file, '--json', '--check', '0', ...flags])).stdout);
    expect(await of()).toMatchObject({ servedCount: 2, similar: { servedCount: 0 }, cache: { contradicted: 0 } });
    expect(await of('--values-min', '0.85', '--trust', 'always')).toMatchObject({
      servedCount: 2,
      exact: { servedCount: 0 },
      similar: { servedCount: 2 },
      cache: { contradicted: 1 },
    });
    const { stdout } = await replay([file, '--values-min', '0.85', '--trust', 'always']);
    expect(stdout).toContain('Contradicted    1 answer not served, contradicted by current Q-values\n');
  });

  test('a budget is 5 % unless another one is given, and serves nothing without evidence', async () => {
    const file = trace();
    const { stdout } = await replay([file, '--json', '--serve', 'budget']);
    expect(JSON.parse(stdout)).toMatchObject({
      serve: 'budget',
      errorBudget: 0.05,
      served: 0,
      wrong: 0,
      cache: { budget: { budget: 0.05 } },
    });
    const text = await replay([file, '--serve', 'budget', '--error-budget', '0.1', '--limit', '3']);
    expect(text.stdout).toContain('Serves within an error budget of 10 % · TTL 10 min · 100,000 entries');
    expect(text.stdout).toMatch(/Budget +10 %: too little evidence to serve anything now; 0 probes/);
  });

  test.each([
    [[], "error: missing required argument 'trace'"],
    [
      ['t', '--serve', 'last'],
      "error: option '--serve <what>' argument 'last' is invalid. Allowed choices are first, budget.",
    ],
    [
      ['t', '--error-budget', '0.1'],
      'error: --error-budget must be left out unless --serve is budget, got 0.1 with --serve first',
    ],
    [
      ['t', '--foresight', '--compare-guard'],
      'error: --compare-guard must be left out with --foresight, which does not replay a cache, got both',
    ],
    [
      ['t', '--serve', 'budget', '--error-budget', '0'],
      "argument '0' is invalid. It must be a share above 0 and below 1.",
    ],
    [
      ['t', '--serve', 'budget', '--error-budget', '1'],
      "argument '1' is invalid. It must be a share above 0 and below 1.",
    ],
    [
      ['t', '--ttl', '-1'],
      "error: option '--ttl <s>' argument '-1' is invalid. It must be a number of seconds from 0 to ",
    ],
    [['t', '--ttl', 'x'], "error: option '--ttl <s>' argument 'x' is invalid."],
    [
      ['t', '--entries', '0'],
      "error: option '--entries <n>' argument '0' is invalid. It must be a whole number from 1 to 4000000.",
    ],
    [
      ['t', '--check', '1.1'],
      "error: option '--check <rate>' argument '1.1' is invalid. It must be a share from 0 to 1.",
    ],
    [
      ['t', '--values-min', '1.1'],
      "error: option '--values-min <share>' argument '1.1' is invalid. It must be a share from 0 to 1.",
    ],
    [['t', '--check', ''], "error: option '--check <rate>' argument '' is invalid."],
    [['t', '--seed', '-1'], "error: option '--seed <n>' argument '-1' is invalid."],
    [['t', '--limit', '0'], "error: option '--limit <n>' argument '0' is invalid."],
    [['t', '--no-gard'], "error: unknown option '--no-gard' (Did you mean --no-guard?)"],
  ])('%j is wrong usage: one line, exit 2', async (args, message) => {
    const { code, stdout, stderr } = await replay(args);
    expect(stderr).toContain(message);
    expect(stderr).toContain('(see "conclave replay --help")');
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  test('entries beyond memory are refused with both sizes', async () => {
    machine.memoryBytes = 2 ** 24;
    const { code, stderr } = await replay([trace()]);
    expect(stderr).toMatch(
      /^error: --entries must fit into memory: 100000 take \d+ MiB of 16 MiB \(ERR_OPTIONS_INVALID\)\nnext: /,
    );
    expect(code).toBe(1);
  });

  test('--help tells the defaults and why they are so', async () => {
    const { code, stdout } = await replay(['--help']);
    const help = stdout.replace(/\s+/g, ' ');
    for (const text of [
      'means for ever (default: 600)',
      'a planner keeps 2000 by default',
      'a planner uses 0.85 (default: Q-values are ignored)',
      'enough to evict none (default: 100000)',
      '(default: 0.02)',
      'Examples:',
    ]) {
      expect(help).toContain(text);
    }
    expect(code).toBe(0);
  });
});

describe('text', () => {
  test('has a line for each figure, then the advice', async () => {
    const lines = Array.from({ length: 200 }, (_, index) => {
      const place = index % 2 === 0 ? 'hall' : 'yard';
      return {
        ...recordAt(index),
        agent: `${index}`,
        observation: { place, health: index },
        chosen: index % 2 === 0 ? 'go' : 'stay',
      };
    });
    const domain = {
      name: 'cave',
      features: {
        place: { kind: 'category' },
        health: { kind: 'number', edges: lines.map((_, i) => i), range: [0, 200] },
      },
    };
    const file = folder.file('fine.jsonl', traceText(lines, { ...HEADER, domain }));
    const { code, stdout } = await replay([file, '--no-similar']);
    const shown = stdout.replace(/in [\d.]+ m?s/, 'in no time').replace(/[\d,]+ lookups/, '9 lookups');
    expect(shown).toBe(`Replay cave: 200 decisions in no time
Serves the first answer if its tier has earned it · TTL 10 min · 100,000 entries

  Served          0 of 200 (0 %)
  Wrong           nothing was served
  Exact           none served
  Similar         none served
  Looped          0 of 0 (0 %) repeated the agent's last action in an unchanged state
  Third in a row  0
  Speed           9 lookups/s

Bucketing (a plain cache of first answers over 200 decisions, one change at a time)
  \`health\` separates states with equal decisions: remove it: served 0 % → 99 %, wrong 0 % → 0 %
`);
    expect(code).toBe(0);
  });

  test('says what is worth a line only now and then', async () => {
    const yard = { ...recordAt(2), observation: { place: 'yard', health: 1 } };
    const at = (t: number): object => ({ ...recordAt(0), t });
    const lines = [at(100), at(99), at(0), { ...at(1), chosen: 'fly' }, yard];
    const { stdout } = await replay([trace(lines), '--entries', '1']);
    expect(stdout).toContain('Wrong           0 of 1 (0 %; 95 % interval 0 % to 79.3 %)\n');
    expect(stdout).toContain('Evicted         1 decision\n');
    expect(stdout).toContain('Not judged      1 record without a recorded choice among the offered actions\n');
    expect(stdout).toContain('Time            jumped back 1 time, and was continued from where it was\n');
    expect(stdout).toContain('Out of order    1 record, earlier than the record before\n');
    expect(stdout).toContain('no change: no other bucketing serves enough more');
  });
});

describe('bad input', () => {
  test('a broken line ends with the report of what precedes it, the line, and exit 1', async () => {
    const file = trace([recordAt(0), recordAt(1), '{"t":']);
    const [text, json] = await Promise.all([replay([file]), replay([file, '--json'])]);
    expect(text.stdout).toContain('Replay cave, ended early by a broken trace: 2 decisions');
    expect(text.stderr).toContain(`error: ${file}, line 4: is not JSON`);
    expect(JSON.parse(json.stdout)).toMatchObject({ decisions: 2, error: { code: 'ERR_TRACE_INVALID' } });
    expect([text.code, json.code]).toEqual([1, 1]);
  });

  test('a header that misses a feature is told with file, line and key', async () => {
    const file = trace([{ ...recordAt(0), observation: { place: 'hall', health: 1, mana: 3 } }]);
    const { code, stderr } = await replay([file]);
    expect(stderr).toContain(`error: ${file}, line 2: observation.mana is not a feature of cave (place, health)`);
    expect(code).toBe(1);
  });

  test('a trace that tells no choice has nothing to judge, and says so', async () => {
    const file = trace(records(3).map((record) => ({ ...record, chosen: undefined })));
    const { code, stdout, stderr } = await replay([file, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ decisions: 0, unjudged: 3, error: { code: 'ERR_TRACE_INVALID' } });
    expect(stderr).toContain(
      `${file}: nothing can be judged: chosen must be one of the actions in any of its 3 records`,
    );
    expect(code).toBe(1);
  });

  test('a trace without records is a report of nothing', async () => {
    const { code, stdout } = await replay([trace([]), '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ decisions: 0, served: 0, wrong: 0, unjudged: 0 });
    expect(code).toBe(0);
  });

  test('a file that cannot be read does not keep the others from being replayed', async () => {
    const file = trace();
    const { code, stdout, stderr } = await replay(['missing.jsonl', file, '--json']);
    const [missing, replayed] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(missing).toMatchObject({ trace: { file: 'missing.jsonl' }, error: { code: 'ERR_TRACE_INVALID' } });
    expect(replayed).toMatchObject({ decisions: 20 });
    expect(stderr).toContain('error: missing.jsonl: cannot be read: there is no such file (ERR_TRACE_INVALID)\n');
    expect(stderr).toContain('next: name a trace that is there and can be read\n');
    expect(stderr).not.toContain('--skip-invalid');
    expect(code).toBe(1);
  });
});

/** Tells of every look at the time; every one takes as long as `stepMs` says. */
class CountingClock implements Clock {
  readonly #onLook: (looks: number) => void;
  readonly #stepMs: number;
  readonly #timers = new Set<{ atMs: number; fire: () => void }>();
  #looks = 0;

  constructor(stepMs: number, onLook: (looks: number) => void = () => {}) {
    this.#stepMs = stepMs;
    this.#onLook = onLook;
  }

  now(): number {
    this.#onLook(++this.#looks);
    const nowMs = this.#looks * this.#stepMs;
    for (const timer of this.#timers) {
      if (timer.atMs > nowMs) continue;
      this.#timers.delete(timer);
      timer.fire();
    }
    return nowMs;
  }

  nextTurn(fire: () => void): void {
    setImmediate(fire);
  }

  wallNow(): number {
    return this.now();
  }

  setTimer(delayMs: number, fire: () => void): { cancel: () => void } {
    // A timer of no delay is a turn of the event loop.
    if (delayMs === 0) queueMicrotask(fire);
    const timer = { atMs: this.#looks * this.#stepMs + delayMs, fire };
    if (delayMs > 0) this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }
}

describe('an interrupt', () => {
  test('ends the replay with the report of what was done, and exit 1; further traces are not begun', async () => {
    const interrupt = new AbortController();
    const clock = new CountingClock(0, (looks) => {
      if (looks === 100) interrupt.abort();
    });
    const file = trace(records(1_000));
    const { code, stdout } = await replay([file, file, '--no-advice'], { clock, signal: interrupt.signal });
    const [, decisions = '0'] = /^Replay cave, interrupted: (\d+) decisions/.exec(stdout) ?? [];
    expect(Number(decisions)).toBeGreaterThan(50);
    expect(Number(decisions)).toBeLessThan(101);
    expect(stdout.match(/Replay cave/g)).toHaveLength(1);
    expect(code).toBe(1);
  });

  test('reaches the process', async () => {
    const file = trace(records(20_000));
    const child: ChildProcess = spawn(process.execPath, [BIN, 'replay', file, file, file, file, '--json'], {
      stdio: 'pipe',
    });
    let stdout = '';
    child.stdout?.on('data', (chunk) => {
      // The first trace is done, and three are to come.
      if (stdout === '') child.kill('SIGINT');
      stdout += chunk;
    });
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    const reports = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(reports[0]).toMatchObject({ decisions: 20_000, interrupted: false });
    // The second has at least been opened, or there is no report of it.
    expect(reports.slice(1)).toEqual(reports.length === 1 ? [] : [expect.objectContaining({ interrupted: true })]);
    expect(code).toBe(1);
  });
});

describe('progress', () => {
  test('shows on a terminal from two seconds on, on stderr alone', async () => {
    const file = trace(records(1_000));
    const clock = new CountingClock(10);
    const { code, stdout, stderr } = await replay([file, '--json'], { clock, isTTY: true });
    expect(stderr).toMatch(/\d+\/1,000 · [\d,.]+ decisions\/s/);
    expect(JSON.parse(stdout)).toMatchObject({ decisions: 1_000 });
    expect(code).toBe(0);
  });

  test('is not shown before that, nor where there is no terminal', async () => {
    const file = trace(records(100));
    const quick = await replay([file], { clock: new CountingClock(10), isTTY: true });
    const piped = await replay([trace(records(1_000))], { clock: new CountingClock(10) });
    expect([quick.stderr, piped.stderr]).toEqual(['', '']);
  });
});

describe('--skip-invalid', () => {
  const lines = [...records(10), 'hello', ...records(10), '{"t":'];

  test('leaves broken lines out and counts them', async () => {
    const file = trace(lines);
    const [json, words] = [await replay([file, '--json', '--skip-invalid']), await replay([file, '--skip-invalid'])];
    const skipped = {
      lines: 2,
      first: `${file}, line 12: is not JSON (Unexpected token 'h', "hello" is not valid JSON)`,
    };
    expect(JSON.parse(json.stdout)).toMatchObject({ decisions: 20, trace: { skipped } });
    expect(words.stdout).toContain(`2 broken lines; the first: ${file}, line 12: is not JSON`);
    expect([json.code, words.code]).toEqual([0, 0]);
  });

  test('is not so unless it is asked for', async () => {
    const { code, stdout, stderr } = await replay([trace(lines), '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ decisions: 10, error: { code: 'ERR_TRACE_INVALID' } });
    expect(stderr).toContain('--skip-invalid leaves broken lines out');
    expect(code).toBe(1);
  });
});

describe('--foresight', () => {
  test('prints one line of JSON for each trace: how much is foreseen, and what the gates would do', async () => {
    const file = trace(records(40));
    const { code, stdout, stderr } = await replay([file, file, '--foresight', '--json']);
    const [first, second] = stdout.trimEnd().split('\n');
    expect(second).toBe(first);
    const { foresight, ...rest } = JSON.parse(first as string);
    expect(rest).toEqual({ trace: { file, name: 'cave' }, interrupted: false });
    // Health counts up, so that the two agents cross its only edge once, from a state never seen before.
    expect(foresight).toMatchObject({ decisions: 40, requests: 38, newRequests: 0, extraCalls: { 200: 0, 5000: 0 } });
    expect(foresight.first).toBeGreaterThan(0.9);
    expect(foresight.byHorizon.map((horizon: object) => Object.keys(horizon)[0])).toEqual([
      ...['steps', 'steps', 'steps', 'seconds', 'seconds', 'seconds', 'seconds'],
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test('prints two tables and a conclusion for people', async () => {
    const { code, stdout } = await replay([trace(records(40)), '--foresight']);
    expect(stdout).toMatch(/^Foresight cave: 38 requests after a decision, 0 in a state never seen before\n/);
    expect(stdout).toMatch(/1 request ahead +\d/);
    expect(stdout).toMatch(/5 s ahead +\d/);
    expect(stdout).toMatch(/a model of 200 ms +0 %/);
    expect(stdout).toContain('does not pay here');
    expect(code).toBe(0);
  });

  test('reports a broken line after what came before it, and takes --limit', async () => {
    const broken = await replay([trace([...records(20), '{"t":']), '--foresight', '--json']);
    expect(JSON.parse(broken.stdout)).toMatchObject({
      foresight: { decisions: 20 },
      error: { code: 'ERR_TRACE_INVALID' },
    });
    expect(broken.stderr).toContain('line 22: is not JSON');
    expect(broken.code).toBe(1);
    const limited = await replay([trace(records(20)), '--foresight', '--json', '--limit', '5']);
    expect(JSON.parse(limited.stdout).foresight.decisions).toBe(5);
  });

  test('fails for a trace without choices', async () => {
    const lines = records(3).map((record) => ({ ...record, chosen: undefined }));
    const { code, stderr } = await replay([trace(lines), '--foresight']);
    expect(stderr).toContain('nothing can be judged');
    expect(code).toBe(1);
  });
});
