import { labelsFor } from './labels.ts';

/** An option of a question: an action, and the label that stands for it. */
export interface LabelledOption {
  readonly label: string;
  readonly action: string;
}

/**
 * The order in which one question shows its actions: turned, so that a label which a model prefers whatever it stands for does not always stand
 * for the same action. What builds a request and what reads its answer both use this object, and nothing else knows which label an action has.
 */
export class OptionOrder {
  readonly #actions: readonly string[];
  /** Number of places by which the list is turned: the first label stands for the action of this index. Undefined if it cannot be turned. */
  readonly offset: number | undefined;

  /** `turn` is a share of a whole turn, from 0 to 1: each question of a request continues it so that all together are spread evenly. */
  constructor(actions: readonly string[], turn: number | undefined, nth: number) {
    this.#actions = actions;
    if (turn !== undefined) this.offset = Math.floor(((turn + evenShare(nth)) % 1) * actions.length);
  }

  /** The options in the order in which they are shown. Throws a RangeError for more than `READ_ACTIONS_MAX`. */
  get options(): readonly LabelledOption[] {
    const labels = labelsFor(this.#actions);
    return this.actions.map((action, place) => ({ label: labels[place] as string, action }));
  }

  /** The actions in the order in which they are shown. */
  get actions(): readonly string[] {
    return byPlace(this.#actions, this.offset ?? 0);
  }

  /** The label of each action, in the order of the actions. */
  get labels(): readonly string[] {
    return byAction(labelsFor(this.#actions), this.offset ?? 0);
  }
}

/** Puts what belongs to the actions into the order in which a list that is turned by `offset` shows them. */
export function byPlace<T>(ofActions: readonly T[], offset: number): readonly T[] {
  return [...ofActions.slice(offset), ...ofActions.slice(0, offset)];
}

/** Puts what belongs to the places of a turned list into the order of the actions. */
export function byAction<T>(ofPlaces: readonly T[], offset: number): readonly T[] {
  return byPlace(ofPlaces, (ofPlaces.length - offset) % (ofPlaces.length || 1));
}

/** Shares of a turn that are spread evenly however many are taken: 0, 1/2, 1/4, 3/4, 1/8 (van der Corput 1935). */
function evenShare(nth: number): number {
  let share = 0;
  for (let rest = nth, half = 0.5; rest > 0; rest = Math.floor(rest / 2), half /= 2) share += (rest % 2) * half;
  return share;
}
