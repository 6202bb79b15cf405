import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
let folder = '';

function run(
  command: string,
  args: readonly string[],
  cwd: string,
): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  return { status, stdout, stderr };
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'conclave-package-'));
  const packed = run('npm', ['pack', '--pack-destination', folder], root);
  expect(packed.status, packed.stderr).toBe(0);
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz')) as string;
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }));
  const installed = run('npm', ['install', '--no-audit', '--no-fund', `./${tarball}`], folder);
  expect(installed.status, installed.stderr).toBe(0);
}, 180_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the installed library plans', () => {
  writeFileSync(
    join(folder, 'plan.js'),
    `import { createPlanner, skyrim } from 'conclave';
await using planner = await createPlanner({
  domain: skyrim,
  endpoints: { none: { baseURL: 'http://127.0.0.1:9/v1' } },
  experts: [{ role: 'threat_assessment', model: 'x' }],
  allowOffline: true,
});
const plan = await planner.plan(
  { agent: 'lydia', observation: { scene: 'combat', health: 41, inCombat: true }, actions: ['attack', 'block'], qValues: { block: 1 } },
  { timeoutMs: 2000 },
);
console.log(JSON.stringify({ action: plan.action, source: plan.source, code: plan.attempts[0].code }));`,
  );
  const { status, stdout, stderr } = run(process.execPath, ['plan.js'], folder);
  expect(status, stderr).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ action: 'block', source: 'heuristic', code: 'ERR_MODEL_REFUSED' });
});

test('the installed library plans in a thread and in a process, also from the text of a command', () => {
  const text = `import { embedPlanner, skyrim, spawnPlanner } from 'conclave';
const options = {
  domain: skyrim,
  endpoints: { none: { baseURL: 'http://127.0.0.1:9/v1' } },
  experts: [{ role: 'threat_assessment', model: 'x' }],
  allowOffline: true,
};
const request = { agent: 'lydia', observation: { scene: 'combat', health: 41, inCombat: true }, actions: ['attack', 'block'], qValues: { block: 1 } };
for (const start of [embedPlanner, spawnPlanner]) {
  await using planner = await start(options);
  const { id, action } = await planner.plan(request, { timeoutMs: 5000 });
  console.log(id, action, await planner.peek(request));
}`;
  const { status, stdout, stderr } = run(process.execPath, ['--input-type=module', '-e', text], folder);
  expect(status, stderr).toBe(0);
  expect(stdout).toBe('1 block undefined\n1 block undefined\n');
}, 60_000);

test('the example of the README plans, installed and in the checkout', async () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const [, example = ''] = /## The library\n\n```ts\n([\s\S]*?)```/.exec(readme) ?? [];
  const conclave = join(folder, 'node_modules', 'conclave', 'bin', 'conclave.js');
  const simulator = spawn(process.execPath, [conclave, 'simulate', '--port', '0', '--json'], { stdio: 'pipe' });
  const checkout = mkdtempSync(join(root, 'example-'));
  try {
    const [line] = await once(simulator.stdout, 'data');
    const text = example.replace('http://localhost:1234/v1', JSON.parse(String(line)).baseURL);
    expect(text).not.toBe(example);
    for (const at of [folder, checkout]) {
      writeFileSync(join(at, 'example.ts'), text);
      const { status, stdout, stderr } = run(process.execPath, ['example.ts'], at);
      expect(status, stderr).toBe(0);
      expect(stdout).toMatch(/^(?:attack|block|retreat) \w+ /);
    }
  } finally {
    simulator.kill('SIGKILL');
    rmSync(checkout, { recursive: true, force: true });
  }
}, 60_000);

test('the installed command line runs a session', () => {
  const conclave = join(folder, 'node_modules', 'conclave', 'bin', 'conclave.js');
  const { status, stdout, stderr } = run(process.execPath, [conclave, 'session', '--limit', '50', '--json'], folder);
  expect(status, stderr).toBe(0);
  const report = JSON.parse(stdout);
  expect({ plans: report.plans, legal: report.legal }).toEqual({ plans: 50, legal: 50 });
}, 60_000);

test('the installed command line serves the page and writes a report with it', async () => {
  const conclave = join(folder, 'node_modules', 'conclave', 'bin', 'conclave.js');
  const child = spawn(process.execPath, [conclave, 'serve', '--http', '0', '--json'], { cwd: folder, stdio: 'pipe' });
  try {
    let stdout = '';
    for await (const chunk of child.stdout) {
      stdout += chunk;
      if (stdout.includes('\n')) break;
    }
    const [{ address }] = JSON.parse(stdout).faces;
    const page = await (await fetch(address)).text();
    for (const [, path] of page.matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
      expect([path, (await fetch(`${address}${path}`)).status]).toEqual([path, 200]);
    }
  } finally {
    child.kill('SIGKILL');
  }
  const args = ['session', '--limit', '20', '--report', 'run.html'];
  const { status, stderr } = run(process.execPath, [conclave, ...args], folder);
  expect(status, stderr).toBe(0);
  expect(readFileSync(join(folder, 'run.html'), 'utf8')).toContain('uPlot');
}, 60_000);

test('its types compile in a strict project', () => {
  writeFileSync(
    join(folder, 'use.ts'),
    `import { createPlanner, defineDomain, type Plan } from 'conclave';
const domain = defineDomain({ name: 'bot', features: { room: { kind: 'category' } } });
export async function ask(): Promise<Plan> {
  await using planner = await createPlanner({ domain, endpoints: {}, experts: [] });
  return planner.plan({ agent: 'a', observation: { room: 'hall' }, actions: ['go'] });
}`,
  );
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const flags = [
    '--noEmit',
    '--strict',
    '--target',
    'es2024',
    '--lib',
    'es2024,esnext.disposable',
    '--module',
    'nodenext',
  ];
  // No @types/node in the user's folder: the types must not need it, or say so.
  const { status, stdout } = run(process.execPath, [tsc, ...flags, '--skipLibCheck', 'use.ts'], folder);
  expect(stdout).toBe('');
  expect(status).toBe(0);
});
