import { describe, expect, test } from 'vitest';
import type { ModelEndpoint } from '../../../src/main/models/model-endpoint.ts';
import { SlotsLeft } from '../../../src/main/models/slots/slots-left.ts';
import { chanceOfMore, IdleRoom } from '../../../src/main/plans/expectations/idle-room.ts';
import type { FlightParts } from '../../../src/main/plans/flights/flight-parts.ts';

test.each([
  [0, 0, 0],
  [1, 0, 1 - Math.exp(-1)],
  [1, 1, 1 - 2 * Math.exp(-1)],
  [2, 3, 1 - Math.exp(-2) * (1 + 2 + 2 + 8 / 6)],
  [50, 3, 1],
])('where %d are expected, the chance of more than %d', (mean, count, chance) => {
  expect(chanceOfMore(mean, count)).toBeCloseTo(chance, 10);
});

interface Server {
  readonly idle: number;
  /** Calls that plans start in a second, which is the time of a call. */
  readonly starts: number;
  /** What calls of plans left idle when they started. */
  readonly left: readonly number[];
  readonly heldMs?: number;
}

function room({ idle, starts, left, heldMs = 0 }: Server): IdleRoom {
  const slotsLeft = new SlotsLeft();
  for (const each of left) slotsLeft.record(Math.max(0, each), each < 0 ? 1 : 0);
  const at = {
    isResting: false,
    gate: { isIdle: idle > 0, idle, busy: 4 - idle, inBackground: 0 },
    profiles: { areSlowed: false },
    forecast: { workMs: () => 1_000, heldMs },
    expectedStarts: (ms: number) => (starts * ms) / 1_000,
    slotsLeft,
  } as unknown as ModelEndpoint;
  const expert = { endpoint: 'one', alternatives: [], model: 'm' };
  const options = { experts: [expert], synthesis: { models: [] } } as unknown as FlightParts['options'];
  return new IdleRoom({ options, endpoints: new Map([['one', at]]) });
}

describe('a future may start', () => {
  const busy = { starts: 2, left: [2, 1, 0, 0, -1] };

  test('where nobody else asks, whatever it claims, unless it never comes true', () => {
    expect(room({ ...busy, idle: 1 }).isWorth(0.05, { othersShare: 0, aheadPerPlan: 1 })).toBe(true);
    expect(room({ ...busy, idle: 1 }).isWorth(0, { othersShare: 0, aheadPerPlan: 1 })).toBe(false);
    expect(room({ ...busy, idle: 0 }).isWorth(1, { othersShare: 0, aheadPerPlan: 1 })).toBe(false);
  });

  test('when its slot is needed less than those of the calls that it replaces', () => {
    expect(room({ ...busy, idle: 1 }).isWorth(0.8, { othersShare: 1, aheadPerPlan: 1 })).toBe(false);
    expect(room({ ...busy, idle: 3 }).isWorth(0.8, { othersShare: 1, aheadPerPlan: 1 })).toBe(true);
  });

  test('the sooner the more often such futures come true', () => {
    expect(room({ ...busy, idle: 2 }).isWorth(1, { othersShare: 1, aheadPerPlan: 1 })).toBe(true);
    expect(room({ ...busy, idle: 2 }).isWorth(0.3, { othersShare: 1, aheadPerPlan: 1 })).toBe(false);
    expect(room({ ...busy, idle: 4 }).isWorth(0.3, { othersShare: 1, aheadPerPlan: 1 })).toBe(true);
  });

  test('the later the longer a call holds its slot that was given up because its future was wrong', () => {
    expect(room({ ...busy, idle: 3, heldMs: 0 }).isWorth(0.6, { othersShare: 1, aheadPerPlan: 1 })).toBe(true);
    expect(room({ ...busy, idle: 3, heldMs: 4_000 }).isWorth(0.6, { othersShare: 1, aheadPerPlan: 1 })).toBe(false);
  });

  test('on a machine that is hardly used: it delays others by next to nothing, unless there are very many', () => {
    const hardly = room({ idle: 3, starts: 0.3, left: [3, 3, 3] });
    expect(hardly.isWorth(0.2, { othersShare: 1, aheadPerPlan: 1 })).toBe(true);
    expect(hardly.isWorth(0.2, { othersShare: 1, aheadPerPlan: 4 })).toBe(false);
  });
});
