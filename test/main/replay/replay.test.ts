import { afterEach, describe, expect, test, vi } from 'vitest';
import type { ResolvedCache } from '../../../src/main/cache/cache-options.ts';
import { LoopGuard } from '../../../src/main/cache/loop-guard.ts';
import { PROFILES } from '../../../src/main/options/profiles.ts';
import { Replay, type ReplayOutcome } from '../../../src/main/replay/replay.ts';
import type { TraceRecord } from '../../../src/main/session/trace-reader.ts';
import { defineDomain } from '../../../src/shared/domain.ts';
import { seededRandom } from '../../../src/shared/random.ts';

const domain = defineDomain({
  name: 'cave',
  features: { place: { kind: 'category' }, health: { kind: 'number', edges: [50], range: [0, 100] } },
});

/** A plain cache of first answers, from exact states, for ever. */
const PLAIN: ResolvedCache = {
  ...(PROFILES.default.cache as ResolvedCache),
  entries: 1_000,
  ttl: 'fixed',
  ttlMs: Number.POSITIVE_INFINITY,
  similar: false,
  checkShare: 0,
  loopGuard: false,
  habit: true,
  cycleGuard: false,
  trust: 'always',
  valuesMin: false,
  refreshAhead: false,
};

interface Step {
  readonly t?: number;
  readonly agent?: string;
  readonly place?: string;
  readonly health?: number;
  readonly actions?: readonly string[];
  readonly chosen?: string;
}

function recordOf(step: Step, index: number): TraceRecord {
  const { t = index, agent = `agent ${index}`, place = 'hall', health = 10, actions = ['go', 'stay'], chosen } = step;
  const request = { agent, observation: { place, health }, actions };
  return { line: index + 2, t, request, ...(chosen === undefined ? {} : { chosen }) };
}

function replay(steps: readonly Step[], cache: Partial<ResolvedCache> = {}, seed = 1): ReplayOutcome {
  const engine = new Replay(domain, { cache: { ...PLAIN, ...cache }, seed });
  for (const [index, step] of steps.entries()) engine.next(recordOf(step, index));
  return engine.outcome();
}

/** One agent that stays in one state. */
function stuck(chosen: readonly string[]): Step[] {
  return chosen.map((action) => ({ agent: 'one', chosen: action }));
}

describe('first answers', () => {
  test('what is not served is learned, what is served is judged and not learned', () => {
    const outcome = replay([
      { place: 'hall', chosen: 'go' },
      { place: 'hall', chosen: 'go' },
      { place: 'hall', chosen: 'stay' },
      { place: 'hall', chosen: 'stay' },
      { place: 'yard', chosen: 'stay' },
    ]);
    // Served are records 2, 3 and 4, all with `go`.
    expect(outcome).toMatchObject({ decisions: 5, servedCount: 3, wrongCount: 2, served: 0.6, wrong: 2 / 3 });
    expect(outcome.exact).toMatchObject({ servedCount: 3, wrongCount: 2 });
    expect(outcome.similar).toMatchObject({ servedCount: 0, served: 0, wrong: 0, wrongLow: 0, wrongHigh: 0 });
    // Wilson, 2 of 3.
    expect(outcome.wrongLow).toBeCloseTo(0.2077, 4);
    expect(outcome.wrongHigh).toBeCloseTo(0.9385, 4);
    expect(outcome.lookupsPerSecond).toBeGreaterThan(0);
  });

  test('a similar state is served where nothing exact is known, and counted apart', () => {
    const steps = [
      { health: 48, chosen: 'go' },
      { health: 52, chosen: 'go' },
      { health: 90, chosen: 'stay' },
      { place: 'yard', health: 48, chosen: 'go' },
    ];
    const outcome = replay(steps, { similar: { distanceMax: 0.1, confirmedMax: 0.1 } });
    // 52 is 0.04 of the range from 48, the one known; 90 is far from it, and 52 was not learned.
    expect(outcome).toMatchObject({ servedCount: 1, similar: { servedCount: 1, wrongCount: 0 } });
    // Exactly, 52 is another state, which is learned, and 90 is in its bucket.
    expect(replay(steps)).toMatchObject({ servedCount: 1, exact: { servedCount: 1, wrongCount: 1 } });
  });

  test('with a TTL, an answer is served until it is that old and then learned anew', () => {
    const steps = [
      { t: 100, chosen: 'go' },
      { t: 109.9, chosen: 'stay' },
      { t: 110, chosen: 'stay' },
      { t: 119, chosen: 'stay' },
    ];
    expect(replay(steps, { ttlMs: 10_000 })).toMatchObject({ servedCount: 2, wrongCount: 1 });
    expect(replay(steps)).toMatchObject({ servedCount: 3, wrongCount: 3 });
  });

  test('a trace that jumps back goes on in time, and one that is a little out of order stands still', () => {
    const jumps = [
      { t: 100, chosen: 'go' },
      { t: 107, chosen: 'go' },
      { t: 0, chosen: 'go' },
      { t: 3, chosen: 'go' },
    ];
    expect(replay(jumps, { ttlMs: 10_000 })).toMatchObject({ servedCount: 2, restarts: 1, disordered: 0 });
    const disorder = [
      { t: 100, chosen: 'go' },
      { t: 109, chosen: 'go' },
      { t: 101, chosen: 'go' },
    ];
    expect(replay(disorder, { ttlMs: 10_000 })).toMatchObject({ servedCount: 2, restarts: 0, disordered: 1 });
  });

  test('a check learns what was served', () => {
    const steps = ['go', 'stay', 'stay', 'stay', 'stay'].map((chosen) => ({ chosen }));
    expect(replay(steps, { checkShare: 0 })).toMatchObject({ servedCount: 4, wrongCount: 4 });
    const checked = replay(steps, { checkShare: 1 });
    // `go` is served once; the check makes it 1:1, where the newer answer wins.
    expect(checked).toMatchObject({ servedCount: 4, wrongCount: 1 });
    expect(checked.cache.falseHits.exact).toMatchObject({ served: 4, checked: 4, wrong: 1 });
  });

  test('a full cache forgets', () => {
    const steps = ['hall', 'yard', 'cellar', 'hall'].map((place) => ({ place, chosen: 'go' }));
    expect(replay(steps, { entries: 2 })).toMatchObject({ servedCount: 0, cache: { evictions: 2 } });
    expect(replay(steps, { entries: 3 })).toMatchObject({ servedCount: 1 });
  });
});

describe('records that cannot be judged', () => {
  test('a record without a choice, or with one that was not offered, is neither judged nor learned', () => {
    const outcome = replay([{}, { chosen: 'fly' }, { chosen: 'go' }, {}, { chosen: 'go' }]);
    expect(outcome).toMatchObject({ decisions: 2, unjudged: 3, servedCount: 1, wrongCount: 0 });
  });

  test('a replay of nothing is all zeros', () => {
    const nothing = { decisions: 0, served: 0, wrong: 0, wrongLow: 0, wrongHigh: 0, looped: 0, lookupsPerSecond: 0 };
    expect(replay([])).toMatchObject(nothing);
  });
});

describe('loops', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  test('without the guard, what repeats the last action counts as looped, and from the third on as third in a row', () => {
    const outcome = replay(stuck(['go', 'go', 'go', 'go']));
    expect(outcome).toMatchObject({ servedCount: 3, loopedCount: 3, looped: 1, thirdInARow: 2 });
  });

  test('another action, another state or another agent between them is no repetition', () => {
    // `go` is served each time; the second and the fourth time the agent's last action was `go` too.
    expect(replay(stuck(['go', 'stay', 'go', 'stay']))).toMatchObject({ loopedCount: 2, thirdInARow: 0 });
    const moving = ['hall', 'hall', 'yard', 'hall'].map((place) => ({ agent: 'one', place, chosen: 'go' }));
    expect(replay(moving)).toMatchObject({ servedCount: 2, loopedCount: 1, thirdInARow: 0 });
    expect(replay(['go', 'go', 'go'].map((chosen) => ({ chosen })))).toMatchObject({ servedCount: 2, loopedCount: 0 });
  });

  test('a record that does not tell what was chosen ends a repetition only if the state was another', () => {
    const done: Step = { agent: 'one', chosen: 'go' };
    expect(replay([done, done, { agent: 'one' }, done]).thirdInARow).toBe(1);
    expect(replay([done, done, { agent: 'one', place: 'yard' }, done]).thirdInARow).toBe(0);
  });

  test('with the guard, nothing is served a third time in a row', () => {
    const outcome = replay(stuck(['go', 'go', 'go', 'go', 'go']), { loopGuard: true });
    expect(outcome).toMatchObject({ loopedCount: 1, thirdInARow: 0 });
    expect(outcome.cache.loopsBroken).toBeGreaterThan(0);
  });

  test.each([[false], [0.3]] as const)('nor in a long random trace, with an error budget of %s', (errorBudget) => {
    const random = seededRandom(7);
    const steps = Array.from({ length: 4_000 }, () => ({
      agent: `agent ${Math.floor(3 * random.next())}`,
      place: random.next() < 0.8 ? 'hall' : 'yard',
      health: Math.floor(100 * random.next()),
      chosen: random.next() < 0.9 ? 'go' : 'stay',
    }));
    const cache = { errorBudget, similar: { distanceMax: 0.1, confirmedMax: 0.1 }, checkShare: 0.02 };
    const guarded = replay(steps, { ...cache, loopGuard: true });
    expect(guarded.servedCount).toBeGreaterThan(400);
    expect(guarded.thirdInARow).toBe(0);
    expect(replay(steps, { ...cache, loopGuard: false }).thirdInARow).toBeGreaterThan(100);
  });

  test('what the replay counts does not depend on the guard: a guard that forgets everything is found out', () => {
    vi.spyOn(LoopGuard.prototype, 'recall').mockReturnValue(undefined);
    const outcome = replay(stuck(['go', 'go', 'go', 'go']), { loopGuard: true });
    expect(outcome).toMatchObject({ loopedCount: 3, thirdInARow: 2 });
  });
});

describe('an error budget', () => {
  /** Each place has its one right action; one decision in fifty is another. */
  function easyStream(length: number): Step[] {
    const random = seededRandom(3);
    return Array.from({ length }, (_, index) => {
      const place = Math.floor(10 * random.next());
      const right = place % 2 === 0 ? 'go' : 'stay';
      const other = right === 'go' ? 'stay' : 'go';
      return { t: index, place: `place ${place}`, chosen: random.next() < 0.02 ? other : right };
    });
  }

  test('serves nothing until the evidence is there, and much of an easy stream after that', () => {
    const stream = easyStream(3_000);
    const budget = { errorBudget: 0.05, checkShare: 0.02 };
    expect(replay(stream.slice(0, 20), budget).servedCount).toBe(0);
    const outcome = replay(stream, budget);
    expect(outcome.served).toBeGreaterThan(0.5);
    expect(outcome.wrong).toBeLessThan(0.05);
    expect(outcome.cache.budget).toMatchObject({ budget: 0.05, served: outcome.servedCount });
  });

  test('what is usually done next is judged apart, before later records are known', () => {
    const stream = Array.from({ length: 900 }, (_, i) => ({
      t: i,
      agent: 'one',
      actions: ['go', 'stay', `spell ${i}`],
      chosen: i % 2 === 0 ? 'go' : 'stay',
    }));
    const budget = { errorBudget: 0.1, checkShare: 0.02 };
    const outcome = replay(stream, budget);
    expect(outcome.habit.served).toBeGreaterThan(0.4);
    expect(outcome).toMatchObject({ exact: { servedCount: 0 }, servedCount: outcome.habit.servedCount, wrongCount: 0 });
    expect(replay(stream, { ...budget, habit: false }).servedCount).toBe(0);
    expect(replay(stream).servedCount).toBe(0);
    // From some record on, everything is the other way round: what was served before is as it was.
    const changed = stream.map((step, i) => (i < 600 || i % 2 === 0 ? step : { ...step, chosen: 'go' }));
    const at = (steps: readonly Step[]) => replay(steps, budget).running.find(({ decisions }) => decisions === 600);
    expect(at(changed)).toEqual(at(stream));
    expect(replay(changed, budget).wrongCount).toBeGreaterThan(0);
  });

  test('a seed replays exactly, and another one draws other probes and checks', () => {
    const stream = easyStream(2_000);
    const run = (seed: number): object => {
      const { lookupsPerSecond: _, ...outcome } = replay(stream, { errorBudget: 0.05, checkShare: 0.02 }, seed);
      return outcome;
    };
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
  });
});
