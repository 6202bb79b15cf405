import type { TraceRecord } from '../../src/main/session/trace-reader.ts';
import { type Domain, defineDomain } from '../../src/shared/domain.ts';
import { forkRandom, type Random, randomIndex } from '../../src/shared/random.ts';

/**
 * Synthetic streams of decisions with a known truth. Agents move between states and choose by a hidden policy, from which the chance
 * of every action is known. Each stream is made of a style and a seed alone.
 */
export interface Step {
  readonly record: TraceRecord;
  /** The likeliest choice, and the chance that another one is made. */
  readonly best: string;
  readonly risk: number;
}

/** What an agent is in. The number is observed in buckets of ten. */
export interface State {
  readonly scene: number;
  readonly place: number;
  readonly alert: boolean;
  readonly level: number;
}

export interface Style {
  readonly requests: number;
  /** Number of agents that act at the same time. */
  readonly agents?: number;
  /** Number of requests after which an agent is replaced by a new one. Default: never. */
  readonly episode?: number;
  readonly scenes?: number;
  readonly places?: number;
  /** How strongly some places are preferred; 0 means not at all. */
  readonly zipf?: number;
  readonly actions?: number;
  /** Share of the actions that a request offers. */
  readonly offered?: number;
  /** Whether the choice depends on the bucket of the number as well. */
  readonly fine?: boolean;
  /** Chance that an action leaves the state unchanged. */
  readonly stay?: number;
  /** Chance that an agent whose state is unchanged does the same again, by how often it did so in a row. */
  readonly again?: (times: number) => number;
  /** Chance that an agent goes to the next place instead of a random one. */
  readonly round?: number;
  /** Drift of the number for each step, and its jitter. */
  readonly drift?: number;
  readonly jitter?: number;
  readonly stepSeconds?: number;
  /** Chance of another choice than the policy's, for a state. `luck` is a number in [0, 1) that belongs to the state. */
  readonly noise: (luck: number, state: State, progress: number) => number;
  /** Scenes that agents can be in. Default: all. */
  readonly scenesAt?: (progress: number) => readonly number[];
  /** The policies that agents follow, by weight, in a state. `luck` belongs to the state. Default: one, for ever. */
  readonly policies?: (
    progress: number,
    luck: number,
    at: number,
  ) => readonly (readonly [weight: number, version: number])[];
}

export const DOMAIN: Domain = defineDomain({
  name: 'synthetic',
  features: {
    scene: { kind: 'category' },
    place: { kind: 'category' },
    alert: { kind: 'flag' },
    level: { kind: 'number', edges: [10, 20, 30, 40, 50, 60, 70, 80, 90], range: [0, 100] },
  },
});

interface Agent {
  readonly id: number;
  readonly luck: number;
  state: State;
  last: string;
  times: number;
  isUnchanged: boolean;
  acted: number;
}

export function* stepsOf(name: string, style: Style, seed: number): Generator<Step> {
  const world = new World(name, style, seed);
  for (let at = 0; at < style.requests; at++) yield world.step(at);
}

class World {
  readonly #name: string;
  readonly #style: Style;
  readonly #seed: number;
  readonly #random: Random;
  readonly #agents: Agent[] = [];
  readonly #lucks = new Map<string, number>();
  #born = 0;

  constructor(name: string, style: Style, seed: number) {
    this.#name = name;
    this.#style = style;
    this.#seed = seed;
    this.#random = forkRandom(seed, name);
  }

  step(at: number): Step {
    const { requests, agents = 4, stepSeconds = 1, episode = Number.POSITIVE_INFINITY } = this.#style;
    const progress = at / requests;
    const turn = at % agents;
    let agent = this.#agents[turn];
    if (agent === undefined || agent.acted >= episode) {
      agent = this.#newAgent(progress);
      this.#agents[turn] = agent;
    }
    const offered = this.#offered(agent.state);
    const policies = this.#style.policies?.(progress, this.#luck('policy', agent.state), at) ?? [[1, 0]];
    const chances = this.#mixed(agent, offered, policies, progress);
    const own = this.#mixed(agent, offered, [ownOf(policies, agent.luck)], progress);
    const chosen = drawn(own, this.#random.next());
    const [best, chance] = likeliest(chances);
    const record: TraceRecord = {
      line: at + 2,
      t: (at * stepSeconds) / agents,
      request: { agent: `agent ${agent.id}`, observation: observationOf(agent.state), actions: offered },
      chosen,
    };
    this.#act(agent, chosen, progress);
    return { record, best, risk: 1 - chance };
  }

  #newAgent(progress: number): Agent {
    const random = this.#random;
    const luck = random.next();
    const id = this.#born++;
    return { id, luck, state: this.#anywhere(progress, 50), last: '', times: 0, isUnchanged: false, acted: 0 };
  }

  #anywhere(progress: number, level: number): State {
    const { scenes = 4, places = 12, zipf = 0.8, scenesAt } = this.#style;
    const random = this.#random;
    const open = scenesAt?.(progress) ?? Array.from({ length: scenes }, (_, i) => i);
    const scene = open[randomIndex(random, open.length)] as number;
    const place = Math.min(places - 1, Math.floor(places * random.next() ** (1 + zipf)));
    return { scene, place, alert: random.next() < 0.25, level };
  }

  #offered(state: State): string[] {
    const { actions = 6, offered = 1 } = this.#style;
    const all = Array.from({ length: actions }, (_, i) => `do ${state.scene}.${i}`);
    if (offered >= 1) return all;
    const some = all.filter(() => this.#random.next() < offered);
    return some.length >= 2 ? some : all.slice(0, 2);
  }

  /** The chance of every action, over the policies together. */
  #mixed(
    agent: Agent,
    offered: readonly string[],
    policies: readonly (readonly [number, number])[],
    progress: number,
  ): Map<string, number> {
    const chances = new Map(offered.map((action) => [action, 0]));
    const whole = policies.reduce((sum, [weight]) => sum + weight, 0);
    const add = (action: string, chance: number): void =>
      void chances.set(action, (chances.get(action) as number) + chance);
    const again = this.#style.again;
    const isStuck = agent.isUnchanged && again !== undefined && offered.includes(agent.last);
    const repeat = isStuck ? again(agent.times) : 0;
    if (isStuck) add(agent.last, repeat);
    for (const [weight, version] of policies) {
      const share = ((1 - repeat) * weight) / whole;
      const free = isStuck && offered.length > 1 ? offered.filter((action) => action !== agent.last) : offered;
      const choice = this.#choice(agent.state, free, version);
      const noise = this.#style.noise(this.#luck('noise', agent.state), agent.state, progress);
      for (const action of free) add(action, (share * noise) / free.length);
      add(choice, share * (1 - noise));
    }
    return chances;
  }

  /** What a policy prefers among these actions: each state has an order of its own. */
  #choice(state: State, actions: readonly string[], version: number): string {
    const of = (action: string): number => this.#luckOf(`choice ${version} ${action} ${this.#keyOf(state)}`);
    return actions.reduce((best, action) => (of(action) > of(best) ? action : best));
  }

  #keyOf({ scene, place, alert, level }: State): string {
    return `${scene} ${place} ${alert}${this.#style.fine === true ? ` ${Math.floor(level / 10)}` : ''}`;
  }

  #luck(what: string, state: State): number {
    return this.#luckOf(`${what} ${this.#keyOf(state)}`);
  }

  #luckOf(key: string): number {
    const known = this.#lucks.get(key);
    if (known !== undefined) return known;
    const random = forkRandom(this.#seed, `${this.#name} ${key}`);
    random.next();
    const luck = random.next();
    this.#lucks.set(key, luck);
    return luck;
  }

  #act(agent: Agent, action: string, progress: number): void {
    const { stay = 0.2, round = 0, places = 12, drift = 0, jitter = 8 } = this.#style;
    const random = this.#random;
    agent.acted++;
    const isUnchanged = random.next() < stay;
    agent.times = action === agent.last && agent.isUnchanged ? agent.times + 1 : 1;
    agent.last = action;
    agent.isUnchanged = isUnchanged;
    if (isUnchanged) return;
    const level = Math.abs((agent.state.level + drift + jitter * (random.next() - 0.5)) % 100);
    const next = { ...agent.state, place: (agent.state.place + 1) % places, level };
    agent.state = random.next() < round ? next : this.#anywhere(progress, level);
  }
}

function observationOf({ scene, place, alert, level }: State): TraceRecord['request']['observation'] {
  return { scene: `scene ${scene}`, place: `place ${scene}.${place}`, alert, level };
}

function ownOf(policies: readonly (readonly [number, number])[], luck: number): readonly [number, number] {
  let left = luck * policies.reduce((sum, [weight]) => sum + weight, 0);
  for (const policy of policies) {
    left -= policy[0];
    if (left < 0) return policy;
  }
  return policies[0] as readonly [number, number];
}

function drawn(chances: ReadonlyMap<string, number>, draw: number): string {
  let left = draw;
  let last = '';
  for (const [action, chance] of chances) {
    left -= chance;
    last = action;
    if (left < 0) return action;
  }
  return last;
}

function likeliest(chances: ReadonlyMap<string, number>): [string, number] {
  let best: [string, number] = ['', -1];
  for (const entry of chances) if (entry[1] > best[1]) best = entry;
  return best;
}
