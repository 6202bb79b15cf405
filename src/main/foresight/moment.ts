import { LRUCache } from 'lru-cache';
import { type Domain, imageFeaturesOf, type Observation, sceneOf } from '../../shared/domain.ts';
import { SIGNATURE_WORDS, type Signature, Signer, valueWord } from '../../shared/signature.ts';
import type { KeyedFeatures } from './keyed-features.ts';

/** One request of an agent, as the models of its future see it. */
export interface AgentMoment {
  /** Without pictures. */
  readonly observation: Observation;
  readonly scene: string;
  /** One word for each keyed feature. */
  readonly words: Int32Array;
  readonly gates: number;
  readonly actions: ActionSet;
  /** Id of the change that led here from the moment before; 0 if unknown. */
  readonly previous: number;
  /** By number of the domain, its last difference. */
  readonly last: Float64Array | undefined;
}

/** A moment after which an action was decided, by its word. */
export interface DecidedMoment extends AgentMoment {
  readonly action: number;
}

/** A set of actions met before; its order is that of the first time. */
export interface ActionSet {
  readonly id: number;
  readonly actions: readonly string[];
}

const SETS_MAX = 1_024;
/** Bounds of a request that is followed, in actions and in characters, pictures apart. */
const ACTIONS_MAX = 1_000;
const CHARS_MAX = 20_000;

/** Makes moments of requests. Equal sets of actions share one list, so that many moments take little memory. */
export class MomentMaker {
  readonly #domain: Domain;
  readonly #keyed: KeyedFeatures;
  readonly #signer: Signer;
  readonly #words: Signature = new Int32Array(SIGNATURE_WORDS);
  readonly #sets = new LRUCache<number, ActionSet>({ max: SETS_MAX });

  constructor(domain: Domain, keyed: KeyedFeatures) {
    this.#domain = domain;
    this.#keyed = keyed;
    this.#signer = new Signer(domain);
  }

  /** Undefined for a request that is too large to be kept for this. */
  make(observed: Observation, actions: readonly string[]): AgentMoment | undefined {
    const observation = withoutImages(this.#domain, observed);
    if (actions.length > ACTIONS_MAX || charsOf(observation, actions) > CHARS_MAX) return undefined;
    const words = this.#keyed.words(observation);
    return {
      observation,
      scene: sceneOf(this.#domain, observation),
      words,
      gates: this.#keyed.gates(words),
      actions: this.#setOf(actions),
      previous: 0,
      last: undefined,
    };
  }

  #setOf(actions: readonly string[]): ActionSet {
    const id = this.#signer.signActions(actions, this.#words)[0] as number;
    let set = this.#sets.get(id);
    if (set === undefined) {
      set = { id, actions: [...actions] };
      this.#sets.set(id, set);
    }
    return set;
  }
}

export function actionWord(action: string): number {
  return valueWord({ kind: 'category' }, action);
}

function withoutImages(domain: Domain, observation: Observation): Observation {
  const kept = { ...observation };
  for (const name of imageFeaturesOf(domain)) delete kept[name];
  return kept;
}

function charsOf(observation: Observation, actions: readonly string[]): number {
  let chars = 0;
  for (const value of [...Object.values(observation), actions].flat())
    if (typeof value === 'string') chars += value.length;
  return chars;
}
