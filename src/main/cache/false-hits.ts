import { wilsonOf } from '../measure/wilson.ts';
import type { Hit } from './look.ts';

/** How a hit was found: by its own signature, by that of a similar state, or by what is usually done next. */
export type HitTier = 'exact' | 'similar' | 'habit';

/** How often hits are wrong, with the 95 % Wilson interval. Null while none was checked. */
export interface Rate {
  readonly served: number;
  /** Number of hits drawn to be checked when they were served; with an error budget also those that were asked about instead. */
  readonly due: number;
  /** Number of those that were checked. */
  readonly checked: number;
  /** Number of those that never will be. The others wait. */
  readonly lost: number;
  readonly wrong: number;
  /** Whether the checks rest on too few answers of models to tell the rate. */
  readonly tooFew: boolean;
  /** Share of checked hits that were wrong, 0 to 1. */
  readonly rate: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export interface SceneRate extends Rate {
  readonly scene: string;
}

export interface FalseHitStats {
  /** All tiers together. */
  readonly all: Rate;
  readonly exact: Rate;
  readonly similar: Rate;
  readonly habit: Rate;
  /** All tiers together, the most served scenes first. */
  readonly scenes: readonly SceneRate[];
}

/** Maximum number of scenes listed by name. Later scenes are counted together, as is a scene that has this name itself. */
export const SCENES_MAX = 64;
export const OTHER_SCENE = 'other';

/** Returns the record of a scene: its own while there is room for names, else the record that all others share. */
export function recordOfScene<T>(scenes: Map<string, T>, scene: string, create: () => T): T {
  const known = scenes.get(scene);
  if (known !== undefined) return known;
  if (scenes.size >= SCENES_MAX && scene !== OTHER_SCENE) return recordOfScene(scenes, OTHER_SCENE, create);
  const created = create();
  scenes.set(scene, created);
  return created;
}

/** Hits of one state that share the answer of one check. */
export interface SharedHits {
  readonly hit: Hit;
  count: number;
}

/** The same, of hits that were served or could have been. */
export interface SampledHits {
  readonly hit: Pick<Hit, 'tier' | 'scene' | 'action'>;
  readonly count: number;
}

/** With fewer independent answers, a rate is too uncertain to be told. */
const ANSWERS_MIN = 20;

class HitTally {
  served = 0;
  due = 0;
  checked = 0;
  lost = 0;
  wrong = 0;
  /** Sum of the squares of the numbers of hits that shared each answer. */
  #squares = 0;

  /** Records one answer, which was compared with `checked` hits. */
  answered({ checked, wrong }: Pick<Rate, 'checked' | 'wrong'>): void {
    this.checked += checked;
    this.wrong += wrong;
    this.#squares += checked * checked;
  }

  rate(): Rate {
    const { served, due, checked, lost, wrong } = this;
    const counts = { served, due, checked, lost, wrong };
    if (checked === 0) return { ...counts, tooFew: true, rate: null, low: null, high: null };
    const answers = checked ** 2 / this.#squares;
    return { ...counts, tooFew: answers < ANSWERS_MIN, rate: wrong / checked, ...wilsonOf(wrong / checked, answers) };
  }
}

/**
 * Counts hits that were served, how many of them were drawn to be checked, and what came of these. The rate is valid for all hits
 * only if the checked ones were drawn at random, and few were lost. It includes the models' own inconsistency: asked twice about
 * one state they differ, with or without a cache.
 *
 * Hits of a state that share an answer are right or wrong together, so the interval counts them as one cluster: its sample size is
 * the effective one, n² / Σnᵢ² (L. Kish, "Survey Sampling", 1965). Later answers for the same state are samples of their own.
 */
export class FalseHits {
  readonly #all = new HitTally();
  readonly #tiers: Readonly<Record<HitTier, HitTally>> = {
    exact: new HitTally(),
    similar: new HitTally(),
    habit: new HitTally(),
  };
  readonly #scenes = new Map<string, HitTally>();

  /** `isDue`: whether the hit was drawn to be checked. */
  served(tier: HitTier, scene: string, isDue = false): void {
    for (const tally of this.#talliesOf(tier, scene)) {
      tally.served++;
      if (isDue) tally.due++;
    }
  }

  /** Models were asked about these hits, which share the answer, instead of serving them: they are a sample of the served ones, as checks are. */
  probed(hits: readonly SampledHits[], answer: string): void {
    for (const { hit, count } of hits) {
      for (const tally of this.#talliesOf(hit.tier, hit.scene)) tally.due += count;
    }
    this.answered(hits, answer);
  }

  /** Records one answer of models, and the hits that it checks. */
  answered(hits: readonly SampledHits[], answer: string): void {
    const clusters = new Map<HitTally, { checked: number; wrong: number }>();
    for (const { hit, count } of hits) {
      for (const tally of this.#talliesOf(hit.tier, hit.scene)) {
        const { checked, wrong } = clusters.get(tally) ?? { checked: 0, wrong: 0 };
        clusters.set(tally, { checked: checked + count, wrong: wrong + (hit.action === answer ? 0 : count) });
      }
    }
    for (const [tally, cluster] of clusters) tally.answered(cluster);
  }

  /** Records that hits that were due will not be checked. */
  lost(hits: readonly SharedHits[]): void {
    for (const { hit, count } of hits) {
      if (hit.again !== 'check') continue;
      for (const tally of this.#talliesOf(hit.tier, hit.scene)) tally.lost += count;
    }
  }

  stats(): FalseHitStats {
    return {
      all: this.#all.rate(),
      exact: this.#tiers.exact.rate(),
      similar: this.#tiers.similar.rate(),
      habit: this.#tiers.habit.rate(),
      scenes: [...this.#scenes]
        .map(([scene, tally]) => ({ scene, ...tally.rate() }))
        .sort((a, b) => b.served - a.served),
    };
  }

  #talliesOf(tier: HitTier, scene: string): readonly [HitTally, HitTally, HitTally] {
    return [this.#all, this.#tiers[tier], recordOfScene(this.#scenes, scene, () => new HitTally())];
  }
}
