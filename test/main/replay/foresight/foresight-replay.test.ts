import { describe, expect, test } from 'vitest';
import { type ForesightOutcome, ForesightReplay } from '../../../../src/main/replay/foresight/foresight-replay.ts';
import { foresightReport } from '../../../../src/main/replay/foresight/foresight-report.ts';
import { defineDomain } from '../../../../src/shared/domain.ts';
import { cellar, duel, noise, type Step, type Stream } from '../../../support/foresight-streams.ts';

function replayed({ domain, steps }: Stream): ForesightOutcome {
  const replay = new ForesightReplay(domain);
  for (const [index, step] of steps.entries()) replay.next(recordOf(step, index));
  return replay.outcome();
}

function recordOf(
  { t, agent, observation, actions, chosen }: Step,
  index: number,
): Parameters<ForesightReplay['next']>[0] {
  return { line: index + 2, t, request: { agent, observation, actions }, chosen };
}

const DOMAIN = defineDomain({ name: 'clockwork', features: { scene: { kind: 'category' } } });

function clockwork(count: number, at: (index: number) => Partial<Step> = () => ({})): Stream {
  const steps = Array.from({ length: count }, (_, index): Step => {
    const scene = ['dawn', 'day', 'dusk', 'night'][index % 4];
    return { t: index, agent: 'a', observation: { scene }, actions: ['go', 'stay'], chosen: 'go', ...at(index) };
  });
  return { domain: DOMAIN, steps };
}

describe('what it counts', () => {
  test('all requests after a decision, and apart those in a state never seen before', () => {
    const outcome = replayed(clockwork(100));
    expect(outcome).toMatchObject({
      decisions: 100,
      unjudged: 0,
      requests: 99,
      newRequests: 3,
      newFirst: 0,
      newThree: 0,
    });
    expect(outcome.first).toBeGreaterThan(0.9);
    expect(outcome.guessesPerDecision).toBeGreaterThanOrEqual(0.9);
  });

  test('the horizons of one, two and four requests, and of half a second to five', () => {
    const { byHorizon } = replayed(clockwork(120));
    const ahead = byHorizon.map((horizon) => ('steps' in horizon ? horizon.steps : `${horizon.seconds} s`));
    expect(ahead).toEqual([1, 2, 4, '0.5 s', '1 s', '2 s', '5 s']);
    const [one, two, four, , second, , long] = byHorizon.map(({ first }) => first);
    expect(Math.min(one as number, two as number, four as number, second as number)).toBeGreaterThan(0.9);
    // Five seconds are five requests, and the furthest horizon is four.
    expect(long).toBeLessThan(0.2);
  });

  test('records without a usable choice: judged, but nothing is foreseen from them', () => {
    const { decisions, unjudged, requests } = replayed(clockwork(100, (index) => (index % 2 ? { chosen: 'fly' } : {})));
    expect({ decisions, unjudged, requests }).toEqual({ decisions: 50, unjudged: 50, requests: 50 });
  });
});

describe('the order of things', () => {
  test('guesses are fixed before any record of a later t is read: what is counted up to then does not depend on them', () => {
    // Two agents share every t.
    const { domain, steps } = cellar(80, 7);
    const together = steps.map((step, index) => ({ ...step, t: Math.floor(index / 2) }));
    const other = together.toReversed().map(({ observation, chosen }) => ({ observation, chosen }));
    const changed = together.map((step, index) => (index < 50 ? step : { ...step, ...other[index] }));
    const until = (all: readonly Step[], count: number): ForesightOutcome =>
      replayed({ domain, steps: all.slice(0, count) });
    expect(until(changed, 50)).toEqual(until(together, 50));
    expect(until(changed, 80)).not.toEqual(until(together, 80));
  });

  test('a guess about a request is not made from that request, though it shares its t with the one before', () => {
    // Each scene comes once: who guesses the next one has seen it.
    const once = clockwork(60, (index) => ({ t: Math.floor(index / 2), observation: { scene: `scene ${index}` } }));
    expect(replayed(once)).toMatchObject({ requests: 59, newRequests: 59, first: 0, three: 0 });
  });

  test('an answer that would come after the request is not ready', () => {
    const { domain, steps } = duel(300);
    const hurried = steps.map((step, index) => ({ ...step, t: 0.5 * index }));
    const [quick, slow, slowest] = replayed({ domain, steps: hurried }).trials;
    expect(quick?.ready).toBeGreaterThan(0.05);
    expect(slow?.ready).toBeLessThan(quick?.ready as number);
    expect(slowest).toMatchObject({ calls: 0, extraCalls: 0, ready: 0 });
  });
});

test('the gates open where it pays: turns, and numbers that drift', () => {
  for (const stream of [duel(300), cellar(300)]) {
    const [, second] = replayed(stream).trials;
    expect(second?.ready).toBeGreaterThan(0.1);
    expect(second?.extraCalls).toBeLessThan(0.1);
  }
});

test('the gates stay shut in noise', () => {
  for (const trial of replayed(noise(300)).trials) {
    expect(trial.calls).toBeLessThanOrEqual(0.01);
    expect(trial.ready).toBe(0);
  }
});

test('the report has the shares at the top, and what models would do by their milliseconds', () => {
  const outcome = replayed(duel(20));
  const report = foresightReport({ outcome, interrupted: false }, { file: 'duel.jsonl', name: 'duel' });
  expect(Object.keys(report)).toEqual(['trace', 'foresight', 'interrupted']);
  const { foresight } = report;
  expect(foresight.first).toBeCloseTo(outcome.first, 5);
  expect(foresight.byHorizon[0]).toMatchObject({ steps: 1, first: foresight.first, newThree: foresight.newThree });
  for (const shares of [foresight.extraCalls, foresight.calls, foresight.ready]) {
    expect(Object.keys(shares)).toEqual(['200', '1000', '5000']);
  }
  expect(foresight).not.toHaveProperty('trials');
});
