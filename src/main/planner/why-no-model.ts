import type { ErrorCode } from '../../shared/errors.ts';
import type { Attempt, LastSeen } from '../plan.ts';
import { WHY_CODE_LIST, WHY_CODES, type Why, type WhyCode } from '../why.ts';

/**
 * Says why no model decided a plan, from what each of its attempts last saw. Only for plans that no model decided: nothing is
 * kept for it on the way, and of the others nothing is looked at.
 */
export interface Undecided {
  readonly attempts: readonly Attempt[];
  /** How long the plan had, milliseconds. */
  readonly timeMs: number;
  /** What ended it before its time. */
  readonly cut?: WhyCode | undefined;
  /** Why no model was asked, where there are no attempts; undefined where a bug is the cause. */
  readonly unasked?: WhyCode | undefined;
  /** Whether calls of the plan were given up for other plans. */
  readonly gaveWay?: boolean;
  /** How long answers of the attempt's model usually take there; undefined while too little is known. */
  readonly usualMs?: ((attempt: Attempt) => number | undefined) | undefined;
}

/** Attempts at one endpoint that came to the same. */
interface Group {
  readonly code: WhyCode;
  readonly at: string;
  /** The first of them. */
  readonly first: Attempt;
  readonly usualMs: number | undefined;
  count: number;
  /** The longest time from a call to its end, and the longest wait for a slot. */
  calledMs: number;
  waitMs: number;
}

/** A call that had less time than this says nothing of its server. */
const MOMENT_MS = 20;
/** Endpoints and causes told in one sentence. */
const GROUPS_MAX = 3;

export function whyNoModel(undecided: Undecided): Why {
  const { attempts, cut, unasked } = undecided;
  if (cut !== undefined) return { code: cut, message: WHOLE[cut] ?? WHY_CODES[cut] };
  const groups = groupsOf(attempts, undecided);
  const [nearest] = groups;
  if (nearest === undefined) return whyNobody(unasked ?? 'internal', undecided.timeMs);
  const parts = groups.slice(0, GROUPS_MAX).map((group) => SAYS[group.code]?.(group) ?? WHY_CODES[group.code]);
  return { code: nearest.code, message: parts.join('; ') };
}

/** Why no model was asked at all in a plan of `timeMs`. */
export function whyNobody(code: WhyCode, timeMs: number): Why {
  return { code, message: UNASKED[code]?.(timeText(timeMs)) ?? WHY_CODES[code] };
}

const WHOLE: Readonly<Partial<Record<WhyCode, string>>> = {
  superseded:
    'a newer request with the same agent name came while this one waited for its first slot; agents that plan at the same time need names of their own',
  closing: 'the planner was closed before a model had decided',
};

const UNASKED: Readonly<Partial<Record<WhyCode, (time: string) => string>>> = {
  'no-time': (time) => `${time} are less than any model call takes, so that no model was asked`,
  'no-turn': (time) => `so many plans came at once that ${time} were over before a model could be asked`,
  'no-slot': (time) => `other plans wait for the slots of every server, and ${time} were too short to wait behind them`,
  'too-short': (time) => `no model was expected to answer in ${time}`,
  internal: () => 'the model work of this plan failed by a bug: a warning has the details',
};

const SAYS: Readonly<Partial<Record<WhyCode, (group: Group) => string>>> = {
  'no-vote': ({ at, count, first }) =>
    `${at} gave ${count === 1 ? 'an answer that was' : `${count} answers that were`} no vote for one of the actions (${first.code})`,
  unfinished: ({ at, count, calledMs }) =>
    `${at} had begun ${count === 1 ? '1 answer and not finished it' : `${count} answers and finished none`} in ${timeText(calledMs)}`,
  'server-silent': ({ at, count, calledMs, first }) =>
    `${at} took ${calls(count)} and sent ${first.lastSeen === 'headers' ? 'headers but no token' : 'nothing'} in ${timeText(calledMs)}`,
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
    first.lastSeen === undefined || first.lastSeen === 'queued'
      ? `no slot of ${at} became free in ${timeText(waitMs)}`
      : `a slot of ${at} became free after ${timeText(waitMs)}, and ${timeText(calledMs)} were left${usual(usualMs)}`,
  resting: ({ at }) => `${at} rests after failures`,
  'too-short': ({ at, calledMs, usualMs, first }) =>
    first.code === 'ERR_STEP_SKIPPED'
      ? `too little time was left for a call to ${at}${usual(usualMs)}`
      : `a call to ${at} had ${timeText(calledMs)}${usual(usualMs)}`,
};

/** The nearest to a vote first. */
function groupsOf(attempts: readonly Attempt[], undecided: Undecided): Group[] {
  const groups = new Map<string, Group>();
  for (const attempt of attempts) {
    const usualMs = undecided.usualMs?.(attempt);
    const code = causeOf(attempt, usualMs, undecided.gaveWay === true);
    const key = `${code}\n${attempt.endpoint}\n${detailOf(attempt)}`;
    const group = groups.get(key) ?? newGroup(code, attempt, usualMs);
    groups.set(key, group);
    group.count++;
    group.calledMs = Math.max(group.calledMs, attempt.latencyMs - attempt.waitMs);
    group.waitMs = Math.max(group.waitMs, attempt.waitMs);
  }
  return [...groups.values()].sort((a, b) => WHY_CODE_LIST.indexOf(a.code) - WHY_CODE_LIST.indexOf(b.code));
}

/** What a sentence says of all of its attempts: those that differ in it have sentences of their own. */
function detailOf({ code, lastSeen }: Attempt): string {
  if (code === 'ERR_ENDPOINT_BUSY') return 'queued';
  return lastSeen === 'choice' ? 'token' : (lastSeen ?? code);
}

function newGroup(code: WhyCode, first: Attempt, usualMs: number | undefined): Group {
  return { code, at: first.endpoint, first, usualMs, count: 0, calledMs: 0, waitMs: 0 };
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

/** Of calls that were cut. */
const CAUSES_BY_SEEN: Readonly<Record<LastSeen, WhyCode>> = {
  queued: 'no-slot',
  called: 'unreachable',
  sent: 'server-silent',
  headers: 'server-silent',
  token: 'unfinished',
  choice: 'unfinished',
};

function causeOf(
  { code, lastSeen, latencyMs, waitMs }: Attempt,
  usualMs: number | undefined,
  gaveWay: boolean,
): WhyCode {
  if (lastSeen === undefined) return CAUSES[code] ?? 'internal';
  if (lastSeen === 'queued') return 'no-slot';
  if (gaveWay && code === 'ERR_CANCELLED') return 'gave-way';
  const calledMs = latencyMs - waitMs;
  if (calledMs >= (usualMs ?? MOMENT_MS)) return CAUSES_BY_SEEN[lastSeen];
  return waitMs > calledMs ? 'no-slot' : 'too-short';
}

function calls(count: number): string {
  return count === 1 ? '1 call' : `${count} calls`;
}

function usual(ms: number | undefined): string {
  return ms === undefined ? '' : `, and its calls usually take ${timeText(ms)}`;
}

/** 0.4 ms, 585 ms, 3.2 s */
function timeText(ms: number): string {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms`;
}
