import type { Decision } from '../../src/shared/decision.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { randomIndex, seededRandom } from '../../src/shared/random.ts';
import { MODEL, requestOf } from '../requests.ts';

/** What the store's benches ask for and remember: skyrim requests by number, each in a state of its own. */
const NAMES = 1_000;
const LOCATIONS = Array.from({ length: NAMES }, (_, i) => `cell ${i}`);
const MOTIVATIONS = Array.from({ length: NAMES }, (_, i) => `reach the old fort number ${i} before night`);

/** States by number, below 1,000,000. One request object is changed in place: a million of them would not fit. */
export class States {
  readonly #observation: Record<string, string | number | boolean>;
  readonly #request: PlanRequest;

  constructor() {
    const request = copyOf(requestOf(0));
    this.#observation = request.observation as Record<string, string | number | boolean>;
    this.#request = request;
  }

  /** Valid until the next call. */
  at(index: number): PlanRequest {
    this.#observation.location = LOCATIONS[index % NAMES] as string;
    this.#observation.motivation = MOTIVATIONS[Math.floor(index / NAMES)] as string;
    return this.#request;
  }
}

/** A request as it comes from a file or a socket: with strings of its own. */
export function copyOf(request: PlanRequest): PlanRequest {
  return JSON.parse(JSON.stringify(request)) as PlanRequest;
}

const REASON =
  'the bandit by the fire has not seen us yet and the door behind him is the only way out, so strike first while health is high';
const ACTIONS = requestOf(0).actions;

/** What models of default settings decide: an action, a sentence for a reason, three actions in the tally. */
export function decisionOf(index: number): Decision {
  const nth = (i: number): string => ACTIONS[(index + i) % ACTIONS.length] as string;
  return {
    action: ownText(nth(0)),
    reason: `${REASON} (${index})`,
    source: 'synthesis',
    model: ownText(MODEL),
    decidedAtMs: 1_767_225_600_000 + index,
    latencyMs: 800 + (index % 400),
    tally: [
      { action: ownText(nth(0)), count: 2, weight: 1.5 },
      { action: ownText(nth(1)), count: 1, weight: 0.75 },
      { action: ownText(nth(2)), count: 1, weight: 0.5 },
    ],
  };
}

/**
 * An equal string that is another object, in one piece. Decisions are read from models' answers, so each has its own;
 * shared ones would stay in the processor's cache.
 */
export function ownText(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** Numbers below `bound` in random order, drawn with replacement. */
export function randomOrder(length: number, bound: number, seed: number): Int32Array {
  const random = seededRandom(seed);
  return Int32Array.from({ length }, () => randomIndex(random, bound));
}
