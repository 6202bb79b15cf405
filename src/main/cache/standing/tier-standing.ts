import { recordOfScene } from '../false-hits.ts';
import { Comparisons } from './comparisons.ts';

/**
 * Which tiers may serve, by what they have shown. Whatever a tier served or would have served is compared with what models
 * decide for the same state. What comes from another state (`similar`, `confirmed`) is silent until it has earned to be
 * heard: while the lower 95 % bound of its agreement is at least what models reach with each other, less a margin. What
 * was decided for the state itself (`exact`, or `single` where one vote is all that it stands on) serves until evidence
 * speaks against it: while the upper bound is below that. What has expired (`old`) is only watched.
 *
 * Evidence is kept by distance, or age, and by scene; where a scene has little, that of all scenes stands in. A tier that
 * serves goes on being compared, so that it can lose its standing. Decision and figures:
 * docs/decisions/0011-tiers-earn-their-place.md.
 */
export const TIER_KINDS = ['exact', 'single', 'similar', 'confirmed', 'old'] as const;
export type TierKind = (typeof TIER_KINDS)[number];

/** Tiers that serve what was decided for another state. */
export type NearKind = 'similar' | 'confirmed';

/** How often two votes on one state are the same. */
export interface PanelAgreement {
  /** Pairs of votes that were compared. */
  readonly compared: number;
  /** Of the latest few hundred, 0 to 1; undefined while there are none. */
  readonly rate: number | undefined;
}

export const NO_AGREEMENT: PanelAgreement = { compared: 0, rate: undefined };

/** Comparisons without which nothing is known, of a tier and of models with each other alike. */
export const COMPARISONS_MIN = 30;
/** What was decided for the state itself is innocent until so many were compared: one wrong answer alone proves nothing. */
export const DOUBT_MIN = 8;
/** A tier may agree by so much less than models do with each other: what it saves is worth something. */
export const MARGIN = 0.1;
/** Share of what a tier from other states may serve that is asked all the same; doubled by each wrong one of the last four. */
export const PROBE_SHARE = 0.05;
/** Scenes that `stats()` names for each tier. */
const SCENES_SHOWN = 3;

/** The upper ends of the bins: distances for what is near, milliseconds for what is old. */
const BINS: Readonly<Record<TierKind, readonly number[]>> = {
  exact: [Number.POSITIVE_INFINITY],
  single: [Number.POSITIVE_INFINITY],
  similar: [0.02, 0.05, 0.1, 0.3, 0.6, 1],
  confirmed: [0.02, 0.05, 0.1, 0.3, 0.6, 1],
  old: [60_000, 600_000, 3_600_000, Number.POSITIVE_INFINITY],
};

export interface SceneStanding {
  readonly scene: string;
  readonly compared: number;
  readonly agreement: number | null;
  readonly serving: boolean;
}

export interface TierStat {
  readonly tier: TierKind;
  /** The largest distance, or age in milliseconds, of this row; null without an end. */
  readonly to: number | null;
  /** Comparisons since the start, and those in which models said otherwise. */
  readonly compared: number;
  readonly wrong: number;
  /** Of the latest few hundred, with its 95 % interval; null while there are none. */
  readonly agreement: number | null;
  readonly low: number | null;
  readonly high: number | null;
  /** What it is held against; null while that is not known. */
  readonly required: number | null;
  readonly serving: boolean;
  readonly why: string;
  /** Those with the most comparisons. */
  readonly scenes: readonly SceneStanding[];
}

export interface StandingStats {
  readonly trust: 'earned' | 'always';
  /** Pairs of models' votes that were compared, and how often the latest of them agreed. */
  readonly models: { readonly compared: number; readonly agreement: number | null };
  readonly tiers: readonly TierStat[];
}

type Records = Map<TierKind, (Comparisons | undefined)[]>;

export class TierStanding {
  readonly #trust: 'earned' | 'always';
  readonly #models: PanelAgreement;
  #all: Records = new Map();
  readonly #scenes = new Map<string, Records>();
  /** Whether the state itself was ever wrong: on the way of a hit there is nothing else to look at before that. */
  #hasDoubts = false;

  constructor(trust: 'earned' | 'always', models: PanelAgreement = NO_AGREEMENT) {
    this.#trust = trust;
    this.#models = models;
  }

  /** What a tier served or would have served, at this distance or age, was right or not by what models decided. */
  compare(kind: TierKind, scene: string, at: number, isRight: boolean): void {
    const bin = binOf(kind, at);
    if (!isRight && (kind === 'exact' || kind === 'single')) this.#hasDoubts = true;
    recordIn(this.#all, kind, bin).add(isRight);
    const own = recordOfScene<Records>(this.#scenes, scene, () => new Map());
    recordIn(own, kind, bin).add(isRight);
  }

  /** Whether an answer from so far away may be served. */
  serves(kind: NearKind, scene: string, distance: number): boolean {
    if (this.#trust === 'always') return true;
    return isEarned(this.#judging(kind, binOf(kind, distance), scene), this.#required());
  }

  /** Share of such answers that are asked all the same. */
  probeShare(kind: NearKind, scene: string, distance: number): number {
    if (this.#trust === 'always') return 0;
    const latestWrong = this.#judging(kind, binOf(kind, distance), scene)?.latestWrong ?? 0;
    return PROBE_SHARE * 2 ** latestWrong;
  }

  /** Whether evidence speaks against what was decided for the state itself: all of it, or what one vote decided. */
  isDoubted(isSingle: boolean, scene: string): boolean {
    if (this.#trust === 'always' || !this.#hasDoubts) return false;
    return this.#isAgainst('exact', scene) || (isSingle && this.#isAgainst('single', scene));
  }

  clear(): void {
    this.#all = new Map();
    this.#hasDoubts = false;
    this.#scenes.clear();
  }

  stats(): StandingStats {
    const { compared, rate } = this.#models;
    return { trust: this.#trust, models: { compared, agreement: rate ?? null }, tiers: [...this.#tiers()] };
  }

  *#tiers(): Generator<TierStat> {
    for (const tier of TIER_KINDS) {
      for (const [bin, end] of BINS[tier].entries()) {
        const record = this.#all.get(tier)?.[bin];
        if (record === undefined) continue;
        const { low, high } = record.right();
        yield {
          tier,
          to: Number.isFinite(end) ? end : null,
          compared: record.total,
          wrong: record.totalWrong,
          agreement: record.rate ?? null,
          low,
          high,
          required: this.#required() ?? null,
          serving: this.#isServing(tier, record),
          why: this.#why(tier, record),
          scenes: this.#scenesOf(tier, bin),
        };
      }
    }
  }

  #scenesOf(tier: TierKind, bin: number): SceneStanding[] {
    const shown: SceneStanding[] = [];
    for (const [scene, records] of this.#scenes) {
      const record = records.get(tier)?.[bin];
      if (record === undefined) continue;
      const judging = this.#judging(tier, bin, scene) ?? record;
      const serving = this.#isServing(tier, judging);
      shown.push({ scene, compared: record.total, agreement: record.rate ?? null, serving });
    }
    return shown.sort((a, b) => b.compared - a.compared).slice(0, SCENES_SHOWN);
  }

  #isServing(tier: TierKind, record: Comparisons): boolean {
    if (tier === 'old') return false;
    if (this.#trust === 'always') return true;
    const required = this.#required();
    return tier === 'similar' || tier === 'confirmed' ? isEarned(record, required) : !isAgainst(record, required);
  }

  #why(tier: TierKind, record: Comparisons): string {
    if (tier === 'old') return 'served only where nothing better is in hand';
    if (this.#trust === 'always') return 'all that is fresh is served';
    const required = this.#required();
    const { low, high } = record.right();
    if (tier === 'exact' || tier === 'single') {
      if (required === undefined) return 'nothing is known yet that it could be held against';
      if (isAgainst(record, required)) return `right ${percent(high)} at most, where ${percent(required)} is asked`;
      return `nothing speaks against it: right ${percent(high)} at most, where ${percent(required)} is asked`;
    }
    if (record.seen < COMPARISONS_MIN) return `${record.seen} of the ${COMPARISONS_MIN} comparisons that it takes`;
    if (required === undefined) return 'not known yet how often models agree with each other';
    return `right ${percent(low)} at least, where ${percent(required)} is asked`;
  }

  /** The scene's own record where it says enough, else that of all scenes. */
  #judging(kind: TierKind, bin: number, scene: string): Comparisons | undefined {
    const own = this.#ownRecord(kind, bin, scene);
    return own !== undefined && own.seen >= COMPARISONS_MIN ? own : this.#all.get(kind)?.[bin];
  }

  /** A scene's own record speaks for itself as soon as it speaks against: nothing else is known to be like it. */
  #isAgainst(kind: 'exact' | 'single', scene: string): boolean {
    const pooled = this.#all.get(kind)?.[0];
    if (pooled === undefined || pooled.totalWrong === 0) return false;
    const required = this.#required();
    const own = this.#ownRecord(kind, 0, scene);
    if (own !== undefined && (own.seen >= COMPARISONS_MIN || isAgainst(own, required))) return isAgainst(own, required);
    return isAgainst(pooled, required);
  }

  #ownRecord(kind: TierKind, bin: number, scene: string): Comparisons | undefined {
    return this.#scenes.get(scene)?.get(kind)?.[bin];
  }

  /**
   * What models reach with each other, less the margin. Where no panels have two votes to compare, the same models asked
   * again about the same state stand in: what a similar state says must be as good as what the state itself does.
   */
  #required(): number | undefined {
    const { compared, rate } = this.#models;
    if (compared >= COMPARISONS_MIN && rate !== undefined) return rate - MARGIN;
    let again: Comparisons | undefined;
    for (const kind of ['exact', 'single'] as const) {
      const record = this.#all.get(kind)?.[0];
      if (record !== undefined && record.seen >= COMPARISONS_MIN && record.seen > (again?.seen ?? 0)) again = record;
    }
    return again?.rate === undefined ? undefined : again.rate - MARGIN;
  }
}

function isEarned(record: Comparisons | undefined, required: number | undefined): boolean {
  if (record === undefined || required === undefined || record.seen < COMPARISONS_MIN) return false;
  return record.right().low >= required;
}

function isAgainst(record: Comparisons, required: number | undefined): boolean {
  return required !== undefined && record.seen >= DOUBT_MIN && record.right().high < required;
}

function recordIn(records: Records, kind: TierKind, bin: number): Comparisons {
  let ofKind = records.get(kind);
  if (ofKind === undefined) {
    ofKind = [];
    records.set(kind, ofKind);
  }
  let record = ofKind[bin];
  if (record === undefined) {
    record = new Comparisons();
    ofKind[bin] = record;
  }
  return record;
}

function binOf(kind: TierKind, at: number): number {
  const bins = BINS[kind];
  // A distance of two places is 1 at most; sums of floats may pass it.
  const bin = bins.findIndex((end) => at <= end + 1e-9);
  return bin < 0 ? bins.length - 1 : bin;
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
