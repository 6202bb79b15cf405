/** Formats numbers for people, in the same forms as the command line. */
const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export const NOTHING = '–';

/** @param {number} value */
export function count(value) {
  return GROUPED.format(value);
}

/**
 * Formats a number that is not a count with three significant digits.
 * @param {number} value
 */
export function rate(value) {
  if (value >= 100) return GROUPED.format(value);
  return value >= 10 ? value.toFixed(1).replace(/\.0$/, '') : value.toFixed(2).replace(/\.?0+$/, '');
}

/**
 * Formats a share in percent, as 0 % or 100 % only if it is exactly that.
 * @param {number | null | undefined} share 0 to 1
 */
export function percent(share) {
  if (share === null || share === undefined || Number.isNaN(share)) return NOTHING;
  const value = 100 * share;
  if (value > 0 && value < 0.1) return '< 0.1 %';
  if (value < 100 && value > 99.9) return '> 99.9 %';
  return `${value.toFixed(1).replace(/\.0$/, '')} %`;
}

/**
 * Formats milliseconds in a suitable unit.
 * @param {number | null | undefined} ms
 */
export function duration(ms) {
  if (ms === null || ms === undefined) return NOTHING;
  if (ms < 0.995) return `${rate(ms)} ms`;
  if (ms < 9.95) return `${ms.toFixed(1).replace(/\.0$/, '')} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 119_500) return `${rate(ms / 1_000)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 7_200)
    return seconds % 60 === 0 ? `${seconds / 60} min` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${rate(seconds / 3_600)} h`;
}

const TIME = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/**
 * The local time of day.
 * @param {number} atMs since the Unix epoch
 */
export function timeOfDay(atMs) {
  return TIME.format(atMs);
}
