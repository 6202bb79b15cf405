import type { ModelEndpoint } from '../../models/model-endpoint.ts';
import type { CallKind } from '../../models/time/latency-profile.ts';
import type { ResolvedExpert } from '../../options/planner-options.ts';
import { callsAtOnce } from './calls-at-once.ts';

/** The experts that a plan can afford to ask now. */
export interface PanelFit {
  readonly members: readonly ResolvedExpert[];
  /** Whether others wait for the same slots: then the votes of a few experts are enough. */
  readonly isCrowded: boolean;
  /** Number of experts asked at once; undefined: as many as the quorum may need. */
  readonly atOnce: number | undefined;
  /** Whether no expert is expected to answer in time: then one is asked for the next time, behind all others. */
  readonly isForLater: boolean;
}

export interface FitQuestion {
  /** The places where each expert may be asked. */
  readonly placesOf: (expert: ResolvedExpert) => readonly ModelEndpoint[];
  readonly kindOf: (expert: ResolvedExpert) => CallKind;
  /** The places that count as room for one more call: the others answer too late to be useful. Default: all. */
  readonly roomFor?: (expert: ResolvedExpert) => readonly ModelEndpoint[];
  /** The place in the queue. */
  readonly rankMs: number;
  readonly nowMs: number;
  readonly deadlineMs: number;
  /** Number of votes that a quorum may need. */
  readonly needed: number;
  /** Whether late answers are useful, and the number of experts asked depends on the chance of an answer. */
  readonly byChance: boolean;
}

/** An expert with a smaller chance than this to answer in time is not asked for this plan. */
const CHANCE_MIN = 0.05;
/** Slightly below one half, because sums of floats are not exact. */
const LIKELY = 0.49;

/**
 * The panel that fits: experts that are not expected to answer before the deadline are left out; while plans wait for slots two
 * are asked, and if more wait than are at work, one. None if the wait alone would take too long. If no expert is expected in
 * time, those that still have a chance are asked; if there is none, the first is asked anyway, for the next time, and because it
 * may have become quicker. Nothing is left out on a guess: an expert with unknown times is asked.
 */
export function panelThatFits(experts: readonly ResolvedExpert[], question: FitQuestion): PanelFit {
  const leftMs = question.deadlineMs - question.nowMs;
  const timely = experts.filter((expert) => isTimely(expert, question));
  const hopeful = timely.length > 0 || !question.byChance ? timely : experts.filter((one) => hasChance(one, question));
  const able = hopeful.length > 0 ? hopeful : experts.slice(0, 1);
  const isForLater = question.byChance && hopeful.length === 0 && able.length > 0;
  const inTurn = able.filter(
    (expert) => waitMs(expert, question) + Math.min(workMs(expert, question), leftMs) <= leftMs,
  );
  const fitting = inTurn.length > 0 ? inTurn : able.filter((expert) => mayHaveTurn(expert, question)).slice(0, 1);
  if (fitting.length === 0) return { members: fitting, isCrowded: true, atOnce: undefined, isForLater: false };
  const { roomFor = question.placesOf } = question;
  const room = new Set(fitting.flatMap((expert) => roomFor(expert)).filter((at) => !at.isResting));
  const pressure = Math.min(...[...room].map(pressureAt));
  if (pressure > 0) {
    const members = fitting.slice(0, pressure > 1 ? 1 : 2);
    return { members, isCrowded: true, atOnce: undefined, isForLater };
  }
  return { members: fitting, isCrowded: false, atOnce: isForLater ? 1 : atOnce(fitting, question), isForLater };
}

/** Asks an only expert twice, independently: a read is compared with two votes. In a crowd, and for later, it is asked once. */
export function askedTwice(fit: PanelFit): PanelFit {
  const [only] = fit.members;
  if (only === undefined || fit.isCrowded || fit.isForLater) return fit;
  return { ...fit, members: [only, { ...only }], atOnce: undefined };
}

/**
 * Whether an expert may still answer in time although its turn is expected to come late, if no other call waits for it: then
 * nothing else would use the slot, and an answer for the next time is better than none.
 */
function mayHaveTurn(expert: ResolvedExpert, question: FitQuestion): boolean {
  const leftMs = question.deadlineMs - question.nowMs;
  if (!question.byChance || waitMs(expert, question) >= leftMs) return false;
  return question.placesOf(expert).some(({ gate, isResting }) => !isResting && gate.waiting === 0);
}

/** Whether an expert is likelier than not to answer in time, or this is not known. */
function isTimely(expert: ResolvedExpert, question: FitQuestion): boolean {
  const leftMs = question.deadlineMs - question.nowMs;
  const isQuick = workMs(expert, question) <= leftMs;
  return question.byChance ? (knownChance(expert, 1, question) ?? (isQuick ? 1 : 0)) >= LIKELY : isQuick;
}

function hasChance(expert: ResolvedExpert, question: FitQuestion): boolean {
  return chanceOf(expert, 1, question) >= CHANCE_MIN;
}

/** The chance of an answer in time if `more` calls start now, in idle slots; 1 if nothing is known. */
function chanceOf(expert: ResolvedExpert, more: number, question: FitQuestion): number {
  return knownChance(expert, more, question) ?? 1;
}

function knownChance(expert: ResolvedExpert, more: number, question: FitQuestion): number | undefined {
  const leftMs = question.deadlineMs - question.nowMs;
  const kind = question.kindOf(expert);
  const chances = question
    .placesOf(expert)
    .map((at) => at.forecast.chanceWithin(expert.model, kind, leftMs, Math.min(at.gate.busy + more, at.gate.width)));
  return chances.every((chance) => chance === undefined)
    ? undefined
    : Math.max(...chances.map((chance) => chance ?? 1));
}

function atOnce(experts: readonly ResolvedExpert[], question: FitQuestion): number | undefined {
  if (!question.byChance) return undefined;
  const isKnown = experts.some((expert) =>
    question.placesOf(expert).some((at) => at.forecast.workMs(expert.model, question.kindOf(expert)) !== undefined),
  );
  if (!isKnown) return undefined;
  const { roomFor = question.placesOf } = question;
  const places = new Set(experts.flatMap((expert) => roomFor(expert)));
  let idle = 0;
  for (const { gate, isResting } of places) idle += isResting ? 0 : gate.idle;
  return callsAtOnce({
    most: Math.min(idle, experts.length),
    needed: question.needed,
    chancesOf: (calls) => experts.slice(0, calls).map((expert) => chanceOf(expert, calls, question)),
  });
}

function workMs(expert: ResolvedExpert, { placesOf, kindOf }: FitQuestion): number {
  return Math.min(...placesOf(expert).map((at) => at.forecast.workMs(expert.model, kindOf(expert)) ?? 0));
}

/** Time until an expert's turn at the place where that is soonest. */
function waitMs(expert: ResolvedExpert, { placesOf, kindOf, rankMs }: FitQuestion): number {
  const kind = kindOf(expert);
  const waits = placesOf(expert).map((at) => {
    const whole = at.forecast.expectedMs(expert.model, kind, rankMs);
    return whole === undefined ? 0 : whole - (at.forecast.workMs(expert.model, kind) ?? 0);
  });
  return Math.min(...waits);
}

/** Waiting calls per slot. */
function pressureAt({ gate }: ModelEndpoint): number {
  return gate.waiting / gate.width;
}
