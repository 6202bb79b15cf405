import { describe, expect, test } from 'vitest';
import { RunningShare } from '../../../src/main/replay/running-share.ts';

function runOf(decisions: number): RunningShare {
  const running = new RunningShare();
  for (let i = 1; i <= decisions; i++) running.add(i, { served: i, wrong: 0 });
  return running;
}

describe('the running share', () => {
  test('has a point every hundred decisions, and one at the end', () => {
    const points = runOf(250).points(250, { served: 250, wrong: 0 });
    expect(points.map(({ decisions }) => decisions)).toEqual([100, 200, 250]);
  });

  test('has no point twice, and none of nothing', () => {
    expect(
      runOf(200)
        .points(200, { served: 200, wrong: 0 })
        .map(({ decisions }) => decisions),
    ).toEqual([100, 200]);
    expect(runOf(0).points(0, { served: 0, wrong: 0 })).toEqual([]);
  });

  test('has at most 32 points, evenly spaced, however long the trace is', () => {
    const points = runOf(50_000).points(50_000, { served: 50_000, wrong: 0 });
    expect(points.length).toBeLessThanOrEqual(32);
    expect(points.length).toBeGreaterThan(14);
    expect(points[1]?.decisions).toBe(2 * (points[0]?.decisions ?? 0));
  });
});
