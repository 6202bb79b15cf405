import type { BucketingAdvice } from '../../replay/bucketing-advice.ts';
import type { TierOutcome } from '../../replay/replay.ts';
import type { ReplayReport } from '../../replay/replay-report.ts';
import type { SimilarAdvice } from '../../replay/similar-advice.ts';
import { saidRows, skippedRows } from './report-text.ts';
import { count, duration, percent, table } from './text.ts';

/** The report for people: how it was served, one line for each noteworthy figure, then advice on the bucketing. */
export function replayText(report: ReplayReport, seconds: number): string {
  const parts = [heading(report, seconds), table(rows(report), { indent: 2 })];
  if (report.similarAdvice !== null) parts.push(similarText(report.similarAdvice, report.trust));
  if (report.advice.length > 0) parts.push(bucketing(report.advice));
  return `${parts.join('\n\n')}\n`;
}

function heading(report: ReplayReport, seconds: number): string {
  const { trace, decisions, interrupted, error, serve, errorBudget, ttlSeconds, entries, guard } = report;
  const end = interrupted ? ', interrupted' : error ? ', ended early by a broken trace' : '';
  const how =
    serve === 'first'
      ? `Serves the first answer${report.trust === 'earned' ? ' if its tier has earned it' : ''}`
      : `Serves within an error budget of ${percent(errorBudget ?? 0, 1)}`;
  const expiry = ttlSeconds === 0 ? 'no expiry' : `TTL ${duration(1_000 * ttlSeconds)}`;
  const ran = `${count(decisions, 'decision')} in ${duration(1_000 * seconds)}`;
  return `Replay ${trace.name}${end}: ${ran}\n${how} · ${expiry} · ${count(entries, 'entry', 'entries')}${guard ? '' : ' · no guard'}`;
}

function rows(report: ReplayReport): string[][] {
  const { decisions, servedCount, loopedCount, thirdInARow, exact, similar, habit, lookupsPerSecond } = report;
  const of = (part: number, whole: number): string => `${count(part)} of ${count(whole)} (${percent(part, whole)})`;
  return [
    ['Served', of(servedCount, decisions)],
    ['Wrong', wrongText(report)],
    ['Exact', tierText(exact, decisions)],
    ['Similar', tierText(similar, decisions)],
    ...(report.serve === 'budget' ? [['Habit', tierText(habit, decisions)]] : []),
    ['Looped', `${of(loopedCount, servedCount)} repeated the agent's last action in an unchanged state`],
    ['Third in a row', count(thirdInARow)],
    ...occasionalRows(report),
    ['Speed', `${count(lookupsPerSecond, 'lookup')}/s`],
  ];
}

/** Rows that are shown only if they apply. */
function occasionalRows({ trace, cache, unjudged, disordered, restarts, running, withheld }: ReplayReport): string[][] {
  const shown: string[][] = skippedRows(trace);
  if (cache.budget !== false) {
    shown.push(
      ['Budget', budgetText(cache.budget)],
      ['So far', runningText(running)],
      ['Held back', heldText(withheld)],
    );
  }
  shown.push(...saidRows({ cache }, (path) => path.startsWith('cache.') && path !== 'cache.loopsBroken'));
  if (cache.evictions > 0) shown.push(['Evicted', count(cache.evictions, 'decision')]);
  if (unjudged > 0) {
    shown.push(['Not judged', `${count(unjudged, 'record')} without a recorded choice among the offered actions`]);
  }
  if (restarts > 0) shown.push(['Time', `jumped back ${count(restarts, 'time')}, and was continued from where it was`]);
  if (disordered > 0) shown.push(['Out of order', `${count(disordered, 'record')}, earlier than the record before`]);
  return shown;
}

/** Number of points of the running share that a person is shown. */
const SHOWN_POINTS = 6;

/** Returns, for example, `wrong 4.0 % of 250, 4.6 % of 512 served`. */
function runningText(running: ReplayReport['running']): string {
  const served = running.filter((point) => point.served > 0);
  if (served.length === 0) return 'nothing was served';
  const every = Math.ceil(served.length / SHOWN_POINTS);
  const points = served.filter((_, i) => (served.length - 1 - i) % every === 0);
  return `wrong ${points.map((point) => `${percent(point.wrong, point.served)} of ${count(point.served)}`).join(', ')} served`;
}

function heldText({ loop, values, expiry, evidence, probes }: ReplayReport['withheld']): string {
  const loops = `${count(loop)} by the loop guard, ${count(values)} by Q-values`;
  return `${count(evidence)} for lack of evidence, ${count(probes)} as probes, ${loops}, ${count(expiry)} expired`;
}

function wrongText({ servedCount, wrongCount, wrongLow, wrongHigh }: TierOutcome): string {
  if (servedCount === 0) return 'nothing was served';
  const interval = `95 % interval ${percent(wrongLow, 1)} to ${percent(wrongHigh, 1)}`;
  return `${count(wrongCount)} of ${count(servedCount)} (${percent(wrongCount, servedCount)}; ${interval})`;
}

function tierText(tier: TierOutcome, decisions: number): string {
  if (tier.servedCount === 0) return 'none served';
  return `${percent(tier.servedCount, decisions)} served, wrong ${wrongText(tier)}`;
}

function budgetText({ budget, risk, riskHigh, probes }: Exclude<ReplayReport['cache']['budget'], false>): string {
  const now =
    risk === null || riskHigh === null
      ? 'too little evidence to serve anything now'
      : `what is served now is wrong in an estimated ${percent(risk, 1)}, ${percent(riskHigh, 1)} at most`;
  return `${percent(budget, 1)}: ${now}; ${count(probes, 'probe')} made to gather evidence`;
}

/** Returns, for example, `Similar states are wrong in 61 % of 789, where the record differs from itself in 37 %: they stay silent; …`. */
export function similarText({ compared, wrong, selfWrong, serving, advised }: SimilarAdvice, trust: string): string {
  const found = `Similar states are wrong in ${percent(wrong, 1)} of ${count(compared)}; in the same state, recorded choices differ in ${percent(selfWrong, 1)}`;
  if (advised && trust === 'always')
    return `${found}: \`trust: 'earned'\` does not serve them, \`similar: false\` also saves the search`;
  if (advised && !serving) return `${found}: they are not served; \`similar: false\` also saves the search`;
  if (advised) return `${found}: only the nearest are served`;
  return serving ? `${found}: they are served` : `${found}: not enough evidence yet to serve them`;
}

function bucketing(advice: readonly BucketingAdvice[]): string {
  const advised = advice.filter((change) => change.advised);
  const [{ decisions }] = advice as [BucketingAdvice];
  const title = `Bucketing (a plain cache of first answers over ${count(decisions, 'decision')}, one change at a time)`;
  const lines = advised.length === 0 ? ['no change: no other bucketing serves enough more'] : advised.map(adviceText);
  return [title, ...lines.map((line) => `  ${line}`)].join('\n');
}

/** `turn` splits states that agree: drop it: served 21 % → 30 %, wrong 15 % → 16 % */
function adviceText({ feature, change, edges, served, servedNow, wrong, wrongNow }: BucketingAdvice): string {
  const what =
    change === 'drop'
      ? 'separates states with equal decisions: remove it'
      : `has more buckets than its decisions need: halve its edges to ${edges?.join(', ')}`;
  return `\`${feature}\` ${what}: served ${percent(servedNow, 1)} → ${percent(served, 1)}, wrong ${percent(wrongNow, 1)} → ${percent(wrong, 1)}`;
}
