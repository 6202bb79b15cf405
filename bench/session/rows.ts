import type { SessionFigures } from './run-session.ts';

const COLUMNS: readonly (readonly [string, keyof SessionFigures, (value: number) => string])[] = [
  ['LLM success', 'llmSuccess', percent],
  ['model', 'modelDecided', percent],
  ['mean s', 'meanSeconds', fixed],
  ['p50 s', 'p50Seconds', fixed],
  ['p99 s', 'p99Seconds', fixed],
  ['timeouts', 'timeouts', percent],
  ['hits', 'hitRate', percent],
  ['false hits', 'falseHitRate', percent],
  ['regret', 'regret', (value) => value.toFixed(4)],
  ['tokens/plan', 'tokensPerPlan', (value) => value.toFixed(0)],
  ['calls/uncached', 'callsPerPlan', fixed],
  ['on time', 'onTime', percent],
];
const NAME_WIDTH = 26;

export function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

export function fixed(value: number): string {
  return value.toFixed(2);
}

/** Prints the titles of a table of sessions. */
export function header(first: string): void {
  console.log(`\n${first.padEnd(NAME_WIDTH)}${COLUMNS.map(([title]) => title.padStart(15)).join('')}`);
}

/** Prints the figures of a session as a row of the table. */
export function row(name: string, figures: SessionFigures): void {
  const cells = COLUMNS.map(([, key, show]) => {
    const value = figures[key];
    return (value === null ? '–' : show(value)).padStart(15);
  });
  console.log(name.padEnd(NAME_WIDTH) + cells.join(''));
}
