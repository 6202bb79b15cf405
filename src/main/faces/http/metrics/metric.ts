import type { ChatPlannerStats } from '../../../chat/chat-planner.ts';
import type { Buckets } from '../../../measure/bucket-counts.ts';
import type { Distributions } from '../../../plans/distributions.ts';
import type { DomainStats } from '../../../plans/domain-core.ts';
import type { ProcessUse } from './process-use.ts';

/** The data of one scrape, taken at one moment. */
export interface MetricsSnapshot {
  readonly stats: ChatPlannerStats;
  readonly distributions: Distributions;
  /** The same by domain, if there are several. */
  readonly domains?: Readonly<Record<string, { readonly stats: DomainStats; readonly distributions: Distributions }>>;
  readonly process: ProcessUse;
  /** True if a new plan would be accepted. */
  readonly isOpen: boolean;
  readonly version: string;
}

export type Labels = Readonly<Record<string, string>>;

export interface MetricSample {
  readonly labels?: Labels;
  readonly value: number;
}

/** One metric of the exposition: its name, and its value in a snapshot. Left out if it has no samples. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly read: (snapshot: MetricsSnapshot) => readonly MetricSample[] | number | undefined;
}

export interface HistogramSample {
  readonly labels: Labels;
  readonly buckets: Buckets;
}

export interface HistogramMetric {
  readonly name: string;
  readonly help: string;
  readonly type: 'histogram';
  readonly read: (snapshot: MetricsSnapshot) => readonly HistogramSample[];
}

export function counter(name: string, help: string, read: Metric['read']): Metric {
  return { name, help, type: 'counter', read };
}

export function gauge(name: string, help: string, read: Metric['read']): Metric {
  return { name, help, type: 'gauge', read };
}

export function histogram(name: string, help: string, read: HistogramMetric['read']): HistogramMetric {
  return { name, help, type: 'histogram', read };
}
