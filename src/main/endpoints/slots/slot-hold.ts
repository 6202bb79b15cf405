import type { CallReport } from '../../../shared/tasks.ts';
import type { LatencyProfile } from '../time/latency-profile.ts';

/**
 * How long a server is thought to work on a call that was aborted. Measured manners (FIELD.md, section 3): a stream that
 * has begun ends within some 40 ms; before the first token, most servers finish reading the prompt first, and a request
 * that waits there may keep its place; what is not streamed is worked to its end.
 */
const STREAM_MS = 40;
/** Where nothing is known of the model's times. */
const READING_MS = 250;
const HOLD_MS_MAX = 10_000;

export function holdAfterAbort(report: CallReport, profile: LatencyProfile, isStreamed: boolean): number {
  const { totalMs, firstTokenMs } = report;
  const workMs = isStreamed ? profile.quantile('firstToken', 0.5) : profile.quantile('total', 0.75);
  if (isStreamed && firstTokenMs !== undefined) return STREAM_MS;
  const leftMs = workMs === undefined ? READING_MS : workMs - totalMs;
  return Math.min(HOLD_MS_MAX, Math.max(STREAM_MS, leftMs));
}
