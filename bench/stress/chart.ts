import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { PLAN_SOURCES } from '../../src/shared/decision.ts';
import type { Sample } from './sampler.ts';

/** What the page is drawn from. */
export interface ChartSubject {
  readonly title: string;
  readonly samples: readonly Sample[];
  readonly warmUpSeconds: number;
  /** Shown as a table below the charts. */
  readonly rows: readonly (readonly [name: string, value: string])[];
}

interface Series {
  readonly name: string;
  /** A colour of the page, by number. */
  readonly color: number;
  readonly values: readonly (number | null)[];
  /** Points that are no line: they are rare. */
  readonly isSparse?: boolean;
}

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly kind: 'lines' | 'stacked' | 'logarithmic';
  readonly series: readonly Series[];
}

/** No sample is faster than the finest time there is, which a logarithmic axis can show. */
const LOG_MIN = 0.001;

function panels(samples: readonly Sample[]): Panel[] {
  const of = (key: Exclude<keyof Sample, 'sources'>): (number | null)[] => samples.map((sample) => sample[key]);
  const times = (key: 'p50Ms' | 'p99Ms'): number[] => samples.map((sample) => Math.max(LOG_MIN, sample[key]));
  const used = PLAN_SOURCES.filter((source) => samples.some(({ sources }) => (sources[source] ?? 0) > 0));
  return [
    {
      title: 'Plans settled, by source',
      unit: 'plans/s',
      kind: 'stacked',
      series: used.map((name) => ({
        name,
        color: PLAN_SOURCES.indexOf(name),
        values: samples.map(({ sources }) => sources[name] ?? 0),
      })),
    },
    {
      title: 'Time of a plan',
      unit: 'ms',
      kind: 'logarithmic',
      series: [
        { name: 'p50', color: 0, values: times('p50Ms') },
        { name: 'p99', color: 7, values: times('p99Ms') },
      ],
    },
    {
      title: 'Lateness after the deadline, and delay of the event loop',
      unit: 'ms',
      kind: 'lines',
      series: [
        { name: 'lateness p99', color: 0, values: of('latenessP99Ms') },
        { name: 'lateness max', color: 1, values: of('latenessMaxMs') },
        { name: 'loop delay p99', color: 7, values: of('loopP99Ms') },
        { name: 'loop delay max', color: 2, values: of('loopMaxMs') },
      ],
    },
    {
      title: 'Plans in flight',
      unit: 'plans',
      kind: 'lines',
      series: [{ name: 'in flight', color: 0, values: of('inFlight') }],
    },
    {
      title: 'Memory of the process',
      unit: 'MB',
      kind: 'lines',
      series: [{ name: 'rss, all threads', color: 4, values: of('rssMB') }],
    },
    {
      title: 'Heap of the main thread',
      unit: 'MB',
      kind: 'lines',
      series: [
        { name: 'in use', color: 0, values: of('heapUsedMB') },
        { name: 'after a forced collection', color: 7, values: of('heapLiveMB'), isSparse: true },
      ],
    },
  ];
}

/** The page with its code, its style and its data. It fetches nothing. */
function page({ title, samples, warmUpSeconds, rows }: ChartSubject): string {
  const data = { seconds: samples.map(({ atSeconds }) => atSeconds), warmUpSeconds, panels: panels(samples) };
  const figures = rows.map(([name, value]) => `<tr><th>${escaped(name)}</th><td>${escaped(value)}</td></tr>`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${text('uplot/dist/uPlot.min.css')}</style>
<style>${text('./chart-page.css')}</style>
<h1>${escaped(title)}</h1>
<p>One point a second. The shaded part is the warm-up, which growth leaves out. Drag to look closer, double-click to see
all; a click on a name in a legend hides its line.</p>
<main id="charts"></main>
<h2>Figures</h2>
<table class="figures"><tbody>
${figures.join('\n')}
</tbody></table>
<script type="application/json" id="data">${inScript(JSON.stringify(data))}</script>
<script>${text('uplot/dist/uPlot.iife.min.js')}</script>
<script>${text('./chart-page.js')}</script>
</html>
`;
}

/** Of this folder, or of a package. */
function text(specifier: string): string {
  return readFileSync(new URL(import.meta.resolve(specifier)), 'utf8');
}

function escaped(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

/** A `<` could end the script that holds it. */
function inScript(json: string): string {
  return json.replaceAll('<', '\\u003c');
}

/** Writes one page that opens anywhere. */
export function writeChart(path: string, subject: ChartSubject): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, page(subject));
}
