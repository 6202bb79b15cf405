import { LRUCache } from 'lru-cache';
import type { Random } from '../../../shared/random.ts';
import type { ReadForms } from '../../models/forms/read-forms.ts';
import type { ResolvedReads } from '../../options/planner-options.ts';
import { type CalibrationStats, COMPARED_MIN, ReadCalibration } from './read-calibration.ts';

/** What a model was read to choose for a state. */
export interface ReadChoice {
  readonly model: string;
  readonly scene: string;
  readonly action: string;
  readonly probability: number;
}

export interface ReadStats {
  /** Reads that were asked for by plans. */
  readonly asked: number;
  /** Plans that a read decided, since it was sure enough. */
  readonly decided: number;
  /** Reads that were not sure enough: models were then asked in words, as far as there was time. */
  readonly unsure: number;
  /** Reads that came to nothing. */
  readonly failed: number;
  readonly calibration: readonly CalibrationStats[];
}

/** What a read is for the plan that it was made for. */
export type ReadUse =
  /** It decides. */
  | 'decides'
  /** It is a vote among those that are written. */
  | 'votes'
  /** It has no say: what is written is held against it. */
  | 'trial';

/** States of reads that no written decision has been held against yet. */
const CHOICES_MAX = 2_000;
/** A read decides where models would more likely than not say the same in words. */
const CONFIDENCE_MIN = 0.5;
/** Until so many reads of a model could be held against what was written, none has a say. */
const TRIALS_MIN = 2 * COMPARED_MIN;
/** After that, of those that are sure, and of the others: nothing else would show that they have become worse, or better. */
const TRIED_SHARE = { sure: 0.03, unsure: 0.1 } as const;
const KNOWN_BONUS = 0.2;
/** Where reads never decide, this share of plans reads. */
const READ_SHARE = 0.05;

export interface ReadsParts {
  readonly options: ResolvedReads;
  readonly forms: ReadForms;
  readonly random: Random;
}

/** What all flights of a planner know of reading decisions: which models can be read, and what their probabilities are worth. */
export class Reads {
  readonly forms: ReadForms;
  readonly #options: ResolvedReads;
  readonly #random: Random;
  readonly #calibration = new ReadCalibration();
  readonly #choices = new LRUCache<string, ReadChoice>({ max: CHOICES_MAX });
  asked = 0;
  decided = 0;
  answered = 0;
  failed = 0;

  constructor({ options, forms, random }: ReadsParts) {
    this.#options = options;
    this.forms = forms;
    this.#random = random;
  }

  /** Whether all prompts of a seat begin with what all roles are, since reads do: what stands before the state is read once for all. */
  sharesRoles(endpoint: string, model: string): boolean {
    return this.forms.shownFor(endpoint, model) !== undefined;
  }

  /** Whether a read of the model may decide, as far as is known. Now and then it is tried against that. */
  isWorthwhile(model: string): boolean {
    if (this.#options.answers === 'read' || this.#calibration.comparedOf(model) < TRIALS_MIN) return true;
    return this.#calibration.isAnySure(model, this.#confidenceMin) || this.#random.next() < READ_SHARE;
  }

  /** What a model's record counts for where a model is chosen to be read: more where its reads are known. */
  standingOf(model: string): number {
    return 1 + KNOWN_BONUS * Math.min(1, this.#calibration.comparedOf(model) / TRIALS_MIN);
  }

  /** The chance that the model would decide the same in words. Undefined while too little is known. */
  chanceOf({ model, scene, probability }: ReadChoice): number | undefined {
    return this.#calibration.chanceOf(model, scene, probability);
  }

  /** What is made of a read. Where others wait for the slots it decides, unless it is known to be worse than what is written. */
  useOf(choice: ReadChoice, isCrowded: boolean): ReadUse {
    if (this.#options.answers === 'read') return 'decides';
    const isKnown = this.#calibration.comparedOf(choice.model) >= TRIALS_MIN;
    if (isCrowded && (!isKnown || this.#calibration.isEqual(choice.model, choice.probability))) return 'decides';
    if (!isKnown) return 'trial';
    const isSure = this.#isSure(choice);
    if (this.#random.next() < (isSure ? TRIED_SHARE.sure : TRIED_SHARE.unsure)) return 'trial';
    return isSure ? 'decides' : 'votes';
  }

  /** A state was read. It is held against the next decision that models write for it unasked, once. */
  read(state: string, choice: ReadChoice): void {
    this.#choices.set(state, choice);
  }

  /** Models decided in words for a state, and knew nothing of a read. `votes` are those of the experts, in the order in which they came. */
  wrote(state: string, action: string, votes: readonly string[]): void {
    const choice = this.#choices.get(state);
    if (choice === undefined) return;
    this.#choices.delete(state);
    const { model, scene, probability, action: read } = choice;
    this.#calibration.heard(model, scene, probability, read === action);
    const [first, second] = votes;
    if (first === undefined || second === undefined) return;
    const agreed = ((first === read ? 1 : 0) + (second === read ? 1 : 0)) / 2;
    this.#calibration.heardPair(model, probability, agreed, first === second);
  }

  #isSure(choice: ReadChoice): boolean {
    const chance = this.chanceOf(choice);
    if (chance === undefined || chance < this.#confidenceMin) return false;
    return this.#options.confidenceMin !== undefined || this.#calibration.isEqual(choice.model, choice.probability);
  }

  get #confidenceMin(): number {
    return this.#options.confidenceMin ?? CONFIDENCE_MIN;
  }

  /** Whether reads decide more often than not. */
  get isMostlySure(): boolean {
    return 2 * this.decided > this.answered + this.failed;
  }

  stats(): ReadStats {
    const { asked, answered, decided, failed } = this;
    return { asked, decided, unsure: answered - decided, failed, calibration: this.#calibration.stats() };
  }
}
