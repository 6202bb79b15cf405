import type { PlanCache } from '../../src/main/cache/plan-cache.ts';
import { skyrim } from '../../src/main/index.ts';
import { systemClock } from '../../src/shared/clock.ts';
import type { Decision } from '../../src/shared/decision.ts';
import { type Random, seededRandom } from '../../src/shared/random.ts';
import { Signer } from '../../src/shared/signature.ts';
import { decisionOf, randomOrder, States } from './states.ts';

const AGENTS = 50;
/** Of this many answers of models, one is another than usual. */
const ODD_ONE_IN = 50;
const SEED_OF_ODD = 100;
/** Number of times that each state can be asked about, on average. */
export const ROUNDS = 4;

/** Draws of the phase that runs: both processes that are compared start the second phase with the same ones. */
export class Draws implements Random {
  #random = seededRandom(1);
  next(): number {
    return this.#random.next();
  }
  restart(): void {
    this.#random = seededRandom(2);
  }
}

/** Requests of agents in known states, in random order. Models that are asked usually decide the same in the same state. */
export class AnsweredStream {
  readonly #cache: PlanCache;
  readonly #order: Int32Array;
  readonly #odds: Int32Array;
  readonly #signer = new Signer(skyrim);
  readonly #states = new States();
  readonly #words = new Int32Array(4);
  #at = 0;
  served = 0;
  wrong = 0;

  constructor(cache: PlanCache, entries: number, seed: number) {
    this.#cache = cache;
    this.#order = randomOrder(ROUNDS * entries, entries, seed);
    this.#odds = randomOrder(ROUNDS * entries, ODD_ONE_IN, SEED_OF_ODD + seed);
  }

  /** An agent asks: the cache answers, or the models do. */
  next(): void {
    const at = this.#at++;
    const index = this.#order[at] as number;
    const request = { ...this.#states.at(index), agent: `agent ${at % AGENTS}` };
    const signature = this.#signer.sign(request.observation, request.actions, this.#words);
    const decision: Decision = {
      ...decisionOf(this.#odds[at] === 0 ? index + 1 : index),
      decidedAtMs: systemClock.wallNow(),
    };
    const look = this.#cache.look(request, signature);
    if (look.kind === 'hit') {
      this.served++;
      if (look.action !== decision.action) this.wrong++;
      this.#cache.took(request, signature, look.action, systemClock.now(), true);
      return;
    }
    this.#cache.learn(request, signature, look, decision);
    this.#cache.took(request, signature, decision.action);
  }
}
