import { PLAN_SOURCES } from '../../../../shared/decision.ts';
import { WHY_CODE_LIST } from '../../../plans/ladder/why.ts';
import { counter, gauge, type HistogramMetric, histogram, type Metric } from './metric.ts';

/** Plans: how many, how they ended, how long they took. */
export const PLAN_METRICS: readonly (Metric | HistogramMetric)[] = [
  counter('conclave_plans_total', 'Plans answered, by where the answer came from.', ({ stats }) =>
    PLAN_SOURCES.map((source) => ({ labels: { source }, value: stats.sources[source] })),
  ),
  counter('conclave_plans_undecided_total', 'Plans that no model decided, by why.', ({ stats }) =>
    WHY_CODE_LIST.map((why) => ({ labels: { why }, value: stats.why[why] })),
  ),
  histogram(
    'conclave_plan_duration_seconds',
    'From the request to its plan, by where the answer came from.',
    ({ distributions }) => PLAN_SOURCES.map((source) => ({ labels: { source }, buckets: distributions.plans[source] })),
  ),
  gauge('conclave_plans_in_flight', 'Plans that are waited for now.', ({ stats }) => stats.plans.inFlight),
  counter(
    'conclave_plans_coalesced_total',
    'Plans that shared the model work of another one.',
    ({ stats }) => stats.plans.coalesced,
  ),
  counter(
    'conclave_plans_superseded_total',
    'Plans answered from what was in hand because their agent asked for a newer one.',
    ({ stats }) => stats.plans.superseded,
  ),
  counter('conclave_plans_cancelled_total', 'Plans ended by who asked.', ({ stats }) => stats.plans.cancelled),
  counter(
    'conclave_plans_refused_total',
    'Plans refused at the bound of plans in flight.',
    ({ stats }) => stats.plans.refused,
  ),
  counter(
    'conclave_plans_invalid_total',
    'Plans refused because the request broke a rule.',
    ({ stats }) => stats.plans.invalid,
  ),
  counter(
    'conclave_fallbacks_total',
    'Times that the first synthesis model gave no decision, so that a lower rung had to.',
    ({ stats }) => stats.fallbacks,
  ),
];
