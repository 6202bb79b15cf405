import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ServeProcess } from '../support/serve-process.ts';
import { type TempFolder, tempFolder } from '../support/trace-files.ts';

vi.setConfig({ testTimeout: 90_000 });

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const UNIT = readFileSync(join(ROOT, 'examples/deploy/conclave.service'), 'utf8');
const CONTAINER = readFileSync(join(ROOT, 'examples/deploy/Containerfile'), 'utf8');

let folder: TempFolder;
let running: ServeProcess | undefined;

beforeEach(() => {
  folder = tempFolder();
});
afterEach(() => {
  running?.[Symbol.dispose]();
  folder[Symbol.dispose]();
});

/** The arguments after the program, of the unit and of the container file. */
function unitArgs(): string[] {
  const [, command = ''] = /^ExecStart=((?:.*\\\n)*.*)$/m.exec(UNIT) ?? [];
  return command.replaceAll('\\\n', ' ').split(/\s+/).slice(2);
}
function containerArgs(): string[] {
  const [, json = '[]'] = /^CMD (\[.*\])$/m.exec(CONTAINER) ?? [];
  return JSON.parse(json);
}

function flagsIn(args: readonly string[]): string[] {
  return args.filter((arg) => arg.startsWith('--'));
}

function help(...args: string[]): string {
  return spawnSync(process.execPath, [join(ROOT, 'bin/conclave.js'), ...args], { encoding: 'utf8' }).stdout;
}

/** On temporary paths, and any port. */
async function started(args: readonly string[], env: Record<string, string>): Promise<string> {
  running = new ServeProcess(args, { cwd: folder.path, env });
  const line = await running.line('stderr', '"face":"http"');
  running.kill('SIGTERM');
  expect(await running.ended).toBe(0);
  for (const each of running.stderr.trimEnd().split('\n')) JSON.parse(each);
  return line;
}

describe('the files of examples/deploy', () => {
  test('use only flags that serve has', () => {
    const known = `${help('--help')}${help('serve', '--help')}`;
    const used = [...flagsIn(unitArgs()), ...flagsIn(containerArgs())];
    expect(used.length).toBeGreaterThan(6);
    for (const flag of used) expect(known).toContain(flag);
  });

  test('the unit waits longer for the end than the drain takes', () => {
    const [, stopSeconds] = /^TimeoutStopSec=(\d+)$/m.exec(UNIT) ?? [];
    const drainMs = unitArgs()[unitArgs().indexOf('--drain-ms') + 1];
    expect(Number(stopSeconds) * 1_000).toBeGreaterThan(Number(drainMs));
  });

  test('the command of the unit starts, listens, logs JSON alone, and ends', async () => {
    writeFileSync(join(folder.path, 'token'), 'a-token-of-the-test\n', { mode: 0o600 });
    const config = readFileSync(join(ROOT, 'examples/deploy/conclave.config.yaml'), 'utf8');
    folder.file('conclave.config.yaml', config.replaceAll('/var/lib/conclave', folder.path));
    const args = unitArgs().map((arg) =>
      arg
        .replace('/etc/conclave', folder.path)
        .replace('/run/conclave', folder.path)
        .replace(`\${CREDENTIALS_DIRECTORY}`, folder.path)
        .replace('7411', '0'),
    );
    expect(await started(args, {})).toContain('http://127.0.0.1:');
    expect(running?.stderr).toContain('plan.sock');
    expect(running?.stderr).not.toContain('a-token-of-the-test');
  });

  test('the command of the container starts, with the token of the environment', async () => {
    const args = containerArgs().map((arg) => arg.replace('7411', '0'));
    expect(await started(args, { CONCLAVE_TOKEN: 'a-token-of-the-test' })).toContain('http://');
    expect(running?.stderr).not.toContain('a-token-of-the-test');
  });

  test.skipIf(spawnSync('systemd-analyze', ['--version']).status !== 0)('the unit is one to systemd', () => {
    // The program of the unit need not be on this machine.
    const unit = UNIT.replace('/usr/bin/node', process.execPath);
    const file = folder.file('conclave.service', unit);
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' });
    expect(`${stdout}${stderr}`).not.toMatch(/conclave\.service:\d+:|Unknown|Failed to parse/);
    expect(status).toBe(0);
  });
});
