import { wilson } from '../measure/wilson.ts';
import type { Better, ComparedRow } from '../page/report-page.ts';
import type { SessionReport } from '../session/report.ts';

export interface Comparison {
  readonly rows: readonly ComparedRow[];
  /** Why the two may not be of the same thing. */
  readonly warnings: readonly string[];
}

/** Durations and rates that differ by less than this share of the larger one are the same. */
const SAME_SHARE = 0.05;

interface Figure {
  readonly value: number | null;
  /** Of a share: what it is counted of. */
  readonly of?: number;
}

interface Metric {
  readonly key: string;
  readonly name: string;
  readonly unit: ComparedRow['unit'];
  readonly best: 'high' | 'low' | 'none';
  readonly of: (report: SessionReport) => Figure;
}

const MODEL_DECIDED = ['cache', 'similar', 'quorum', 'synthesis', 'fallback', 'vote'] as const;

function part(of: number, whole: number): Figure {
  return { value: whole === 0 ? null : of / whole, of: whole };
}

/** A value, where there were plans to have it of. */
function ofPlans({ plans }: SessionReport, value: number): Figure {
  return { value: plans === 0 ? null : value };
}

function falseHits({ cache: { falseHits } }: SessionReport): Figure {
  if (falseHits === null) return { value: null };
  const { exact, similar } = falseHits;
  return part(exact.wrong + similar.wrong, exact.checked + similar.checked);
}

const time = (key: 'mean' | 'p50' | 'p95' | 'p99' | 'max', name: string): Metric => ({
  key: `planningMs.${key}`,
  name,
  unit: 'ms',
  best: 'low',
  of: (report) => ofPlans(report, report.planningMs[key]),
});

const METRICS: readonly Metric[] = [
  { key: 'plans', name: 'Plans', unit: 'count', best: 'none', of: ({ plans }) => ({ value: plans }) },
  {
    key: 'plansPerSecond',
    name: 'Plans per second',
    unit: 'rate',
    best: 'high',
    of: (report) => ofPlans(report, report.plansPerSecond),
  },
  { key: 'legal', name: 'Legal', unit: 'share', best: 'high', of: ({ legal, plans }) => part(legal, plans) },
  { key: 'onTime', name: 'On time', unit: 'share', best: 'high', of: ({ onTime, plans }) => part(onTime, plans) },
  {
    key: 'modelDecided',
    name: 'Decided by models',
    unit: 'share',
    best: 'high',
    of: ({ sources, plans }) =>
      part(
        MODEL_DECIDED.reduce((sum, source) => sum + sources[source], 0),
        plans,
      ),
  },
  {
    key: 'agreement',
    name: 'As recorded',
    unit: 'share',
    best: 'high',
    of: ({ agreement: { agreed, compared } }) => part(agreed, compared),
  },
  time('mean', 'Planning time, mean'),
  time('p50', 'Planning time, p50'),
  time('p95', 'Planning time, p95'),
  time('p99', 'Planning time, p99'),
  time('max', 'Planning time, longest'),
  {
    key: 'hitRate',
    name: 'Hit rate',
    unit: 'share',
    best: 'high',
    of: ({ cache: { hits, misses } }) => part(hits, hits + misses),
  },
  { key: 'falseHits', name: 'False hits', unit: 'share', best: 'low', of: falseHits },
  {
    key: 'llmSuccess',
    name: 'LLM success rate',
    unit: 'share',
    best: 'high',
    of: ({ calls: { useful, timeouts, failed } }) => part(useful, useful + timeouts + failed),
  },
  {
    key: 'timeouts',
    name: 'Calls out of time',
    unit: 'share',
    best: 'low',
    of: ({ calls: { timeouts, made } }) => part(timeouts, made),
  },
  {
    key: 'fallbacks',
    name: 'Fallbacks',
    unit: 'share',
    best: 'low',
    of: ({ fallbacks, plans }) => part(fallbacks, plans),
  },
  {
    key: 'callsPerPlan',
    name: 'Calls a plan',
    unit: 'rate',
    best: 'low',
    of: (report) => ofPlans(report, report.calls.made / report.plans),
  },
  {
    key: 'tokensPerPlan.prompt',
    name: 'Tokens read a plan',
    unit: 'rate',
    best: 'low',
    of: (report) => ofPlans(report, report.tokensPerPlan.prompt),
  },
  {
    key: 'tokensPerPlan.completion',
    name: 'Tokens written a plan',
    unit: 'rate',
    best: 'low',
    of: (report) => ofPlans(report, report.tokensPerPlan.completion),
  },
];

/**
 * Two sessions, figure by figure. A share is better where the 95 % intervals of the two do not meet; a time or a rate where it
 * differs by more than 5 %, for its spread is not known: two runs of the same may differ by more.
 */
export function compareReports(a: SessionReport, b: SessionReport): Comparison {
  const rows = METRICS.map(({ key, name, unit, best, of }): ComparedRow => {
    const [ofA, ofB] = [of(a), of(b)];
    return { key, name, unit, a: ofA.value, b: ofB.value, better: betterOf(ofA, ofB, best) };
  });
  return { rows, warnings: warningsOf(a, b) };
}

function betterOf(a: Figure, b: Figure, best: Metric['best']): Better {
  if (best === 'none' || a.value === null || b.value === null) return null;
  if (isSame(a, b)) return 'same';
  return a.value > b.value === (best === 'high') ? 'a' : 'b';
}

function isSame(a: Figure, b: Figure): boolean {
  const [valueA, valueB] = [a.value ?? 0, b.value ?? 0];
  if (valueA === valueB) return true;
  if (a.of === undefined || b.of === undefined) {
    return Math.abs(valueA - valueB) <= SAME_SHARE * Math.max(valueA, valueB);
  }
  const [rangeA, rangeB] = [rangeOf(valueA, a.of), rangeOf(valueB, b.of)];
  return rangeA.low <= rangeB.high && rangeB.low <= rangeA.high;
}

/** Never over one in one: of a background flight there is a fallback, but no plan. */
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

/** The port of a simulated server is another one at each run. */
function serverText({ server }: SessionReport): string {
  if (server.kind === 'simulated') return `simulated at ${server.speed} times real time`;
  return [...server.baseURLs].sort().join(', ');
}

function modelsText({ models }: SessionReport): string {
  return [...new Set(models.map(({ model }) => model))].sort().join(', ') || 'none';
}
