import { describe, expect, test } from 'vitest';
import { Visits } from '../../../src/main/cache/visits.ts';

/** What memory answers in each state, in a cycle too. The visits where it was one, from 0. */
function asked(states: readonly number[], answer: (visit: number) => { action: string }): number[] {
  const visits = new Visits();
  const at: number[] = [];
  for (const [visit, state] of states.entries()) {
    const { action } = answer(visit);
    if (visits.isCycle(state, action)) at.push(visit);
    visits.entered(state, action, true);
  }
  return at;
}

function round(period: number, visits: number): number[] {
  return Array.from({ length: visits }, (_, visit) => visit % period);
}

describe('a cycle', () => {
  test.each([2, 3, 5, 9, 15])(
    'of %i states is seen in the third round: no state has the same served more than three times',
    (period) => {
      // In the first round all is new but for what follows its last state.
      const at = asked(round(period, 5 * period), () => ({ action: 'go' }));
      expect(at).toEqual(Array.from({ length: 2 * period + 1 }, (_, i) => 3 * period - 1 + i));
    },
  );

  test('of more states than are watched is none', () => {
    expect(asked(round(17, 200), () => ({ action: 'go' }))).toEqual([]);
    expect(asked(round(33, 200), () => ({ action: 'go' }))).toEqual([]);
  });

  test('is none while something new is seen in between', () => {
    // 0 1 0 2 0 3 0 4: state 0 again and again, and a new one each time.
    const states = Array.from({ length: 60 }, (_, visit) => (visit % 2 === 0 ? 0 : visit));
    expect(asked(states, () => ({ action: 'go' }))).toEqual([]);
  });

  test('is none where memory says another thing each time', () => {
    expect(asked(round(3, 60), (visit) => ({ action: `go ${visit}` }))).toEqual([]);
  });

  test('is one at every further visit', () => {
    expect(asked([0, 1, 0, 1, 0, 1, 0, 1, 0], () => ({ action: 'go' }))).toEqual([5, 6, 7, 8]);
  });

  test('counts answers of memory alone', () => {
    const visits = new Visits();
    for (const state of round(2, 20)) visits.entered(state, 'go', false);
    expect(visits.isCycle(0, 'go')).toBe(false);
  });

  test('counts a stay as one visit, with what was done last', () => {
    const visits = new Visits();
    for (const state of [0, 1, 0, 1]) {
      visits.entered(state, 'wait', true);
      for (let i = 0; i < 5; i++) visits.stayed('go', true);
    }
    // State 1 was new between the two visits of state 0.
    expect([visits.isCycle(0, 'go'), visits.isCycle(1, 'go'), visits.isCycle(1, 'wait')]).toEqual([false, true, false]);
    visits.stayed('go', false);
    expect(visits.isCycle(1, 'go')).toBe(false);
  });
});
