import { card, el, muted, setText, showSection, table } from './dom.js';
import { SOURCES, TOTALS } from './figures.js';
import { count, duration, NOTHING, percent, rate } from './format.js';

/**
 * The figures: tiles, totals, endpoints and scenes. A figure of `/v1/stats` has its path in `data-stat` and its exact value in `data-value`.
 *
 * @import { FalseHitRate } from '../../monitor/sample.ts'
 * @import { PlannerStats, StatsByDomain } from '../../plans/planner.ts'
 * @import { Durations } from '../../measure/durations.ts'
 * @import { StandingStats } from '../../cache/standing/tier-standing.ts'
 * @import { CalibrationStats } from '../../plans/reads/read-calibration.ts'
 * @import { EndpointStats } from '../../models/endpoint-parts.ts'
 * @typedef {Record<'seconds' | 'plans' | 'hits' | 'lookups' | 'timeouts' | 'fallbacks', number>} Minute totals of the latest minute
 * @typedef {{ stats: PlannerStats, lately: Durations, falseHits: FalseHitRate, minute: Minute }} Figures
 */

/** @param {unknown} stats @param {string} path */
function at(stats, path) {
  return path.split('.').reduce((/** @type {any} */ value, name) => value?.[name], stats);
}

/** The name of a total in the table of figures. @param {string} path */
function nameOf(path) {
  return TOTALS.find((total) => total[1] === path)?.[0] ?? path;
}

/** @param {PlannerStats} stats @param {string} path @param {(value: any) => string} shown */
function statText(stats, path, shown) {
  const value = at(stats, path);
  const isKnown = value !== undefined;
  return el(
    'span',
    { 'data-stat': path, 'data-value': isKnown ? String(value) : 'none' },
    isKnown ? shown(value) : NOTHING,
  );
}

/**
 * @typedef {object} Tile
 * @property {string} id
 * @property {string} name
 * @property {(figures: Figures) => string} value
 * @property {(figures: Figures) => (string | Node)[]} below
 */

/** @param {string} name @param {'p50' | 'p95' | 'p99'} percentile @returns {Tile} */
function planningTile(name, percentile) {
  return {
    id: percentile,
    name,
    value: ({ lately }) => (lately.count === 0 ? NOTHING : duration(lately[percentile])),
    below: ({ stats }) => [statText(stats, `planningMs.${percentile}`, duration), ' since start'],
  };
}

/** What came of the checks of all hits. @param {PlannerStats} stats */
function checksOf({ cache }) {
  return cache === false ? undefined : cache.falseHits.all;
}

/** @type {readonly Tile[]} */
const TILES = [
  {
    id: 'plans',
    name: 'Plans a second',
    value: ({ minute }) => (minute.seconds === 0 ? NOTHING : rate(minute.plans / minute.seconds)),
    below: ({ stats }) => [statText(stats, 'plans.settled', count), ' since start'],
  },
  {
    id: 'hits',
    name: nameOf('cache.hitRate'),
    value: ({ minute }) => (minute.lookups === 0 ? NOTHING : percent(minute.hits / minute.lookups)),
    below: ({ stats }) =>
      stats.cache === false ? ['the cache is off'] : [statText(stats, 'cache.hitRate', percent), ' since start'],
  },
  {
    id: 'false-hits',
    name: 'False hits so far',
    value: ({ stats, falseHits }) => (checksOf(stats)?.tooFew ? NOTHING : percent(falseHits.rate)),
    below: ({ stats, falseHits: { checked, wrong, low, high } }) => {
      const { due, lost, tooFew } = checksOf(stats) ?? { due: 0, lost: 0, tooFew: false };
      if (due + checked === 0) return ['none checked yet'];
      const interval = tooFew ? 'too few to tell' : `95 % interval ${percent(low)} to ${percent(high)}`;
      return [`${count(wrong)} of ${count(checked)}; ${interval}; ${count(due)} checks due, ${count(lost)} lost`];
    },
  },
  planningTile('p50 of planning', 'p50'),
  planningTile('p95 of planning', 'p95'),
  planningTile('p99 of planning', 'p99'),
  {
    id: 'timeouts',
    name: nameOf('calls.timeouts'),
    value: ({ minute }) => count(minute.timeouts),
    below: ({ stats }) => [statText(stats, 'calls.timeouts', count), ' since start'],
  },
  {
    id: 'fallbacks',
    name: nameOf('fallbacks'),
    value: ({ minute }) => count(minute.fallbacks),
    below: ({ stats }) => [statText(stats, 'fallbacks', count), ' since start'],
  },
  {
    id: 'in-flight',
    name: nameOf('plans.inFlight'),
    value: ({ stats }) => count(stats.plans.inFlight),
    below: ({ stats }) => [statText(stats, 'calls.running', count), ' calls in progress'],
  },
];

/** @param {Element} parent @param {Figures} figures */
export function showTiles(parent, figures) {
  if (parent.childElementCount === 0) {
    for (const { id, name } of TILES) {
      const parts = [el('p', 'name', name), el('p', 'value'), el('p', 'below')];
      parent.append(el('div', { class: 'tile card', 'data-tile': id }, ...parts));
    }
  }
  for (const { id, value, below } of TILES) {
    const tile = /** @type {Element} */ (parent.querySelector(`[data-tile="${id}"]`));
    setText(/** @type {Element} */ (tile.querySelector('.value')), value(figures));
    tile.querySelector('.below')?.replaceChildren(...below(figures));
  }
}

/** How figures of each unit are formatted; the others are counts. @type {Readonly<Record<string, (value: number) => string>>} */
const SHOWN = { ms: duration, share: percent, rate };

/** Names and what belongs to each. @param {readonly (readonly [string | Node, Node])[]} rows */
function totalsList(rows) {
  return el('dl', 'totals', ...rows.map(([name, value]) => el('div', {}, el('dt', {}, name), value)));
}

/** @param {PlannerStats} stats @param {readonly (readonly [string, string, (value: any) => string])[]} rows */
function statsList(stats, rows) {
  return totalsList(rows.map(([name, path, shown]) => [name, el('dd', {}, statText(stats, path, shown))]));
}

/** @param {Element} parent @param {PlannerStats & StatsByDomain} stats */
export function showTotals(parent, stats) {
  const totals = TOTALS.filter(([, path]) => typeof at(stats, path) === 'number').map(
    ([name, path, unit]) => /** @type {const} */ ([name, path, SHOWN[unit] ?? count]),
  );
  const sources = SOURCES.map((source) => /** @type {const} */ ([source, `sources.${source}`, count]));
  const causes = [
    el('h3', {}, 'Plans by source'),
    statsList(stats, sources),
    el('h3', {}, 'Why no model decided'),
    whyOf(stats),
    el('h3', {}, 'Calls by outcome'),
    codesOf(stats),
  ];
  parent.replaceChildren(...domainsOf(stats), card(statsList(stats, totals)), card(...causes));
}

/** A table of the domains, if there are several. @param {PlannerStats & StatsByDomain} stats */
function domainsOf({ domains }) {
  if (domains === undefined) return [];
  const heads = ['Domain', 'Plans', 'In flight', 'Hit rate', 'Wrong', 'p50', 'p95', 'Calls'];
  const rows = Object.entries(domains).map(([name, { plans, cache, planningMs, calls }]) => {
    const wrong = cache === false ? null : cache.falseHits.all.rate;
    return [
      name,
      count(plans.settled),
      count(plans.inFlight),
      cache === false ? NOTHING : percent(cache.hitRate),
      wrong === null ? NOTHING : percent(wrong),
      duration(planningMs.p50),
      duration(planningMs.p95),
      count(calls.made),
    ];
  });
  return [card(el('h3', {}, 'By domain'), table('Totals by domain', heads, rows))];
}

/** @param {PlannerStats} stats */
function whyOf({ why }) {
  const rows = Object.entries(why).filter(([, plans]) => plans > 0);
  if (rows.length === 0) return muted('There is no such plan.');
  return codeList(rows, (code) => ({ 'data-stat': `why.${code}` }));
}

/**
 * Codes contain no dots, but a reader of the path should not have to know that.
 * @param {PlannerStats} stats
 */
function codesOf({ calls }) {
  const rows = Object.entries(calls.byCode);
  return rows.length === 0 ? muted('No calls yet.') : codeList(rows, (code) => ({ 'data-code': code }));
}

/** @param {readonly (readonly [string, number])[]} rows @param {(code: string) => Record<string, string>} markOf */
function codeList(rows, markOf) {
  return totalsList(
    rows.map(([code, of]) => [
      el('code', {}, code),
      el('dd', { ...markOf(code), 'data-value': String(of) }, count(of)),
    ]),
  );
}

/** @param {Element} parent @param {readonly EndpointStats[]} endpoints */
export function showEndpoints(parent, endpoints) {
  parent.replaceChildren(...endpoints.map(endpointCard));
  if (endpoints.length === 0) parent.append(muted('None configured.'));
}

/** Maximum number of slots that are drawn one by one. */
const SLOTS_DRAWN = 64;

/** @param {EndpointStats} at */
function endpointCard(at) {
  const { endpoint, kind, slots, slotsKnown, width = slots, busy, held, waiting, breaker } = at;
  const working = Math.max(0, busy - held);
  const free = Math.max(0, slots - busy);
  const drawn = [...Array(working).fill('busy'), ...Array(held).fill('held'), ...Array(free).fill('free')];
  const times = breaker.opened === 1 ? 'once' : `${count(breaker.opened)} times`;
  const opened = breaker.opened === 0 ? '' : `, opened ${times}`;
  const state = { closed: 'healthy', open: 'resting', 'half-open': 'on trial' }[breaker.state];
  return el(
    'div',
    { class: 'card endpoint', 'data-endpoint': endpoint },
    el('h3', {}, endpoint, el('span', 'kind', kind === 'unknown' ? '' : kind)),
    el('p', `breaker ${breaker.state}`, el('b', {}, state), ` (breaker ${breaker.state}${opened})`),
    el(
      'p',
      { class: 'slots', 'aria-hidden': 'true' },
      ...drawn.slice(0, SLOTS_DRAWN).map((of) => el('i', `slot ${of}`)),
    ),
    el(
      'p',
      {},
      el('span', { 'data-slots': 'busy', 'data-value': busy }, `${count(working)} busy`),
      ', ',
      el('span', { 'data-slots': 'held', 'data-value': held }, `${count(held)} held by aborted calls`),
      `, ${count(free)} free of `,
      el('span', { 'data-slots': 'slots', 'data-value': slots }, count(slots)),
      slotsKnown ? ' (reported by the server); ' : '; ',
      el('span', { 'data-slots': 'waiting', 'data-value': waiting }, `${count(waiting)} waiting`),
      width < slots ? `; plans use ${count(width)} at once, because more would be late` : '',
    ),
    modelTimes(at),
  );
}

/** @param {EndpointStats} at */
function modelTimes({ endpoint, profiles }) {
  if (profiles.length === 0) return muted('No call has ended yet.');
  const rows = profiles.map(({ model, kind, phases, timeouts }) => [
    kind === 'text' ? model : `${model} (${kind})`,
    duration(phases.firstToken?.p95),
    duration(phases.total?.p95),
    duration(timeouts.totalMs),
  ]);
  const heads = ['Model', 'First token, p95', 'Whole call, p95', 'Timeout'];
  return table(`Times of the models at ${endpoint}`, heads, rows, 'stacked');
}

/** @param {Element} parent @param {PlannerStats} stats */
export function showScenes(parent, stats) {
  const { cache } = stats;
  if (cache === false) return parent.replaceChildren(muted('The cache is off.'));
  const { entries, entriesByScene, ttlByScene, falseHits } = cache;
  const named = entriesByScene.reduce((sum, each) => sum + each.entries, 0);
  const most = Math.max(1, entries - named, ...entriesByScene.map((each) => each.entries));
  const ttlOf = new Map(ttlByScene.map(({ scene, ttlMs }) => [scene, ttlMs]));
  const wrongOf = new Map(falseHits.scenes.map((each) => [each.scene, each]));
  const rows = entriesByScene.map(({ scene, entries }) => {
    const { served, wrong, checked } = wrongOf.get(scene) ?? { served: 0, wrong: 0, checked: 0 };
    const found = checked === 0 ? NOTHING : `${count(wrong)} of ${count(checked)}`;
    return [scene, meter(entries, most, scene), duration(ttlOf.get(scene) ?? cache.ttlMs), count(served), found];
  });
  if (entries > named) rows.push(['not known yet', meter(entries - named, most, ''), NOTHING, NOTHING, NOTHING]);
  const heads = ['Scene', 'Entries', 'Fresh for', 'Served', 'Wrong of checked'];
  const fill = [
    statText(stats, 'cache.entries', count),
    ' of ',
    statText(stats, 'cache.entriesMax', count),
    ' entries',
  ];
  const made = rows.length === 0 ? muted('Empty.') : table('Entries of the cache by scene', heads, rows, 'stacked');
  parent.replaceChildren(
    card(el('p', {}, ...fill), made),
    ...(cache.standing === false || cache.standing.tiers.length === 0 ? [] : [standingCard(cache.standing)]),
  );
}

/** How often each tier is or would be right, and whether it serves. @param {StandingStats} standing */
function standingCard({ trust, models, tiers }) {
  const rows = tiers.map(({ tier, to, compared, agreement, serving, why }) => [
    to === null ? tier : `${tier} up to ${tier === 'old' ? duration(to) : to}`,
    count(compared),
    percent(agreement),
    el('span', { 'data-tier': `${tier} ${to}`, 'data-value': String(serving) }, serving ? 'serves' : 'silent'),
    why,
  ]);
  const heads = ['Tier', 'Compared', 'Right', 'Now', 'Why'];
  const { agreement, compared } = models;
  const known = agreement === null ? 'not known yet' : `${percent(agreement)} of ${count(compared)}`;
  return card(
    el('p', {}, `Trust: ${trust}. Models agree with each other: ${known}.`),
    table('How often tiers of the cache were right', heads, rows, 'stacked'),
  );
}

/** Shows what reads decided, and how reliable they are; nothing if no model is read. @param {Element} parent @param {PlannerStats} stats */
export function showReads(parent, stats) {
  const { reads, plans } = stats;
  showSection(parent, reads !== false);
  if (reads === false) return;
  // Background reads make decisions, but no plans.
  const share = plans.settled === 0 ? undefined : Math.min(1, reads.decided / plans.settled);
  const summary = `Read decisions: ${percent(share)} of ${count(plans.settled)} plans.`;
  parent.replaceChildren(card(el('p', {}, summary), ...reads.calibration.map((_, i) => calibrationOf(stats, i))));
}

/** Compares what a read model was expected to decide in words with what it decided. @param {PlannerStats} stats @param {number} index */
function calibrationOf(stats, index) {
  const path = `reads.calibration.${index}`;
  const { model, curve } = /** @type {CalibrationStats} */ (at(stats, path));
  const rows = curve.map(({ expected, agreed, compared }) => [percent(expected), percent(agreed), count(compared)]);
  const errors = [
    'Calibration error ',
    statText(stats, `${path}.error`, rate),
    ', Brier score ',
    statText(stats, `${path}.brier`, rate),
    ' (',
    statText(stats, `${path}.brierOfMean`, rate),
    ' if always the mean was expected), ',
    statText(stats, `${path}.compared`, count),
    ' compared',
  ];
  return el(
    'div',
    { 'data-reads': model },
    el('h3', {}, model),
    el('p', {}, ...errors),
    table(`Reliability of reads of ${model}`, ['Expected', 'Came', 'Compared'], rows, 'stacked'),
  );
}

/** @param {number} value @param {number} most @param {string} scene */
function meter(value, most, scene) {
  const bar = el('i', { class: 'meter', 'aria-hidden': 'true' });
  bar.style.setProperty('--share', `${(100 * value) / most}%`);
  return el('span', { class: 'metered', 'data-scene': scene, 'data-value': value }, el('span', {}, count(value)), bar);
}
