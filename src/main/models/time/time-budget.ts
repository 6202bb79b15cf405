/**
 * How a plan's time is shared between its steps. Each step gets a slice of what is left and leaves a reserve for the
 * next one, so that a step that uses all of its slice never starves the ladder below it. Instants are in milliseconds
 * of the process clock.
 */

/** Of what is left, the experts together get this share where a synthesis follows. */
const PANEL_SHARE = 0.6;
/** Where it is known how long a synthesis takes, it gets so much more than that. */
const NEXT_MARGIN = 1.3;
/** Of what is left then, a model of the ladder gets this share where another follows. */
const RUNG_SHARE = 0.6;
/** A step is skipped when its slice is shorter: no local model answers in it. */
export const SLICE_MS_MIN = 5;
/**
 * Kept back from the last model step, so that its timeout is reported by the step itself, with its phase, before the
 * deadline strikes.
 */
export const SETTLE_MS = 10;

export interface SliceRule {
  /** Whether slices are cut at all; if not, each step may take its configured timeout up to the deadline. */
  readonly timeSlices: boolean;
  /** Whether another model step follows. */
  readonly hasNext: boolean;
  /** How long that step is expected to take, where it is known. */
  readonly nextMs: number | undefined;
}

/** What a last step may use of the time that is left. */
export function lessSettling(leftMs: number): number {
  return leftMs - Math.min(SETTLE_MS, leftMs / 10);
}

function sliceEnd(nowMs: number, deadlineMs: number, timeoutMs: number, share: number, rule: SliceRule): number {
  const left = deadlineMs - nowMs;
  const reserve = left * (1 - share);
  const wanted = rule.nextMs === undefined ? reserve : Math.min(reserve, rule.nextMs * NEXT_MARGIN);
  const slice = rule.timeSlices && rule.hasNext ? left - wanted : lessSettling(left);
  return nowMs + Math.min(timeoutMs, slice);
}

/** When the panel of experts must be done. */
export function panelEnd(nowMs: number, deadlineMs: number, timeoutMs: number, rule: SliceRule): number {
  return sliceEnd(nowMs, deadlineMs, timeoutMs, PANEL_SHARE, rule);
}

/** When one model of the synthesis ladder must be done. */
export function rungEnd(nowMs: number, deadlineMs: number, timeoutMs: number, rule: SliceRule): number {
  return sliceEnd(nowMs, deadlineMs, timeoutMs, RUNG_SHARE, rule);
}
