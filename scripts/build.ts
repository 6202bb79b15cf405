/** Builds `dist` from nothing: JavaScript, declarations and source maps of the three projects, and the files of the page. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
rmSync(`${root}/dist`, { recursive: true, force: true });
const { status } = spawnSync('tsc', ['-b', 'src/main', 'src/workers'], {
  cwd: root,
  stdio: 'inherit',
  shell: process.platform === 'win32',
});
if (status !== 0) process.exit(status ?? 1);
// They are sent as they stand.
const page = 'main/page/browser';
cpSync(`${root}/src/${page}`, `${root}/dist/${page}`, {
  recursive: true,
  filter: (name) => !/tsconfig\.json$|\.d\.ts$/.test(name),
});
for (const entry of [
  'main/index.js',
  'main/index.d.ts',
  'main/bin.js',
  'main/page/browser/index.html',
  'main/page/browser/page.js',
  'main/service/entries/thread-entry.js',
  'main/service/entries/orphan-watch.js',
  'main/service/entries/process-entry.js',
  'workers/worker.js',
  'workers/next-states.js',
  'workers/simulator/simulator-thread.js',
]) {
  if (!existsSync(`${root}/dist/${entry}`)) throw new Error(`the build left out dist/${entry}`);
}
