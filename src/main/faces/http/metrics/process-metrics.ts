import { counter, gauge, type Metric } from './metric.ts';

/** Metrics of this process, which are not part of `planner.stats()`: what it uses, and whether it takes plans. */
export const PROCESS_METRICS: readonly Metric[] = [
  gauge('conclave_open', '1 while new plans are taken.', ({ isOpen }) => (isOpen ? 1 : 0)),
  gauge('conclave_build_info', 'Always 1.', ({ version }) => [{ labels: { version }, value: 1 }]),
  counter('conclave_process_cpu_seconds_total', 'Processor time, of all threads.', ({ process: use }) => [
    { labels: { mode: 'user' }, value: use.userCpuSeconds },
    { labels: { mode: 'system' }, value: use.systemCpuSeconds },
  ]),
  gauge('conclave_process_resident_memory_bytes', 'Memory that is in use.', ({ process: use }) => use.residentBytes),
  gauge('conclave_process_heap_used_bytes', 'Of the heap of this thread.', ({ process: use }) => use.heapUsedBytes),
  gauge('conclave_process_heap_total_bytes', 'The heap of this thread.', ({ process: use }) => use.heapTotalBytes),
  gauge('conclave_process_external_memory_bytes', 'Beside the heap.', ({ process: use }) => use.externalBytes),
  gauge('conclave_process_uptime_seconds', 'Since the process began.', ({ process: use }) => use.uptimeSeconds),
  counter('conclave_process_event_loop_seconds_total', 'What this event loop did.', ({ process: use }) => [
    { labels: { state: 'active' }, value: use.loopActiveSeconds },
    { labels: { state: 'idle' }, value: use.loopIdleSeconds },
  ]),
  gauge(
    'conclave_process_event_loop_delay_seconds',
    'How late timers were since the last scrape.',
    ({ process: use }) => use.loopDelaySeconds.map(({ quantile, value }) => ({ labels: { quantile }, value })),
  ),
];
