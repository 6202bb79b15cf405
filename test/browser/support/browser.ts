import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';

const USUAL_PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Nothing that calls home, and nothing kept. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

function executable(): string {
  const found = [process.env.CHROMIUM ?? '', ...USUAL_PLACES].find((path) => path !== '' && existsSync(path));
  if (found === undefined) throw new Error('no Chromium: install it ("apt-get install chromium"), or set CHROMIUM');
  return found;
}

/** A page that was watched: nothing from elsewhere, nothing on its console but what a test expects. */
export interface WatchedPage extends AsyncDisposable {
  readonly page: Page;
  /** Lines of its console that tell of something wrong. */
  readonly complaints: string[];
  /** Bytes that came over the wire, of everything. */
  bytes(): number;
}

/** A browser with a folder of its own, for one page. */
export async function openPage(options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const folder = mkdtempSync(join(tmpdir(), 'conclave-browser-'));
  const context = await chromium.launchPersistentContext(folder, {
    ...options,
    executablePath: executable(),
    args: FLAGS,
    headless: true,
  });
  const page = context.pages()[0] ?? (await context.newPage());
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() !== 'log' && message.type() !== 'info') complaints.push(`${message.type()}: ${message.text()}`);
  });
  const bytes = await countBytes(context, page);
  return {
    page,
    complaints,
    bytes,
    async [Symbol.asyncDispose]() {
      await context.close();
      rmSync(folder, { recursive: true, force: true });
      const strange = requests.filter((url) => !/^(?:http:\/\/127\.0\.0\.1:\d+\/|file:|data:|about:)/.test(url));
      expect(strange).toEqual([]);
    },
  };
}

/** Resolves when charts have taken on the page's size: they are drawn anew in the frame after the one that measured them. */
export async function redrawn(page: Page): Promise<void> {
  const width = page.viewportSize()?.width;
  await page.waitForFunction((expected) => window.innerWidth === expected, width);
  await page.evaluate(
    () => new Promise<void>((done) => requestAnimationFrame(() => requestAnimationFrame(() => done()))),
  );
}

async function countBytes(context: BrowserContext, page: Page): Promise<() => number> {
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  let bytes = 0;
  session.on('Network.dataReceived', ({ encodedDataLength }) => {
    bytes += encodedDataLength;
  });
  session.on('Network.responseReceived', ({ response }) => {
    bytes += response.encodedDataLength;
  });
  return () => bytes;
}
