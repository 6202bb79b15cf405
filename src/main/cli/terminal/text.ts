import { shownInLine } from '../../../shared/shown-text.ts';

/** Formats numbers and tables for people. */

const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `1,204`, or with its noun `1,204 plans`. */
export function count(value: number, singular?: string, plural = `${singular}s`): string {
  const digits = GROUPED.format(value);
  return singular === undefined ? digits : `${digits} ${value === 1 ? singular : plural}`;
}

/** Formats a number that is not a count with three significant digits. */
export function rate(value: number): string {
  if (value >= 100) return GROUPED.format(value);
  return value >= 10 ? value.toFixed(1).replace(/\.0$/, '') : value.toFixed(2).replace(/\.?0+$/, '');
}

/** `61.2 %`. Shows 0 % or 100 % only if it is exactly that. */
export function percent(part: number, whole: number): string {
  if (whole === 0) return '0 %';
  const value = (100 * part) / whole;
  if (value > 0 && value < 0.1) return '< 0.1 %';
  if (value < 100 && value > 99.9) return '> 99.9 %';
  return `${value.toFixed(1).replace(/\.0$/, '')} %`;
}

/** Milliseconds in a suitable unit: `0.07 ms`, `8.4 ms`, `84 ms`, `1.24 s`, `2 min 5 s`. */
export function duration(ms: number): string {
  if (ms < 0.995) return `${rate(ms)} ms`;
  if (ms < 9.95) return `${ms.toFixed(1).replace(/\.0$/, '')} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 119_500) return `${rate(ms / 1_000)} s`;
  const seconds = Math.round(ms / 1_000);
  const rest = seconds % 60;
  return `${Math.floor(seconds / 60)} min${rest === 0 ? '' : ` ${rest} s`}`;
}

/** Columns side by side, two spaces apart. From column `alignRightFrom` on, cells are aligned right. */
export function table(
  rows: readonly (readonly string[])[],
  { indent = 0, alignRightFrom = Number.POSITIVE_INFINITY }: { indent?: number; alignRightFrom?: number } = {},
): string {
  const widths: number[] = [];
  const shownRows = rows.map((row) => row.map(shownInLine));
  for (const row of shownRows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => {
        const width = widths[column] as number;
        return column >= alignRightFrom ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ');
  return shownRows.map((row) => `${' '.repeat(indent)}${line(row)}`.trimEnd()).join('\n');
}
