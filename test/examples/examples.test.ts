import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { warehouse, work } from '../../examples/grid-world/warehouse.ts';
import type { ChatPlanner } from '../../src/main/chat/chat-planner.ts';
import { openSocketFace, type SocketFace } from '../../src/main/faces/socket/socket-face.ts';
import { createPlanner } from '../../src/main/service/create-planner.ts';
import { type EmbeddedSimulator, startEmbeddedSimulator } from '../../src/main/service/embedded-simulator.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { skyrim } from '../../src/shared/domains/skyrim.ts';
import { makeLog, makeSocketFolder, type SocketFolder } from '../support/make-socket-face.ts';
import { eventually } from '../support/raw-client.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const python = spawnSync('python3', ['--version'], { encoding: 'utf8' });
const hasPython = python.status === 0;
/** On the CI machine a missing Python is a failure; elsewhere it is a reason to skip. */
const mayTry = hasPython || process.env.CI !== undefined;

let folder: SocketFolder;
let simulator: EmbeddedSimulator;
let planner: ChatPlanner;
let face: SocketFace;
beforeAll(async () => {
  folder = makeSocketFolder();
  const MODEL = 'microsoft/phi-4-mini-reasoning';
  simulator = await startEmbeddedSimulator(
    { speed: 20, slots: 8, models: [{ id: MODEL }], reads: 'decisions' },
    systemClock,
  );
  planner = await createPlanner({
    domain: skyrim,
    endpoints: { sim: { baseURL: simulator.baseURL } },
    experts: skyrim.roles.map(({ name }) => ({ role: name, model: MODEL })),
    workers: { threads: 1 },
    answers: 'write',
  });
  const path = join(folder.path, 's');
  face = await openSocketFace(planner, { path }, { clock: systemClock, log: makeLog().log, version: '1.2.3' });
}, 60_000);
afterAll(async () => {
  await face?.close();
  await planner?.close();
  await simulator?.close();
  folder[Symbol.dispose]();
});

/** Runs a program to its end. Its output, with that of its errors. */
async function run(command: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const [code] = await once(child, 'close');
  return { code, output };
}

const title = hasPython ? '' : ' (skipped: there is no python3 here)';

test.runIf(mayTry)(
  `the Python client plans, pipelines, cancels and hears progress${title}`,
  { timeout: 60_000 },
  async () => {
    expect(hasPython, 'python3 must be installed where CI is set').toBe(true);
    const { code, output } = await run('python3', ['-W', 'error', 'examples/python/demo.py', face.address]);
    expect(output).toContain('connected to conclave 1.2.3, domain skyrim');
    expect(output).toMatch(/lydia: (attack|block|retreat) \(\w+\), [1-9]\d* attempts told/);
    expect(output).toContain('40 plans pipelined');
    expect(output).toMatch(/ghost: ERR_PLAN_CANCELLED|ghost was faster/);
    expect(output).toMatch(/in danger: (0\.\d+|refusal)\n/);
    expect(output).toContain('refused: ERR_REQUEST_INVALID: observation.mood is not a feature of skyrim');
    expect(code).toBe(0);
    await eventually(() => face.connected === 0, 'it has left');
  },
);

const CHECKS = `
import sys, threading
sys.path.insert(0, 'examples/python')
from conclave_client import Planner, PlannerError, connect
O = {'scene': 'combat', 'health': 41, 'inCombat': True}

def code_of(call):
    try: call()
    except PlannerError as error: return error.code
    except OSError as error: return type(error).__name__

with connect(sys.argv[1]) as planner:
    print(code_of(lambda: planner.plan('', O, ['a'])))
    assert planner.plan('Żółw 🐢', O, ['a', 'b'])['agent'] == 'Żółw 🐢'
    assert planner.plan('fish', O, ['swim', 'sink'], timeout_ms=2)['why']['code'] == 'no-time'
    seen = []
    def many(n):
        for k in range(300):
            name = f'{n}/{k}'
            seen.append(planner.plan(name, O, ['a', 'b'], timeout_ms=5000)['agent'] == name)
    threads = [threading.Thread(target=many, args=(n,)) for n in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print(len(seen), all(seen))
    ask = {'model': 'conclave', 'input': 'A wolf.', 'questions': [{'type': 'choice', 'instructions': 'What now?', 'choices': [{'value': 'a'}, {'value': 'b'}]}]}
    [chosen] = planner.decide(ask, timeout_ms=5000, cache='renew')['answers']
    assert chosen['type'] in ('choice', 'refusal'), chosen
    print(code_of(lambda: planner.decide({**ask, 'questions': []})))
    print(code_of(lambda: planner.decide(ask, cache='always')))
    def broken(attempt): raise ZeroDivisionError
    planner.clear_cache()
    assert planner.plan('x', O, ['c', 'd'], timeout_ms=5000, on_attempt=broken)['action'] in 'cd'
    for wrong in [object(), float('nan'), '\\ud800'] * 100:  # More than there is room for at once.
        try: planner.plan('x', {**O, 'health': wrong}, ['a'])
        except (TypeError, ValueError): continue
        raise AssertionError(wrong)
    futures = [planner.begin('y', O, ['e', str(n)], timeout_ms=60000) for n in range(20)]
    planner.close()
    late = planner.begin('z', O, ['a'])
    planner.cancel(late)
    print(code_of(late.result))
    print({code_of(future.result) for future in futures} <= {None, 'ERR_PLANNER_CLOSED'})
    print(code_of(planner.stats))
with connect(sys.argv[1]) as planner:
    planner.expect([{'agent': 'seer', 'observation': {**O, 'health': 12}, 'actions': ['a', 'b'], 'inMs': 10}])
    planner.observe('seer', O, ['a', 'b'], {'a': 1})
    assert planner.plan('seer', O, ['a', 'b'], timeout_ms=2)['landing'] == 'fits'
    assert planner.stats()['foresight']['told'] == 1
    print(code_of(lambda: planner.expect([{'agent': 'seer'}])), code_of(lambda: planner.observe('seer', O, [])))
print(code_of(lambda: connect('/no/such/socket')))
`;

/** A server that says hello and nothing more. */
const HUNG = `
import json, socket, sys, tempfile, threading
sys.path.insert(0, 'examples/python')
import conclave_client
conclave_client.SILENCE = 0.1
path = tempfile.mkdtemp() + '/s'
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen()
def serve():
    client, _ = server.accept()
    lines = client.makefile('rb')
    answer = {'jsonrpc': '2.0', 'id': json.loads(next(lines))['id'], 'result': {}}
    client.sendall(json.dumps(answer).encode() + b'\\n')
    for line in lines: pass
    lines.close()
    client.close()
threading.Thread(target=serve, daemon=True).start()
with conclave_client.connect(path) as planner:
    other = planner.begin('b', {}, ['x'])
    for _ in range(2):
        try: planner.plan('a', {}, ['x'], timeout_ms=100)
        except conclave_client.PlannerError as error: print(error.code)
    print(other.exception().code)
server.close()
`;

test.runIf(mayTry)(
  `the Python client crosses no answers of several threads, and ends whole${title}`,
  { timeout: 60_000 },
  async () => {
    const { code, output } = await run('python3', ['-W', 'error', '-c', CHECKS, face.address]);
    expect(output.split('\n').filter((line) => !/^(Traceback|ZeroDiv| )/.test(line))).toEqual([
      'ERR_REQUEST_INVALID',
      '1200 True',
      'ERR_MODEL_REJECTED',
      'ERR_REQUEST_INVALID',
      'ERR_PLANNER_CLOSED',
      'True',
      'ERR_PLANNER_CLOSED',
      'ERR_REQUEST_INVALID ERR_REQUEST_INVALID',
      'FileNotFoundError',
      '',
    ]);
    expect(output).toContain('ZeroDivisionError');
    expect(code).toBe(0);
  },
);

test.runIf(mayTry)(`the Python client leaves a server that hangs${title}`, { timeout: 60_000 }, async () => {
  const { code, output } = await run('python3', ['-c', HUNG]);
  expect(output).toBe('ERR_PEER_EXITED\n'.repeat(3));
  expect(code).toBe(0);
});

test('the game in turns tells what may come next', { timeout: 60_000 }, async () => {
  const { code, output } = await run(process.execPath, ['examples/turn-based/main.ts', simulator.baseURL, '4', '100']);
  expect(output).toMatch(/^turn 1: troll roars, hero (approach|shoot|step back|wait) \(\w+, [\d.]+ ms\)\n/);
  expect(output).toMatch(/\d of 3 told states were answered within 5 ms/);
  expect(output).toMatch(/[1-9]\d* futures asked: \d+ used/);
  expect(code).toBe(0);
});

test('the robot in a warehouse is planned ahead by its domain', { timeout: 60_000 }, async () => {
  await using robot = await createPlanner({
    domain: warehouse,
    endpoints: { sim: { baseURL: simulator.baseURL } },
    experts: [{ role: 'route', model: 'microsoft/phi-4-mini-reasoning' }],
    workers: { threads: 1 },
  });
  const lines: string[] = [];
  const pass = async (): Promise<void> => {
    const { told: before } = robot.stats().foresight;
    const isIdle = (): boolean => {
      const { told, waiting, running } = robot.stats().foresight;
      return told > before && waiting + running === 0;
    };
    await eventually(isIdle, 'all next states are answered');
  };
  const ready = await work(robot, { steps: 4, pass, random: () => 0.5, log: (line) => void lines.push(line) });
  expect(lines[0]).toMatch(/^step 1: 2\/2 (north|south|east|west|wait) \(/);
  expect(ready).toBeGreaterThan(0);
  expect(robot.stats().foresight).toMatchObject({ domain: { calls: 4, invalid: 0, dropped: 0, off: null } });
});

test('the game loop runs to its end and applies plans on the way', { timeout: 60_000 }, async () => {
  const { code, output } = await run(process.execPath, ['examples/game-loop/game.ts', face.address, '1']);
  expect(output).toMatch(/^60 frames, \d+ late; the longest had [\d.]+ ms of work\n/);
  const [, asked, applied, failed] = /(\d+) plans: (\d+) applied, \d+ outdated, (\d+) failed/.exec(output) ?? [];
  expect(Number(asked)).toBeGreaterThanOrEqual(30);
  expect(Number(applied)).toBeGreaterThan(0);
  expect(failed).toBe('0');
  expect(code).toBe(0);
});
