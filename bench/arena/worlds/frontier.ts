import { forkRandom, randomNormal } from '../../../src/shared/random.ts';
import { arenaDomain, BEST_SCORE, luckOf, offered, STEPS, type World } from '../world.ts';

/*
 * States that hardly ever recur: driving, flying, open country. Five numbers in ten buckets each drift on at every step, so that
 * nine states in ten are new, and what was right a moment ago is often right still. A mistake costs four tenths of what the right
 * action gains and shoves the numbers. Holding is worth nothing and costs nothing.
 */
const ACTIONS = ['hold', 'climb', 'dive', 'bank', 'brake'] as const;
const FEATURES = ['wind', 'height', 'speed', 'slope', 'glare'] as const;
const EDGES = [10, 20, 30, 40, 50, 60, 70, 80, 90] as const;
const BUCKETS = EDGES.length + 1;
const POINT = BEST_SCORE / STEPS;
const MISTAKE = -0.4 * POINT;
/** How far a number drifts in a step, and how far a mistake shoves it. */
const DRIFT = 6;
const SHOVE = 15;
/** What is peculiar to a state, beside what follows from its numbers. */
const PECULIAR = 5;

const DOMAIN = arenaDomain(
  'frontier',
  'A glider over unknown country, which must keep its course.',
  Object.fromEntries(FEATURES.map((name) => [name, { kind: 'number', edges: EDGES, range: [0, 100] }] as const)),
);

function bucketOf(value: number): number {
  return Math.min(BUCKETS - 1, Math.floor(value / 10));
}

/** Back from the ends, as from walls. */
function within(value: number): number {
  const folded = ((value % 198) + 198) % 198;
  return Math.round(folded <= 99 ? folded : 198 - folded);
}

export function frontier(seed: number): World {
  const weigh = forkRandom(seed, 'frontier weights');
  const weights = ACTIONS.slice(1).map(() => FEATURES.map(() => randomNormal(weigh)));
  const known = new Map<string, string>();
  const decide = (values: readonly number[], key: string): string => {
    const worths = weights.map((row, index) => {
      const linear = row.reduce((sum, weight, i) => sum + weight * (bucketOf(values[i] as number) - 4.5), 0);
      return linear + PECULIAR * randomNormal(forkRandom(seed, `peculiar ${key} ${index}`));
    });
    return ACTIONS[1 + worths.indexOf(Math.max(...worths))] as string;
  };
  const world: World = {
    name: 'frontier',
    domain: DOMAIN,
    start: (game) => ({
      values: FEATURES.map((name) => Math.floor(luckOf(seed, `start ${game} ${name}`) * 100)),
      game,
      at: 0,
    }),
    observation: ({ values }) => Object.fromEntries(FEATURES.map((name, i) => [name, values[i] as number])),
    read: (situation) => {
      const values = FEATURES.map((name) => Number(situation.get(name)));
      return values.some(Number.isNaN) ? undefined : values;
    },
    actions: (values) => offered(ACTIONS, world.best(values), seed, world.key(values)),
    key: (values) => values.map(bucketOf).join(' '),
    best: (values) => {
      const key = world.key(values);
      const best = known.get(key) ?? decide(values, key);
      known.set(key, best);
      return best;
    },
    next: ({ values, game, at }, action) => {
      const isRight = action === world.best(values);
      const isMistake = !isRight && action !== ACTIONS[0];
      const drift = forkRandom(seed, `drift ${game} ${at}`);
      const moved = values.map((value) => {
        const shove = isMistake ? (drift.next() < 0.5 ? -SHOVE : SHOVE) : 0 * drift.next();
        return within(value + shove + DRIFT * randomNormal(drift));
      });
      return { state: { values: moved, game, at: at + 1 }, points: isRight ? POINT : isMistake ? MISTAKE : 0 };
    },
  };
  return world;
}
