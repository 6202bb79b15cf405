import { describe, expect, test } from 'vitest';
import { CONTESTANT_NAMES, type ContestantName } from '../../bench/arena/contestants.ts';
import { LATENCIES, LATENCY_MS, openModelServer } from '../../bench/arena/model-server.ts';
import { type Cell, playSeed } from '../../bench/arena/play-seed.ts';
import { sightOf } from '../../bench/arena/player.ts';
import { Asking } from '../../bench/arena/players/asking.ts';
import { policyChoice } from '../../bench/arena/policy.ts';
import { holm, lossProbability, mean, standardError, studentBelow } from '../../bench/arena/statistics.ts';
import { judge, shareOfBound } from '../../bench/arena/verdict.ts';
import { BEST_SCORE, GAMES, STEPS, type State, type World } from '../../bench/arena/world.ts';
import { WORLDS } from '../../bench/arena/worlds/worlds.ts';
import { SIGNATURE_WORDS, Signer, signatureText } from '../../src/shared/signature.ts';
import { runVirtual, VirtualClock } from '../sim/virtual-clock.ts';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const CELL: Cell = { world: 'rounds', ratio: 1, latency: 'independent', values: false };

function* statesOf(world: World, choose: (state: State) => string): Generator<{ state: State; points: number }> {
  for (let game = 0; game < GAMES; game++) {
    let state = world.start(game);
    for (let step = 0; step < STEPS; step++) {
      const outcome = world.next(state, choose(state));
      yield { state, points: outcome.points };
      state = outcome.state;
    }
  }
}

function scoreOf(world: World, choose: (state: State) => string): number {
  return [...statesOf(world, choose)].reduce((sum, { points }) => sum + points, 0) / GAMES;
}

describe.each(Object.entries(WORLDS))('the world %s', (_, make) => {
  test('the right actions reach the best score, wrong ones less than the default', () => {
    for (const seed of SEEDS) {
      const world = make(seed);
      const { best, actions } = world;
      const wrong = ({ values }: State): string =>
        actions(values)
          .slice(1)
          .find((a) => a !== best(values)) as string;
      expect(scoreOf(world, ({ values }) => best(values))).toBeCloseTo(BEST_SCORE, 6);
      expect(scoreOf(world, wrong)).toBeLessThanOrEqual(0);
      expect(scoreOf(world, ({ values }) => actions(values)[0] as string)).toBeGreaterThanOrEqual(0);
    }
  });

  test('one mistake costs', () => {
    for (const seed of SEEDS) {
      const world = make(seed);
      const slip = ({ values, at }: State): string =>
        at === 9
          ? (world
              .actions(values)
              .slice(1)
              .find((a) => a !== world.best(values)) as string)
          : world.best(values);
      expect(scoreOf(world, slip)).toBeLessThan(BEST_SCORE * (1 - 1 / STEPS) + 1e-9);
    }
  });

  test('the right action is always legal, and the default never right', () => {
    const world = make(1);
    for (const { state } of statesOf(world, ({ values }) => world.best(values))) {
      const legal = world.actions(state.values);
      expect(legal.indexOf(world.best(state.values))).toBeGreaterThan(0);
    }
  });

  test('states have one key where the planner has one, and a prompt tells all of a state', () => {
    const world = make(1);
    const signer = new Signer(world.domain);
    const signatures = new Map<string, string>();
    for (const { state } of statesOf(world, ({ values }) => world.best(values))) {
      const observation = world.observation(state);
      const key = world.key(state.values);
      const signed = signer.sign(observation, world.actions(state.values), new Int32Array(SIGNATURE_WORDS));
      const signature = signatureText(signed);
      expect(signatures.get(key) ?? signature).toBe(signature);
      signatures.set(key, signature);
      const told = new Map(Object.entries(observation).map(([name, value]) => [name, String(value)]));
      expect(world.key(world.read(told) as readonly number[])).toBe(key);
    }
    expect(new Set(signatures.values()).size).toBe(signatures.size);
  });
});

test('states come round, hardly ever recur, and mostly recur', () => {
  const recurring = (name: string): number => {
    const world = (WORLDS[name] as (seed: number) => World)(1);
    const seen = new Set<string>();
    const all = [...statesOf(world, ({ values }) => world.best(values))].filter(({ state }) => {
      const key = world.key(state.values);
      const isNew = !seen.has(key);
      seen.add(key);
      return !isNew;
    });
    return all.length / (GAMES * STEPS);
  };
  expect(recurring('rounds')).toBeGreaterThan(0.85);
  expect(recurring('frontier')).toBeLessThan(0.2);
  expect(recurring('kitchen')).toBeGreaterThan(0.75);
});

test('the policy has the skill it is said to have, and half of its errors belong to the state', () => {
  const ASKED = 20;
  let right = 0;
  let asked = 0;
  let again = 0;
  let wrong = 0;
  for (const make of Object.values(WORLDS)) {
    for (let seed = 1; seed <= 12; seed++) {
      const world = make(seed);
      const states = new Map<string, readonly number[]>();
      for (const { state } of statesOf(world, ({ values }) => world.best(values))) {
        states.set(world.key(state.values), state.values);
      }
      for (const values of states.values()) {
        const best = world.best(values);
        const said = Array.from({ length: ASKED }, (_, nth) =>
          policyChoice(world, seed, values, world.actions(values), nth),
        );
        asked += ASKED;
        right += said.filter((action) => action === best).length;
        // An error of the state comes back at nearly every asking.
        const mode = said.toSorted(
          (a, b) => said.filter((s) => s === b).length - said.filter((s) => s === a).length,
        )[0];
        wrong += said.filter((action) => action !== best).length;
        if (mode !== best) again += said.filter((action) => action === mode).length;
      }
    }
  }
  expect(right / asked).toBeGreaterThan(0.78);
  expect(right / asked).toBeLessThan(0.82);
  expect(again / wrong).toBeGreaterThan(0.38);
  expect(again / wrong).toBeLessThan(0.6);
});

test.each(LATENCIES)('a call that is alone takes the mean latency: %s', async (latency) => {
  const clock = new VirtualClock();
  const world = (WORLDS.kitchen as (seed: number) => World)(1);
  const server = openModelServer(world, { latency }, 1, clock);
  const asking = new Asking({ world, seed: 1, stepMs: LATENCY_MS, clock, server });
  const askAll = async (): Promise<void> => {
    for (const { state } of statesOf(world, ({ values }) => world.best(values))) {
      await new Promise<void>((resolve) => asking.ask(sightOf(world, 1, state, false), () => resolve()));
    }
  };
  await runVirtual(clock, askAll());
  expect(clock.now() / (GAMES * STEPS) / LATENCY_MS).toBeGreaterThan(0.93);
  expect(clock.now() / (GAMES * STEPS) / LATENCY_MS).toBeLessThan(1.07);
  server.close();
});

test.each(CONTESTANT_NAMES)('a seed of %s gives the same figures again', async (name: ContestantName) => {
  const cell: Cell = { ...CELL, world: 'kitchen', latency: 'compute', values: name === 'bestQ' };
  const first = await playSeed(cell, name, 3);
  expect(await playSeed(cell, name, 3)).toEqual(first);
  expect(first.score).toBeGreaterThanOrEqual(0);
  expect(first.score).toBeLessThanOrEqual(BEST_SCORE);
});

describe('statistics', () => {
  test("Student's distribution has the values of the tables", () => {
    expect(studentBelow(0, 5)).toBeCloseTo(0.5, 10);
    expect(studentBelow(1.812461, 10)).toBeCloseTo(0.95, 6);
    expect(studentBelow(-2.452824, 31)).toBeCloseTo(0.01, 5);
    expect(studentBelow(12.706205, 1)).toBeCloseTo(0.975, 6);
  });

  test('the chance of a loss is small only where most differences are below zero', () => {
    expect(lossProbability([-1, -2, -1.5, -1.2, -0.8])).toBeLessThan(0.01);
    expect(lossProbability([1, 2, 1.5, 1.2, 0.8])).toBeGreaterThan(0.99);
    expect(lossProbability([-1, 1, -1, 1])).toBeCloseTo(0.5, 10);
    expect(lossProbability([-1, -1, -1])).toBe(0);
    expect(lossProbability([0, 0, 0])).toBe(1);
    expect(lossProbability([-3])).toBe(1);
  });

  test('the standard error is that of the mean', () => {
    expect(mean([1, 2, 3, 4])).toBe(2.5);
    expect(standardError([1, 2, 3, 4])).toBeCloseTo(0.645497, 6);
  });

  test("Holm's procedure stops at the first that is not small enough", () => {
    expect(holm([0.001, 0.02, 0.004, 0.9], 0.01)).toEqual([true, false, false, false]);
    expect(holm([0.001, 0.004, 0.003, 0.9], 0.01)).toEqual([true, true, true, false]);
    expect(holm([0.0025, 0.9, 0.9, 0.9], 0.01)).toEqual([true, false, false, false]);
    expect(holm([], 0.01)).toEqual([]);
  });

  test('the share of a bound counts what is above the default, and says no more where that is next to nothing', () => {
    expect(shareOfBound(30, 50, 10)).toBe(0.5);
    expect(shareOfBound(0, 50, 10)).toBe(-0.25);
    expect(shareOfBound(9, 11, 10)).toBe(1);
    expect(shareOfBound(2, -20, 10)).toBe(0);
  });

  test('a verdict holds the planner against the best plain contestant, and below T = L against one bound', () => {
    const scored = (...scores: number[]) => scores.map((score) => ({ score }));
    const results = {
      default: scored(0, 0, 0, 0),
      async: scored(20, 22, 19, 21),
      blocking: scored(9, 9, 9, 9),
      planner: scored(10, 11, 10, 11),
      four: scored(80, 80, 80, 80),
      lateAgain: scored(42, 42, 42, 42),
    };
    const at = (ratio: number) => judge([{ cell: { ...CELL, ratio }, results }], 1);
    const { significantLosses, worstLossShare, worstVsBound, cells } = at(0.5);
    expect(cells[0]).toMatchObject({
      bestPlain: 20.5,
      bestPlainName: 'async',
      bestBoundName: 'lateAgain',
      isLoss: true,
    });
    expect([significantLosses, worstLossShare, worstVsBound]).toEqual([1, 0.1, 0.25]);
    expect(at(2).cells[0]).toMatchObject({ bestBoundName: 'four', bestBound: 80 });
  });
});
