import { LRUCache } from 'lru-cache';
import type { Random } from '../../../shared/random.ts';
import type { ReadForms } from '../../models/forms/read-forms.ts';
import type { ResolvedReads } from '../../options/planner-options.ts';
import type { ExpertRecords } from '../panel/expert-records.ts';
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

/** States of reads that no written decision has been held against yet. */
const CHOICES_MAX = 2_000;
/** A read decides where the model would say the same in words nearly as often as it repeats itself. */
const REPEATS_SHARE = 0.95;
/** How often two experts agree, until that is known. */
const AGREEMENT_AT_FIRST = 0.5;
const AGREEMENTS_MIN = 10;
/** Of sure reads, this share is written all the same: nothing else would show that they have become worse. */
const WRITTEN_SHARE = 0.02;
/** Where reads never decide, this share of plans reads: nothing else would show that they have become better. */
const TRIED_SHARE = 0.05;
/** After so many comparisons it is known whether reads decide anything. */
const KNOWN_MIN = 3 * COMPARED_MIN;

export interface ReadsParts {
  readonly options: ResolvedReads;
  readonly forms: ReadForms;
  readonly records: Pick<ExpertRecords, 'agreement'>;
  readonly random: Random;
}

/** What all flights of a planner know of reading decisions: which models can be read, and what their probabilities are worth. */
export class Reads {
  readonly forms: ReadForms;
  readonly #options: ResolvedReads;
  readonly #records: ReadsParts['records'];
  readonly #random: Random;
  readonly #calibration = new ReadCalibration();
  readonly #choices = new LRUCache<string, ReadChoice>({ max: CHOICES_MAX });
  asked = 0;
  decided = 0;
  answered = 0;
  failed = 0;

  constructor({ options, forms, records, random }: ReadsParts) {
    this.#options = options;
    this.forms = forms;
    this.#records = records;
    this.#random = random;
  }

  /** Whether a read of the model may decide, as far as is known. Now and then it is tried against that. */
  isWorthwhile(model: string): boolean {
    if (this.#options.answers === 'read' || this.#calibration.comparedOf(model) < KNOWN_MIN) return true;
    return (this.#calibration.bestOf(model) ?? 1) >= this.#sureMin || this.#random.next() < TRIED_SHARE;
  }

  /** The chance that the model would decide the same in words. Undefined while too little is known. */
  chanceOf({ model, scene, probability }: ReadChoice): number | undefined {
    return this.#calibration.chanceOf(model, scene, probability);
  }

  /** Whether a read decides by itself. Now and then a sure one does not, so that it is held against what is written. */
  isSure(choice: ReadChoice): boolean {
    if (this.#options.answers === 'read') return true;
    const chance = this.chanceOf(choice);
    return chance !== undefined && chance >= this.#sureMin && this.#random.next() >= WRITTEN_SHARE;
  }

  /** A state was read. It is held against the next written decision for it, once. */
  read(state: string, choice: ReadChoice): void {
    this.#choices.set(state, choice);
  }

  /** Models decided in words for a state. */
  wrote(state: string, action: string): void {
    const choice = this.#choices.get(state);
    if (choice === undefined) return;
    this.#choices.delete(state);
    this.#calibration.heard(choice.model, choice.scene, choice.probability, choice.action === action);
  }

  /**
   * A read decides from this chance on. By default that with which one written vote is what models decide, by how often two of them
   * agree: a written decision would be no better then.
   */
  get #sureMin(): number {
    if (this.#options.confidenceMin !== undefined) return this.#options.confidenceMin;
    const { agreement } = this.#records;
    const rate = agreement.compared < AGREEMENTS_MIN ? AGREEMENT_AT_FIRST : (agreement.rate ?? AGREEMENT_AT_FIRST);
    return Math.sqrt(rate) * REPEATS_SHARE;
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
