import type { Observation } from '../../shared/domain.ts';
import { type StateChange, StateChanges } from './changes.ts';
import { type Candidate, ContextMixer, type Mixture } from './context-mixer.ts';
import { type KeyedFeatures, mixed, mixedAll } from './keyed-features.ts';
import type { ActionSet, AgentMoment, DecidedMoment } from './moment.ts';

/** A state that may follow, and how likely it is. */
export interface FutureState {
  readonly observation: Observation;
  readonly actions: readonly string[];
  /** From 0 to 1. */
  readonly likelihood: number;
}

/** Number of changes that are applied, and of action sets that are tried for each. */
const CHANGES_TRIED = 8;
const SETS_TRIED = 3;
/** Less likely futures are left out. */
const LIKELIHOOD_MIN = 0.005;
const CHANGE_CONTEXTS = 8;
const SET_CONTEXTS = 8;

/**
 * What follows an action, a fixed number of requests later. Learned from all agents together: first how the observation changes,
 * then which actions are offered in the changed state.
 */
export class StepModel {
  readonly #keyed: KeyedFeatures;
  readonly #changes: StateChanges;
  readonly #outcomes: ContextMixer<StateChange>;
  readonly #sets: ContextMixer<ActionSet>;

  constructor(keyed: KeyedFeatures) {
    this.#keyed = keyed;
    this.#changes = new StateChanges(keyed);
    this.#outcomes = new ContextMixer(CHANGE_CONTEXTS + keyed.names.length);
    this.#sets = new ContextMixer(SET_CONTEXTS + keyed.names.length);
  }

  /** Weighs the changes that may follow. To be given back to `futures` and `learn`. */
  outlook(moment: DecidedMoment): Mixture<StateChange> {
    return this.#outcomes.mix(this.#changeContexts(moment));
  }

  /** Learns what came, and returns it. */
  learn(from: DecidedMoment, outlook: Mixture<StateChange>, to: AgentMoment): StateChange {
    const change = this.#changes.between(from.observation, to.observation, from.words, to.words);
    this.#outcomes.learn(outlook, change.id, change);
    this.#changes.learn(from.action, change);
    this.#sets.learn(this.#setsAfter(from, change.id, to.words), to.actions.id, to.actions);
    return change;
  }

  /** Returns the likeliest states that may follow, at most `count`. */
  futures(from: DecidedMoment, outlook: Mixture<StateChange>, count: number): readonly FutureState[] {
    const found = new Map<number, FutureState>();
    for (const candidate of outlook.candidates.slice(0, CHANGES_TRIED)) this.#addFutures(found, from, candidate);
    return [...found.values()]
      .filter(({ likelihood }) => likelihood >= LIKELIHOOD_MIN)
      .sort((a, b) => b.likelihood - a.likelihood)
      .slice(0, count);
  }

  /** Adds the states of one change. Two changes may lead to the same state. */
  #addFutures(
    found: Map<number, FutureState>,
    from: DecidedMoment,
    { id, value, share }: Candidate<StateChange>,
  ): void {
    const observation = this.#changes.apply(value, from.observation, from.action, from.last);
    const words = this.#keyed.words(observation);
    const state = mixedAll(words);
    const { candidates } = this.#setsAfter(from, id, words);
    const sets = candidates.length > 0 ? candidates.slice(0, SETS_TRIED) : [{ value: from.actions, share: 1 }];
    const likelihood = share * this.#outcomes.coverage * this.#sets.coverage;
    for (const { value: set, share: setShare } of sets) {
      const key = mixed(state, set.id);
      const before = found.get(key);
      found.set(key, {
        observation: before?.observation ?? observation,
        actions: set.actions,
        likelihood: likelihood * setShare + (before?.likelihood ?? 0),
      });
    }
  }

  #setsAfter(from: DecidedMoment, change: number, words: Int32Array): Mixture<ActionSet> {
    const { action, actions } = from;
    const gates = this.#keyed.gates(words);
    const fromSet = mixed(actions.id, change);
    return this.#sets.mix(
      Int32Array.of(
        ...[mixedAll(words), gates, mixedAll([gates, action, actions.id])],
        ...[fromSet, mixed(fromSet, action), actions.id, mixed(actions.id, action), 0],
        ...words,
      ),
    );
  }

  /** The action in ever larger classes of moments, with and without the change before, and with each feature alone. */
  #changeContexts({ words, gates, action, previous }: DecidedMoment): Int32Array {
    const scene = mixed(words[this.#keyed.scene] ?? 0, action);
    const inGates = mixed(gates, action);
    return Int32Array.of(
      ...[mixed(mixedAll(words), action), mixed(inGates, previous), inGates, mixed(scene, previous), scene],
      ...[mixed(action, previous), action, 0],
      ...words.map((word) => mixed(word, action)),
    );
  }
}
