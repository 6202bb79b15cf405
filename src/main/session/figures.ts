import { share } from '../measure/shares.ts';
import { nearestModels } from '../models/names/nearest-models.ts';
import type { SessionReport } from './report.ts';

/** The JSON of a report, or a part of it. */
export type FigureTree = Readonly<Record<string, unknown>>;

/** What a figure is, or why it is nothing now. */
export type FigureValue = number | { readonly why: string };

const NO_PLANS = 'no plan was made';
const UNKNOWN = 'there is nothing to tell it from';

/** The value of the report's figure at `path`, `undefined` where the report has no such figure. */
export function figureAt(report: FigureTree, path: string): FigureValue | undefined {
  if (count(report, 'plans') === 0 && path !== 'plans') return { why: NO_PLANS };
  const value = valueAt(report, path);
  if (value === null) return { why: UNKNOWN };
  if (typeof value !== 'number') return undefined;
  const basis = BASES.find(({ of }) => of.test(path));
  return basis !== undefined && basis.count(report) === 0 ? { why: basis.why } : value;
}

/** The figure as a share of what it is counted of, `undefined` where it is no count of a known whole and no share itself. */
export function shareAt(report: FigureTree, path: string): FigureValue | undefined {
  if (SHARES.test(path)) return figureAt(report, path);
  const whole = WHOLES.find(({ of }) => of.test(path));
  const part = whole && figureAt(report, path);
  if (whole === undefined || typeof part !== 'number') return part;
  const count = whole.count(report);
  return count === 0 ? { why: whole.why } : part / count;
}

export function isShare(path: string): boolean {
  return SHARES.test(path) || WHOLES.some(({ of }) => of.test(path));
}

/** Whether the figure is a time in milliseconds. */
export function isTime(path: string): boolean {
  return path.split('.').some((name) => name.endsWith('Ms'));
}

/** Whether the report has, or may come to have, a figure at `path`. `report` may be of before the first plan. */
export function hasFigure(report: FigureTree, path: string): boolean {
  let at: unknown = report;
  const names = path.split('.');
  for (const [index, name] of names.entries()) {
    if (index === 0 && NOT_FIGURES.has(name)) return false;
    // What comes later is only known then: lists grow, and what is null has no parts yet.
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

/** Charts, and what names the run. */
const NOT_FIGURES: ReadonlySet<string> = new Set(['series', 'trace', 'server', 'expect']);

function* figureNames(tree: FigureTree, prefix = ''): Generator<string> {
  for (const [name, value] of Object.entries(tree)) {
    if (prefix === '' && NOT_FIGURES.has(name)) continue;
    if (typeof value === 'number' || value === null) yield prefix + name;
    else if (typeof value === 'object') yield* figureNames(value as FigureTree, `${prefix}${name}.`);
  }
}

function valueAt(report: FigureTree, path: string): unknown {
  let at: unknown = report;
  const names = path.split('.');
  for (const [index, name] of names.entries()) {
    if (at === null) return null;
    // A list that stayed shorter.
    if (Array.isArray(at) && at[Number(name)] === undefined) return null;
    at = memberOf(at, name, names[index - 1]);
  }
  return at;
}

/** Codes are counted from their first call on. */
function memberOf(at: unknown, name: string, parent: string | undefined): unknown {
  if (at === undefined || at === null || typeof at !== 'object' || !Object.hasOwn(at, name)) {
    return parent === 'byCode' && /^(?:OK|ERR_[A-Z_]+)$/.test(name) ? 0 : undefined;
  }
  return (at as FigureTree)[name];
}

function count(report: FigureTree, path: string): number {
  const value = valueAt(report, path);
  return typeof value === 'number' ? value : 0;
}

interface Basis {
  readonly of: RegExp;
  readonly count: (report: FigureTree) => number;
  /** Why there is no value, where the count is 0. */
  readonly why: string;
}

const lookups = (report: FigureTree): number => count(report, 'cache.hits') + count(report, 'cache.misses');
const wanted = (report: FigureTree): number =>
  count(report, 'calls.useful') + count(report, 'calls.timeouts') + count(report, 'calls.failed');
const made = (report: FigureTree): number => count(report, 'calls.made');

/** Figures that are 0 in the report where nothing was counted. */
const BASES: readonly Basis[] = [
  { of: /^hitRate$/, count: lookups, why: 'the cache was not asked' },
  { of: /^llmSuccess$/, count: wanted, why: 'no call was needed to its end' },
  { of: /^agreement\.rate$/, count: (report) => count(report, 'agreement.compared'), why: 'nothing was compared' },
];

const WHOLES: readonly Basis[] = [
  {
    of: /^(?:legal|onTime|fallbacks|coalesced|superseded|sources\.\w+|why\.[\w-]+)$/,
    count: (report) => count(report, 'plans'),
    why: NO_PLANS,
  },
  { of: /^(?:timeouts|calls\.\w+|calls\.byCode\.\w+)$/, count: made, why: 'no call was made' },
  { of: /^cache\.(?:hits|misses|similarHits)$/, count: lookups, why: 'the cache was not asked' },
];

const SHARES =
  /^(?:hitRate|llmSuccess|agreement\.rate|tokensPerPlan\.estimated|models\.\d+\.successRate|cache\.falseHits\.\w+\.(?:rate|low|high)|cache\.budget\.(?:budget|risk|riskHigh))$/;

type Counts = Readonly<Record<string, unknown>>;

function difference(before: Counts, after: Counts): Record<string, number> {
  const counted = Object.entries(after).filter(([, value]) => typeof value === 'number') as [string, number][];
  return Object.fromEntries(counted.map(([name, value]) => [name, value - Number(before[name] ?? 0)]));
}

/** What came between two reports of one session: what can be counted there, and the shares and means of that. */
export function figuresBetween(before: SessionReport, after: SessionReport): FigureTree {
  const totals = ({ plans, legal, onTime, timeouts, fallbacks, coalesced, superseded }: SessionReport) => {
    return { plans, legal, onTime, timeouts, fallbacks, coalesced, superseded };
  };
  const { hits, misses, similarHits } = after.cache;
  const cache = difference({ ...before.cache }, { hits, misses, similarHits }) as Record<'hits' | 'misses', number>;
  const calls = difference({ ...before.calls }, { ...after.calls }) as Record<'useful' | 'timeouts' | 'failed', number>;
  const agreement = difference({ ...before.agreement }, { ...after.agreement }) as Record<
    'compared' | 'agreed',
    number
  >;
  return {
    ...difference(totals(before), totals(after)),
    hitRate: share(cache.hits, cache.hits + cache.misses),
    llmSuccess: share(calls.useful, calls.useful + calls.timeouts + calls.failed),
    sources: difference(before.sources, after.sources),
    why: difference(before.why, after.why),
    planningMs: { mean: meanBetween(before, after, 'planningMs') },
    latenessMs: { mean: meanBetween(before, after, 'latenessMs') },
    cache,
    calls: { ...calls, byCode: difference(before.calls.byCode, after.calls.byCode) },
    agreement: { ...agreement, rate: share(agreement.agreed, agreement.compared) },
  };
}

function meanBetween(before: SessionReport, after: SessionReport, key: 'planningMs' | 'latenessMs'): number {
  const sum = after[key].mean * after.plans - before[key].mean * before.plans;
  return Math.max(0, share(sum, after.plans - before.plans));
}
