import { type Domain, defineDomain } from '../../src/shared/domain.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { pick, type Random, randomIndex } from '../../src/shared/random.ts';
import type { Situation } from '../../src/shared/situation.ts';

/** What the agents of a simulation perceive and may do. */
export const crowdDomain: Domain = defineDomain({
  name: 'crowd',
  description: 'It is an agent in a simulation.',
  features: {
    scene: { kind: 'category', values: ['peace', 'combat', 'menu'] },
    place: { kind: 'category' },
    health: { kind: 'number', edges: [30, 70], range: [0, 100] },
    mood: { kind: 'category', soft: true, weight: 0.2 },
    note: { kind: 'text', optional: true },
    picture: { kind: 'image', optional: true },
  },
  priorities: { combat: 2 },
  roles: [
    { name: 'eyes', vision: true, prompt: 'You see.' },
    { name: 'risk', prompt: 'You judge risk.' },
    { name: 'gain', prompt: 'You judge gain.' },
    { name: 'space', prompt: 'You judge space.' },
  ],
});

const ACTIONS = ['attack', 'block', 'retreat', 'go north', 'talk to Aela', 'constructor', 'wait', 'über', 'attack!'];
const NUMBERS = ['1', '2', '3'];
const HEALTHS = [10, 50, 90] as const;
const MOODS = ['calm', 'angry'] as const;

/** A state: all that enters its key, and the actions there. */
interface State {
  readonly scene: string;
  readonly place: string;
  readonly health: number;
  readonly mood: string;
  readonly actions: readonly string[];
  readonly values: boolean;
}

/** Agents that come back to a few states, and sometimes see a new one. */
export class Crowd {
  readonly #random: Random;
  readonly #states: State[] = [];
  readonly #agents: number;
  #news = 0;

  constructor(random: Random, agents: number, states: number) {
    this.#random = random;
    this.#agents = agents;
    for (let made = 0; made < states; made++) this.#states.push(this.#someState());
  }

  request(): PlanRequest {
    const random = this.#random;
    const state = random.next() < 0.15 ? this.#newState() : pick(random, this.#states);
    return this.#requestIn(state, `agent ${randomIndex(random, this.#agents)}`);
  }

  /** In a state that nobody has seen. */
  fresh(): PlanRequest {
    return this.#requestIn(this.#newState(), `newcomer ${this.#news}`);
  }

  #someState(): State {
    const random = this.#random;
    const known = this.#states.length > 0 && random.next() < 0.3 ? pick(random, this.#states) : undefined;
    if (known === undefined) return this.#newState();
    return { ...known, health: pick(random, HEALTHS), mood: pick(random, MOODS) };
  }

  #newState(): State {
    const random = this.#random;
    const isNumbered = random.next() < 0.1;
    const count = 1 + randomIndex(random, isNumbered ? 3 : 6);
    return {
      scene: pick(random, ['peace', 'combat', 'menu']),
      place: `place ${this.#news++}`,
      health: pick(random, HEALTHS),
      mood: pick(random, MOODS),
      actions: this.#shuffled(isNumbered ? NUMBERS : ACTIONS).slice(0, count),
      values: random.next() < 0.6,
    };
  }

  #requestIn({ scene, place, health, mood, actions, values }: State, agent: string): PlanRequest {
    const random = this.#random;
    const observation = {
      scene,
      place,
      // Anywhere in its bucket.
      health: health + Math.floor(random.next() * 10),
      mood,
      ...(random.next() < 0.3 ? { note: `note ${random.next()}` } : {}),
      ...(random.next() < 0.1 ? { picture: 'data:image/png;base64,aGVsbG8=' } : {}),
    };
    const qValues = Object.fromEntries(actions.map((action) => [action, Math.round(random.next() * 100) / 100]));
    return { agent, observation, actions: this.#shuffled(actions), ...(values ? { qValues } : {}) };
  }

  #shuffled<T>(items: readonly T[]): T[] {
    const all = [...items];
    for (let at = all.length - 1; at > 0; at--) {
      const other = randomIndex(this.#random, at + 1);
      [all[at], all[other]] = [all[other] as T, all[at] as T];
    }
    return all;
  }
}

/** What a call is made for, as far as its flight is shared: read off the situation it shows. */
export function stateOf({ observation, inVain }: Pick<Situation, 'observation' | 'inVain'>): string {
  const { place, health, mood } = observation;
  return `${String(place)} ${HEALTHS.findLastIndex((low) => low <= Number(health))} ${String(mood)} ${inVain ?? ''}`;
}
