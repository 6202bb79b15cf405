import type { ModelEndpoint } from '../../models/model-endpoint.ts';
import type { CallKind } from '../../models/time/latency-profile.ts';
import type { ResolvedExpert } from '../../options/planner-options.ts';
import { callsAtOnce } from './calls-at-once.ts';

/** Which experts a plan can afford to ask now. */
export interface PanelFit {
  readonly members: readonly ResolvedExpert[];
  /** Others wait for the same slots: a plan is then content with what its few experts say. */
  readonly isCrowded: boolean;
  /** How many are asked at once; undefined: as many as the quorum may need. */
  readonly atOnce: number | undefined;
  /** Nobody is expected to answer in time: whoever is asked is asked for the next time, behind everyone else. */
  readonly isForLater: boolean;
}

export interface FitQuestion {
  /** Where each expert may be asked. */
  readonly placesOf: (expert: ResolvedExpert) => readonly ModelEndpoint[];
  readonly kindOf: (expert: ResolvedExpert) => CallKind;
  /** Those of them that count as room for one more call: the others answer too late to be of use. Default: all. */
  readonly roomFor?: (expert: ResolvedExpert) => readonly ModelEndpoint[];
  /** Its place among all that wait. */
  readonly rankMs: number;
  readonly nowMs: number;
  readonly deadlineMs: number;
  /** Votes that a quorum may need. */
  readonly needed: number;
  /** Whether answers that come too late are of use, and the chance of an answer says how many are asked. */
  readonly byChance: boolean;
}

/** An expert with a smaller chance than this to answer in time is not asked for this plan. */
const CHANCE_MIN = 0.05;
/** A little below half, for sums of floats. */
const LIKELY = 0.49;

/**
 * The panel that fits: experts that are not expected to answer before the deadline are left out; when plans wait for slots
 * two are asked, and when more wait than are at work, one. None where the wait alone would take too long. Where nobody is
 * expected in time, those who still have a chance are asked; where there is none, the first is asked all the same, for the
 * next time, and because it may be better by now. Nothing is left out on a guess: an expert whose times are not known is asked.
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

/**
 * Whether an expert may still answer in time although its turn is expected to come late, where nobody else waits for it: then there is
 * nobody to leave the slot to, and an answer for the next time is worth more than none.
 */
function mayHaveTurn(expert: ResolvedExpert, question: FitQuestion): boolean {
  const leftMs = question.deadlineMs - question.nowMs;
  if (!question.byChance || waitMs(expert, question) >= leftMs) return false;
  return question.placesOf(expert).some(({ gate, isResting }) => !isResting && gate.waiting === 0);
}

/** Whether an expert is likelier than not to answer in time, or nothing is known of that. */
function isTimely(expert: ResolvedExpert, question: FitQuestion): boolean {
  const leftMs = question.deadlineMs - question.nowMs;
  const isQuick = workMs(expert, question) <= leftMs;
  return question.byChance ? (knownChance(expert, 1, question) ?? (isQuick ? 1 : 0)) >= LIKELY : isQuick;
}

function hasChance(expert: ResolvedExpert, question: FitQuestion): boolean {
  return chanceOf(expert, 1, question) >= CHANCE_MIN;
}

/** The chance of an answer in time where `more` calls begin now, in idle slots; 1 where nothing is known. */
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

/** Until it is its turn, where that is soonest. */
function waitMs(expert: ResolvedExpert, { placesOf, kindOf, rankMs }: FitQuestion): number {
  const kind = kindOf(expert);
  const waits = placesOf(expert).map((at) => {
    const whole = at.forecast.expectedMs(expert.model, kind, rankMs);
    return whole === undefined ? 0 : whole - (at.forecast.workMs(expert.model, kind) ?? 0);
  });
  return Math.min(...waits);
}

/** Waiters for each slot. */
function pressureAt({ gate }: ModelEndpoint): number {
  return gate.waiting / gate.width;
}
