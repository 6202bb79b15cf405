import { el, muted } from './dom.js';
import { count, duration } from './format.js';

/**
 * The attempts of a plan as bars over its time. Each phase has its own pattern and each failure a sign, so that nothing depends on colour alone.
 *
 * @import { Attempt } from '../../models/calls/attempt.ts'
 * @import { ShownPlan } from '../../monitor/latest-plans.ts'
 * @typedef {'wait' | 'queue' | 'read' | 'tokens'} Phase
 * @typedef {'ok' | 'cancelled' | 'failed'} Ending
 */

/** @type {readonly (readonly [Phase, string])[]} */
const PHASES = [
  ['wait', 'waits for a slot'],
  ['queue', "in the server's queue"],
  ['read', 'to the first token'],
  ['tokens', 'writes tokens'],
];

/** @type {Readonly<Record<Ending, string>>} */
const SIGNS = { ok: '', cancelled: '×', failed: '!' };

/** @param {Attempt} attempt @returns {Ending} */
export function endingOf({ code }) {
  if (code === 'OK') return 'ok';
  return code === 'ERR_CANCELLED' ? 'cancelled' : 'failed';
}

/**
 * Length of each phase of an attempt, up to the one in which it ended.
 * @param {Attempt} attempt @returns {{ phase: Phase, ms: number }[]}
 */
export function phasesOf({ waitMs, latencyMs, queueMs, firstTokenMs }) {
  const calledMs = Math.max(0, latencyMs - waitMs);
  const headersMs = Math.min(queueMs ?? firstTokenMs ?? calledMs, calledMs);
  const tokenMs = Math.max(headersMs, Math.min(firstTokenMs ?? calledMs, calledMs));
  /** @type {{ phase: Phase, ms: number }[]} */
  const phases = [
    { phase: 'wait', ms: Math.min(waitMs, latencyMs) },
    { phase: 'queue', ms: headersMs },
    { phase: 'read', ms: tokenMs - headersMs },
    { phase: 'tokens', ms: calledMs - tokenMs },
  ];
  return phases.filter(({ ms }) => ms > 0);
}

/**
 * The drawn time span of a plan, in milliseconds from its start: joined work began before it.
 * @param {ShownPlan} plan
 */
export function spanOf({ attempts, latencyMs }) {
  const from = attempts.reduce((min, { startMs }) => Math.min(min, startMs), 0);
  const to = attempts.reduce((max, attempt) => Math.max(max, attempt.startMs + attempt.latencyMs), latencyMs);
  return { from, to: Math.max(to, from + 0.001) };
}

/** One attempt over the time from `from` to `to`.
 * @param {Attempt} attempt @param {{ from: number, to: number }} span */
function attemptBar(attempt, { from, to }) {
  const ending = endingOf(attempt);
  const width = to - from;
  const bar = el('span', `bar-of ${ending}`);
  bar.style.left = `${percentOf(attempt.startMs - from, width)}%`;
  bar.style.width = `${Math.max(0.5, percentOf(attempt.latencyMs, width))}%`;
  for (const { phase, ms } of phasesOf(attempt)) {
    const part = el('span', `phase ${phase}`);
    part.style.flexGrow = String(ms);
    bar.append(part);
  }
  if (ending !== 'ok') bar.append(el('span', 'sign', SIGNS[ending]));
  return el('span', 'track', beforeIt({ from, to }), bar);
}

/** Marks the time before the plan was asked, if there was work by then. @param {{ from: number, to: number }} span */
function beforeIt({ from, to }) {
  if (from === 0) return null;
  const before = el('span', 'before');
  before.style.width = `${percentOf(-from, to - from)}%`;
  return before;
}

/** All attempts of a plan, one above the other.
 * @param {ShownPlan} plan */
export function planBars(plan) {
  const span = spanOf(plan);
  const bars = plan.attempts.map((attempt) => attemptBar(attempt, span));
  return el('span', { class: 'bars', 'aria-hidden': 'true' }, ...bars);
}

export function phaseLegend() {
  return el(
    'ul',
    'legend phases',
    ...PHASES.map(([phase, text]) => el('li', {}, swatch(`phase ${phase}`), text)),
    el('li', {}, swatch('sign cancelled', SIGNS.cancelled), 'cancelled, not needed'),
    el('li', {}, swatch('sign failed', SIGNS.failed), 'failed or out of time'),
    el('li', {}, swatch('before'), 'before the plan was asked'),
    el('li', {}, 'Each plan over its own time.'),
  );
}

/** The sample of a pattern in a legend. @param {string} kind @param {string} [sign] */
export function swatch(kind, sign) {
  return el('i', { class: `swatch ${kind}`, 'aria-hidden': 'true' }, sign);
}

/** @type {Readonly<Record<NonNullable<Attempt['lastSeen']>, string>>} */
const SEEN = {
  queued: 'while it waited for a slot',
  called: 'before anything was sent',
  sent: 'with no sign of the server',
  headers: 'with headers, but no token',
  token: 'while it was being written',
  choice: 'with its choice made',
};

/**
 * One plan with all of its details.
 * @param {ShownPlan} plan @param {string} time
 */
export function planDetail(plan, time) {
  const { attempts, attemptCount } = plan;
  const left = attemptCount - attempts.length;
  return el(
    'div',
    'detail-body',
    el('h3', { id: 'detail-title' }, `Plan ${plan.id}: `, el('b', {}, plan.action)),
    el('p', 'reason', plan.reason === '' ? 'No reason was given.' : plan.reason),
    plan.why &&
      el('p', 'why', el('b', {}, 'No model decided: '), `${plan.why.message} `, el('code', {}, plan.why.code)),
    el('dl', 'facts', ...factsOf(plan, time).flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, value)])),
    attempts.length === 0
      ? muted('No model was asked.')
      : el('ol', 'attempts', ...attempts.map((attempt) => attemptItem(attempt, spanOf(plan)))),
    left > 0 ? muted(`and ${count(left)} more`) : null,
  );
}

/** @param {ShownPlan} plan @param {string} time @returns {[string, string][]} */
function factsOf(plan, time) {
  /** @type {[string, string][]} */
  const facts = [
    ['Agent', plan.domain === undefined ? plan.agent : `${plan.agent} (${plan.domain})`],
    ['Source', plan.source + (plan.model === undefined || plan.model === '' ? '' : `, ${plan.model}`)],
    ['Planned in', duration(plan.latencyMs)],
    ['Settled', plan.latenessMs > 0 ? `${time}, ${duration(plan.latenessMs)} after its deadline` : time],
  ];
  if (plan.ageMs !== undefined) facts.push(['Decided', `${duration(plan.ageMs)} before`]);
  const { from } = spanOf(plan);
  if (from < 0) facts.push(['Work began', `${duration(-from)} before it was asked`]);
  if (plan.coalesced) facts.push(['Shared', 'the model work of another plan']);
  return facts;
}

/** @param {Attempt} attempt @param {{ from: number, to: number }} span */
function attemptItem(attempt, span) {
  const ending = endingOf(attempt);
  const { role, step, model, endpoint, code, action, message, lastSeen, completionTokens } = attempt;
  const times = PHASES.map(([phase, text]) => {
    const ms = phasesOf(attempt).find((each) => each.phase === phase)?.ms;
    return el('li', {}, swatch(`phase ${phase}`), `${text} `, el('b', {}, duration(ms)));
  });
  const tokens = completionTokens === undefined ? '' : `, ${count(completionTokens)} tokens`;
  return el(
    'li',
    `attempt ${ending}`,
    el('p', 'attempt-head', el('b', {}, role ?? step), ` ${model} at ${endpoint}`),
    attemptBar(attempt, span),
    el(
      'p',
      'outcome',
      el('code', {}, code),
      action === undefined ? '' : ` for ${action}`,
      ` after ${duration(attempt.latencyMs)}${tokens}`,
      lastSeen === undefined ? '' : `, ${SEEN[lastSeen]}`,
    ),
    message && el('p', 'message', message),
    el('ul', 'legend times', ...times),
  );
}

/** @param {number} part @param {number} whole */
function percentOf(part, whole) {
  return Math.min(100, Math.max(0, (100 * part) / whole));
}
