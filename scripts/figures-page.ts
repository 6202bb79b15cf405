/** Writes docs/figures.md from the table of figures. `node scripts/figures-page.ts`; a test fails where it is stale. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FIGURES } from '../src/main/chat/chat-figures.ts';
import { BREAKER_STATE, metricText } from '../src/main/faces/http/metrics/figure-metrics.ts';
import { PROCESS_METRICS } from '../src/main/faces/http/metrics/process-metrics.ts';
import type { Figure } from '../src/main/plans/figures/figure.ts';
import { MOVED, SESSION_FIGURES } from '../src/main/session/report-figures.ts';

const INTRODUCTION = `# Figures

<!-- Written by scripts/figures-page.ts from the table of figures; change the table instead. -->

Everything that Conclave counts or measures. A path is the place in \`planner.stats()\` and in \`GET /v1/stats\`; \`*\` stands for each item of a list or each
name of a record. A part that is off is \`false\`. Metrics are those of \`GET /metrics\`; their values count from the start.

| unit | meaning |
|---|---|
| count | a number of things; *count of plans* can be bounded in percent by [\`--expect\`](validation.md) |
| share | 0 to 1; null or absent while nothing is known |
| ms, s | a time |
| times | a distribution of times in ms: \`count\`, \`mean\`, \`p50\`, \`p95\`, \`p99\`, \`max\`; as a metric, a histogram in seconds |
| rate, bytes, tokens | a number of them |
| flag | true or false; as a metric, 1 or 0 |
`;

const WHOLES: Readonly<Record<NonNullable<Figure['of']>, string>> = {
  plans: 'plans',
  calls: 'calls',
  lookups: 'lookups',
  wantedCalls: 'calls that were wanted to their end',
  comparedPlans: 'plans that were compared',
};

function code(text: string | undefined): string {
  return text === undefined ? '' : `\`${text}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .toSpliced(1, 0, `|${'---|'.repeat(head.length)}`)
    .join('\n');
}

function unitText({ unit, of }: Figure): string {
  return of === undefined ? unit : `${unit} of ${WHOLES[of]}`;
}

function figureTable(figures: readonly Figure[]): string {
  const better = { high: 'more', low: 'less', none: '' };
  const rows = figures.map((figure) => [
    ...[code(figure.path), figure.name, unitText(figure), better[figure.best]],
    ...[figure.help, code(metricText(figure))],
  ]);
  return table(['path', 'name', 'unit', 'better', 'meaning', 'metric'], rows);
}

export function figuresPage(): string {
  const groupOf = ({ path }: Figure): string => path.split('.', 1)[0] as string;
  const counts = Map.groupBy(FIGURES, groupOf);
  const groups = Map.groupBy(FIGURES, (figure) =>
    counts.get(groupOf(figure))?.length === 1 ? 'plans' : groupOf(figure),
  );
  const stats = [...groups].map(([name, figures]) => `## \`${name}\`\n\n${figureTable(figures)}`);
  const moved = Object.entries(MOVED).map(([path, from]) => `\`${path}\` is \`${from}\``);
  const reports = `## Sessions\n\nA report of \`conclave session --json\` has most of the figures above at the same paths. At other paths: ${moved.join(', ')}. It adds:\n\n${figureTable(SESSION_FIGURES)}`;
  const metrics = [BREAKER_STATE, ...PROCESS_METRICS].map(({ name, help }) => [code(name), help]);
  const others = `## Other metrics\n\n${table(['metric', 'meaning'], metrics)}`;
  return `${[INTRODUCTION.trim(), ...stats, reports, others].join('\n\n')}\n`;
}

if (import.meta.main) writeFileSync(fileURLToPath(new URL('../docs/figures.md', import.meta.url)), figuresPage());
