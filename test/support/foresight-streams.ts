import { type Domain, defineDomain, type Observation } from '../../src/shared/domain.ts';
import { pick, type Random, seededRandom } from '../../src/shared/random.ts';

/** One decision of a made-up world. */
export interface Step {
  readonly t: number;
  readonly agent: string;
  readonly observation: Observation;
  readonly actions: readonly string[];
  readonly chosen: string;
}

export interface Stream {
  readonly domain: Domain;
  readonly steps: readonly Step[];
}

const DUEL = defineDomain({
  name: 'duel',
  features: {
    phase: { kind: 'category' },
    shield: { kind: 'flag' },
    enemyShield: { kind: 'flag' },
    health: { kind: 'number', edges: [2, 4, 6, 8, 10, 12, 14, 16, 18], range: [0, 20] },
    gold: { kind: 'number', edges: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], range: [0, 12] },
  },
});

/** Turns of three phases, one agent: what an action does is certain, what the enemy does is not. */
export function duel(count: number, seed = 1): Stream {
  const random = seededRandom(seed);
  let state = { phase: 'draw', shield: false, enemyShield: true, health: 20, gold: 2 };
  const steps = Array.from({ length: count }, (_, index): Step => {
    const actions = duelActions(state);
    const chosen = pick(random, actions);
    const step = { t: 2 * index + random.next(), agent: 'hero', observation: state, actions, chosen };
    state = afterDuel(state, chosen, random);
    return step;
  });
  return { domain: DUEL, steps };
}

type Duel = { phase: string; shield: boolean; enemyShield: boolean; health: number; gold: number };

function duelActions({ phase, gold }: Duel): readonly string[] {
  if (phase === 'draw') return ['draw', 'trade'];
  if (phase === 'end') return ['pass', 'repair'];
  return gold >= 1 ? ['strike', 'save', 'shield'] : ['strike', 'save'];
}

function afterDuel(before: Duel, chosen: string, random: Random): Duel {
  const { phase, health, gold } = before;
  if (phase === 'draw') return { ...before, phase: 'main', gold: Math.min(12, gold + (chosen === 'trade' ? 2 : 0)) };
  if (phase === 'main') {
    const spent = chosen === 'shield' ? -1 : chosen === 'save' ? 1 : 0;
    const enemyShield = chosen === 'strike' ? false : before.enemyShield;
    return { ...before, phase: 'end', shield: before.shield || chosen === 'shield', enemyShield, gold: gold + spent };
  }
  const healed = Math.min(20, health + (chosen === 'repair' ? 2 : 0));
  const luck = random.next();
  if (luck < 0.3) return { ...before, phase: 'draw', enemyShield: true, health: healed };
  const hurt = before.shield ? healed : healed - 4;
  return { ...before, phase: 'draw', shield: false, health: hurt <= 0 ? 20 : hurt };
}

const tenths = (count: number): number[] =>
  Array.from({ length: count - 1 }, (_, index) => (100 * (index + 1)) / count);

const CELLAR = defineDomain({
  name: 'cellar',
  features: {
    room: { kind: 'category' },
    hunger: { kind: 'number', edges: tenths(10), range: [0, 100] },
    warmth: { kind: 'number', edges: tenths(8), range: [0, 100] },
    depth: { kind: 'number', edges: tenths(12), range: [0, 100] },
    view: { kind: 'image', optional: true },
  },
});

/** Two agents whose numbers drift, at a pace that the action, the room and the agent set. */
export function cellar(count: number, seed = 1): Stream {
  const random = seededRandom(seed);
  const agents = [
    { agent: 'a', pace: 2.6, room: 'cellar', hunger: 20, warmth: 60, depth: 10 },
    { agent: 'b', pace: -1.8, room: 'hall', hunger: 50, warmth: 30, depth: 80 },
  ];
  const steps = Array.from({ length: count }, (_, index): Step => {
    const now = agents[index % 2] as (typeof agents)[number];
    const { agent, pace, ...numbers } = now;
    const actions = now.room === 'cellar' ? ['climb', 'eat', 'wait'] : ['descend', 'warm', 'wait', 'eat'];
    const chosen = now.hunger > 70 ? 'eat' : pick(random, ['wait', 'wait', ...actions]);
    const observation = { ...numbers, view: 'data:image/png;base64,AAAA' };
    drift(now, chosen, random);
    return { t: 1.8 * index, agent, observation, actions, chosen };
  });
  return { domain: CELLAR, steps };
}

type Drifting = { pace: number; room: string; hunger: number; warmth: number; depth: number };

function drift(now: Drifting, chosen: string, random: Random): void {
  const within = (value: number): number => Math.min(100, Math.max(0, value));
  now.hunger = within(now.hunger + (chosen === 'eat' ? -12 : 3) + random.next());
  now.warmth = within(now.warmth + (chosen === 'warm' ? 6 : now.room === 'cellar' ? -2.2 : -0.7));
  now.depth = within(now.depth + now.pace + 0.4 * (random.next() - 0.5));
  if (now.depth === 0 || now.depth === 100) now.pace *= -1;
  if (chosen === 'climb') now.room = 'hall';
  if (chosen === 'descend') now.room = 'cellar';
}

const STATIC = defineDomain({
  name: 'static',
  features: {
    place: { kind: 'category' },
    alarm: { kind: 'flag' },
    x: { kind: 'number', edges: [20, 40, 60, 80], range: [0, 100] },
    y: { kind: 'number', edges: [20, 40, 60, 80], range: [0, 100] },
    things: { kind: 'set' },
  },
});

/** Three agents in a world where nothing follows from anything. */
export function noise(count: number, seed = 1): Stream {
  const random = seededRandom(seed);
  const some = (items: readonly string[]): string[] => items.filter(() => random.next() < 0.5);
  let t = 0;
  const steps = Array.from({ length: count }, (): Step => {
    t += 0.5 + 2 * random.next();
    const actions = ['wait', ...some(['a', 'b', 'c', 'd'])];
    const observation = {
      place: pick(random, ['p', 'q', 'r', 's', 't']),
      alarm: random.next() < 0.5,
      x: 100 * random.next(),
      y: 100 * random.next(),
      things: some(['k', 'l', 'm']),
    };
    return { t, agent: pick(random, ['u', 'v', 'w']), observation, actions, chosen: pick(random, actions) };
  });
  return { domain: STATIC, steps };
}
