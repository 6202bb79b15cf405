import type { ChatPlannerStats } from '../../../chat/chat-planner.ts';
import type { Buckets } from '../../../measure/bucket-counts.ts';
import type { Distributions } from '../../../plans/distributions.ts';
import type { ProcessUse } from './process-use.ts';

/** All that one scrape tells, taken at one moment. */
export interface MetricsSnapshot {
  readonly stats: ChatPlannerStats;
  readonly distributions: Distributions;
  readonly process: ProcessUse;
  /** Whether a plan that comes now is taken. */
  readonly isOpen: boolean;
  readonly version: string;
}

export type Labels = Readonly<Record<string, string>>;

export interface MetricSample {
  readonly labels?: Labels;
  readonly value: number;
}

/** One metric of the exposition: what it is called, and what it is in a snapshot. No samples: it is left out. */
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
