import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { forkRandom, pick, type Random, randomIndex } from '../../src/shared/random.ts';

/** In alphabetical order, which is that of the request: a tie says nothing of the plurality. */
export const ACTIONS = ['advance', 'hold', 'retreat', 'signal'] as const;

/**
 * What models make of one state: each votes for the action of the plurality with the probability `agreement`, else for one
 * of the three others. All luck comes from the seed, the name of the state, who is asked and for which time, so that every
 * contestant meets the same votes and the same latencies.
 */
export class ReplayedState {
  readonly plurality: string;
  readonly request: PlanRequest;
  readonly #seed: number;
  readonly #name: string;
  readonly #agreement: number;
  readonly #asked = new Map<string, number>();

  constructor(seed: number, name: string, agreement: number) {
    this.#seed = seed;
    this.#name = name;
    this.#agreement = agreement;
    this.plurality = pick(forkRandom(seed, `${name}, plurality`), ACTIONS);
    this.request = { agent: 'replay', observation: { scene: 'replayed' }, actions: ACTIONS };
  }

  /** The luck of one more call of `who`. */
  call(who: string): Random {
    const times = this.#asked.get(who) ?? 0;
    this.#asked.set(who, times + 1);
    return forkRandom(this.#seed, `${this.#name}, ${who}, call ${times}`);
  }

  /** A model is of the same opinion however often it is asked. */
  voteOf(who: string): string {
    const random = forkRandom(this.#seed, `${this.#name}, vote of ${who}`);
    if (random.next() < this.#agreement) return this.plurality;
    const others = ACTIONS.filter((action) => action !== this.plurality);
    return others[randomIndex(random, others.length)] as string;
  }
}
