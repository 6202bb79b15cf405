import type { CallKind, LatencyProfile } from '../time/latency-profile.ts';
import type { Slot, SlotNeed } from './ask.ts';

/**
 * Who makes room for whom. Work that is nearly done is worth more than work that cannot be done in time: a call that nobody
 * waits for (late, a check, a refresh, a state asked about for later) is given up only for a newcomer that can make its own
 * deadline with the slot that this frees, and could not without it. One call for each newcomer: the one that would run longest.
 * In a crowd, where several wait for each slot, each moment of a slot decides about somebody's deadline: there only a call
 * that is nearly done goes on. A call that hangs makes room for whoever waits: nobody knows when its slot would be free.
 */
export interface Work {
  readonly model: string;
  readonly kind: CallKind;
  readonly startedAtMs: number;
  readonly slot: Slot;
  /** Cancels the call at its server. */
  readonly giveUp: () => void;
  /** Whether that has been done: its slot is about to become free. */
  isGivenUp: boolean;
}

export interface RoomQuestion {
  /** Undefined for somebody whose need is not known, such as a chat: room is made. */
  readonly need: SlotNeed | undefined;
  /** Those who are served before the newcomer. */
  readonly ahead: number;
  readonly slots: number;
  /** Everyone who waits in the foreground, the newcomer included. */
  readonly waiting: number;
  readonly nowMs: number;
  readonly works: readonly Work[];
  /** Calls at work of which nothing is known here, such as chats. */
  readonly strangers: number;
  readonly profileOf: (model: string, kind: CallKind) => LatencyProfile;
  /** How long the server is thought to work on a call that is given up, milliseconds. */
  readonly holdMs: (work: Work) => number;
}

/** A newcomer with a better chance than this can make its deadline; */
const CHANCE_MIN = 0.4;
/** and it could not without the slot where its chance is below this share of that. */
const CHANCE_WITHOUT_SHARE = 0.5;
/** More waiters for each slot than this are a crowd; one plan may wait with two calls. */
const CROWD = 2;
/** A call with less than this share of a usual call's time left is nearly done. */
const NEARLY_DONE = 0.2;

/** The call to give up for a newcomer; undefined: none. */
export function callToGiveUp(question: RoomQuestion): Work | undefined {
  const { need, nowMs, works } = question;
  const yielding = works.filter((work) => work.slot.isBackground && !work.isGivenUp);
  if (yielding.length === 0) return undefined;
  const lefts = new Map(works.map((work) => [work, leftMs(work, question)]));
  const leftOf = (work: Work): number => lefts.get(work) as number;
  const longest = yielding.reduce((a, b) => (leftOf(b) > leftOf(a) ? b : a));
  // What is on its way out is no worse than what would be freed.
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
  // Those ahead are taken to ask for what the newcomer asks for.
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

/** Until a slot is free for the one behind `ahead` others, each of which takes the next free slot for `workMs`. */
function waitBehind(ahead: number, lefts: readonly number[], workMs: number): number {
  const waits = [...lefts];
  for (let nth = 0; nth < ahead; nth++) {
    const soonest = waits.indexOf(Math.min(...waits));
    waits[soonest] = (waits[soonest] as number) + workMs;
  }
  return Math.min(...waits);
}

/**
 * The same where calls slow one another: of a call that has just begun, and could make its deadline alone, but not beside
 * work that nobody waits for. The work that would run longest, or undefined.
 */
export function companyToGiveUp(question: RoomQuestion & { readonly need: SlotNeed }): Work | undefined {
  const { need, nowMs, works, strangers, profileOf } = question;
  const yielding = works.filter((work) => work.slot.isBackground && !work.isGivenUp);
  if (yielding.length === 0) return undefined;
  const profile = profileOf(need.model, need.kind);
  const company = works.length + strangers;
  // A read is short: while nothing is known of it, it is taken to be in time alone.
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

/** Until a call's slot is free, as a median. */
export function leftMs(work: Work, { nowMs, works, strangers, profileOf, holdMs }: Omit<RoomQuestion, 'need'>): number {
  if (work.isGivenUp) return holdMs(work);
  const { model, kind, startedAtMs } = work;
  return profileOf(model, kind).remainingMs(nowMs - startedAtMs, works.length + strangers) ?? Number.POSITIVE_INFINITY;
}
