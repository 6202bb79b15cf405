import type { ErrorCode } from '../../../shared/errors.ts';
import type { Attempt, LastSeen } from '../../models/calls/attempt.ts';
import type { Silence } from '../../models/calls/silence.ts';
import type { UsualTimes } from '../../models/time/latency-profile.ts';
import { WHY_CODE_LIST, WHY_CODES, type Why, type WhyCode } from './why.ts';

/**
 * Determines why no model decided a plan, from what each of its attempts last saw. Used only for such plans: nothing is kept for
 * this in advance, and other plans are not examined.
 */
export interface Undecided {
  readonly attempts: readonly Attempt[];
  /** How long the plan had, in milliseconds. */
  readonly timeMs: number;
  /** What settled it before its time. */
  readonly cut?: WhyCode | undefined;
  /** Why no model was asked, if there are no attempts; undefined if a bug is the cause. */
  readonly unasked?: WhyCode | undefined;
  /** Whether calls of the plan were given up for other plans. */
  readonly gaveWay?: boolean;
  /** The usual answer times of the attempt's model at its endpoint. */
  readonly usual?: (attempt: Attempt) => UsualTimes;
  readonly silenceAt?: (endpoint: string) => Silence | undefined;
}

/** Attempts at one endpoint with the same outcome. */
interface Group {
  readonly code: WhyCode;
  readonly at: string;
  /** The first of them. */
  readonly first: Attempt;
  /** The usual time of an answer. */
  readonly usualMs: number | undefined;
  /** What held the slots that they waited for, if it looks like a server that hangs. */
  readonly silence: Silence | undefined;
  count: number;
  /** The longest time from a call to its end (`waitMs`: the longest wait for a slot). */
  calledMs: number;
  waitMs: number;
}

/** If times are not known, a call that had less time than this says nothing about its server. */
const MOMENT_MS = 100;
/** If times are not known, a server whose calls have had no token for this long is silent, not busy. */
const SILENT_MS = 2_000;
/** Maximum number of endpoints and causes in one sentence. */
const GROUPS_MAX = 3;

export function whyNoModel(undecided: Undecided): Why {
  const { attempts, cut, unasked = 'internal', timeMs } = undecided;
  if (cut !== undefined) return whyOf(cut, timeMs);
  const groups = groupsOf(attempts, undecided);
  const [nearest] = groups;
  if (nearest === undefined) return whyOf(unasked, timeMs);
  const parts = groups.slice(0, GROUPS_MAX).map((group) => CALLS[group.code]?.(group) ?? WHY_CODES[group.code]);
  return { code: nearest.code, message: parts.join('; ') };
}

/** Why no model decided a plan of `timeMs`, if no call gives a reason. */
export function whyOf(code: WhyCode, timeMs: number): Why {
  return { code, message: PLANS[code]?.(timeText(timeMs)) ?? WHY_CODES[code] };
}

/** Messages for plans as a whole; a code without one uses its general description. */
const PLANS: Readonly<Partial<Record<WhyCode, (time: string) => string>>> = {
  superseded: () =>
    'a newer request with the same agent name came while this one waited for its first slot; agents that plan at the same time need names of their own',
  closing: () => 'the planner was closed before a model had decided',
  'no-time': (time) => `no model was asked, since ${time} are less than any model call takes`,
  'no-turn': (time) => `so many plans came at once that no model could be asked within ${time}`,
  'no-slot': (time) => `no model was asked, since the plans that wait for slots already need more than ${time}`,
  'too-short': (time) => `no model was asked, since none was expected to answer within ${time}`,
  internal: () => 'the model work of this plan failed by a bug: a warning has the details',
};

/** Messages for calls at one endpoint. */
const CALLS: Readonly<Partial<Record<WhyCode, (group: Group) => string>>> = {
  'no-vote': ({ at, count, first }) =>
    first.code === 'OK'
      ? `${at} was not sure enough of any action in ${count === 1 ? '1 answer' : `${count} answers`}`
      : `${at} gave ${count === 1 ? '1 answer that was' : `${count} answers that were`} no vote for one of the actions (${first.code})`,
  unfinished: ({ at, count, calledMs }) =>
    `${at} had begun ${count === 1 ? '1 answer and not finished it' : `${count} answers and finished none`} in ${timeText(calledMs)}`,
  'server-silent': silentText,
  'server-failed': ({ at, count, first }) => `${calls(count)} to ${at} failed (${first.code})`,
  'server-overloaded': ({ at }) => `${at} says that it is overloaded or still loading`,
  'server-refused': ({ at, count, first }) => `${at} refused ${calls(count)} (${first.code})`,
  unreachable: ({ at, count, calledMs, first }) =>
    first.code === 'ERR_MODEL_REFUSED'
      ? `nothing listens at the address of ${at}`
      : `${at} accepted no connection for ${calls(count)} in ${timeText(calledMs)}`,
  internal: ({ at, count, first }) => `${calls(count)} to ${at} failed in Conclave itself (${first.code})`,
  'gave-way': ({ at, count }) => `${calls(count)} to ${at} gave way to plans that could be in time`,
  'no-slot': ({ at, first, waitMs, calledMs, usualMs }) =>
    isQueued(first)
      ? `no slot of ${at} became free in ${timeText(waitMs)}`
      : `a slot of ${at} became free after ${timeText(waitMs)} and left ${timeText(calledMs)} for a call${usually(usualMs)}`,
  resting: ({ at }) => `${at} rests after failures`,
  'too-short': ({ at, calledMs, usualMs, first }) =>
    first.code === 'ERR_STEP_SKIPPED'
      ? `too little time was left for a call to ${at}${usually(usualMs)}`
      : `${at} had ${timeText(calledMs)} for a call${usually(usualMs)}`,
};

function silentText({ at, count, calledMs, waitMs, first, silence }: Group): string {
  if (silence === undefined) {
    const sent = first.lastSeen === 'headers' ? 'headers but no token' : 'nothing';
    return `${at} took ${calls(count)} and sent ${sent} in ${timeText(calledMs)}`;
  }
  const holders = silence.calls === 1 ? 'a call without a token' : `${silence.calls} calls without a token, the oldest`;
  return `no slot of ${at} became free in ${timeText(waitMs)}: it holds ${holders} for ${timeText(silence.oldestMs)}`;
}

/** Groups the attempts, those nearest to a vote first. */
function groupsOf(attempts: readonly Attempt[], undecided: Undecided): Group[] {
  const groups = new Map<string, Group>();
  for (const attempt of attempts) {
    const times = needsTimes(attempt) ? (undecided.usual?.(attempt) ?? {}) : {};
    const silence = isQueued(attempt) ? silenceFor(attempt, undecided) : undefined;
    const code = silence === undefined ? causeOf(attempt, times, undecided.gaveWay === true) : 'server-silent';
    const key = `${code}\n${attempt.endpoint}\n${detailOf(code, attempt)}`;
    const { endpoint: at, latencyMs, waitMs } = attempt;
    const fresh = { code, at, first: attempt, usualMs: times.totalMs, silence, count: 0, calledMs: 0, waitMs: 0 };
    const group = groups.get(key) ?? fresh;
    groups.set(key, group);
    group.count++;
    group.calledMs = Math.max(group.calledMs, latencyMs - waitMs);
    group.waitMs = Math.max(group.waitMs, waitMs);
  }
  return [...groups.values()].sort((a, b) => rankOf(a) - rankOf(b));
}

/** Calls that were made come before those that were not; then the order of the codes decides. */
function rankOf({ code, calledMs }: Group): number {
  return WHY_CODE_LIST.indexOf(code) + (calledMs > 0 ? 0 : WHY_CODE_LIST.length);
}

/** The details that a sentence gives about all of its attempts: attempts with other details get sentences of their own. */
function detailOf(cause: WhyCode, attempt: Attempt): string {
  const { code, lastSeen } = attempt;
  if (isQueued(attempt)) return 'queued';
  if (cause === 'server-silent') return lastSeen === 'headers' ? 'headers' : 'nothing';
  return lastSeen === undefined ? code : 'cut';
}

const CAUSES: Readonly<Partial<Record<'OK' | ErrorCode, WhyCode>>> = {
  OK: 'no-vote',
  ERR_VOTE_NONE: 'no-vote',
  ERR_VOTE_ILLEGAL: 'no-vote',
  ERR_VOTE_AMBIGUOUS: 'no-vote',
  ERR_MODEL_EMPTY: 'no-vote',
  ERR_MODEL_RESET: 'server-failed',
  ERR_MODEL_STATUS: 'server-failed',
  ERR_MODEL_MALFORMED: 'server-failed',
  ERR_MODEL_TOO_LARGE: 'server-failed',
  ERR_MODEL_OVERLOADED: 'server-overloaded',
  ERR_MODEL_REJECTED: 'server-refused',
  ERR_MODEL_SCHEMA: 'server-refused',
  ERR_MODEL_INVALID_ID: 'server-refused',
  ERR_MODEL_REFUSED: 'unreachable',
  ERR_ENDPOINT_BUSY: 'no-slot',
  ERR_ENDPOINT_RESTING: 'resting',
  ERR_STEP_SKIPPED: 'too-short',
};

/** Causes for calls that were cut. */
const CAUSES_BY_SEEN: Readonly<Record<LastSeen, WhyCode>> = {
  queued: 'no-slot',
  called: 'unreachable',
  sent: 'server-silent',
  headers: 'server-silent',
  token: 'unfinished',
  choice: 'unfinished',
};

function causeOf({ code, lastSeen, latencyMs, waitMs }: Attempt, times: UsualTimes, gaveWay: boolean): WhyCode {
  if (lastSeen === undefined) return CAUSES[code] ?? 'internal';
  if (lastSeen === 'queued') return 'no-slot';
  if (gaveWay && code === 'ERR_CANCELLED') return 'gave-way';
  const { totalMs = MOMENT_MS, begunMs = totalMs } = times;
  const isBegun = lastSeen === 'token' || lastSeen === 'choice';
  const calledMs = latencyMs - waitMs;
  if (calledMs >= (isBegun ? totalMs : Math.min(totalMs, begunMs))) return CAUSES_BY_SEEN[lastSeen];
  return waitMs > calledMs ? 'no-slot' : 'too-short';
}

function isQueued({ code, lastSeen }: Attempt): boolean {
  return lastSeen === 'queued' || code === 'ERR_ENDPOINT_BUSY';
}

function silenceFor(attempt: Attempt, { silenceAt, usual }: Undecided): Silence | undefined {
  const silence = silenceAt?.(attempt.endpoint);
  if (silence === undefined) return undefined;
  return silence.oldestMs > (usual?.(attempt).begunMs ?? SILENT_MS) ? silence : undefined;
}

/** Whether usual call times matter: many thousand plans that were never called may settle at one moment. */
function needsTimes(attempt: Attempt): boolean {
  return !isQueued(attempt) && (attempt.lastSeen !== undefined || attempt.code === 'ERR_STEP_SKIPPED');
}

function calls(count: number): string {
  return count === 1 ? '1 call' : `${count} calls`;
}

function usually(ms: number | undefined): string {
  // Learned times are accurate to a few percent.
  return ms === undefined ? '' : ` that usually takes ${timeText(Number(ms.toPrecision(2)))}`;
}

/** A time with its unit: 0.4 ms, 585 ms, 3.2 s. */
function timeText(ms: number): string {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms`;
}
