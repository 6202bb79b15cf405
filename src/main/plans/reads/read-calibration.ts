import { binOf } from './bins.ts';
import { EqualityTest, type ReadWorth, type SavedEquality } from './equality-test.ts';
import type { SavedPriors } from './label-priors.ts';
import { type LoneAgreement, LoneTest, type LoneWorth, type SavedLone } from './lone-test.ts';
import { BinnedOutcomes, isotonic, type SavedOutcomes } from './reliability-curve.ts';
import { type CalibrationStats, COMPARED_MIN, ReliabilityRecord, type SavedReliability } from './reliability-record.ts';

export { type CalibrationStats, COMPARED_MIN } from './reliability-record.ts';

/**
 * How reliable the probability of a read action is: how often a model asked in words decided the same, learned online by model, and by
 * scene if a scene differs. Only written decisions count: reads do not judge reads. Older comparisons fade. Each comparison is checked
 * against its expectation before it is learned from, so the reported error is one of unseen answers.
 */
/** Number of comparisons of all scenes against which a scene's own are weighed. */
const SCENE_SHRINKAGE = 10;
const SCENES_MAX = 256;
/** Maximum scenes of a model that are saved, those with the most comparisons. */
const SCENES_SAVED_MAX = 32;
const MODELS_MAX = 256;
/** A bin with less weight than this has no recent comparisons. */
const SEEN_MIN = 0.5;

/** What is known about reads of a model, as it is saved for a restart. */
export interface SavedCalibration {
  readonly compared: number;
  readonly all: SavedOutcomes;
  readonly scenes: readonly (readonly [scene: string, outcomes: SavedOutcomes])[];
  readonly record: SavedReliability;
  readonly equality: SavedEquality;
  readonly lone: SavedLone;
  /** The labels that it prefers. Absent in files of before these were saved. */
  readonly labels?: SavedPriors | undefined;
}

class ModelCalibration {
  readonly equality = new EqualityTest();
  readonly lone = new LoneTest();
  readonly all = new BinnedOutcomes();
  compared = 0;
  readonly #scenes = new Map<string, BinnedOutcomes>();
  readonly #record = new ReliabilityRecord();
  #curve: readonly number[] | undefined;

  get curve(): readonly number[] {
    this.#curve ??= this.all.curve;
    return this.#curve;
  }

  curveOf(scene: string): readonly number[] {
    const own = this.#scenes.get(scene);
    const { curve } = this;
    return own === undefined ? curve : isotonic(own, (bin) => curve[bin] as number, SCENE_SHRINKAGE);
  }

  heard(scene: string, probability: number, agrees: boolean): void {
    const bin = binOf(probability);
    this.#record.add(this.curveOf(scene)[bin] as number, agrees);
    for (const outcomes of [this.all, this.#outcomesOf(scene)]) outcomes.add(bin, agrees);
    this.compared++;
    this.#curve = undefined;
  }

  #outcomesOf(scene: string): BinnedOutcomes {
    const known = this.#scenes.get(scene);
    if (known !== undefined) return known;
    if (this.#scenes.size >= SCENES_MAX) this.#scenes.clear();
    const outcomes = new BinnedOutcomes();
    this.#scenes.set(scene, outcomes);
    return outcomes;
  }

  stats(model: string): CalibrationStats {
    return { model, compared: this.compared, ...this.#record.stats() };
  }

  save(): SavedCalibration {
    const scenes = [...this.#scenes].sort(([, a], [, b]) => b.total - a.total).slice(0, SCENES_SAVED_MAX);
    return {
      compared: this.compared,
      all: this.all.save(),
      scenes: scenes.map(([scene, outcomes]) => [scene, outcomes.save()] as const),
      record: this.#record.save(),
      equality: this.equality.save(),
      lone: this.lone.save(),
    };
  }

  restore({ compared, all, scenes, record, equality, lone }: SavedCalibration): void {
    this.compared = compared;
    this.all.restore(all);
    for (const [scene, outcomes] of scenes) this.#outcomesOf(scene).restore(outcomes);
    this.#record.restore(record);
    this.equality.restore(equality);
    this.lone.restore(lone);
    this.#curve = undefined;
  }
}

/** What is saved of a model that has not been compared. */
export const NOTHING_KNOWN: SavedCalibration = new ModelCalibration().save();

export class ReadCalibration {
  readonly #models = new Map<string, ModelCalibration>();

  /** Records a written decision for the state of a read: whether it was the action to which the read gave `probability`. */
  heard(model: string, scene: string, probability: number, agrees: boolean): void {
    this.#of(model).heard(scene, probability, agrees);
  }

  /** Records two written votes for the state of a read: the share of them that agrees with it, and whether they agree with each other. */
  heardPair(model: string, probability: number, agreed: number, areAlike: boolean): void {
    this.#of(model).equality.add(binOf(probability), agreed - (areAlike ? 1 : 0));
  }

  /** Records what written votes for the state of a read agree with. */
  heardLone(model: string, agreement: LoneAgreement): void {
    this.#of(model).lone.add(agreement);
  }

  /** Whether reads of a model are better than no model. */
  loneWorthOf(model: string): LoneWorth {
    return this.#models.get(model)?.lone.verdict ?? 'unknown';
  }

  /** Whether reads of a model are as good as votes in words. */
  worthOf(model: string): ReadWorth {
    return this.#models.get(model)?.equality.worth ?? 'unknown';
  }

  /** Number of models whose reads are worse. */
  get worse(): number {
    return [...this.#models.values()].filter(({ equality }) => equality.worth === 'worse').length;
  }

  /** Whether reads of this probability agree with written votes as often as these agree with each other. */
  isEqual(model: string, probability: number): boolean {
    const equality = this.#models.get(model)?.equality;
    return equality?.worth === 'equal' && equality.isTrusted(binOf(probability));
  }

  /** The chance that the model would decide the same in words. Undefined while too little is known. */
  chanceOf(model: string, scene: string, probability: number): number | undefined {
    const known = this.#models.get(model);
    if (known === undefined || known.compared < COMPARED_MIN) return undefined;
    return known.curveOf(scene)[binOf(probability)];
  }

  /** Whether reads of any recently seen probability are worth at least `chance`. True while too little is known. */
  isAnySure(model: string, chance: number): boolean {
    const known = this.#models.get(model);
    if (known === undefined || known.compared < COMPARED_MIN) return true;
    return known.curve.some((worth, bin) => known.all.countOf(bin) >= SEEN_MIN && worth >= chance);
  }

  comparedOf(model: string): number {
    return this.#models.get(model)?.compared ?? 0;
  }

  stats(): CalibrationStats[] {
    return [...this.#models].map(([model, calibration]) => calibration.stats(model));
  }

  /** What is known about a model, to be saved for a restart. */
  saved(model: string): SavedCalibration | undefined {
    return this.#models.get(model)?.save();
  }

  /** Restores what was known about a model before a restart. */
  restore(model: string, saved: SavedCalibration): void {
    this.#of(model).restore(saved);
  }

  #of(model: string): ModelCalibration {
    let known = this.#models.get(model);
    if (known === undefined) {
      if (this.#models.size >= MODELS_MAX) this.#models.clear();
      known = new ModelCalibration();
      this.#models.set(model, known);
    }
    return known;
  }
}
