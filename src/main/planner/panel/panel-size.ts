import type { ModelEndpoint } from '../../endpoints/model-endpoint.ts';
import type { CallKind } from '../../endpoints/time/latency-profile.ts';
import type { ResolvedExpert } from '../../options/planner-options.ts';

/** Which experts a plan can afford to ask now. */
export interface PanelFit {
  readonly members: readonly ResolvedExpert[];
  /** Others wait for the same slots: a plan is then content with what its few experts say. */
  readonly isCrowded: boolean;
}

export interface FitQuestion {
  /** Where each expert may be asked. */
  readonly placesOf: (expert: ResolvedExpert) => readonly ModelEndpoint[];
  readonly kindOf: (expert: ResolvedExpert) => CallKind;
  readonly priority: number;
  readonly nowMs: number;
  readonly deadlineMs: number;
}

/**
 * The panel that fits: experts that are not expected to answer before the deadline are left out; when plans wait for slots
 * two are asked, and when more wait than are at work, one. None where none can make it. Nothing is left out on a guess: an
 * expert whose times are not known is asked.
 */
export function panelThatFits(experts: readonly ResolvedExpert[], question: FitQuestion): PanelFit {
  const { placesOf, kindOf, priority, nowMs, deadlineMs } = question;
  const fitting = experts.filter((expert) => {
    const expected = placesOf(expert).map(
      (at) => at.expectedMs(expert.model, kindOf(expert), priority, deadlineMs) ?? 0,
    );
    return Math.min(...expected) <= deadlineMs - nowMs;
  });
  const pressure = Math.min(...fitting.map((expert) => Math.min(...placesOf(expert).map(pressureAt))));
  if (fitting.length === 0 || pressure <= 0) return { members: fitting, isCrowded: false };
  return { members: fitting.slice(0, pressure > 1 ? 1 : 2), isCrowded: true };
}

/** Waiters for each slot. */
function pressureAt({ gate }: ModelEndpoint): number {
  return gate.waiting / gate.slots;
}
