import { generateSteps } from '../../scripts/make-skyrim-trace.ts';
import { skyrim } from '../../src/shared/domains/skyrim.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { forkRandom, pick, type Random, randomIndex } from '../../src/shared/random.ts';
import { SIGNATURE_WORDS, Signer, signatureText } from '../../src/shared/signature.ts';

/** A request of nobody in particular. */
export type State = Omit<PlanRequest, 'agent'>;

/** Lives in the small Skyrim of `scripts/skyrim-world`: about 3,000 states. */
const LIVES = 12;
/** Requests kept of one state: other health within the bucket, other words, other values. */
const VARIANTS_MAX = 3;

/**
 * What agents are in, drawn by Zipf's law: the state of rank r comes 1/r times as often as the first. A few are asked all
 * the time, many hardly ever, and states that differ in one bucket lie next to each other.
 */
export class States {
  readonly #states: readonly (readonly State[])[];
  /** Sums of the weights up to each rank. */
  readonly #upTo: Float64Array;

  constructor(seed: number) {
    const states = [...distinctStates(seed).values()];
    shuffle(states, forkRandom(seed, 'ranks'));
    this.#states = states;
    let sum = 0;
    this.#upTo = Float64Array.from(states, (_, rank) => {
      sum += 1 / (rank + 1);
      return sum;
    });
  }

  get count(): number {
    return this.#states.length;
  }

  draw(random: Random): State {
    const sum = this.#upTo.at(-1) as number;
    const at = random.next() * sum;
    let low = 0;
    let high = this.#upTo.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#upTo[middle] as number) <= at) low = middle + 1;
      else high = middle;
    }
    return pick(random, this.#states[low] as readonly State[]);
  }
}

/** By signature, which is what the cache tells apart. */
function distinctStates(seed: number): Map<string, State[]> {
  const signer = new Signer(skyrim);
  const words = new Int32Array(SIGNATURE_WORDS);
  const states = new Map<string, State[]>();
  for (let life = 0; life < LIVES; life++) {
    for (const { observation, actions, qValues } of generateSteps(seed * LIVES + life)) {
      const key = signatureText(signer.sign(observation, actions, words));
      const variants = states.get(key) ?? [];
      if (variants.length < VARIANTS_MAX) variants.push({ observation, actions, ...(qValues && { qValues }) });
      states.set(key, variants);
    }
  }
  return states;
}

function shuffle(items: unknown[], random: Random): void {
  for (let last = items.length - 1; last > 0; last--) {
    const other = randomIndex(random, last + 1);
    [items[last], items[other]] = [items[other], items[last]];
  }
}
