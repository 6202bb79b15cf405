/**
 * Takes docs/page.png: the live page after half a minute of the recorded game session, on the simulated server. Needs Chromium, at
 * a usual place or in the environment variable CHROMIUM. `node scripts/page-picture.ts [FILE]`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const PLACES = [process.env.CHROMIUM ?? '', '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const SECONDS = 30;
const AGENTS = 4;
const root = new URL('..', import.meta.url);
const [file = fileURLToPath(new URL('docs/page.png', root))] = process.argv.slice(2);

const executablePath = PLACES.find((path) => path !== '' && existsSync(path));
if (executablePath === undefined)
  throw new Error('no Chromium: install it ("apt-get install chromium"), or set CHROMIUM');

const requests = readFileSync(new URL('examples/skyrim.jsonl', root), 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => JSON.parse(line) as { t: number; chosen?: string })
  .map(({ t: _t, chosen: _chosen, ...request }) => request);

const conclave = fileURLToPath(new URL('bin/conclave.js', root));
const server = spawn(process.execPath, [conclave, 'serve', '--http', '0', '--json'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
try {
  const [line] = await once(server.stdout, 'data');
  const { address } = (JSON.parse(String(line)) as { faces: { address: string }[] }).faces[0] as { address: string };
  const page = await browser.newPage({ viewport: { width: 1_280, height: 1_000 }, colorScheme: 'light' });
  await page.goto(address);
  const endMs = performance.now() + SECONDS * 1_000;
  let next = 0;
  const ask = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const body = JSON.stringify(requests[next++ % requests.length]);
      await fetch(`${address}/v1/plans`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    }
  };
  await Promise.all(Array.from({ length: AGENTS }, ask));
  await page.screenshot({ path: file });
  console.log(`wrote ${file}`);
} finally {
  await browser.close();
  server.kill('SIGTERM');
}
