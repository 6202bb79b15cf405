/** Draws the panels of the page's data with uPlot, one below the other, with one cursor and one zoom for all. */
(() => {
  const HEIGHT = 200;
  const LOGARITHMIC = 3;
  const { seconds, warmUpSeconds, panels } = JSON.parse(document.getElementById('data').textContent);
  const main = document.getElementById('charts');
  const isDark = matchMedia('(prefers-color-scheme: dark)');
  let plots = [];

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const shown = (value, unit) => {
    if (value == null) return '–';
    const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 ? 2 : 3;
    return `${value.toLocaleString('en-US', { maximumFractionDigits: digits })} ${unit}`;
  };

  /** Each series as the sum of itself and those before it. */
  function sums(series) {
    let below = seconds.map(() => 0);
    return series.map(({ values }) => {
      below = below.map((sum, i) => sum + (values[i] ?? 0));
      return below;
    });
  }

  /** uPlot's series, with the data that it draws. What is stacked is drawn from the highest sum to the lowest. */
  function drawn({ kind, unit, series }) {
    const isStacked = kind === 'stacked';
    const data = isStacked ? sums(series).toReversed() : series.map(({ values }) => values);
    const ordered = isStacked ? series.toReversed() : series;
    const lines = ordered.map((one) => ({
      label: one.name,
      stroke: isStacked ? color('--surface') : color(`--c${one.color}`),
      fill: isStacked ? color(`--c${one.color}`) : undefined,
      width: isStacked ? 1 : 2,
      spanGaps: true,
      points: { show: one.isSparse === true, size: 6, fill: color(`--c${one.color}`) },
      value: (_plot, _value, _series, index) => shown(index == null ? null : one.values[index], unit),
    }));
    return { data, lines };
  }

  function axis(label, size) {
    return {
      label,
      size,
      labelSize: 18,
      stroke: color('--ink-2'),
      grid: { stroke: color('--line'), width: 1 },
      ticks: { stroke: color('--line'), width: 1, size: 4 },
    };
  }

  /** Of a logarithmic axis, a line at each power of ten is enough. */
  function powersOfTen(_plot, splits) {
    return splits.map((value) => (Number.isInteger(Math.round(Math.log10(value) * 1e6) / 1e6) ? value : null));
  }

  /** The warm-up, behind everything. */
  function shade(plot) {
    const from = plot.bbox.left;
    const to = Math.min(Math.max(plot.valToPos(warmUpSeconds, 'x', true), from), from + plot.bbox.width);
    plot.ctx.fillStyle = color('--warm');
    plot.ctx.fillRect(from, plot.bbox.top, to - from, plot.bbox.height);
  }

  function draw(panel) {
    const heading = document.createElement('h2');
    heading.textContent = `${panel.title} (${panel.unit})`;
    const box = document.createElement('div');
    main.append(heading, box);
    const { data, lines } = drawn(panel);
    const yAxis = axis(panel.unit, 56);
    if (panel.kind === 'logarithmic') yAxis.grid.filter = yAxis.ticks.filter = powersOfTen;
    const options = {
      width: main.clientWidth,
      height: HEIGHT,
      cursor: { sync: { key: 'stress', setSeries: false } },
      scales: {
        x: { time: false },
        y:
          panel.kind === 'logarithmic'
            ? { distr: LOGARITHMIC }
            : { range: { min: { hard: 0, mode: 1 }, max: { pad: 0.1, mode: 1 } } },
      },
      axes: [axis('seconds', 36), yAxis],
      series: [{ label: 'at', value: (_plot, value) => shown(value, 's') }, ...lines],
      hooks: { drawClear: [shade] },
    };
    return new uPlot(options, [seconds, ...data], box);
  }

  /** Colours are fixed when a chart is made: another scheme needs new ones. */
  function drawAll() {
    for (const plot of plots) plot.destroy();
    main.replaceChildren();
    plots = panels.map(draw);
  }

  drawAll();
  isDark.addEventListener('change', drawAll);
  addEventListener('resize', () => {
    for (const plot of plots) plot.setSize({ width: main.clientWidth, height: HEIGHT });
  });
})();
