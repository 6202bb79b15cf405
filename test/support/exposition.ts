/** One metric of Prometheus' text format, as a scraper reads it. */
export interface ExposedMetric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: { readonly name: string; readonly labels: Record<string, string>; readonly value: number }[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const found = LABEL.exec(text);
    if (found === null) throw new Error(`no label: ${text}`);
    const [, name, value] = found as unknown as [string, string, string];
    if (name in labels) throw new Error(`label twice: ${name}`);
    labels[name] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
  }
  return labels;
}

/** Reads the text format strictly: throws at the first line that breaks a rule of it. */
export function readExposition(text: string): Map<string, ExposedMetric> {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const metrics = new Map<string, ExposedMetric>();
  let current: ExposedMetric | undefined;
  let help: [string, string] | undefined;
  const seen = new Set<string>();
  for (const line of text.split('\n').filter((each) => each !== '')) {
    if (line.startsWith('# HELP ')) {
      const [, name, words] = /^# HELP (\S+) (.+)$/.exec(line) as unknown as [string, string, string];
      help = [name, words];
    } else if (line.startsWith('# TYPE ')) {
      const [, name, type] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line) as unknown as [
        string,
        string,
        string,
      ];
      if (!NAME.test(name) || metrics.has(name) || help?.[0] !== name) throw new Error(`wrong metric: ${line}`);
      current = { name, type, help: help[1], samples: [] };
      metrics.set(name, current);
    } else {
      const [, name, , labelText, number] =
        (/^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(.*)\})? (\S+)$/.exec(line) as unknown as string[] | null) ?? [];
      if (current === undefined || name === undefined) throw new Error(`no sample: ${line}`);
      const suffixes = current.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      if (!suffixes.some((suffix) => name === `${current?.name}${suffix}`))
        throw new Error(`of another metric: ${line}`);
      const series = line.slice(0, line.lastIndexOf(' '));
      if (seen.has(series)) throw new Error(`series twice: ${line}`);
      seen.add(series);
      const value = number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number);
      if (Number.isNaN(value)) throw new Error(`no number: ${line}`);
      current.samples.push({ name, labels: labelsOf(labelText ?? ''), value });
    }
  }
  return metrics;
}
