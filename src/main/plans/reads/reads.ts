import { LRUCache } from 'lru-cache';
import type { Random } from '../../../shared/random.ts';
import type { ReadForms } from '../../models/forms/read-forms.ts';
import type { ResolvedReads } from '../../options/planner-options.ts';
import { FurtherRequests } from './asking/further-requests.ts';
import { ReadsAtOnce } from './asking/reads-at-once.ts';
import type { ReadWorth } from './equality-test.ts';
import { LabelPriors } from './label-priors.ts';
import { LoneReads } from './lone-reads.ts';
import {
  type CalibrationStats,
  COMPARED_MIN,
  NOTHING_KNOWN,
  ReadCalibration,
  type SavedCalibration,
} from './read-calibration.ts';
import { RoleGains } from './role-gains.ts';

/** The action that a model was read to choose for a state. */
export interface ReadChoice {
  readonly model: string;
  readonly scene: string;
  readonly action: string;
  readonly probability: number;
  /** Number of offered actions. */
  readonly actions: number;
  /** What would be done without a model, if that is known. */
  readonly below?: string | undefined;
}

export interface ReadStats {
  /** Reads requested by plans. */
  readonly asked: number;
  /** Plans that a read decided, because it was sure enough. */
  readonly decided: number;
  /** Reads that were not sure enough: models were then asked in words, if there was time. */
  readonly unsure: number;
  /** Reads without a result. */
  readonly failed: number;
  readonly calibration: readonly CalibrationStats[];
}

export interface ReadCounts {
  asked: number;
  decided: number;
  answered: number;
  failed: number;
  /** Those of the failed ones that never had a slot. */
  unserved: number;
}

export function noReadCounts(): ReadCounts {
  return { asked: 0, decided: 0, answered: 0, failed: 0, unserved: 0 };
}

/** How a read is used for its plan. */
export type ReadUse =
  /** It decides. */
  | 'decides'
  /** It is a vote among those that are written. */
  | 'votes'
  /** It has no say, and is only compared with what is written. */
  | 'trial';

/** What a read is while it has no verdict. */
export type ReadTrial =
  /** Compared with two written votes, as is needed for a verdict. */
  | 'pair'
  /** Compared with one, where there is no time for two. */
  | 'single'
  /** Compared with one, and a vote itself. */
  | 'vote';

/** Maximum states of reads that wait for a written decision to be compared with. */
const CHOICES_MAX = 2_000;
/** A read decides if models would more likely than not decide the same in words. */
const CONFIDENCE_MIN = 0.5;
/** Factor on the confidence needed while other calls wait. */
const CROWD_SHARE = 0.5;
/** After this many comparisons a model's reads are no news any more. */
const TRIALS_MIN = 2 * COMPARED_MIN;
/** While there is no verdict after this many comparisons, only a third of the plans read. */
const TRIALS_MAX = 150;
const UNDECIDED_SHARE = 1 / 3;
/** Share of trials after a verdict for reads, if they are sure or unsure: nothing else would show that they have become worse, or better. */
const TRIED_SHARE = { sure: 0.03, unsure: 0.1 } as const;
const KNOWN_BONUS = 0.2;
/** Another model is read in place of one whose reads are worse, unless its record is this much worse. */
const WORSE_STANDING = 0.5;
/** Share of plans that read if reads never decide. */
const READ_SHARE = 0.05;
/** Plans without a read that has no place, until one is made; twice as many after each. */
const BETWEEN_TRIES = 16;
const BETWEEN_TRIES_MAX = 512;

export interface ReadsParts {
  readonly options: ResolvedReads;
  readonly forms: ReadForms;
  readonly random: Random;
}

/** What all flights of a planner know about reading decisions: which models can be read, and how reliable their probabilities are. */
export class Reads {
  readonly forms: ReadForms;
  readonly gains: RoleGains;
  readonly further: FurtherRequests;
  readonly atOnce = new ReadsAtOnce();
  readonly labels = new LabelPriors();
  readonly #options: ResolvedReads;
  readonly #random: Random;
  readonly #calibration = new ReadCalibration();
  readonly lone: LoneReads;
  readonly #choices = new LRUCache<string, ReadChoice>({ max: CHOICES_MAX });
  /** States in which an agent was stuck when they were read. */
  readonly #stuck = new LRUCache<string, true>({ max: CHOICES_MAX });
  #betweenTries = BETWEEN_TRIES;
  #untilTry = BETWEEN_TRIES;
  /** Reads of plans. */
  readonly counts = noReadCounts();

  constructor({ options, forms, random }: ReadsParts) {
    this.#options = options;
    this.forms = forms;
    this.#random = random;
    this.gains = new RoleGains(random);
    this.further = new FurtherRequests(random);
    this.lone = new LoneReads(this.#calibration, random);
  }

  /** Whether a read of the model may decide, as far as is known. Occasionally one is tried against that. */
  isWorthwhile(model: string, isCrowded: boolean): boolean {
    if (isCrowded && this.isBetterThanNone(model)) return true;
    const share = this.#options.answers === 'read' ? 1 : this.#readShare(model);
    return share === 1 || this.#random.next() < share;
  }

  /** Whether a read is made that has no place: nothing else would show that reads have become quicker. Each time later than before. */
  isTriedAgain(): boolean {
    if (--this.#untilTry > 0) return false;
    this.#betweenTries = Math.min(BETWEEN_TRIES_MAX, 2 * this.#betweenTries);
    this.#untilTry = this.#betweenTries;
    return true;
  }

  #readShare(model: string): number {
    if (this.#calibration.loneWorthOf(model) === 'worse') return READ_SHARE;
    const compared = this.#calibration.comparedOf(model);
    const worth = this.worthOf(model);
    const { worse } = this.#calibration;
    // Models at the same servers often err alike: each whose reads are worse promises less of the next.
    if (worth === 'unknown' && worse > 0) return UNDECIDED_SHARE / worse;
    if (compared < TRIALS_MIN) return 1;
    if (worth === 'worse' || !this.#calibration.isAnySure(model, this.#confidenceMin)) return READ_SHARE;
    return worth === 'equal' || compared < TRIALS_MAX ? 1 : UNDECIDED_SHARE;
  }

  /** The verdict on a model's reads. A chance that the user demands is enough, so it is the verdict. */
  worthOf(model: string): ReadWorth {
    if (this.#options.confidenceMin === undefined) return this.#calibration.worthOf(model);
    return this.#calibration.comparedOf(model) < TRIALS_MIN ? 'unknown' : 'equal';
  }

  /** Whether reads of a model are worth having where experts cannot write. True while too little is known. */
  isBetterThanNone(model: string): boolean {
    if (this.#calibration.loneWorthOf(model) === 'worse') return false;
    // The surest reads have the highest chance.
    return this.#isEnoughInCrowd(this.#calibration.chanceOf(model, '', 1) ?? 1);
  }

  /** The weight of a model's record when a model is chosen to be read: higher if its reads are known, lower if they are known to be worse. */
  standingOf(model: string): number {
    if (this.worthOf(model) === 'worse') return WORSE_STANDING;
    return 1 + KNOWN_BONUS * Math.min(1, this.#calibration.comparedOf(model) / TRIALS_MIN);
  }

  /** The chance that the model would decide the same in words. Undefined while too little is known. */
  chanceOf({ model, scene, probability }: ReadChoice): number | undefined {
    return this.#calibration.chanceOf(model, scene, probability);
  }

  /**
   * How a read is used. While other calls wait for the slots it decides with half the confidence: in the time that experts take
   * to write, several of the waiting plans are read, and would otherwise have no model.
   */
  useOf(choice: ReadChoice, isCrowded: boolean): ReadUse {
    if (this.#options.answers === 'read' || (isCrowded && this.#isEnoughInCrowd(this.chanceOf(choice) ?? 1)))
      return 'decides';
    const isSure = this.#isSure(choice);
    if (this.#random.next() < this.#triedShare(choice.model, isSure)) return 'trial';
    return isSure ? 'decides' : 'votes';
  }

  /**
   * What a trial is where it takes time from experts. Once the chance of a model's reads is known, they are mostly votes of this weight, and
   * go on being compared with the first vote that is written.
   */
  trialOf(model: string, isPairTimely: boolean): ReadTrial {
    const isKnown = this.#calibration.comparedOf(model) >= COMPARED_MIN;
    if (isKnown && !(isPairTimely && this.#random.next() < TRIED_SHARE.unsure)) return 'vote';
    return isPairTimely ? 'pair' : 'single';
  }

  /** The share of a model's reads that are trials: all while there is no verdict for them, because they are of no other use. */
  #triedShare(model: string, isSure: boolean): number {
    if (this.worthOf(model) !== 'equal') return 1;
    return isSure ? TRIED_SHARE.sure : TRIED_SHARE.unsure;
  }

  /** Records that a state was read. The read is compared once, with the next decision that models write for the state without knowing of it. */
  read(state: string, choice: ReadChoice): void {
    this.#choices.set(state, choice);
  }

  /** Whether a state was read before while the same action had shown no effect: the same prompt is read in the same way again. */
  wouldRepeat(state: string, inVain: string | undefined): boolean {
    if (inVain === undefined) return false;
    const key = `${state} ${inVain}`;
    const isKnown = this.#stuck.has(key);
    this.#stuck.set(key, true);
    return isKnown;
  }

  /** Models decided in words for a state, without knowing of a read. `votes` are those of the experts, in the order of arrival. */
  wrote(state: string, action: string, votes: readonly string[]): void {
    const choice = this.#choices.get(state);
    if (choice === undefined) return;
    this.#choices.delete(state);
    const { model, scene, probability, action: read, actions, below } = choice;
    this.#calibration.heard(model, scene, probability, read === action);
    const pair = votes.slice(0, 2);
    const shareOf = (which: string): number => pair.filter((vote) => vote === which).length / pair.length;
    if (pair.length === 2) this.#calibration.heardPair(model, probability, shareOf(read), pair[0] === pair[1]);
    if (pair.length === 0 || below === undefined) return;
    const agrees = { votes: pair.length, read: shareOf(read), below: shareOf(below), actions };
    this.#calibration.heardLone(model, agrees);
  }

  #isSure(choice: ReadChoice): boolean {
    const chance = this.chanceOf(choice);
    if (chance === undefined || chance < this.#confidenceMin) return false;
    return this.#options.confidenceMin !== undefined || this.#calibration.isEqual(choice.model, choice.probability);
  }

  #isEnoughInCrowd(chance = 0): boolean {
    return chance >= this.#confidenceMin * CROWD_SHARE;
  }

  get #confidenceMin(): number {
    return this.#options.confidenceMin ?? CONFIDENCE_MIN;
  }

  /** What is known about a model's reads, to be saved for a restart. */
  saved(model: string): SavedCalibration | undefined {
    const labels = this.labels.saved(model);
    const saved = this.#calibration.saved(model) ?? (labels.length > 0 ? NOTHING_KNOWN : undefined);
    return saved && { ...saved, labels };
  }

  /** Restores what was known about a model's reads before a restart. */
  restore(model: string, saved: SavedCalibration): void {
    this.labels.restore(saved.labels ?? []);
    if (saved.compared > 0) this.#calibration.restore(model, saved);
  }

  stats(): ReadStats {
    const { asked, answered, decided, failed } = this.counts;
    return { asked, decided, unsure: answered - decided, failed, calibration: this.#calibration.stats() };
  }
}
