import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** A real `redis-server` of its own for a test, on a free port of the loopback. */
export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  /** Starts it again on the same port, empty. */
  restart(): Promise<void>;
  /** SIGKILL. Resolves when it has ended. */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

/** Whether a `redis-server` of version 7 or later is installed. Tests that need one are skipped elsewhere: `.ci/run` installs it. */
export const hasRedis = (() => {
  try {
    const version = execFileSync('redis-server', ['--version'], { encoding: 'utf8' });
    return Number(/v=(\d+)/.exec(version)?.[1]) >= 7;
  } catch {
    console.warn(
      'redis-server 7 is not installed: tests that need it are skipped (Debian: apt-get install redis-server)',
    );
    return false;
  }
})();

export async function startRedis(flags: readonly string[] = []): Promise<RedisServer> {
  const port = await freePort();
  let child = await start(port, flags);
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child.pid as number;
    },
    async restart() {
      await kill();
      child = await start(port, flags);
    },
    kill,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    stop: kill,
    [Symbol.asyncDispose]: kill,
  };
}

async function start(port: number, flags: readonly string[]): Promise<ChildProcess> {
  const bound = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...flags];
  const child = spawn('redis-server', bound, { stdio: ['ignore', 'pipe', 'inherit'] });
  // Also if the test's process ends before it stops the server.
  const kill = () => void child.kill('SIGKILL');
  process.on('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  let said = '';
  for await (const part of child.stdout) {
    said += part;
    if (!said.includes('Ready to accept connections')) continue;
    return child;
  }
  throw new Error(`redis-server ended: ${said}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
