import { SOURCES } from './figures.js';
import { duration, percent, rate } from './format.js';

/**
 * The charts: one panel each, the same on the page and in reports.
 *
 * @import { Series } from '../../monitor/series.ts'
 * @typedef {readonly (number | null)[]} Values
 * @typedef {object} Line
 * @property {string} name
 * @property {string} color a custom property of page.css
 * @property {number[]} [dash]
 * @property {(series: Series) => Values} of
 * @property {(series: Series) => number | null} [whole] over all the time that is shown; by default only the highest is shown
 * @typedef {object} Panel
 * @property {string} id
 * @property {string} title
 * @property {'lines' | 'area' | 'stacked'} kind
 * @property {boolean} [isLog]
 * @property {number} [max] the end of the scale, if fixed
 * @property {number} [maxMin] the scale reaches at least as far
 * @property {(value: number | null | undefined) => string} shown
 * @property {readonly Line[]} lines
 * @property {{ low: (series: Series) => Values, high: (series: Series) => Values, of: number }} [band] the interval of a line
 */

/** @param {(series: Series) => readonly number[]} of @returns {(series: Series) => Values} */
const perSecond = (of) => (series) => of(series).map((value, i) => quotient(value, series.seconds[i] ?? 0));

/** @param {readonly number[]} values */
const sum = (values) => values.reduce((total, value) => total + value, 0);

/** @param {(series: Series) => readonly number[]} of @returns {(series: Series) => number | null} */
const meanPerSecond = (of) => (series) => quotient(sum(of(series)), sum(series.seconds));

/**
 * A line of counts, converted to counts per second.
 * @param {string} name @param {string} color @param {(series: Series) => readonly number[]} of @param {number[]} [dash]
 */
function counted(name, color, of, dash) {
  return { name, color, ...(dash === undefined ? {} : { dash }), of: perSecond(of), whole: meanPerSecond(of) };
}

/** @param {number | null | undefined} value */
const perSecondShown = (value) => (value === null || value === undefined ? '–' : `${rate(value)}/s`);

/** @param {number} part @param {number} whole */
function quotient(part, whole) {
  return whole > 0 ? part / whole : null;
}

/** @type {readonly Panel[]} */
export const PANELS = [
  {
    id: 'throughput',
    title: 'Plans per second',
    kind: 'area',
    maxMin: 1,
    shown: perSecondShown,
    lines: [counted('plans', '--c-blue', ({ plans }) => plans)],
  },
  {
    id: 'sources',
    title: 'Where plans came from',
    kind: 'stacked',
    maxMin: 1,
    shown: perSecondShown,
    lines: SOURCES.map((source) => counted(source, `--source-${source}`, ({ sources }) => sources[source])),
  },
  {
    id: 'planning',
    title: 'Planning time',
    kind: 'lines',
    isLog: true,
    shown: duration,
    lines: [
      { name: 'p50', color: '--c-blue', of: ({ p50 }) => p50 },
      { name: 'p95', color: '--c-orange', dash: [8, 4], of: ({ p95 }) => p95 },
      { name: 'p99', color: '--c-red', dash: [2, 3], of: ({ p99 }) => p99 },
    ],
  },
  {
    id: 'cache',
    title: 'Hits and false hits',
    kind: 'lines',
    max: 1,
    shown: percent,
    lines: [
      {
        name: 'hit rate',
        color: '--c-blue',
        of: ({ hits, lookups }) => hits.map((value, i) => quotient(value, lookups[i] ?? 0)),
        whole: ({ hits, lookups }) => quotient(sum(hits), sum(lookups)),
      },
      {
        name: 'false hits so far',
        color: '--c-red',
        dash: [6, 4],
        of: ({ falseRate }) => falseRate,
        whole: ({ falseRate }) => falseRate.at(-1) ?? null,
      },
    ],
    band: { of: 1, low: ({ falseLow }) => falseLow, high: ({ falseHigh }) => falseHigh },
  },
  {
    id: 'trouble',
    title: 'Timeouts, failures, fallbacks',
    kind: 'lines',
    maxMin: 1,
    shown: perSecondShown,
    lines: [
      counted('calls out of time', '--c-red', ({ timeouts }) => timeouts),
      counted('failed calls', '--c-purple', ({ failed }) => failed, [2, 3]),
      counted('fallbacks', '--c-orange', ({ fallbacks }) => fallbacks, [8, 4]),
    ],
  },
];
