import type { Clock } from '../../shared/clock.ts';
import type { PlannerError } from '../../shared/errors.ts';
import { isTraceFault } from '../session/file-lines.ts';
import type { TraceRecord } from '../session/trace-reader.ts';

export interface ReadOptions {
  /** Maximum number of records to read. Default: all. */
  readonly limit?: number;
  /** The process's clock; what reads has the trace's time. */
  readonly clock: Clock;
  /** Ends the reading; the results so far are reported. */
  readonly signal?: AbortSignal;
  readonly onRecord?: () => void;
}

/** A replay never waits, so it yields this often to interrupts and its own progress bar, in milliseconds. */
const TURN_MS = 50;

/** Takes the records of a trace to its end, its first broken line, the limit or an interrupt. Returns the broken line's error. */
export async function takeRecords(
  records: AsyncIterable<TraceRecord>,
  take: (record: TraceRecord) => void,
  { clock, signal, limit = Number.POSITIVE_INFINITY, onRecord }: ReadOptions,
): Promise<PlannerError | undefined> {
  let left = limit;
  let turnAtMs = clock.now() + TURN_MS;
  try {
    for await (const record of records) {
      take(record);
      onRecord?.();
      if (--left <= 0) return undefined;
      if (clock.now() >= turnAtMs) {
        await new Promise<void>((resolve) => void clock.setTimer(0, resolve));
        turnAtMs = clock.now() + TURN_MS;
      }
      if (signal?.aborted) return undefined;
    }
    return undefined;
  } catch (error) {
    if (isTraceFault(error)) return error;
    throw error;
  }
}
