import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';
import { choosing } from '../support/choosing-server.ts';
import { ScriptedServer } from '../support/scripted-server.ts';

const HOST = fileURLToPath(new URL('../support/hosting-process.ts', import.meta.url));

test.each([
  ['thread', 'closes'],
  ['thread', 'idles'],
  ['process', 'closes'],
  ['process', 'idles'],
])('a host with a planner in a %s that it %s ends by itself, and nothing is left', async (where, how) => {
  await using server = await ScriptedServer.start();
  server.script = choosing(() => '2\nBecause.');
  const host = spawn(process.execPath, [HOST, where, how, server.baseURL], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = await Promise.all([text(host.stdout), text(host.stderr), once(host, 'close')]);
  expect({ stderr, code: host.exitCode }).toEqual({ stderr: '', code: 0 });
  const { action, left, pid } = JSON.parse(stdout) as { action: string; left: string[]; pid?: number };
  expect({ action, left }).toEqual({ action: 'block', left: [] });
  if (pid === undefined) return;
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), { timeout: 15_000, interval: 20 });
});
