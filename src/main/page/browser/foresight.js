import { card, el, muted, showSection, table } from './dom.js';
import { count, percent } from './format.js';
import { swatch } from './timeline.js';

/**
 * What became of the states that agents were expected to be in: a bar of those that models were asked about, by whether the answer
 * was there in time. Each part has its own pattern, so that nothing depends on colour alone.
 *
 * @import { GuessCounts, GuessRow } from '../../plans/expectations/foresight-counts.ts'
 * @import { PlannerStats } from '../../plans/planner.ts'
 * @typedef {'used' | 'withheld' | 'tooLate' | 'wrong'} Outcome
 */

/** @type {readonly (readonly [Outcome, string])[]} */
const OUTCOMES = [
  ['used', 'ready when it was asked for'],
  ['withheld', 'ready, but not served'],
  ['tooLate', 'late: the plan came first'],
  ['wrong', 'wrong: its agent came into another state'],
];

/** @param {Pick<GuessCounts, Outcome>} counts */
export function foresightBar(counts) {
  const parts = OUTCOMES.filter(([outcome]) => counts[outcome] > 0).map(([outcome]) => {
    const part = el('span', `foreseen ${outcome}`);
    part.style.flexGrow = String(counts[outcome]);
    return part;
  });
  return el(
    'div',
    'foresight',
    el('p', { class: 'foresight-bar', 'aria-hidden': 'true' }, ...parts),
    el('ul', 'legend', ...OUTCOMES.map((each) => outcomeItem(counts, each))),
  );
}

/** @param {Pick<GuessCounts, Outcome>} counts @param {readonly [Outcome, string]} outcome */
function outcomeItem(counts, [outcome, text]) {
  const ended = OUTCOMES.reduce((sum, [each]) => sum + counts[each], 0);
  const share = ended === 0 ? '' : ` (${percent(counts[outcome] / ended)})`;
  return el(
    'li',
    {},
    swatch(`foreseen ${outcome}`),
    el('b', { 'data-stat': `foresight.${outcome}`, 'data-value': counts[outcome] }, count(counts[outcome])),
    ` ${text}${share}`,
  );
}

/** Shows what was foreseen; nothing if no state was told or guessed. @param {Element} parent @param {PlannerStats} stats */
export function showForesight(parent, { foresight }) {
  const { told, off, domain, experience, bySource, waiting, running } = foresight;
  const isShown = told > 0 || (domain !== false && domain.off !== null);
  showSection(parent, isShown);
  if (!isShown) return;
  const reasons = [
    off === null ? null : `Nothing is asked ahead: ${off}.`,
    off !== null || experience.off === null ? null : `Nothing is foreseen from experience: ${experience.off}.`,
    domain === false || domain.off === null ? null : `The domain is not asked for next states: ${domain.off}.`,
  ];
  const work = el('p', {}, `${count(waiting)} waiting, ${count(running)} being answered now.`);
  const why = reasons.filter((text) => text !== null).map(muted);
  parent.replaceChildren(card(foresightBar(foresight), work, ...why, sourceTable(bySource)));
}

/** @param {readonly GuessRow[]} rows */
function sourceTable(rows) {
  return table(
    'Expected states by source and scene',
    ['Source', 'Scene', 'Told', 'Asked', 'Ready', 'Late', 'Wrong', 'Dropped'],
    rows.map(({ source, scene, told, asked, used, tooLate, wrong, dropped }) => [
      source,
      scene,
      ...[told, asked, used, tooLate, wrong, dropped].map(count),
    ]),
    'stacked',
  );
}
