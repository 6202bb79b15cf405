import type { EndpointStats } from '../../../models/endpoint-parts.ts';
import { counter, gauge, type Metric } from './metric.ts';

const BREAKER_STATES: readonly EndpointStats['breaker']['state'][] = ['closed', 'open', 'half-open'];

function ofEndpoints(make: typeof counter, name: string, help: string, read: (at: EndpointStats) => number): Metric {
  return make(`conclave_endpoint_${name}`, help, ({ stats }) =>
    stats.endpoints.map((at) => ({ labels: { endpoint: at.endpoint }, value: read(at) })),
  );
}

/** What plans are made with: model servers, worker threads, this process. */
export const MACHINE_METRICS: readonly Metric[] = [
  ofEndpoints(gauge, 'slots', 'Calls that a model server is given at once.', ({ slots }) => slots),
  ofEndpoints(gauge, 'width', 'Calls of plans that are made at once.', ({ width }) => width),
  ofEndpoints(gauge, 'slots_busy', 'Slots that are taken.', ({ busy }) => busy),
  ofEndpoints(
    gauge,
    'slots_held',
    'Taken slots whose aborted calls are thought to be at work still.',
    ({ held }) => held,
  ),
  ofEndpoints(gauge, 'waiting', 'Calls that wait for a slot.', ({ waiting }) => waiting),
  ofEndpoints(counter, 'breaker_opened_total', 'Times that a server was rested.', ({ breaker }) => breaker.opened),
  ofEndpoints(
    counter,
    'reference_calls_total',
    'Requests known to be good, made to find out whether failures were of the server.',
    ({ referenceCalls }) => referenceCalls,
  ),
  ofEndpoints(
    counter,
    'model_loads_total',
    'Calls whose model had to be loaded into the memory of the server.',
    ({ memory }) => memory.loads,
  ),
  ofEndpoints(counter, 'facts_asked_total', 'Times that a server was asked again what it is.', (at) => at.factsAsked),
  gauge('conclave_endpoint_breaker_state', '1 for the state that the breaker is in.', ({ stats }) =>
    stats.endpoints.flatMap(({ endpoint, breaker }) =>
      BREAKER_STATES.map((state) => ({ labels: { endpoint, state }, value: breaker.state === state ? 1 : 0 })),
    ),
  ),
  gauge('conclave_worker_threads', 'Threads that ask experts.', ({ stats }) => stats.workers.threads),
  gauge('conclave_worker_tasks_running', 'Tasks on them.', ({ stats }) => stats.workers.running),
  counter('conclave_worker_threads_lost_total', 'Threads that were replaced.', ({ stats }) => [
    { labels: { reason: 'stuck' }, value: stats.workers.stuck },
    { labels: { reason: 'crashed' }, value: stats.workers.crashed },
  ]),
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
