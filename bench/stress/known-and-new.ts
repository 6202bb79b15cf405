import { skyrim } from '../../src/shared/domains/skyrim.ts';
import { bestByQValue, type PlanRequest } from '../../src/shared/plan-request.ts';
import { forkRandom, type Random } from '../../src/shared/random.ts';
import { Signer, signatureText } from '../../src/shared/signature.ts';
import { liveAgents } from '../session/live-world.ts';

const AGENTS = 64;
const STEPS = 60;
const STEP_SECONDS = 3;

/** Requests of the small Skyrim, in the states that are met most, and in states that nobody was ever in. */
export class KnownAndNew {
  readonly #all: readonly PlanRequest[];
  readonly #known: readonly PlanRequest[];
  readonly #random: Random;

  /** `count`: the number of known states. */
  constructor(seed: number, count: number) {
    const all = livedRequests(seed);
    this.#all = all;
    this.#known = mostMet(all).slice(0, count);
    this.#random = forkRandom(seed, 'known states');
  }

  /** Each known state in turn. */
  known(nth: number): PlanRequest {
    return this.#known[nth % this.#known.length] as PlanRequest;
  }

  /** One of the known states, that of rank r 1/r times as often as the first, for an agent that is never seen again. */
  passing(nth: number): PlanRequest {
    const rank = Math.floor(this.#known.length ** this.#random.next()) - 1;
    return { ...this.known(rank), agent: `passer-by ${nth}` };
  }

  /** A state that is like one of those lived, in a place of its own. */
  fresh(nth: number): PlanRequest {
    const request = this.#all.at(nth % this.#all.length) as PlanRequest;
    return { ...request, observation: { ...request.observation, location: `place ${nth}` } };
  }
}

function livedRequests(seed: number): PlanRequest[] {
  const agents = liveAgents(AGENTS, seed);
  const requests: PlanRequest[] = [];
  for (let step = 0; step < STEPS; step++) {
    for (const agent of agents) {
      const request = agent.request(STEP_SECONDS * step, true);
      agent.act(request, bestByQValue(request), STEP_SECONDS * step);
      requests.push(request);
    }
  }
  return requests;
}

/** One request for each state, those of the states that were met most first. */
function mostMet(requests: readonly PlanRequest[]): PlanRequest[] {
  const signer = new Signer(skyrim);
  const keyOf = ({ observation, actions }: PlanRequest): string =>
    signatureText(signer.sign(observation, actions, new Int32Array(4)));
  const states = [...Map.groupBy(requests, keyOf).values()];
  return states.toSorted((a, b) => b.length - a.length).map(([first]) => first as PlanRequest);
}
