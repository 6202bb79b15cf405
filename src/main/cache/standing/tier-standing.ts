import type { CountedPart } from '../exchange/evidence-totals.ts';
import { recordOfScene } from '../false-hits.ts';
import { areAll, areNumbers, inChunks, type LearnedPart } from '../learned/learned-part.ts';
import { Comparisons } from './comparisons.ts';
import { StandingTotals } from './standing-totals.ts';
import { TIER_KINDS, type TierKind } from './tier-kinds.ts';

/**
 * Decides which tiers may serve, by what they have shown. Everything that a tier served or would have served is compared with
 * what models decide for the same state. Answers from another state (`similar`, `confirmed`) are served only while the lower 95
 * % bound of their agreement is at least the agreement of models with each other, less a margin. Answers for the state itself
 * (`exact`, `single` if based on one vote, `foreseen` if decided ahead) are served until their upper bound is below that. Expired answers (`old`) are only
 * watched.
 *
 * Evidence is kept by distance or age, and by scene; for a scene with little evidence, that of all scenes is used. A serving
 * tier is still compared, so it can lose its standing. Decision and figures: docs/decisions/0011-tiers-earn-their-place.md.
 */

/** Tiers that serve decisions for another state. */
export type NearKind = 'similar' | 'confirmed';

/** Classes of decisions for the state itself. */
export type OwnKind = Exclude<TierKind, NearKind | 'old'>;
const OWN_KINDS: ReadonlySet<TierKind> = new Set<OwnKind>(['exact', 'single', 'foreseen']);

/** How often two votes on one state agree. */
export interface PanelAgreement {
  /** Number of pairs of votes compared. */
  readonly compared: number;
  /** Share of the latest few hundred pairs that agreed, 0 to 1; undefined while there are none. */
  readonly rate: number | undefined;
  /** How often two roles of a read agreed; undefined while too little is known. */
  readonly ofRoles?: number | undefined;
}

export const NO_AGREEMENT: PanelAgreement = { compared: 0, rate: undefined };

/** Minimum number of comparisons for any conclusion, about a tier or about the models' agreement. */
export const COMPARISONS_MIN = 30;
/** Minimum number of comparisons before a decision for the state itself is doubted: one wrong answer proves nothing. */
export const DOUBT_MIN = 8;
/** How much less than models with each other a tier may agree: saving a call is worth something. */
export const MARGIN = 0.1;
/** Share of servable answers from other states that are asked anyway; doubled by each wrong one of the last four. */
export const PROBE_SHARE = 0.05;
/** Number of scenes that `stats()` names for each tier. */
const SCENES_SHOWN = 3;

/** Upper ends of the bins: distances for near states, milliseconds for old answers. */
const BINS: Readonly<Record<TierKind, readonly number[]>> = {
  exact: [Number.POSITIVE_INFINITY],
  single: [Number.POSITIVE_INFINITY],
  foreseen: [Number.POSITIVE_INFINITY],
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
  /** The largest distance, or age in milliseconds, of this row; null if it has no end. */
  readonly to: number | null;
  /** Comparisons since the start, of earlier runs with a disk tier, and of other nodes of a cluster, and those in which models decided differently. */
  readonly compared: number;
  readonly wrong: number;
  /** Share of the latest few hundred that agreed, with its 95 % interval; null while there are none. */
  readonly agreement: number | null;
  readonly low: number | null;
  readonly high: number | null;
  /** The agreement required; null while it is not known. */
  readonly required: number | null;
  readonly serving: boolean;
  readonly why: string;
  /** The scenes with the most comparisons. */
  readonly scenes: readonly SceneStanding[];
}

export interface StandingStats {
  readonly trust: 'earned' | 'always';
  /** Pairs of models' votes compared, and how often the latest of them agreed. */
  readonly models: { readonly compared: number; readonly agreement: number | null };
  readonly tiers: readonly TierStat[];
}

/**
 * Tells whether answers of a scene for the state itself are doubted: all of them, or those of one class. Without a scene, it is
 * about scenes that have no evidence of their own.
 */
type OnDoubt = (kind: OwnKind, scene: string | undefined, isDoubted: boolean) => void;

type Records = Map<TierKind, (Comparisons | undefined)[]>;

/** A record as it is saved: its scene, or null for all together, its tier and bin, and six numbers. */
type SavedRow = readonly [scene: string | null, kind: TierKind, bin: number, ...comparisons: number[]];

/** Number of records that are saved in one value. */
const ROWS_AT_ONCE = 1_000;

export class TierStanding {
  readonly #trust: 'earned' | 'always';
  readonly #models: PanelAgreement;
  #all: Records = new Map();
  readonly #scenes = new Map<string, Records>();
  /** How often models agreed in an earlier process. Counts until enough is known of this one. */
  #earlier: PanelAgreement = NO_AGREEMENT;
  /** Whether an answer for the state itself was ever wrong. Until then, a hit needs no other test. */
  #hasDoubts = false;
  readonly #own = new StandingTotals();

  readonly #onDoubt: OnDoubt;

  /** `onDoubt` is called with each comparison of an answer for the state itself. */
  constructor(trust: 'earned' | 'always', models: PanelAgreement = NO_AGREEMENT, onDoubt: OnDoubt = () => {}) {
    this.#trust = trust;
    this.#models = models;
    this.#onDoubt = onDoubt;
  }

  /** Records whether an answer that a tier served or would have served, at this distance or age, was right. */
  compare(kind: TierKind, scene: string, at: number, isRight: boolean): void {
    const bin = binOf(kind, at);
    this.#own.count(scene, kind, bin, isRight);
    this.#add(kind, scene, bin, isRight);
    if (isOwn(kind)) this.#tellDoubts(kind, scene);
  }

  #add(kind: TierKind, scene: string, bin: number, isRight: boolean): void {
    if (!isRight && isOwn(kind)) this.#hasDoubts = true;
    recordIn(this.#all, kind, bin).add(isRight);
    recordIn(this.#recordsOf(scene), kind, bin).add(isRight);
  }

  /** The comparisons that this node makes by itself, which several nodes can add. */
  totalsPart(): CountedPart {
    return this.#own.part((scene, kind, bin, results) => {
      if (BINS[kind][bin] === undefined) return;
      for (const isRight of results) this.#add(kind, scene, bin, isRight);
      if (isOwn(kind)) this.#tellDoubts(kind, scene);
    });
  }

  /** Whether an answer from this distance may be served. */
  serves(kind: NearKind, scene: string, distance: number): boolean {
    if (this.#trust === 'always') return true;
    return isEarned(this.#judging(kind, binOf(kind, distance), scene), this.#requiredOf(kind));
  }

  /** Share of such answers that are asked anyway. */
  probeShare(kind: NearKind, scene: string, distance: number): number {
    if (this.#trust === 'always') return 0;
    const latestWrong = this.#judging(kind, binOf(kind, distance), scene)?.latestWrong ?? 0;
    return PROBE_SHARE * 2 ** latestWrong;
  }

  /** Whether evidence contradicts decisions for the state itself: all of them, or those of this class. */
  isDoubted(kind: OwnKind, scene: string): boolean {
    if (this.#trust === 'always' || !this.#hasDoubts) return false;
    return this.#isAgainst('exact', scene) || (kind !== 'exact' && this.#isAgainst(kind, scene));
  }

  #tellDoubts(kind: OwnKind, scene: string): void {
    if (this.#trust === 'always' || !this.#hasDoubts) return;
    const pooled = this.#all.get(kind)?.[0];
    this.#onDoubt(kind, scene, this.#isAgainst(kind, scene));
    this.#onDoubt(kind, undefined, pooled !== undefined && isAgainst(pooled, this.#required()));
  }

  /** What outlives the process. */
  learnedParts(): LearnedPart[] {
    return [
      {
        name: 'standing',
        saved: () => inChunks([...this.#rows()], ROWS_AT_ONCE),
        restore: (rows) => this.#restore(rows),
      },
      { name: 'agreement', saved: () => [this.#agreement()], restore: (saved) => this.#restoreAgreement(saved) },
    ];
  }

  /** The records of all scenes together come first. */
  *#rows(): Generator<SavedRow> {
    yield* rowsOf(null, this.#all);
    for (const [scene, records] of this.#scenes) yield* rowsOf(scene, records);
  }

  #restore(rows: unknown): boolean {
    if (!areAll(rows, isSavedRow)) return false;
    for (const [scene, kind, bin, ...comparisons] of rows) {
      recordIn(this.#recordsOf(scene), kind, bin).restore(comparisons);
      if (isOwn(kind) && (comparisons[1] as number) > 0) this.#hasDoubts = true;
    }
    this.#tellAllDoubts();
    return true;
  }

  #tellAllDoubts(): void {
    for (const [scene, records] of this.#scenes) {
      for (const kind of records.keys()) if (isOwn(kind)) this.#tellDoubts(kind, scene);
    }
  }

  #restoreAgreement(saved: unknown): boolean {
    const { compared, rate, ofRoles } = (saved ?? {}) as Partial<Record<string, unknown>>;
    if (!areNumbers([compared, rate ?? 0, ofRoles ?? 0])) return false;
    this.#earlier = saved as PanelAgreement;
    // What is asked of answers depends on it.
    this.#tellAllDoubts();
    return true;
  }

  clear(): void {
    this.#own.clear();
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
          required: this.#requiredOf(tier) ?? null,
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
    const required = this.#requiredOf(tier);
    return tier === 'similar' || tier === 'confirmed' ? isEarned(record, required) : !isAgainst(record, required);
  }

  #why(tier: TierKind, record: Comparisons): string {
    if (tier === 'old') return 'served only where nothing better is in hand';
    if (this.#trust === 'always') return 'all that is fresh is served';
    const required = this.#requiredOf(tier);
    const { low, high } = record.right();
    if (isOwn(tier)) {
      if (required === undefined) return 'nothing is known yet that it could be held against';
      if (isAgainst(record, required)) return `right ${percent(high)} at most, where ${percent(required)} is asked`;
      return `nothing speaks against it: right ${percent(high)} at most, where ${percent(required)} is asked`;
    }
    if (record.seen < COMPARISONS_MIN) return `${record.seen} of the ${COMPARISONS_MIN} comparisons that it takes`;
    if (required === undefined) return 'not known yet how often models agree with each other';
    return `right ${percent(low)} at least, where ${percent(required)} is asked`;
  }

  #recordsOf(scene: string | null): Records {
    return scene === null ? this.#all : recordOfScene<Records>(this.#scenes, scene, () => new Map());
  }

  /** The scene's own record if it has enough comparisons, else that of all scenes. */
  #judging(kind: TierKind, bin: number, scene: string): Comparisons | undefined {
    const own = this.#ownRecord(kind, bin, scene);
    return own !== undefined && own.seen >= COMPARISONS_MIN ? own : this.#all.get(kind)?.[bin];
  }

  /** A scene's own record counts as soon as it contradicts, because no other scene is known to be like it. */
  #isAgainst(kind: OwnKind, scene: string): boolean {
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
   * As `#required`. While experts hardly write, near states are held against the agreement of two roles of a read: roles of one
   * model err alike, so that this asks for more. It would be unfair to what was decided for the state itself.
   */
  #requiredOf(kind: TierKind): number | undefined {
    const { ofRoles } = this.#agreement();
    const isNear = kind === 'similar' || kind === 'confirmed';
    return this.#required() ?? (isNear && ofRoles !== undefined ? ofRoles - MARGIN : undefined);
  }

  #agreement(): PanelAgreement {
    const { compared, rate } = this.#models.compared >= COMPARISONS_MIN ? this.#models : this.#earlier;
    return { compared, rate, ofRoles: this.#models.ofRoles ?? this.#earlier.ofRoles };
  }

  /**
   * The agreement of models with each other, less the margin. If no panels have two votes to compare, the same models asked
   * again about the same state are used instead: a similar state must be as good as the state itself.
   */
  #required(): number | undefined {
    const { compared, rate } = this.#agreement();
    if (compared >= COMPARISONS_MIN && rate !== undefined) return rate - MARGIN;
    let again: Comparisons | undefined;
    for (const kind of ['exact', 'single'] as const) {
      const record = this.#all.get(kind)?.[0];
      if (record !== undefined && record.seen >= COMPARISONS_MIN && record.seen > (again?.seen ?? 0)) again = record;
    }
    return again?.rate === undefined ? undefined : again.rate - MARGIN;
  }
}

function isOwn(kind: TierKind): kind is OwnKind {
  return OWN_KINDS.has(kind);
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

function* rowsOf(scene: string | null, records: Records): Generator<SavedRow> {
  for (const [kind, bins] of records) {
    for (const [bin, record] of bins.entries()) if (record !== undefined) yield [scene, kind, bin, ...record.saved()];
  }
}

function isSavedRow(value: unknown): value is SavedRow {
  if (!Array.isArray(value) || value.length !== 9) return false;
  const [scene, kind, bin, ...comparisons] = value as [unknown, TierKind, number, ...unknown[]];
  const isOfScene = scene === null || typeof scene === 'string';
  return isOfScene && TIER_KINDS.includes(kind) && BINS[kind][bin] !== undefined && areNumbers(comparisons);
}

function binOf(kind: TierKind, at: number): number {
  const bins = BINS[kind];
  // The distance of two places is at most 1, but sums of floats may exceed it.
  const bin = bins.findIndex((end) => at <= end + 1e-9);
  return bin < 0 ? bins.length - 1 : bin;
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
