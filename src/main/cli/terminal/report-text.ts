import { defined } from '../../../shared/defined.ts';
import { shownInLine } from '../../../shared/shown-text.ts';
import type { Rate } from '../../cache/false-hits.ts';
import type { TierStat } from '../../cache/standing/tier-standing.ts';
import type { EndpointStats } from '../../models/endpoint-parts.ts';
import type { ReportSide, ReportTable } from '../../page/report-page.ts';
import type { ModelStats } from '../../plans/counters.ts';
import type { CalibrationStats } from '../../plans/reads/read-calibration.ts';
import { countAt } from '../../session/figures.ts';
import type { ReportServer, ReportTrace, SessionReport } from '../../session/report.ts';
import { figureOf, REPORT_FIGURES } from '../../session/report-figures.ts';
import { criteriaTable } from '../expectations.ts';
import { count, duration, percent, rate, table } from './text.ts';

/** The report for people: what ran, one line for each noteworthy figure, then the models and their servers. */
export function reportText(report: SessionReport): string {
  const [summary, ...tables] = reportTables(report) as [ReportTable, ...ReportTable[]];
  const others = tables.map(({ head, rows, alignRightFrom }) =>
    table([head, ...rows], { indent: 2, ...defined({ alignRightFrom }) }),
  );
  const heading = `${headline(report)}\n${serverText(report.server)}`;
  return `${[heading, table(summary.rows, { indent: 2 }), ...others].join('\n\n')}\n`;
}

/** The report for a page. */
export function reportSide(report: SessionReport): ReportSide {
  const lines = [headline(report), serverText(report.server)];
  return {
    title: report.trace.name,
    lines,
    tables: reportTables(report),
    foresight: report.foresight,
    series: report.series ?? null,
  };
}

function reportTables(report: SessionReport): ReportTable[] {
  const tables: ReportTable[] = [{ title: 'Figures', head: [], rows: summaryRows(report) }];
  if (report.expect !== undefined) tables.push(criteriaTable(report, report.expect));
  if (report.models.length > 0) tables.push(modelTable(report));
  tables.push(...calibrationTables(report));
  const asked = report.endpoints.filter(({ profiles, breaker }) => profiles.length > 0 || breaker.opened > 0);
  if (asked.length > 0) tables.push(endpointTable(asked));
  return tables;
}

function headline(report: SessionReport): string {
  const { trace, plans, agents, seconds, plansPerSecond, laps, interrupted, error } = report;
  const fault = error?.code === 'ERR_TRACE_INVALID' ? ', ended early by a broken trace' : ', with an error';
  const end = interrupted ? ', interrupted' : error ? fault : '';
  const ran = `${count(plans, 'plan')} for ${count(agents, 'agent')} in ${duration(seconds * 1_000)}`;
  const round = laps > 1 ? `, ${count(laps, 'lap')} of the trace started` : '';
  return `Session ${trace.name}${end}: ${ran} (${rate(plansPerSecond)} plans/s${round})`;
}

function serverText(server: ReportServer): string {
  if (server.kind === 'endpoints') return `Models at ${server.baseURLs.join(', ')}`;
  const { speed } = server;
  if (speed === 1) return 'Models: the simulated server, in real time';
  const example = `100 ms here are ${duration(100 * speed)} in real time`;
  return `Models: the simulated server, at ${rate(speed)} times real time; its times are that much shorter (${example})`;
}

function summaryRows(report: SessionReport): string[][] {
  const { plans, planningMs } = report;
  const of = (part: number): string => `${count(part)} of ${count(plans)} (${percent(part, plans)})`;
  const rows = [
    [nameOf('legal'), of(report.legal)],
    [nameOf('onTime'), of(report.onTime)],
    [nameOf('planningMs'), spread(planningMs)],
    ['Cache', cacheText(report)],
    ...laterRows(report),
    ...honestyRows(report),
    ...readRows(report),
    ...foresightRows(report),
    [nameOf('llmSuccess'), successText(report)],
    saidRow(report, 'timeouts'),
    saidRow(report, 'fallbacks'),
    ['Sources', sourcesText(report)],
    ...domainRows(report),
    ...whyRows(report),
    ...workRows(report),
    ...skippedRows(report.trace),
  ];
  if (report.cancelled > 0) rows.push([nameOf('cancelled'), `${count(report.cancelled, 'plan')} by the interrupt`]);
  const { compared, agreed } = report.agreement;
  if (compared > 0) {
    const share = `${count(agreed)} of ${count(compared)} (${percent(agreed, compared)})`;
    rows.push([nameOf('agreement.rate'), `${share} chose the recorded action`]);
  }
  return rows;
}

/** A row for each of several domains. */
function domainRows({ domains = {} }: SessionReport): string[][] {
  return Object.entries(domains).map(([name, { plans, hitRate, planningMs, sources }]) => {
    const told = `${count(plans, 'plan')} · hit rate ${percent(hitRate, 1)} · p50 ${duration(planningMs.p50)}`;
    return [`Domain ${shownInLine(name)}`, `${told} · ${sourcesText({ sources, plans })}`];
  });
}

function nameOf(path: string): string {
  return figureOf(path)?.name ?? path;
}

/** The line of a figure, worded as in the table of figures. */
function saidRow(tree: object, path: string): string[] {
  const [name, noun, rest] = figureOf(path)?.said ?? [nameOf(path), '', ''];
  return [name, `${count(countAt(tree, path), noun)}${rest}`];
}

/** The lines of those figures that have one and are not 0. */
export function saidRows(tree: object, isWanted: (path: string) => boolean): string[][] {
  const told = REPORT_FIGURES.filter(({ path, said }) => said !== undefined && isWanted(path));
  return told.flatMap(({ path }) => (countAt(tree, path) > 0 ? [saidRow(tree, path)] : []));
}

/** Rows about what was skipped in a trace. */
export function skippedRows({ skipped }: ReportTrace): string[][] {
  if (skipped === undefined) return [];
  return [['Skipped', `${count(skipped.lines, 'broken line')}; the first: ${skipped.first}`]];
}

function spread({ mean, p50, p95, p99 }: SessionReport['planningMs']): string {
  return `mean ${duration(mean)} · p50 ${duration(p50)} · p95 ${duration(p95)} · p99 ${duration(p99)}`;
}

function cacheText({ cache }: SessionReport): string {
  if (cache.entriesMax === 0) return 'off';
  const { entries, entriesMax, hits, misses, ttlMs, tooLarge } = cache;
  const hitRate = percent(hits, hits + misses);
  const size = `${count(entries)}/${count(entriesMax)}`;
  const dropped = tooLarge > 0 ? ` · ${count(tooLarge)} too large to keep` : '';
  return `${size} entries · hit rate ${hitRate} · ${count(hits, 'hit')} · ${count(misses, 'miss', 'misses')} · TTL ${duration(ttlMs)}${dropped}`;
}

/** Rows about work saved, spent and given up; omitted if there is nothing to report. */
function workRows(report: SessionReport): string[][] {
  const { prompt, completion, cached, estimated } = report.tokensPerPlan;
  const rows = saidRows(report, (path) => /^(?:coalesced|superseded|calls\.(?!timeouts).+)$/.test(path));
  const loads = report.endpoints.reduce((sum, { memory }) => sum + (memory?.loads ?? 0), 0);
  const moved = rows.find(([name]) => name === figureOf('calls.seatsMoved')?.said?.[0]);
  if (moved !== undefined) moved[1] += ` · ${count(loads, 'load')}`;
  if (prompt + completion > 0) {
    const ofThem = cached > 0 ? `, ${rate(cached)} of them cached` : '';
    const guessed = estimated > 0 ? ` · ${percent(estimated, 1)} estimated` : '';
    rows.push(['Tokens a plan', `${rate(prompt)} read${ofThem} · ${rate(completion)} written${guessed}`]);
  }
  return rows;
}

/** Rows about work for later requests, done because models were too slow for this one. */
function laterRows({ background, late, endpoints }: SessionReport): string[][] {
  const rows: string[][] = [];
  const { asked, voted, states } = background.later;
  if (asked > 0)
    rows.push([
      'Asked for later',
      `${count(asked, 'call')} on idle slots, ${count(voted, 'vote')} · ${count(states, 'state')} left`,
    ]);
  const given = endpoints.reduce((sum, { givenUp }) => sum + givenUp, 0);
  if (given > 0)
    rows.push([
      'Given up',
      `${count(given, 'call')} that no plan waited for, to free slots for plans that could be on time`,
    ]);
  const all = late.find(({ kind }) => kind === 'all');
  if (all !== undefined && all.compared > 0) {
    const { compared, lateOnly, nextOnly, serves } = all;
    const standing = `right alone ${lateOnly} times, the rung below ${nextOnly} times, of ${compared} compared`;
    rows.push(['Late answers', `${serves ? 'serve' : 'are silent'}: ${standing}`]);
  }
  return rows;
}

/** Rows about how far the cache's answers can be trusted; omitted if there is nothing to report. */
function honestyRows({ cache, background }: SessionReport): string[][] {
  const { falseHits, standing, budget } = cache;
  const rows: string[][] = [];
  if (falseHits !== null && background.done > 0) {
    const { exact, similar, habit } = falseHits;
    const tiers = [rateText('same state', exact), rateText('similar', similar), rateText('habit', habit)];
    rows.push(['False hits', tiers.filter((text) => text !== '').join(' · ')]);
  }
  const { due = 0, checked = 0, lost = 0 } = falseHits?.all ?? {};
  if (due > 0)
    rows.push(['Checks', `${count(checked)} of ${count(due)} due (${percent(checked, due)}), ${count(lost)} lost`]);
  if (budget !== null) {
    const { served, judged, probes, risk, riskHigh } = budget;
    const now =
      risk === null || riskHigh === null
        ? 'nothing is certain enough now'
        : `risk ${percent(risk, 1)}, at most ${percent(riskHigh, 1)}`;
    rows.push([
      'Error budget',
      `${percent(budget.budget, 1)} · served ${count(served)} of ${count(judged)} judged · ${count(probes, 'probe')} · ${now}`,
    ]);
  }
  rows.push(...saidRows({ cache }, (path) => path.startsWith('cache.')));
  const tiers = (standing?.tiers ?? []).filter(({ tier }) => tier !== 'old').map(tierText);
  if (standing?.trust === 'earned' && tiers.length > 0) rows.push(['Standing', tiers.join(' · ')]);
  return rows;
}

/** Rows about decisions without words, if a model was read. Background reads make decisions, but no plans. */
function readRows({ reads, plans }: SessionReport): string[][] {
  if (reads === null || reads.asked === 0) return [];
  const { asked, decided, unsure, failed, calibration } = reads;
  if (failed === asked) {
    return [['Read decisions', `none: ${count(asked, 'read')} failed; conclave doctor says which models can be read`]];
  }
  const parts = [`${percent(Math.min(decided, plans), plans)} of ${count(plans, 'plan')}`, `${count(asked, 'read')}`];
  if (unsure > 0) parts.push(`${count(unsure)} unsure`);
  if (failed > 0) parts.push(`${count(failed)} failed`);
  const errors = calibration.flatMap(({ model, error }) => (error === undefined ? [] : `${rate(error)} (${model})`));
  if (errors.length > 0) parts.push(`calibration error ${errors.join(', ')}`);
  return [['Read decisions', parts.join(' · ')]];
}

/** The row of what models were asked ahead, if any state was told or guessed. */
function foresightRows({ foresight }: SessionReport): string[][] {
  if (foresight === null || foresight.told === 0) return [];
  const { told, asked, used, tooLate, joined, wrong, dropped } = foresight;
  const late = `${count(tooLate)} late (${count(joined)} joined)`;
  const ends = `${count(used)} ready · ${late} · ${count(wrong)} wrong · ${count(dropped)} dropped`;
  return [['Foreseen', `${count(told, 'state')}, ${count(asked)} asked: ${ends}`]];
}

/** Returns, for example, `similar up to 0.1: 84 % of 120, silent`. */
function tierText({ tier, to, compared, agreement, serving }: TierStat): string {
  const where = to === null ? tier : `${tier} up to ${to}`;
  return `${where}: ${percent(agreement ?? 0, 1)} of ${count(compared)} right, ${serving ? 'serves' : 'silent'}`;
}

function rateText(tier: string, { checked, wrong, low, high, tooFew }: Rate): string {
  if (checked === 0 || low === null || high === null) return '';
  if (tooFew) return `${tier}: ${count(wrong)} of ${count(checked)} checked, too few to tell`;
  return `${tier}: ${count(wrong)} of ${count(checked)} checked (95 % interval ${percent(low, 1)} to ${percent(high, 1)})`;
}

function successText({ llmSuccess, calls }: SessionReport): string {
  const { made, useful, timeouts, cancelled, failed } = calls;
  if (made === 0) return 'no calls made';
  const wanted = useful + timeouts + failed;
  const success = `${percent(llmSuccess, 1)} · ${count(useful)} useful of ${count(wanted, 'call')}`;
  const parts = [wanted === 0 ? 'no call was needed to its end' : success];
  if (failed > 0) parts.push(`${count(failed)} failed`);
  if (cancelled > 0) parts.push(`${count(cancelled)} more cancelled, no longer needed`);
  return parts.join(' · ');
}

function sourcesText({ sources, plans }: Pick<SessionReport, 'sources' | 'plans'>): string {
  const used = Object.entries(sources).filter(([, plansOf]) => plansOf > 0);
  if (used.length === 0) return 'none';
  return used.map(([source, plansOf]) => `${source} ${count(plansOf)} (${percent(plansOf, plans)})`).join(' · ');
}

/** Why no model decided, most frequent first; empty if there are no such plans. */
function whyRows({ why, plans }: SessionReport): string[][] {
  const found = Object.entries(why).filter(([, plansOf]) => plansOf > 0);
  if (found.length === 0) return [];
  const texts = found
    .toSorted(([, a], [, b]) => b - a)
    .map(([code, plansOf]) => `${code} ${count(plansOf)} (${percent(plansOf, plans)})`);
  return [['Why no model decided', texts.join(' · ')]];
}

const NOTHING = '–';

type Column<T> = readonly [name: string, cell: (item: T) => string];

/** The table of figures names a column, unless its cells are not figures. */
function columnOf<T>(path: string, cell: (item: T) => string): Column<T> {
  return [nameOf(path), cell];
}

/** If several endpoints were asked, each row names its own: a model at two of them has two rows. */
function modelTable({ models }: SessionReport): ReportTable {
  const hasSeveral = new Set(models.map(({ endpoint }) => endpoint)).size > 1;
  const endpoint: Column<ModelStats> = ['Endpoint', (model) => model.endpoint];
  const columns: Column<ModelStats>[] = [
    ['Model', ({ model }) => model],
    ...(hasSeveral ? [endpoint] : []),
    ['Step', ({ step }) => step],
    columnOf('models.*.made', ({ made }) => count(made)),
    columnOf('models.*.successRate', ({ successRate }) => percent(successRate, 1)),
    columnOf('models.*.timeouts', ({ timeouts }) => count(timeouts)),
    columnOf('models.*.failed', ({ failed }) => count(failed)),
    ['p50', ({ latencyMs }) => duration(latencyMs.p50)],
    ['p95', ({ latencyMs }) => duration(latencyMs.p95)],
    columnOf('models.*.firstTokenMs', ({ firstTokenMs: of }) => (of.count === 0 ? NOTHING : duration(of.p50))),
    ['Tokens', ({ completionTokens }) => count(completionTokens)],
  ];
  return { ...tableOf('Models', columns, models), alignRightFrom: hasSeveral ? 3 : 2 };
}

/** How well the probabilities that were read predict what models decide in words, by model and expected share. */
function calibrationTables({ reads }: SessionReport): ReportTable[] {
  const known = reads?.calibration.filter(({ compared }) => compared > 0) ?? [];
  if (known.length === 0) return [];
  const told = (value: number | undefined): string => (value === undefined ? NOTHING : rate(value));
  const of: Column<CalibrationStats>[] = [
    ['Reads of', ({ model }) => model],
    columnOf('reads.calibration.*.compared', ({ compared }) => count(compared)),
    columnOf('reads.calibration.*.error', ({ error }) => told(error)),
    columnOf('reads.calibration.*.brier', ({ brier }) => told(brier)),
    columnOf('reads.calibration.*.brierOfMean', ({ brierOfMean }) => told(brierOfMean)),
  ];
  const bins = known.flatMap(({ model, curve }) => curve.map((bin) => ({ model, ...bin })));
  const by: Column<(typeof bins)[number]>[] = [
    ['Reads of', ({ model }) => model],
    ['Expected', ({ expected }) => percent(expected, 1)],
    ['Came', ({ agreed }) => percent(agreed, 1)],
    ['Compared', ({ compared }) => count(compared)],
  ];
  const tables = [tableOf('Calibration of reads', of, known), tableOf('Reliability of reads', by, bins)];
  return tables.map((each) => ({ ...each, alignRightFrom: 1 }));
}

/** Omits columns in which no server has a value. */
function endpointTable(endpoints: readonly EndpointStats[]): ReportTable {
  const columns: Column<EndpointStats>[] = [
    ['Endpoint', ({ endpoint }) => endpoint],
    columnOf('endpoints.*.slots', ({ slots, slotsKnown }) => `${count(slots)}${slotsKnown ? ' (told)' : ''}`),
    columnOf('endpoints.*.width', ({ slots, width = slots }) => (width < slots ? count(width) : NOTHING)),
    ['Breaker', ({ breaker }) => breakerText(breaker)],
    columnOf('endpoints.*.held', ({ held }) => (held > 0 ? count(held, 'slot') : NOTHING)),
  ];
  const told = columns.filter(([, cell]) => endpoints.some((at) => cell(at) !== NOTHING));
  return tableOf('Endpoints', told, endpoints);
}

function tableOf<T>(title: string, columns: readonly Column<T>[], items: readonly T[]): ReportTable {
  const rows = items.map((item) => columns.map(([, cell]) => cell(item)));
  return { title, head: columns.map(([name]) => name), rows };
}

function breakerText({ state, opened }: EndpointStats['breaker']): string {
  return opened === 0 ? NOTHING : `${state}, opened ${opened === 1 ? 'once' : count(opened, 'time')}`;
}
