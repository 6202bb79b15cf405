import { PANELS } from './chart-panels.js';
import { el, setText, table } from './dom.js';
import { duration, timeOfDay } from './format.js';

/**
 * Draws the panels with uPlot, which is a global. Each chart has a legend with the values at the cursor, else the latest ones, a sentence that
 * summarizes it, and a table of its figures on demand.
 *
 * @import { Series } from '../../monitor/series.ts'
 * @import { Panel, Values } from './chart-panels.js'
 * @typedef {object} ChartOptions
 * @property {boolean} [isElapsed] the x axis is the time since the first sample, not the time of day
 * @property {Readonly<Record<string, number>>} [maxOf] what the scale of a panel reaches at least, by its id
 * @property {number} [secondsMin] what the x axis shows at least
 */

const HEIGHT = 168;
const LOGARITHMIC = 3;
/** Number of rows of the table below a chart. */
const ROWS = 12;

/** @type {Map<string, string>} */
let colors = new Map();

/** A colour of page.css as it is now, light or dark: a custom property itself holds both. @param {string} name */
function color(name) {
  let value = colors.get(name);
  if (value === undefined) {
    const probe = el('i', { hidden: true });
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    value = getComputedStyle(probe).color;
    probe.remove();
    colors.set(name, value);
  }
  return value;
}

/** @param {string} name @param {number} alpha */
function translucent(name, alpha) {
  return color(name).replace('rgb(', 'rgba(').replace(')', `, ${alpha})`);
}

/** @param {Values} values @returns {number[]} */
const known = (values) => /** @type {number[]} */ (values.filter((value) => value !== null && value !== undefined));

/** The highest value that a panel draws of a series.
 * @param {Panel} panel @param {Series} series */
export function highestOf(panel, series) {
  const drawn = drawnOf(panel, series);
  return drawn.reduce((max, values) => known(values).reduce((a, b) => Math.max(a, b), max), 0);
}

/**
 * The values to draw for each line; in a stacked panel, the sum of its own and those before it.
 * @param {Panel} panel @param {Series} series @returns {Values[]}
 */
function drawnOf({ kind, lines, band }, series) {
  const values = lines.map(({ of }) => of(series));
  if (kind !== 'stacked') return band === undefined ? values : [...values, band.low(series), band.high(series)];
  let below = /** @type {Values} */ (series.atMs.map(() => 0));
  return values.map((list) => {
    below = list.map((value, i) => (value ?? 0) + (below[i] ?? 0));
    return below;
  });
}

export class Charts {
  /** @type {Chart[]} */
  #charts;

  /** @param {Element} parent @param {ChartOptions} [options] */
  constructor(parent, options = {}) {
    this.#charts = PANELS.map((panel) => new Chart(parent, panel, options));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      colors = new Map();
      for (const chart of this.#charts) chart.redraw();
    });
  }

  /** @param {Series} series */
  show(series) {
    // Measures all widths before the first chart is made: measuring after a change would repeat the layout each time.
    for (const chart of this.#charts) chart.measure();
    for (const chart of this.#charts) chart.show(series);
  }
}

class Chart {
  /** @type {Panel} */
  #panel;
  /** @type {ChartOptions} */
  #options;
  /** @type {Series | undefined} */
  #series;
  /** @type {any} */
  #plot;
  #width = 320;
  #values = /** @type {HTMLElement[]} */ ([]);
  #summary = el('p', 'summary');
  #canvas = el('div', { class: 'canvas', 'aria-hidden': 'true' });
  #data = el('details', { class: 'data', toggle: () => this.#fillTable() }, el('summary', {}, 'As a table'));

  /** @param {Element} parent @param {Panel} panel @param {ChartOptions} options */
  constructor(parent, panel, options) {
    this.#panel = panel;
    this.#options = options;
    const figure = el(
      'figure',
      { class: 'card chart', 'data-chart': panel.id, 'aria-label': panel.title },
      el('figcaption', {}, el('h3', {}, panel.title), this.#summary),
      this.#legend(),
      this.#canvas,
      this.#data,
    );
    parent.append(figure);
    new ResizeObserver(() => this.#resize()).observe(this.#canvas);
  }

  measure() {
    if (this.#plot === undefined) this.#width = this.#canvas.clientWidth || 320;
  }

  /** @param {Series} series */
  show(series) {
    this.#series = series;
    if (this.#plot === undefined) this.#draw();
    else this.#plot.setData(this.#dataOf(series));
    this.#tell(undefined);
    this.#summarize(series);
    this.#fillTable();
  }

  redraw() {
    this.#plot?.redraw(false, true);
  }

  #legend() {
    const items = this.#panel.lines.map((line) => {
      const value = el('b', {}, '–');
      this.#values.push(value);
      const isDashed = line.dash !== undefined;
      const marker = el('i', { class: `marker${isDashed ? ' dashed' : ''}`, 'aria-hidden': 'true' });
      marker.style.setProperty('--marker', `var(${line.color})`);
      return el('li', {}, marker, `${line.name} `, value);
    });
    return el('ul', 'legend', ...items);
  }

  #resize() {
    const width = this.#canvas.clientWidth;
    if (this.#plot !== undefined && width > 0 && width !== this.#plot.width)
      this.#plot.setSize({ width, height: HEIGHT });
  }

  #draw() {
    const { isLog, kind } = this.#panel;
    const options = {
      width: this.#width,
      height: HEIGHT,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      scales: {
        x: { time: !this.#options.isElapsed, range: this.#xRange },
        y: { distr: isLog ? LOGARITHMIC : 1, range: this.#yRange },
      },
      axes: [
        this.#axis({ size: 30, space: 72, values: this.#options.isElapsed ? elapsedLabels : timeLabels }),
        this.#axis(this.#yLabels()),
      ],
      series: [{}, ...this.#lines()],
      bands: this.#bands(),
      hooks: { setCursor: [(/** @type {any} */ { cursor }) => this.#tell(cursor.idx ?? undefined)] },
    };
    // In a stacked chart, the highest sum is drawn first, and the others over it.
    if (kind === 'stacked') options.series = [{}, ...this.#lines().toReversed()];
    // @ts-expect-error: uPlot is a script of its own, before this one.
    this.#plot = new uPlot(options, this.#dataOf(this.#series), this.#canvas);
  }

  /** @param {object} own */
  #axis(own) {
    return {
      stroke: () => color('--ink-2'),
      grid: { stroke: () => color('--line'), width: 1 },
      ticks: { stroke: () => color('--line'), width: 1, size: 4 },
      font: '12px system-ui, sans-serif',
      gap: 4,
      ...own,
    };
  }

  #yLabels() {
    const { isLog, shown } = this.#panel;
    /** @param {any} _plot @param {readonly number[]} splits */
    const values = (_plot, splits) => splits.map((value) => (isLog && !isPowerOfTen(value) ? null : shown(value)));
    const lines = isLog ? { filter: powersOfTen } : {};
    const line = { stroke: () => color('--line'), width: 1, ...lines };
    return { size: 58, space: 30, values, grid: line, ticks: { ...line, size: 4 } };
  }

  #lines() {
    const { lines, kind, band } = this.#panel;
    const drawn = lines.map((line) => ({
      stroke: () => color(kind === 'stacked' ? '--surface' : line.color),
      fill:
        kind === 'stacked' ? () => color(line.color) : kind === 'area' ? () => translucent(line.color, 0.2) : undefined,
      width: kind === 'stacked' ? 1 : 2,
      dash: line.dash,
      spanGaps: false,
      points: kind === 'lines' ? { size: 4, filter: lonePoints } : { show: false },
    }));
    if (band === undefined) return drawn;
    const edge = { stroke: 'transparent', width: 0, spanGaps: false, points: { show: false } };
    return [...drawn, edge, edge];
  }

  #bands() {
    const { band, lines } = this.#panel;
    if (band === undefined) return [];
    const low = lines.length + 1;
    return [{ series: [low + 1, low], fill: () => translucent(lines[band.of]?.color ?? '--ink', 0.13) }];
  }

  /** @param {Series | undefined} series */
  #dataOf(series) {
    if (series === undefined) return [[]];
    const [first = 0] = series.atMs;
    // A session starts before the end of its first sample; the axis counts from there.
    const offset = this.#options.isElapsed ? first - 1_000 * (series.seconds[0] ?? 0) : 0;
    const drawn = drawnOf(this.#panel, series);
    if (this.#panel.kind === 'stacked') drawn.reverse();
    return [series.atMs.map((at) => (at - offset) / 1_000), ...drawn];
  }

  /** @param {any} _plot @param {number} min @param {number} max */
  #xRange = (_plot, min, max) => {
    const { secondsMin = 60, isElapsed } = this.#options;
    if (min === null || max === null) return [0, secondsMin];
    if (isElapsed) return [0, Math.max(max, secondsMin)];
    return [Math.min(min, max - secondsMin), max];
  };

  /** @param {any} _plot @param {number} min @param {number} max */
  #yRange = (_plot, min, max) => {
    const { isLog, max: fixed, maxMin = 0, id } = this.#panel;
    if (fixed !== undefined) return [0, fixed];
    const top = Math.max(max ?? 0, maxMin, this.#options.maxOf?.[id] ?? 0);
    if (!isLog) return [0, top * 1.05];
    const low = min > 0 ? 10 ** Math.floor(Math.log10(min)) : 1;
    return [low, Math.max(top > 0 ? 10 ** Math.ceil(Math.log10(top)) : 0, 10 * low)];
  };

  /**
   * Shows the values at an index, or the latest ones.
   * @param {number | undefined} index
   */
  #tell(index) {
    const series = this.#series;
    if (series === undefined) return;
    this.#panel.lines.forEach((line, i) => {
      const values = line.of(series);
      const value = values[index ?? values.length - 1];
      setText(/** @type {HTMLElement} */ (this.#values[i]), this.#panel.shown(value));
    });
  }

  /** @param {Series} series */
  #summarize(series) {
    const { lines, shown, kind } = this.#panel;
    const seconds = series.seconds.reduce((sum, each) => sum + each, 0);
    if (series.atMs.length === 0) return setText(this.#summary, 'Nothing yet.');
    const texts = lines.flatMap((line) => {
      const values = known(line.of(series));
      const whole = line.whole?.(series) ?? null;
      if (values.length === 0 || (kind === 'stacked' && whole === 0)) return [];
      const most = `at most ${shown(values.reduce((a, b) => Math.max(a, b)))}`;
      if (whole === null) return [`${line.name} ${most}`];
      return [kind === 'stacked' ? `${line.name} ${shown(whole)}` : `${line.name} ${shown(whole)} (${most})`];
    });
    setText(this.#summary, `In ${duration(seconds * 1_000)}: ${texts.length === 0 ? 'nothing' : texts.join('; ')}.`);
  }

  #fillTable() {
    const series = this.#series;
    if (!this.#data.open || series === undefined) return;
    const { lines, shown, title } = this.#panel;
    const values = lines.map(({ of }) => of(series));
    const from = Math.max(0, series.atMs.length - ROWS);
    const rows = series.atMs
      .slice(from)
      .map((at, i) => [timeOfDay(at), ...values.map((list) => shown(list[from + i]))])
      .toReversed();
    const made = table(`${title}, latest first`, ['Time', ...lines.map(({ name }) => name)], rows);
    this.#data.querySelector('.scroll')?.remove();
    this.#data.append(el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': title }, made));
  }
}

/**
 * A value with no neighbours makes no line: it is drawn as a point.
 * @param {{ data: Values[] }} plot @param {number} line
 */
function lonePoints({ data }, line) {
  const values = data[line] ?? [];
  return values.flatMap((value, i) =>
    value !== null && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null ? [i] : [],
  );
}

/** @param {any} _plot @param {readonly number[]} splits */
function elapsedLabels(_plot, splits) {
  return splits.map((seconds) => duration(seconds * 1_000));
}

/** @param {any} _plot @param {readonly number[]} splits */
function timeLabels(_plot, splits) {
  return splits.map((seconds) => timeOfDay(seconds * 1_000));
}

/**
 * A logarithmic axis needs a line only at each power of ten.
 * @param {any} _plot @param {readonly number[]} splits
 */
function powersOfTen(_plot, splits) {
  return splits.map((value) => (isPowerOfTen(value) ? value : null));
}

/** @param {number} value */
function isPowerOfTen(value) {
  const exponent = Math.log10(value);
  return Math.abs(exponent - Math.round(exponent)) < 1e-6;
}
