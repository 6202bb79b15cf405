/**
 * Shares a plan's time between its steps. Each step gets a slice of what is left and leaves a reserve for the next one, so that a
 * step that uses all of its slice never starves the ladder below it. Instants are in milliseconds of the process clock.
 */

/** The experts' share of the remaining time if a synthesis follows. */
const PANEL_SHARE = 0.6;
/** Margin by which a synthesis gets more than its known time. */
const NEXT_MARGIN = 1.3;
/** A ladder model's share of the remaining time if another model follows. */
const RUNG_SHARE = 0.6;
/** A step is skipped if its slice is shorter, in milliseconds: no local model answers within it. */
export const SLICE_MS_MIN = 5;
/**
 * Time kept back from the last model step, in milliseconds, so that the step itself reports its timeout, with its phase, before
 * the deadline.
 */
export const SETTLE_MS = 10;

export interface SliceRule {
  /** Whether time is cut into slices; if not, each step may take its configured timeout up to the deadline. */
  readonly timeSlices: boolean;
  /** Whether another model step follows. */
  readonly hasNext: boolean;
  /** Expected time of that step, if known. */
  readonly nextMs: number | undefined;
}

/** The part of the remaining time that a last step may use. */
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
