import { share } from '../measure/shares.ts';
import { nearestModels } from '../models/names/nearest-models.ts';
import { valuesAt, type Whole } from '../plans/figures/figure.ts';
import type { SessionReport } from './report.ts';
import { figureOf, NOT_FIGURES, REPORT_FIGURES } from './report-figures.ts';

/** The JSON of a report, or a part of it. */
export type FigureTree = object;

/** The value of a figure, or why it has none now. */
export type FigureValue = number | { readonly why: string };

const NO_PLANS = 'no plan was made';
const UNKNOWN = 'there is nothing to tell it from';

/** The value of the report's figure at `path`; `undefined` if the report has no such figure. */
export function figureAt(report: FigureTree, path: string): FigureValue | undefined {
  if (countAt(report, 'plans') === 0 && path !== 'plans') return { why: NO_PLANS };
  const value = valueAt(report, path);
  if (value === null) return { why: UNKNOWN };
  if (typeof value !== 'number') return undefined;
  const { unit, of } = figureOf(path) ?? {};
  return unit === 'share' && of !== undefined && wholeOf(report, of) === 0 ? { why: WHOLES[of].why } : value;
}

/** The figure as a share of its whole; `undefined` if it is neither a count of a known whole nor a share itself. */
export function shareAt(report: FigureTree, path: string): FigureValue | undefined {
  const { unit, of } = figureOf(path) ?? {};
  const value = unit === 'share' || of !== undefined ? figureAt(report, path) : undefined;
  if (unit === 'share' || of === undefined || typeof value !== 'number') return value;
  const whole = wholeOf(report, of);
  return whole === 0 ? { why: WHOLES[of].why } : value / whole;
}

export function isShare(path: string): boolean {
  const { unit, of } = figureOf(path) ?? {};
  return unit === 'share' || of !== undefined;
}

/** True if the figure is a time in milliseconds. */
export function isTime(path: string): boolean {
  const { unit } = figureOf(path) ?? {};
  return unit === 'ms' || unit === 'times';
}

/** True if the report has, or may later have, a figure at `path`. `report` may be from before the first plan. */
export function hasFigure(report: FigureTree, path: string): boolean {
  let at: unknown = report;
  const names = path.split('.');
  for (const [index, name] of names.entries()) {
    if (index === 0 && isNoFigure(name)) return false;
    // Later parts are not known yet: lists grow, and null values have no parts.
    if (at === null) return true;
    if (Array.isArray(at)) return /^\d+$/.test(name);
    at = memberOf(at, name, names[index - 1]);
  }
  return at === null || typeof at === 'number';
}

/** The names that a misspelt figure may stand for, best first. */
export function nearestFigures(report: FigureTree, path: string): string[] {
  const names = [...figureNames(report)];
  const last = lastName(path);
  const alike = names.filter((name) => lastName(name) === last);
  return [...new Set([...alike, ...nearestModels(path, names)])].slice(0, 3);
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1).toLowerCase();
}

function isNoFigure(name: string): boolean {
  return (NOT_FIGURES as readonly string[]).includes(name);
}

function* figureNames(tree: FigureTree, prefix = ''): Generator<string> {
  for (const [name, value] of Object.entries(tree)) {
    if (prefix === '' && isNoFigure(name)) continue;
    if (typeof value === 'number' || value === null) yield prefix + name;
    else if (typeof value === 'object') yield* figureNames(value as FigureTree, `${prefix}${name}.`);
  }
}

function valueAt(report: FigureTree, path: string): unknown {
  let at: unknown = report;
  const names = path.split('.');
  for (const [index, name] of names.entries()) {
    if (at === null) return null;
    // A list with fewer items.
    if (Array.isArray(at) && at[Number(name)] === undefined) return null;
    at = memberOf(at, name, names[index - 1]);
  }
  return at;
}

/** Codes appear in the counts with their first call. */
function memberOf(at: unknown, name: string, parent: string | undefined): unknown {
  if (at === undefined || at === null || typeof at !== 'object' || !Object.hasOwn(at, name)) {
    return parent === 'byCode' && /^(?:OK|ERR_[A-Z_]+)$/.test(name) ? 0 : undefined;
  }
  return Reflect.get(at, name);
}

/** The count at `path`; 0 if there is none. */
export function countAt(report: FigureTree, path: string): number {
  const value = valueAt(report, path);
  return typeof value === 'number' ? value : 0;
}

/** The counts that make up each whole, and why a share of it has no value if it is 0. */
const WHOLES: Readonly<Record<Whole, { readonly sum: readonly string[]; readonly why: string }>> = {
  plans: { sum: ['plans'], why: NO_PLANS },
  calls: { sum: ['calls.made'], why: 'no call was made' },
  wantedCalls: { sum: ['calls.useful', 'calls.timeouts', 'calls.failed'], why: 'no call was needed to its end' },
  lookups: { sum: ['cache.hits', 'cache.misses'], why: 'the cache was not asked' },
  comparedPlans: { sum: ['agreement.compared'], why: 'nothing was compared' },
};

/** The size of the whole that a figure is counted of. */
export function wholeOf(report: FigureTree, of: Whole): number {
  return WHOLES[of].sum.reduce((sum, path) => sum + countAt(report, path), 0);
}

/** The figures of the period between two reports of one session: its counts, and their shares and means. */
export function figuresBetween(before: SessionReport, after: SessionReport): FigureTree {
  const between: Record<string, unknown> = {};
  for (const path of countedPaths(after)) put(between, path, countAt(after, path) - countAt(before, path));
  for (const { path, of, part } of REPORT_FIGURES) {
    if (of === undefined || part === undefined || typeof valueAt(after, path) !== 'number') continue;
    put(between, path, share(countAt(between, part), wholeOf(between, of)));
  }
  for (const key of ['planningMs', 'latenessMs'] as const) put(between, `${key}.mean`, meanBetween(before, after, key));
  return between;
}

/** Wholes and counts of wholes: they only grow. */
function countedPaths(report: SessionReport): string[] {
  const counted = REPORT_FIGURES.filter(({ unit, of }) => unit === 'count' && of !== undefined);
  const paths = counted.flatMap(({ path }) =>
    valuesAt(report, path).map(({ at: [each] }) => path.replace('*', each?.name ?? '')),
  );
  const wholes = Object.values(WHOLES).flatMap(({ sum }) => sum);
  return [...wholes, ...paths].filter((path) => typeof valueAt(report, path) === 'number');
}

function put(tree: Record<string, unknown>, path: string, value: number): void {
  const names = path.split('.');
  const last = names.pop() as string;
  let at = tree;
  for (const name of names) {
    at[name] ??= {};
    at = at[name] as Record<string, unknown>;
  }
  at[last] = value;
}

function meanBetween(before: SessionReport, after: SessionReport, key: 'planningMs' | 'latenessMs'): number {
  const sum = after[key].mean * after.plans - before[key].mean * before.plans;
  return Math.max(0, share(sum, after.plans - before.plans));
}
