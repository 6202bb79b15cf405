import { wilson } from '../measure/wilson.ts';

/** How a hit was found: by its own signature, or by that of a similar state. */
export type HitTier = 'exact' | 'similar';

/** How often hits are wrong, with the 95 % Wilson interval. Null while none was checked. */
export interface Rate {
  readonly served: number;
  readonly checked: number;
  readonly wrong: number;
  /** Share of checked hits that were wrong, 0 to 1. */
  readonly rate: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export interface SceneRate extends Rate {
  readonly scene: string;
}

export interface FalseHitStats {
  readonly exact: Rate;
  readonly similar: Rate;
  /** Both tiers together, the most served scenes first. */
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

class HitTally {
  served = 0;
  checked = 0;
  wrong = 0;

  check(wrong: boolean): void {
    this.checked++;
    if (wrong) this.wrong++;
  }

  rate(): Rate {
    const { served, checked, wrong } = this;
    if (checked === 0) return { served, checked, wrong, rate: null, low: null, high: null };
    return { served, checked, wrong, rate: wrong / checked, ...wilson(wrong, checked) };
  }
}

/**
 * Counts hits that were served, and how many of them were answered differently when asked again. The rate is valid for all hits
 * only if the checked ones were drawn at random. It includes the models' own inconsistency: asked twice about one state they
 * differ, with or without a cache.
 */
export class FalseHits {
  readonly #tiers: Readonly<Record<HitTier, HitTally>> = { exact: new HitTally(), similar: new HitTally() };
  readonly #scenes = new Map<string, HitTally>();

  served(tier: HitTier, scene: string): void {
    this.#tiers[tier].served++;
    this.#scene(scene).served++;
  }

  checked(tier: HitTier, scene: string, wrong: boolean): void {
    this.#tiers[tier].check(wrong);
    this.#scene(scene).check(wrong);
  }

  stats(): FalseHitStats {
    return {
      exact: this.#tiers.exact.rate(),
      similar: this.#tiers.similar.rate(),
      scenes: [...this.#scenes]
        .map(([scene, tally]) => ({ scene, ...tally.rate() }))
        .sort((a, b) => b.served - a.served),
    };
  }

  #scene(scene: string): HitTally {
    return recordOfScene(this.#scenes, scene, () => new HitTally());
  }
}
