import { messageOf, PlannerError } from '../../shared/errors.ts';

/** Throws ERR_PLANNER_OVERLOADED if `callsMax` calls to a planner elsewhere are pending. */
export function checkCallsMax(pending: number, callsMax: number): void {
  if (pending < callsMax) return;
  throw new PlannerError('ERR_PLANNER_OVERLOADED', `${callsMax} calls wait for the planner (callsMax)`, {
    retryable: true,
  });
}

/** Calls a host's listeners. If one throws, `warn` reports it and work continues. */
export function callListener(event: string, call: () => void, warn: (message: string) => void): void {
  try {
    call();
  } catch (error) {
    if (event === 'warning') return; // Not reported: the listener for warnings is itself broken.
    const what = event === 'onAttempt' ? event : `a listener of "${event}"`;
    warn(`${what} threw: ${messageOf(error)}`);
  }
}
