import type { CallReport } from '../../../shared/tasks.ts';
import type { LatencyProfile } from '../time/latency-profile.ts';

/**
 * How long a server is thought to work on a call that was aborted. Measured manners (FIELD.md, section 3): a stream that
 * has begun ends within some 40 ms; before the first token, most servers finish reading the prompt first, and a request
 * that waits there may keep its place; what is not streamed is worked to its end. Where nothing is known of the model's times, a
 * call whose response has begun, but not its answer, is thought to read as long again.
 */
const STREAM_MS = 40;
/** Where nothing is known, of one that may have begun to read, and of one that is not streamed. */
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
