import { median } from '../figures.ts';

export interface Point {
  readonly atSeconds: number;
  readonly value: number;
}

/** Of more points, every so manieth is looked at: the slopes are as many as pairs. */
const POINTS_MAX = 1_000;

/**
 * Growth per minute: the median of the slopes between all pairs of points (Theil 1950, Sen 1968). A third of the points may
 * lie anywhere. NaN of fewer than two points.
 */
export function growthPerMinute(points: readonly Point[]): number {
  const step = Math.ceil(points.length / POINTS_MAX);
  const looked = points.filter((_, index) => index % step === 0);
  const slopes: number[] = [];
  for (const [index, from] of looked.entries()) {
    for (const to of looked.slice(index + 1)) slopes.push((to.value - from.value) / (to.atSeconds - from.atSeconds));
  }
  return 60 * median(slopes);
}
