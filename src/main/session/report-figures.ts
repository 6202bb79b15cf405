import type { PlanSource } from '../../shared/decision.ts';
import type { Phase } from '../models/time/latency-profile.ts';
import { type Figure, type FigurePath, type FigureRow, figuresOf } from '../plans/figures/figure.ts';
import { PLAN_FIGURES, type PlanFigurePath } from '../plans/figures/plan-figures.ts';
import type { WhyCode } from '../plans/ladder/why.ts';
import type { SessionReport } from './report.ts';

/** Parts of a report that are not figures: charts, and descriptions of the run. */
export const NOT_FIGURES = ['series', 'trace', 'server', 'expect', 'error', 'interrupted', 'domains'] as const;

type ReportFigurePath = FigurePath<Omit<SessionReport, (typeof NOT_FIGURES)[number]>, PlanSource | WhyCode | Phase>;

/** Figures of the planner whose place in a report differs from `stats()`. */
export const MOVED = {
  hitRate: 'cache.hitRate',
  llmSuccess: 'calls.successRate',
  timeouts: 'calls.timeouts',
  coalesced: 'plans.coalesced',
  superseded: 'plans.superseded',
} as const satisfies Partial<Record<ReportFigurePath, PlanFigurePath>>;

/** Figures of a session, which the planner does not know: the rest of the table of figures. */
// biome-ignore format: a figure is one line.
const ROWS = {
  plans: ['Plans', 'count', 'none', 'Plans of the session.'],
  plansPerSecond: ['Plans per second', 'rate', 'high', 'Plans of the session by its length.'],
  legal: ['Legal', 'count', 'high', 'Plans whose action was one of those offered.', { of: 'plans' }],
  onTime: ['On time', 'count', 'high', 'Plans that settled by their deadline.', { of: 'plans' }],
  'agreement.compared': ['Compared with the record', 'count', 'none', 'Plans for records that tell what the agent really did.'],
  'agreement.agreed': ['Agreed with the record', 'count', 'high', 'Plans that chose the recorded action.', { of: 'comparedPlans' }],
  'agreement.rate': ['As recorded', 'share', 'high', 'Plans that chose the recorded action, of those compared.', { of: 'comparedPlans', part: 'agreement.agreed' }],
  'tokensPerPlan.prompt': ['Tokens read a plan', 'rate', 'low', 'Tokens of prompts, of all calls, by plan.'],
  'tokensPerPlan.completion': ['Tokens written a plan', 'rate', 'low', 'Tokens of answers, of all calls, by plan.'],
  'tokensPerPlan.cached': ['Tokens cached a plan', 'rate', 'high', 'Tokens of prompts that the server had read before, by plan.'],
  'tokensPerPlan.estimated': ['Tokens estimated', 'share', 'none', 'Tokens of all read and written that no server told.'],
  agents: ['Agents', 'count', 'none', 'Agents that planned.'],
  laps: ['Laps', 'count', 'none', 'How often the trace was begun.'],
  cancelled: ['Cancelled', 'count', 'none', 'Requests that the interrupt ended while they ran.'],
  seconds: ['Length', 's', 'none', 'Length of the session.'],
} as const satisfies Record<Exclude<ReportFigurePath, PlanFigurePath | keyof typeof MOVED>, FigureRow>;

/** Figures that a report has in addition to those of the planner. */
export const SESSION_FIGURES: readonly Figure[] = figuresOf(ROWS);

function movedFigures(): Figure[] {
  return Object.entries(MOVED).map(([path, from]) => {
    return { ...(PLAN_FIGURES.find((figure) => figure.path === from) as Figure), path };
  });
}

export const REPORT_FIGURES: readonly Figure[] = [...SESSION_FIGURES, ...movedFigures(), ...PLAN_FIGURES];

const PATTERNS = REPORT_FIGURES.map((figure) => {
  const path = figure.path.replaceAll('.', '\\.').replaceAll('*', '[^.]+');
  return { figure, pattern: new RegExp(`^${path}(?:\\.(?:count|mean|p50|p95|p99|max))?$`) };
});

/** The figure at a path of a report, in which `*` stands for a name or an index. */
export function figureOf(path: string): Figure | undefined {
  return PATTERNS.find(({ pattern }) => pattern.test(path))?.figure;
}
