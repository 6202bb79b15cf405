import { PANELS } from './chart-panels.js';
import { Charts, highestOf } from './charts.js';
import { byId, el, table } from './dom.js';
import { foresightBar } from './foresight.js';
import { PlanList } from './plan-list.js';

/**
 * A report: what the command line prints, with the charts of the live page; or two reports side by side, on equal scales.
 *
 * @import { ReportData, ReportSide, ReportTable } from '../report-page.ts'
 */

/** @param {ReportData} data */
function showReport(data) {
  const main = byId('main');
  if (data.kind === 'session') {
    main.append(...sideParts(data.side));
    const charts = chartSection(data.side);
    main.append(charts.section);
    showCharts(charts.place, data.side, {});
    if (data.plans.length > 0) main.append(planSection(data.plans));
  } else showComparison(main, data);
}

/** @param {Element} main @param {Extract<ReportData, { kind: 'comparison' }>} data */
function showComparison(main, { sides, rows, warnings }) {
  const [a, b] = sides;
  if (warnings.length > 0) {
    main.append(el('ul', { class: 'card warnings' }, ...warnings.map((text) => el('li', {}, `Mind: ${text}`))));
  }
  const cells = rows.map(({ name, texts: [ofA, ofB, difference], better }) => [
    name,
    el('span', { class: better === 'a' ? 'better' : null }, ofA),
    el('span', { class: better === 'b' ? 'better' : null }, ofB),
    difference,
  ]);
  const figures = table('What differs', ['Figure', `A: ${a.title}`, `B: ${b.title}`, 'B against A'], cells);
  main.append(
    section('Side by side', el('div', { class: 'card scroll report-table' }, figures)),
    el(
      'p',
      { class: 'muted' },
      '✓ is better: shares whose 95 % intervals do not meet, times and rates that differ by more than 5 %.',
    ),
  );
  const maxOf = Object.fromEntries(
    PANELS.map((panel) => [
      panel.id,
      Math.max(...sides.map(({ series }) => (series === null ? 0 : highestOf(panel, series)))),
    ]),
  );
  const secondsMin = Math.max(
    1,
    ...sides.map(({ series }) => series?.seconds.reduce((sum, seconds) => sum + seconds, 0) ?? 0),
  );
  const made = sides.map((side, i) => ({ side, charts: chartSection(side), name: 'AB'.charAt(i) }));
  main.append(
    el(
      'div',
      { class: 'sides' },
      ...made.map(({ side, charts, name }) =>
        el(
          'div',
          {},
          el('h2', {}, `${name}: ${side.title}`),
          ...side.lines.map((line) => el('p', { class: 'muted' }, line)),
          charts.place,
        ),
      ),
      ...made.map(({ side }) => el('div', {}, ...side.tables.map(tableSection), ...foresightSections(side.foresight))),
    ),
  );
  for (const { side, charts } of made) showCharts(charts.place, side, { maxOf, secondsMin });
}

/** @param {ReportSide} side */
function sideParts({ lines, tables, foresight }) {
  return [
    ...lines.map((line) => el('p', { class: 'muted' }, line)),
    ...tables.map(tableSection),
    ...foresightSections(foresight),
  ];
}

/** @param {ReportSide['foresight']} foresight */
function foresightSections(foresight) {
  if (foresight === null || foresight.told === 0) return [];
  return [section('What was foreseen', el('div', { class: 'card' }, foresightBar(foresight)))];
}

/** @param {ReportTable} given */
function tableSection({ title, head, rows }) {
  return section(title, el('div', { class: 'card scroll report-table' }, table(title, head, rows)));
}

/** @param {ReportSide} side */
function chartSection({ series }) {
  const place = el('div', { class: 'charts' });
  if (series === null || series.atMs.length === 0) {
    place.append(el('p', { class: 'muted' }, 'This report has no samples: its charts are empty.'));
  }
  return { place, section: section('Over time', place) };
}

/** @param {Element} place @param {ReportSide} side @param {import('./charts.js').ChartOptions} options */
function showCharts(place, { series }, options) {
  if (series === null || series.atMs.length === 0) return;
  new Charts(place, { isElapsed: true, secondsMin: 1, ...options }).show(series);
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
