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
  /** Its place among all that wait. */
  readonly rankMs: number;
  readonly nowMs: number;
  readonly deadlineMs: number;
}

/**
 * The panel that fits: experts that are not expected to answer before the deadline are left out; when plans wait for slots
 * two are asked, and when more wait than are at work, one. None where the wait alone would take too long. Where it is their
 * own work that takes too long for all of them, the first is asked all the same: it may be better by now, and nothing else
 * would show it. Nothing is left out on a guess: an expert whose times are not known is asked.
 */
export function panelThatFits(experts: readonly ResolvedExpert[], question: FitQuestion): PanelFit {
  const leftMs = question.deadlineMs - question.nowMs;
  const timely = experts.filter((expert) => workMs(expert, question) <= leftMs);
  const able = timely.length > 0 ? timely : experts.slice(0, 1);
  const fitting = able.filter(
    (expert) => waitMs(expert, question) + Math.min(workMs(expert, question), leftMs) <= leftMs,
  );
  if (fitting.length === 0) return { members: fitting, isCrowded: true };
  const pressure = Math.min(
    ...fitting.flatMap((expert) =>
      question
        .placesOf(expert)
        .filter((at) => !at.isResting)
        .map(pressureAt),
    ),
  );
  if (pressure <= 0) return { members: fitting, isCrowded: false };
  return { members: fitting.slice(0, pressure > 1 ? 1 : 2), isCrowded: true };
}

function workMs(expert: ResolvedExpert, { placesOf, kindOf }: FitQuestion): number {
  return Math.min(...placesOf(expert).map((at) => at.workMs(expert.model, kindOf(expert)) ?? 0));
}

/** Until it is its turn, where that is soonest. */
function waitMs(expert: ResolvedExpert, { placesOf, kindOf, rankMs }: FitQuestion): number {
  const kind = kindOf(expert);
  const waits = placesOf(expert).map((at) => {
    const whole = at.expectedMs(expert.model, kind, rankMs);
    return whole === undefined ? 0 : whole - (at.workMs(expert.model, kind) ?? 0);
  });
  return Math.min(...waits);
}

/** Waiters for each slot. */
function pressureAt({ gate }: ModelEndpoint): number {
  return gate.waiting / gate.slots;
}
