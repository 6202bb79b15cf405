import { Charts } from './charts.js';
import { showCluster } from './cluster.js';
import { byId, el, setText } from './dom.js';
import { showForesight } from './foresight.js';
import { timeOfDay } from './format.js';
import { Live } from './live.js';
import { PlanList } from './plan-list.js';
import { showEndpoints, showReads, showScenes, showTiles, showTotals } from './tables.js';

/**
 * The page: puts the stream's data into place. When the stream ends, everything stays as it was, marked as old.
 *
 * @import { MonitorSample, MonitorSnapshot } from '../../monitor/monitor.ts'
 * @import { FalseHitRate } from '../../monitor/sample.ts'
 * @import { Series } from '../../monitor/series.ts'
 * @typedef {MonitorSnapshot & { about: { version: string, domain: string, samplesMax: number }, falseHits: FalseHitRate }} Snapshot
 */

const MINUTE = 60;

const main = byId('main');
const charts = new Charts(byId('charts'));
const plans = new PlanList(byId('plan-list'));
/** @type {any} */
let series;
let samplesMax = 600;
/** When the last data arrived, in milliseconds since the Unix epoch by this machine's clock. */
let heardAtMs = 0;

const live = new Live({
  onEvent: (event, data) => {
    heardAtMs = Date.now();
    if (event === 'snapshot') begin(data);
    else if (event === 'sample') follow(data);
  },
  onState: (state) => {
    if (state.kind === 'live') showLive();
    else if (state.kind === 'lost') showLost(state.message, state.againAtMs);
    else askForToken();
  },
});

/** @param {Snapshot} snapshot */
function begin(snapshot) {
  const { about } = snapshot;
  samplesMax = about.samplesMax;
  series = snapshot.series;
  setText(byId('about'), `${about.domain} · version ${about.version}`);
  document.title = `Conclave: ${about.domain}`;
  show(snapshot);
  plans.reset(snapshot.plans);
  performance.mark('conclave-interactive');
}

/** @param {MonitorSample & { falseHits: FalseHitRate, row: Series }} taken */
function follow(taken) {
  append(series, taken.row);
  plans.add(taken.plans);
  show(taken);
}

/**
 * Appends the one row of `row` to the lists of `list`, and removes the oldest if they are full.
 * @param {any} list @param {any} row
 */
function append(list, row) {
  for (const [name, values] of Object.entries(row)) {
    if (!Array.isArray(values)) append(list[name], values);
    else {
      list[name].push(...values);
      list[name].splice(0, list[name].length - samplesMax);
    }
  }
}

/** @param {Pick<Snapshot, 'stats' | 'lately' | 'falseHits'>} moment */
function show({ stats, lately, falseHits }) {
  showTiles(byId('tiles'), { stats, lately, falseHits, minute: minuteOf(series) });
  if (!document.hidden) charts.show(series);
  showEndpoints(byId('endpoints'), stats.endpoints);
  showScenes(byId('scenes'), stats);
  showReads(byId('reads'), stats);
  showForesight(byId('foresight'), stats);
  showCluster(byId('cluster'), stats);
  showTotals(byId('totals'), stats);
}

/** @param {Series} of */
function minuteOf(of) {
  /** @param {readonly number[]} values */
  const sum = (values) => values.slice(-MINUTE).reduce((total, value) => total + value, 0);
  return {
    seconds: sum(of.seconds),
    plans: sum(of.plans),
    hits: sum(of.hits),
    lookups: sum(of.lookups),
    timeouts: sum(of.timeouts),
    fallbacks: sum(of.fallbacks),
  };
}

document.addEventListener('visibilitychange', () => {
  if (!document.hidden && series !== undefined) charts.show(series);
});

function showLive() {
  const connection = byId('connection');
  connection.dataset.state = 'live';
  setText(connection, 'Live');
  byId('banner').hidden = true;
  main.classList.remove('stale');
}

/** @param {string} message @param {number} againAtMs */
function showLost(message, againAtMs) {
  const connection = byId('connection');
  connection.dataset.state = 'lost';
  const since = heardAtMs === 0 ? 'Not connected' : `Disconnected since ${timeOfDay(heardAtMs)}`;
  setText(connection, since);
  const what = heardAtMs === 0 ? 'Nothing is shown yet.' : `Everything below is as it was at ${timeOfDay(heardAtMs)}.`;
  const text = el(
    'span',
    {},
    el('b', {}, `${since}: `),
    `${message}. ${what} `,
    `The next try is at ${timeOfDay(againAtMs)}.`,
  );
  byId('banner-text').replaceChildren(text);
  byId('banner').hidden = false;
  if (heardAtMs !== 0) main.classList.add('stale');
}

function askForToken() {
  const connection = byId('connection');
  connection.dataset.state = 'lost';
  setText(connection, 'A token is needed');
  byId('banner-text').replaceChildren('This server asks for a bearer token.');
  byId('banner').hidden = false;
  const dialog = /** @type {HTMLDialogElement} */ (byId('token'));
  if (!dialog.open) dialog.showModal();
}

byId('token').addEventListener('close', () => {
  const dialog = /** @type {HTMLDialogElement} */ (byId('token'));
  const input = /** @type {HTMLInputElement} */ (byId('token-input'));
  if (dialog.returnValue === 'use' && input.value !== '') live.useToken(input.value);
  input.value = '';
});

byId('retry').addEventListener('click', () => live.connect());
live.connect();
