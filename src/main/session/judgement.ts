import type { Criterion, Relation, Stretch } from './criterion.ts';
import {
  type FigureTree,
  type FigureValue,
  figureAt,
  figuresBetween,
  hasFigure,
  isShare,
  isTime,
  nearestFigures,
  shareAt,
} from './figures.ts';
import type { SessionReport } from './report.ts';
import { WARM_UP_PLANS } from './session.ts';

export interface CriterionResult {
  readonly criterion: string;
  readonly met: boolean;
  /** The figure, or its share if the bound is a share; null if it has no value. */
  readonly value: number | null;
  /** Why there is no value. Such a criterion is not met. */
  readonly why?: string;
}

/** How a session compared with its expectations. */
export interface Judgement {
  readonly met: boolean;
  /** Plans of the first lap, which alone counts. */
  readonly plans: number;
  readonly criteria: readonly CriterionResult[];
}

/** The reports that criteria are checked against. */
interface JudgedReports {
  /** The report after the plans of the warm-up; undefined if there were fewer. */
  readonly warmUp: SessionReport | undefined;
  readonly lap: SessionReport;
}

/** What is wrong with a criterion; undefined if nothing is. `report` is of the same planner, before its first plan. */
export function faultOf(criterion: Criterion, report: SessionReport): string | undefined {
  const { text, stretch, figure, unit } = criterion;
  const tree = stretch === 'afterWarmUp' ? figuresBetween(report, report) : report;
  const where = stretch === 'afterWarmUp' ? 'a figure that is counted after the warm-up' : 'a figure of the report';
  if (!hasFigure(tree, figure)) {
    const nearest = nearestFigures(tree, figure);
    const hint = nearest.length === 0 ? 'session --json has them' : `nearest: ${nearest.join(', ')}`;
    return `${figure} must be ${where} (${hint}), got "${text}"`;
  }
  if (unit === '%' && !isShare(figure))
    return `${figure} must be a share, or a count of plans or calls, for %, got "${text}"`;
  if ((unit === 's' || unit === 'ms') && !isTime(figure)) return `${figure} must be a time for ${unit}, got "${text}"`;
  return undefined;
}

export function judge(criteria: readonly Criterion[], reports: JudgedReports): Judgement {
  const verdicts = criteria.map((criterion) => verdictOn(criterion, reports));
  return { met: verdicts.every(({ met }) => met), plans: reports.lap.plans, criteria: verdicts };
}

function verdictOn(criterion: Criterion, reports: JudgedReports): CriterionResult {
  const { text, relation } = criterion;
  const value = foundIn(criterion, reports);
  if (typeof value !== 'number') return { criterion: text, met: false, value: null, why: value.why };
  return { criterion: text, met: holds(value, relation, boundOf(criterion)), value };
}

function foundIn({ stretch, figure, unit }: Criterion, reports: JudgedReports): FigureValue {
  const tree = stretchOf(stretch, reports);
  if (tree === undefined) return { why: tooFew(reports.lap.plans, stretch) };
  const value = unit === '%' ? shareAt(tree, figure) : figureAt(tree, figure);
  return value ?? { why: 'not in the report' };
}

/** The figures of a part of the session; undefined if it has too few plans for it. */
function stretchOf(stretch: Stretch, { warmUp, lap }: JudgedReports): FigureTree | undefined {
  if (stretch === 'lap') return lap;
  if (warmUp === undefined) return undefined;
  if (stretch === 'warmUp') return warmUp;
  return lap.plans > warmUp.plans ? figuresBetween(warmUp, lap) : undefined;
}

function tooFew(plans: number, stretch: Stretch): string {
  const needed = stretch === 'afterWarmUp' ? `more than ${WARM_UP_PLANS}` : `${WARM_UP_PLANS}`;
  return `too few plans: ${plans}, and it takes ${needed}`;
}

function boundOf({ bound, unit }: Criterion): number {
  if (unit === '%') return bound / 100;
  return unit === 's' ? bound * 1_000 : bound;
}

function holds(value: number, relation: Relation, bound: number): boolean {
  switch (relation) {
    case '<':
      return value < bound;
    case '<=':
      return value <= bound;
    case '>':
      return value > bound;
    case '>=':
      return value >= bound;
    case '=':
      return value === bound;
    default:
      return relation satisfies never;
  }
}
