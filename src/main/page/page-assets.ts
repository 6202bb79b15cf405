import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { FIGURES_MODULE } from './page-figures.ts';

/** One file of the page, as sent. */
export interface PageAsset {
  readonly path: string;
  readonly type: string;
  readonly body: Buffer;
  readonly gzipped: Buffer;
  /** ETag of its content; quoted, as in the header. */
  readonly etag: string;
}

const PAGE_FOLDER = new URL('./browser/', import.meta.url);

/** The modules of the page and of reports, each after those that it imports. */
export const COMMON_MODULES = [
  'dom.js',
  'format.js',
  'chart-panels.js',
  'charts.js',
  'timeline.js',
  'plan-list.js',
  'foresight.js',
];

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

export function pageFile(name: string): URL {
  return new URL(name, PAGE_FOLDER);
}

/** Files of the chart library, from its package: one script that defines a global, and its style. */
export function chartLibrary(): { readonly script: URL; readonly style: URL } {
  const at = (name: string): URL => new URL(import.meta.resolve(`uplot/dist/${name}`));
  return { script: at('uPlot.iife.min.js'), style: at('uPlot.min.css') };
}

/** Reads and compresses all files once, before the first request. */
export function loadPageAssets(): Promise<PageAsset[]> {
  const { script, style } = chartLibrary();
  const own = [...COMMON_MODULES, 'cluster.js', 'tables.js', 'live.js', 'page.js', 'page.css', 'icon.svg'];
  return Promise.all([
    load('/', pageFile('index.html')),
    assetOf('/page/figures.js', Buffer.from(FIGURES_MODULE)),
    load('/page/uplot.js', script),
    load('/page/uplot.css', style),
    ...own.map((name) => load(`/page/${name}`, pageFile(name))),
  ]);
}

async function load(path: string, file: URL): Promise<PageAsset> {
  return assetOf(path, await readFile(file));
}

async function assetOf(path: string, body: Buffer): Promise<PageAsset> {
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  const type = TYPES[/\.(\w+)$/.exec(path)?.[1] ?? 'html'] as string;
  return { path, type, body, gzipped: await promisify(gzip)(body, { level: 9 }), etag };
}
