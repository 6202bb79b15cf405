/**
 * Runs a benchmark: `node scripts/bench.ts NAME [arguments]` is bench/NAME.bench.ts under this node. What the benchmarks
 * compare with is installed into bench/ on first use, and again when its lock has changed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const bench = fileURLToPath(new URL('../bench/', import.meta.url));
const ENDING = '.bench.ts';

/** npm writes this file last when it installs. */
const INSTALLED = `${bench}node_modules/.package-lock.json`;

function isInstalled(): boolean {
  return existsSync(INSTALLED) && statSync(INSTALLED).mtimeMs >= statSync(`${bench}package-lock.json`).mtimeMs;
}

function install(): void {
  console.error('bench: installing what the benchmarks compare with into bench/node_modules (once) …');
  const { status, error } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: bench,
    // What npm says goes to stderr: the last line of stdout is the result.
    stdio: ['ignore', 2, 'inherit'],
    shell: process.platform === 'win32',
  });
  if (error || status !== 0) {
    console.error(`bench: npm ci in bench/ failed${error ? `: ${error.message}` : ` with status ${status}`}`);
    process.exit(1);
  }
  console.error('bench: installed');
}

const [name, ...args] = process.argv.slice(2);
const file = `${bench}${name}${ENDING}`;
if (name === undefined || !existsSync(file)) {
  const names = readdirSync(bench)
    .filter((entry) => entry.endsWith(ENDING))
    .map((entry) => entry.slice(0, -ENDING.length));
  console.error(`usage: node scripts/bench.ts NAME [arguments]; NAME is one of ${names.join(', ')}`);
  process.exit(2);
}
if (!isInstalled()) install();
const child = spawn(process.execPath, [...process.execArgv, file, ...args], { stdio: 'inherit' });
// What an interrupt means is the benchmark's to say: some end early, with their report.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
child.once('exit', (status) => process.exit(status ?? 1));
