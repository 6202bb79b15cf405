import type { CallKind, LatencyProfile } from '../time/latency-profile.ts';
import type { Slot, SlotNeed } from './ask.ts';

/**
 * Decides which call makes room for another. Work that is nearly done is worth more than work that cannot be done in time: a
 * background call (late, a check, a refresh, a state asked about for later) is given up only for a new call that can make its
 * deadline with the freed slot, and could not without it. One call for each new call: the one that would run longest. In a crowd,
 * when several calls wait for each slot, every moment of a slot decides about a deadline: then only a call that is nearly done
 * continues. A call that hangs makes room for any waiting call, because nothing shows when its slot would be free.
 */
export interface Work {
  readonly model: string;
  readonly kind: CallKind;
  readonly startedAtMs: number;
  readonly slot: Slot;
  /** Cancels the call at its server. */
  readonly giveUp: () => void;
  /** Whether it has been given up: its slot is about to become free. */
  isGivenUp: boolean;
}

export interface RoomQuestion {
  /** Undefined for a call whose need is not known, such as a chat: room is made. */
  readonly need: SlotNeed | undefined;
  /** Number of calls that are served before the new one. */
  readonly ahead: number;
  readonly slots: number;
  /** Number of waiting foreground calls, the new one included. */
  readonly waiting: number;
  readonly nowMs: number;
  readonly works: readonly Work[];
  /** Number of running calls without details here, such as chats. */
  readonly strangers: number;
  readonly profileOf: (model: string, kind: CallKind) => LatencyProfile;
  /** How long the server probably continues to work on a call that is given up, in milliseconds. */
  readonly holdMs: (work: Work) => number;
}

/** A new call with a better chance than this can make its deadline. */
const CHANCE_MIN = 0.4;
/** A new call could not make its deadline without the slot if its chance is below this share of that with it. */
const CHANCE_WITHOUT_SHARE = 0.5;
/** More waiting calls for each slot than this are a crowd; one plan may wait with two calls. */
const CROWD = 2;
/** A call with less than this share of a usual call's time left is nearly done. */
const NEARLY_DONE = 0.2;

/** The call to give up for a new call; undefined if none. */
export function callToGiveUp(question: RoomQuestion): Work | undefined {
  const { need, nowMs, works } = question;
  const yielding = works.filter((work) => work.slot.isBackground && !work.isGivenUp);
  if (yielding.length === 0) return undefined;
  const lefts = new Map(works.map((work) => [work, leftMs(work, question)]));
  const leftOf = (work: Work): number => lefts.get(work) as number;
  const longest = yielding.reduce((a, b) => (leftOf(b) > leftOf(a) ? b : a));
  // A call already given up serves as well as one given up now.
  const comingFree = works.filter((work) => work.isGivenUp).length;
  if (comingFree > question.ahead) return undefined;
  if (need === undefined) return longest;
  const hanging = yielding.find((work) => hangs(work, question));
  if (hanging !== undefined) return hanging;
  const profile = question.profileOf(need.model, need.kind);
  const timeMs = need.deadlineMs - nowMs;
  const agesMs = works
    .filter(({ model, kind }) => model === need.model && kind === need.kind)
    .map(({ startedAtMs }) => nowMs - startedAtMs);
  // Calls ahead are assumed to be like the new one.
  const workMs = profile.remainingMs(0, question.slots) ?? 0;
  const chance = (lefts: readonly number[]): number => {
    const waitMs = waitBehind(question.ahead, lefts, workMs);
    return waitMs >= timeMs ? 0 : (profile.chanceWithin(timeMs - waitMs, question.slots, agesMs) ?? 1);
  };
  const idle = Math.max(0, question.slots - works.length - question.strangers);
  const others = [...Array<number>(idle).fill(0), ...works.filter((work) => work !== longest).map(leftOf)];
  const withSlot = chance([...others, question.holdMs(longest)]);
  if (withSlot < CHANCE_MIN) return undefined;
  const isCrowd = question.waiting > question.slots * CROWD && leftOf(longest) > workMs * NEARLY_DONE;
  return isCrowd || chance([...others, leftOf(longest)]) < withSlot * CHANCE_WITHOUT_SHARE ? longest : undefined;
}

/** Time until a slot is free for the call behind `ahead` others, each of which takes the next free slot for `workMs`. */
function waitBehind(ahead: number, lefts: readonly number[], workMs: number): number {
  const waits = [...lefts];
  for (let nth = 0; nth < ahead; nth++) {
    const soonest = waits.indexOf(Math.min(...waits));
    waits[soonest] = (waits[soonest] as number) + workMs;
  }
  return Math.min(...waits);
}

/**
 * The background call to give up if calls slow one another: for a call that has just started, and could make its deadline alone
 * but not in that company. The call that would run longest, or undefined.
 */
export function companyToGiveUp(question: RoomQuestion & { readonly need: SlotNeed }): Work | undefined {
  const { need, nowMs, works, strangers, profileOf } = question;
  const yielding = works.filter((work) => work.slot.isBackground && !work.isGivenUp);
  if (yielding.length === 0) return undefined;
  const profile = profileOf(need.model, need.kind);
  const company = works.length + strangers;
  // A read is short: while its times are not known, it is assumed to be in time if alone.
  const unknown = (calls: number): number => (need.kind === 'read' && calls <= 1 ? 1 : 0);
  const chance = (calls: number): number => profile.chanceWithin(need.deadlineMs - nowMs, calls) ?? unknown(calls);
  const alone = chance(company - yielding.length);
  if (alone < CHANCE_MIN || chance(company) >= alone * CHANCE_WITHOUT_SHARE) return undefined;
  const lefts = new Map(yielding.map((work) => [work, leftMs(work, question)]));
  return yielding.reduce((a, b) => ((lefts.get(b) as number) > (lefts.get(a) as number) ? b : a));
}

function hangs({ model, kind, startedAtMs }: Work, { nowMs, works, strangers, profileOf }: RoomQuestion): boolean {
  return profileOf(model, kind).hangs(nowMs - startedAtMs, works.length + strangers);
}

/** Median time until a call's slot is free. */
export function leftMs(work: Work, { nowMs, works, strangers, profileOf, holdMs }: Omit<RoomQuestion, 'need'>): number {
  if (work.isGivenUp) return holdMs(work);
  const { model, kind, startedAtMs } = work;
  return profileOf(model, kind).remainingMs(nowMs - startedAtMs, works.length + strangers) ?? Number.POSITIVE_INFINITY;
}
