import type { CallReport } from '../../../shared/tasks.ts';
import type { LatencyProfile } from '../time/latency-profile.ts';

/**
 * How long a server probably continues to work on an aborted call. Measured behaviour (FIELD.md, section 3): a stream that has
 * started ends within about 40 ms; before the first token, most servers finish reading the prompt first, and a request that
 * queues there may keep its place; a request without streaming is worked to its end. If the model's times are not known, a call
 * that has response headers but no answer is assumed to read for as long again.
 */
const STREAM_MS = 40;
/** Hold if times are not known: for a call that may have started to read, and for one without streaming, in milliseconds. */
const UNKNOWN_MS = 250;
export const HOLD_MS_MAX = 10_000;

export function holdAfterAbort(report: CallReport, profile: LatencyProfile, isStreamed: boolean): number {
  if (isStreamed && report.firstTokenMs !== undefined) return STREAM_MS;
  const leftMs = isStreamed ? readingLeftMs(report, profile) : writingLeftMs(report, profile);
  return Math.min(HOLD_MS_MAX, Math.max(STREAM_MS, leftMs));
}

function readingLeftMs({ totalMs, queueMs }: CallReport, profile: LatencyProfile): number {
  const unknownMs = queueMs === undefined ? UNKNOWN_MS : Math.max(UNKNOWN_MS, totalMs);
  return profile.readingLeftMs(totalMs) ?? unknownMs;
}

function writingLeftMs({ totalMs }: CallReport, profile: LatencyProfile): number {
  const wholeMs = profile.quantile('total', 0.75);
  return wholeMs === undefined ? UNKNOWN_MS : wholeMs - totalMs;
}
