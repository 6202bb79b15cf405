import { PANELS } from './chart-panels.js';
import { Charts, highestOf } from './charts.js';
import { byId, card, el, muted, table } from './dom.js';
import { foresightBar } from './foresight.js';
import { PlanList } from './plan-list.js';

/**
 * A report: what the command line prints, with the charts of the live page; or two reports side by side, on equal scales.
 *
 * @import { Series } from '../../monitor/series.ts'
 * @import { ReportData, ReportSide, ReportTable } from '../report-page.ts'
 */

/** @param {ReportData} data */
function showReport(data) {
  const main = byId('main');
  if (data.kind === 'session') {
    const place = chartPlace(data.side);
    main.append(...data.side.lines.map(muted), ...bodyOf(data.side), section('Over time', place));
    showCharts(place, data.side);
    if (data.plans.length > 0) main.append(planSection(data.plans));
  } else showComparison(main, data);
}

/** @param {Element} main @param {Extract<ReportData, { kind: 'comparison' }>} data */
function showComparison(main, { sides, rows, warnings }) {
  const [a, b] = sides;
  if (warnings.length > 0) {
    main.append(el('ul', 'card warnings', ...warnings.map((text) => el('li', {}, `Mind: ${text}`))));
  }
  const cells = rows.map(({ name, texts: [ofA, ofB, difference], better }) => [
    name,
    el('span', { class: better === 'a' ? 'better' : null }, ofA),
    el('span', { class: better === 'b' ? 'better' : null }, ofB),
    difference,
  ]);
  const figures = table('What differs', ['Figure', `A: ${a.title}`, `B: ${b.title}`, 'B against A'], cells);
  const rule = '✓ is better: shares whose 95 % intervals do not meet, times and rates that differ by more than 5 %.';
  main.append(section('Side by side', el('div', 'card scroll report-table', figures)), muted(rule));
  showSides(main, sides);
}

/** @param {Element} main @param {readonly ReportSide[]} sides */
function showSides(main, sides) {
  const made = sides.map((side, i) => ({ side, place: chartPlace(side), name: 'AB'.charAt(i) }));
  const heads = made.map(({ side, place, name }) =>
    el('div', {}, el('h2', {}, `${name}: ${side.title}`), ...side.lines.map(muted), place),
  );
  const bodies = sides.map((side) => el('div', {}, ...bodyOf(side)));
  main.append(el('div', 'sides', ...heads, ...bodies));
  const scale = scaleOf(sides.flatMap(({ series }) => series ?? []));
  for (const { side, place } of made) showCharts(place, side, scale);
}

/** The scale on which charts of several sessions can be compared. @param {readonly Series[]} all */
function scaleOf(all) {
  const maxOf = PANELS.map((panel) => [panel.id, Math.max(0, ...all.map((series) => highestOf(panel, series)))]);
  const seconds = all.map((series) => series.seconds.reduce((sum, each) => sum + each, 0));
  return { maxOf: Object.fromEntries(maxOf), secondsMin: Math.max(1, ...seconds) };
}

/** The tables of a session and what was foreseen. @param {ReportSide} side */
function bodyOf({ tables, foresight }) {
  const sections = tables.map(tableSection);
  if (foresight === null || foresight.told === 0) return sections;
  return [...sections, section('What was foreseen', card(foresightBar(foresight)))];
}

/** @param {ReportTable} given */
function tableSection({ title, head, rows }) {
  return section(title, el('div', 'card scroll report-table', table(title, head, rows)));
}

/** @param {ReportSide} side */
function chartPlace({ series }) {
  const place = el('div', 'charts');
  if (series === null || series.atMs.length === 0) {
    place.append(muted('This report has no samples: its charts are empty.'));
  }
  return place;
}

/** @param {Element} place @param {ReportSide} side @param {import('./charts.js').ChartOptions} [scale] */
function showCharts(place, { series }, scale) {
  if (series === null || series.atMs.length === 0) return;
  new Charts(place, { isElapsed: true, secondsMin: 1, ...scale }).show(series);
}

/** @param {readonly import('../../monitor/latest-plans.ts').ShownPlan[]} plans */
function planSection(plans) {
  const place = el('div', {});
  const list = new PlanList(place, { isLive: false });
  list.reset(plans);
  const made = section('The last plans', place);
  made.querySelector('h2')?.setAttribute('id', 'plans-title');
  return made;
}

/** @param {string} title @param {...Node} children */
function section(title, ...children) {
  return el('section', {}, el('h2', {}, title), ...children);
}

showReport(JSON.parse(byId('data').textContent ?? ''));
