import { describeValue, messageOf, PlannerError } from '../../shared/errors.ts';
import type { PlanOptions } from './plan.ts';

const NONE: PlanOptions = {};

/**
 * Reads the options of a call, once, so that later results of a getter have no effect. Throws ERR_REQUEST_INVALID. Called at the
 * start of a plan: otherwise its own timers would be the first to hit an invalid signal, and no caller could catch the error.
 */
export function readPlanOptions(options: unknown): PlanOptions {
  if (options === undefined) return NONE;
  if (options === null || typeof options !== 'object')
    refuse(`options must be an object, got ${describeValue(options)}`);
  let read: PlanOptions;
  try {
    const { timeoutMs, priority, signal, onAttempt } = options as PlanOptions;
    read = {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(priority === undefined ? {} : { priority }),
      ...(signal === undefined || signal === null ? {} : { signal }),
      ...(onAttempt === undefined || onAttempt === null ? {} : { onAttempt }),
    };
  } catch (error) {
    refuse(`options must be plain data, and reading them threw: ${messageOf(error)}`);
  }
  checkSignal(read.signal);
  if (read.onAttempt !== undefined && typeof read.onAttempt !== 'function') {
    refuse(`onAttempt must be a function, got ${describeValue(read.onAttempt)}`);
  }
  return read;
}

/** Throws ERR_REQUEST_INVALID for a value that is not an AbortSignal of any realm, such as its controller. */
export function checkSignal(signal: unknown): void {
  if (signal === undefined || signal === null || signal instanceof AbortSignal) return;
  const { aborted, addEventListener, removeEventListener } = Object(signal) as Partial<AbortSignal>;
  const isSignal =
    typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function';
  if (isSignal) return;
  const hint = signal instanceof AbortController ? 'its controller (pass controller.signal)' : describeValue(signal);
  refuse(`signal must be an AbortSignal, got ${hint}`);
}

function refuse(message: string): never {
  throw new PlannerError('ERR_REQUEST_INVALID', message);
}
