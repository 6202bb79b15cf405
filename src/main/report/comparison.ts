import { wilson } from '../measure/wilson.ts';
import type { Better, ComparedRow } from '../page/report-page.ts';
import { distributionName, type Figure } from '../plans/figures/figure.ts';
import { countAt, figureAt, wholeOf } from '../session/figures.ts';
import type { SessionReport } from '../session/report.ts';
import { figureOf } from '../session/report-figures.ts';

export interface Comparison {
  readonly rows: readonly ComparedRow[];
  /** Why the two may not be comparable. */
  readonly warnings: readonly string[];
}

/** Durations and rates that differ by less than this share of the larger one count as the same. */
const SAME_SHARE = 0.05;

/** A figure of one report: its value and, for a share, how many it is a share of. */
interface Found {
  readonly value: number | null;
  readonly of?: number;
}

interface Compared extends Pick<ComparedRow, 'key' | 'name' | 'unit'> {
  readonly best: Figure['best'];
  readonly find: (report: SessionReport) => Found;
}

const MODEL_DECIDED = ['cache', 'similar', 'habit', 'quorum', 'synthesis', 'fallback', 'vote'] as const;

function part(of: number, whole: number): Found {
  return { value: whole === 0 ? null : of / whole, of: whole };
}

function falseHits({ cache: { falseHits } }: SessionReport): Found {
  if (falseHits === null) return { value: null };
  const { exact, similar, habit } = falseHits;
  const sum = (of: 'wrong' | 'checked'): number => exact[of] + similar[of] + habit[of];
  return part(sum('wrong'), sum('checked'));
}

/** The mean over the models that are read, each by its number of comparisons. */
function calibrationError({ reads }: SessionReport): Found {
  const known = (reads?.calibration ?? []).filter(({ error }) => typeof error === 'number');
  const compared = known.reduce((sum, each) => sum + each.compared, 0);
  const errors = known.reduce((sum, each) => sum + each.compared * (each.error as number), 0);
  return { value: compared === 0 ? null : errors / compared };
}

/** A row for the figure at `path` of a report, from the table of figures. */
function figure(path: string, key = path): Compared {
  const { name, unit, best, of, part: counted = path } = figureOf(path) as Figure;
  const last = path.slice(path.lastIndexOf('.') + 1);
  if (of !== undefined) {
    const find = (report: SessionReport) => part(countAt(report, counted), wholeOf(report, of));
    return { key, name, unit: 'share', best, find };
  }
  const find = (report: SessionReport) => ({ value: numberAt(report, path) });
  if (unit === 'times') return { key, name: distributionName(name, last), unit: 'ms', best, find };
  return { key, name, unit: unit === 'rate' ? unit : 'count', best, find };
}

function numberAt(report: SessionReport, path: string): number | null {
  const value = figureAt(report, path);
  return typeof value === 'number' ? value : null;
}

/** The compared figures: those of the report, and values computed from several. */
const COMPARED: readonly Compared[] = [
  ...['plans', 'plansPerSecond', 'legal', 'onTime'].map((path) => figure(path)),
  {
    key: 'modelDecided',
    name: 'Decided by models',
    unit: 'share',
    best: 'high',
    find: ({ sources, plans }) =>
      part(
        MODEL_DECIDED.reduce((sum, source) => sum + sources[source], 0),
        plans,
      ),
  },
  figure('agreement.rate', 'agreement'),
  ...['mean', 'p50', 'p95', 'p99', 'max'].map((key) => figure(`planningMs.${key}`)),
  figure('hitRate'),
  { key: 'falseHits', name: 'False hits', unit: 'share', best: 'low', find: falseHits },
  ...['llmSuccess', 'timeouts', 'fallbacks'].map((path) => figure(path)),
  {
    key: 'callsPerPlan',
    name: 'Calls a plan',
    unit: 'rate',
    best: 'low',
    find: ({ calls, plans }) => ({ value: plans === 0 ? null : calls.made / plans }),
  },
  ...['tokensPerPlan.prompt', 'tokensPerPlan.completion'].map((path) => figure(path)),
];

/** Compared too if a model was read in either session. */
const COMPARED_READS: readonly Compared[] = [
  figure('reads.decided'),
  {
    key: 'calibrationError',
    name: 'Calibration error of reads',
    unit: 'share',
    best: 'low',
    find: calibrationError,
  },
];

/**
 * Compares two sessions, figure by figure. A share is better if the 95 % intervals of the two do not overlap; a time or rate if it differs by more
 * than 5 %. The spread of the latter is unknown: two identical runs may differ by more.
 */
export function compareReports(a: SessionReport, b: SessionReport): Comparison {
  const reads = [a, b].some((report) => (report.reads?.asked ?? 0) > 0) ? COMPARED_READS : [];
  const rows = [...COMPARED, ...reads].map(({ key, name, unit, best, find }): ComparedRow => {
    const [inA, inB] = [find(a), find(b)];
    return { key, name, unit, a: inA.value, b: inB.value, better: betterOf(inA, inB, best) };
  });
  return { rows, warnings: warningsOf(a, b) };
}

function betterOf(a: Found, b: Found, best: Compared['best']): Better {
  if (best === 'none' || a.value === null || b.value === null) return null;
  if (isSame(a, b)) return 'same';
  return a.value > b.value === (best === 'high') ? 'a' : 'b';
}

function isSame(a: Found, b: Found): boolean {
  const [valueA, valueB] = [a.value ?? 0, b.value ?? 0];
  if (valueA === valueB) return true;
  if (a.of === undefined || b.of === undefined) {
    return Math.abs(valueA - valueB) <= SAME_SHARE * Math.max(valueA, valueB);
  }
  const [rangeA, rangeB] = [rangeOf(valueA, a.of), rangeOf(valueB, b.of)];
  return rangeA.low <= rangeB.high && rangeB.low <= rangeA.high;
}

/** Never more than one in one: a background flight has a fallback, but no plan. */
function rangeOf(share: number, of: number): { readonly low: number; readonly high: number } {
  return wilson(Math.min(of, Math.round(share * of)), of);
}

function warningsOf(a: SessionReport, b: SessionReport): string[] {
  const warnings: string[] = [];
  if (a.trace.name !== b.trace.name) warnings.push(`the traces differ: ${a.trace.name} and ${b.trace.name}`);
  if (a.plans !== b.plans) warnings.push(`they planned different numbers of requests: ${a.plans} and ${b.plans}`);
  const [serverA, serverB] = [serverText(a), serverText(b)];
  if (serverA !== serverB) warnings.push(`the servers differ: ${serverA} and ${serverB}`);
  const [modelsA, modelsB] = [modelsText(a), modelsText(b)];
  if (modelsA !== modelsB) warnings.push(`the models differ: ${modelsA} and ${modelsB}`);
  for (const [name, { interrupted, error }] of [['a', a] as const, ['b', b] as const]) {
    if (interrupted) warnings.push(`${name} was interrupted`);
    else if (error !== undefined) warnings.push(`${name} ended with an error (${error.code})`);
  }
  return warnings;
}

/** The port of a simulated server differs at each run. */
function serverText({ server }: SessionReport): string {
  if (server.kind === 'simulated') return `simulated at ${server.speed} times real time`;
  return [...server.baseURLs].sort().join(', ');
}

function modelsText({ models }: SessionReport): string {
  return [...new Set(models.map(({ model }) => model))].sort().join(', ') || 'none';
}
