import { LRUCache } from 'lru-cache';
import { defined } from '../../shared/defined.ts';
import type { Domain, Observation } from '../../shared/domain.ts';
import { AskingTimes } from './asking-times.ts';
import type { StateChange } from './changes.ts';
import type { Mixture } from './context-mixer.ts';
import { KeyedFeatures } from './keyed-features.ts';
import { type AgentMoment, actionWord, type DecidedMoment, MomentMaker } from './moment.ts';
import { type FutureState, StepModel } from './step-model.ts';

/** A request that an agent is expected to make. */
export interface ExperienceGuess extends FutureState {
  readonly source: 'experience';
  /** Requests ahead: 1 is the agent's next request. */
  readonly horizon: number;
  /** When it usually comes, counted from the decision. Absent while too little is known. */
  readonly inMs?: number;
}

export interface ForeseerOptions {
  /** How many requests ahead to foresee, ascending, from 1. Each is learned on its own. Default: 1. */
  readonly horizons?: readonly number[];
  /** Maximum number of agents that are followed. Default: 1,000. */
  readonly agentsMax?: number;
}

/** A moment with what may follow it, by index of the horizon. */
interface Decided {
  readonly moment: DecidedMoment;
  readonly outlooks: readonly Mixture<StateChange>[];
  readonly atMs: number;
}

interface Followed {
  /** The latest decided moments, without a gap, oldest first. */
  readonly past: readonly Decided[];
  /** The latest request, until it is decided. */
  readonly asked: AgentMoment | undefined;
}

const AGENTS_MAX = 1_000;
const GUESSES_MAX = 3;
const NOBODY: Followed = { past: [], asked: undefined };

/**
 * Foresees the next requests of agents from experience: the changes that followed an action in such a scene, for any agent, are applied
 * to the observation in which it was decided. Works online and in order, needs no clock, and its memory is bounded.
 */
export class Foreseer {
  /** How long agents take to ask again. */
  readonly times = new AskingTimes();
  readonly #maker: MomentMaker;
  readonly #models: readonly StepModel[];
  readonly #horizons: readonly number[];
  readonly #agents: LRUCache<string, Followed>;

  constructor(domain: Domain, { horizons = [1], agentsMax = AGENTS_MAX }: ForeseerOptions = {}) {
    const keyed = new KeyedFeatures(domain);
    this.#maker = new MomentMaker(domain, keyed);
    this.#horizons = horizons;
    this.#models = horizons.map(() => new StepModel(keyed));
    this.#agents = new LRUCache({ max: agentsMax });
  }

  /** Learns from a request. Very large ones are not followed. */
  asked(agent: string, observation: Observation, actions: readonly string[], atMs: number): void {
    const moment = this.#maker.make(observation, actions);
    if (moment === undefined) return this.forget(agent);
    const { past, asked } = this.#agents.get(agent) ?? NOBODY;
    // What follows a request that was never decided, follows no known action.
    const known = asked === undefined ? past : [];
    const previous = this.#learn(known, moment);
    const before = known.at(-1);
    if (before !== undefined) this.times.record(agent, before.moment.scene, atMs - before.atMs);
    const next = previous === undefined ? moment : { ...moment, previous: previous.id, last: previous.deltas };
    this.#agents.set(agent, { past: known, asked: next });
  }

  /** Takes in what was decided on the agent's latest request. Its futures can be asked for from now on. */
  decided(agent: string, action: string, atMs: number): void {
    const { past, asked } = this.#agents.get(agent) ?? NOBODY;
    if (asked === undefined) return;
    const moment: DecidedMoment = { ...asked, action: actionWord(action) };
    const outlooks = this.#models.map((model) => model.outlook(moment));
    const now = [...past, { moment, outlooks, atMs }].slice(-Math.max(...this.#horizons));
    this.#agents.set(agent, { past: now, asked: undefined });
  }

  /** Returns what the agent may ask after its latest decision, likeliest first: at most three, and none before it has decided. */
  guesses(agent: string, horizon = 1): readonly ExperienceGuess[] {
    const { past, asked } = this.#agents.get(agent) ?? NOBODY;
    const latest = past.at(-1);
    const index = this.#horizons.indexOf(horizon);
    if (latest === undefined || asked !== undefined || index < 0) return [];
    const { moment, outlooks } = latest;
    const usualMs = this.times.usualMs(agent, moment.scene);
    const inMs = usualMs === undefined ? undefined : horizon * usualMs;
    const futures = this.#models[index]?.futures(moment, outlooks[index] as Mixture<StateChange>, GUESSES_MAX) ?? [];
    return futures.map((future) => ({ ...future, source: 'experience', horizon, ...defined({ inMs }) }));
  }

  forget(agent: string): void {
    this.#agents.delete(agent);
  }

  /** Returns the change from the moment before, if there is one. */
  #learn(past: readonly Decided[], moment: AgentMoment): StateChange | undefined {
    let next: StateChange | undefined;
    for (const [index, model] of this.#models.entries()) {
      const horizon = this.#horizons[index] as number;
      const from = past.at(-horizon);
      if (from === undefined) continue;
      const change = model.learn(from.moment, from.outlooks[index] as Mixture<StateChange>, moment);
      if (horizon === 1) next = change;
    }
    return next;
  }
}
