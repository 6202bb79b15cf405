import { act } from '../../scripts/skyrim-world/deeds.ts';
import { actionsOf, type Life, newLife, observationOf, PEOPLE } from '../../scripts/skyrim-world/life.ts';
import { Learner, trueWorth } from '../../scripts/skyrim-world/worth.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { forkRandom, type Random } from '../../src/shared/random.ts';
import { PICTURE_SHARE } from './scenario.ts';

const HOURS_PER_SECOND = 1 / 60;
const FIRST_HOUR = 8;

/** What a decision was worth in the world, next to the best that could have been done. */
export interface Consequence {
  readonly regret: number;
  /** How long the deed takes, seconds. */
  readonly seconds: number;
}

/**
 * The small Skyrim of `scripts/skyrim-world`, lived by planners: what is decided happens, and the next observation follows
 * from it. Agents learn values from what they do, each in its own copy of the world, and share what they have learned.
 */
export class LiveAgent {
  readonly name: string;
  readonly #life: Life;
  readonly #learner: Learner;
  readonly #random: Random;

  constructor(index: number, seed: number, learner: Learner) {
    const [name, home, temperament] = PEOPLE[index % PEOPLE.length] as (typeof PEOPLE)[number];
    this.name = index < PEOPLE.length ? name : `${name}-${Math.floor(index / PEOPLE.length) + 1}`;
    this.#life = newLife(this.name, home, temperament, forkRandom(seed, this.name));
    this.#learner = learner;
    this.#random = forkRandom(seed, `${this.name}'s eyes`);
  }

  request(atSeconds: number, isBlind = false): PlanRequest {
    const life = this.#life;
    const hour = hourAt(atSeconds);
    const actions = actionsOf(life, hour);
    const qValues = Object.fromEntries(actions.map((action) => [action, this.#learner.estimate(life, action, hour)]));
    const isSeen = this.#random.next() < PICTURE_SHARE && !isBlind;
    const observation = { ...observationOf(life, hour), ...(isSeen ? { screenshot: this.#picture() } : {}) };
    return { agent: this.name, observation, actions, qValues };
  }

  /** No two are alike. */
  #picture(): { mediaType: string; base64: string } {
    const noise = Math.floor(this.#random.next() * 2 ** 48).toString(16);
    return { mediaType: 'image/png', base64: Buffer.from(`${this.name} ${noise}`).toString('base64') };
  }

  /** Does what was chosen for a request of `askedAtSeconds`. */
  act({ actions }: PlanRequest, chosen: string, askedAtSeconds: number): Consequence {
    const life = this.#life;
    const hour = hourAt(askedAtSeconds);
    const worths = actions.map((action) => trueWorth(life, action, hour));
    const regret = Math.max(...worths) - trueWorth(life, chosen, hour);
    this.#learner.learn(life, chosen);
    act(life, chosen, hour);
    // Fights are quick, walks are long.
    const seconds = (life.mode === 'combat' ? 1.5 : 3) * (0.6 + 0.8 * life.random.next());
    return { regret, seconds };
  }
}

function hourAt(seconds: number): number {
  return (FIRST_HOUR + seconds * HOURS_PER_SECOND) % 24;
}

export function liveAgents(count: number, seed: number): LiveAgent[] {
  const learner = new Learner(seed);
  return Array.from({ length: count }, (_, index) => new LiveAgent(index, seed, learner));
}
