import type { CountedPart, TotalsRow } from '../exchange/evidence-totals.ts';
import { OTHER_SCENE, SCENES_MAX } from '../false-hits.ts';
import { TIER_KINDS, type TierKind } from './tier-kinds.ts';

/** The results of a tier's comparisons in a scene and a bin, in an order in which right and wrong ones are evenly mixed. */
type HearComparisons = (scene: string, kind: TierKind, bin: number, results: Iterable<boolean>) => void;

const GROUP = 'standing ';
/** Each row is a tier and a bin. */
const BINS_MAX = 16;
/** Comparisons that are taken over one by one. More come only after a long absence, and the latest few hundred decide. */
const HEARD_MAX = 600;

/** The comparisons that this node has made by itself: how many were right and wrong, by scene, tier and bin. */
export class StandingTotals {
  readonly #scenes = new Map<string, Map<number, [right: number, wrong: number]>>();

  count(scene: string, kind: TierKind, bin: number, isRight: boolean): void {
    const rows = this.#rowsOf(scene);
    const row = TIER_KINDS.indexOf(kind) * BINS_MAX + bin;
    const counts = rows.get(row) ?? [0, 0];
    counts[isRight ? 0 : 1]++;
    rows.set(row, counts);
  }

  #rowsOf(scene: string): Map<number, [number, number]> {
    const name = this.#scenes.has(scene) || this.#scenes.size < SCENES_MAX ? scene : OTHER_SCENE;
    const rows = this.#scenes.get(name) ?? new Map<number, [number, number]>();
    this.#scenes.set(name, rows);
    return rows;
  }

  /** As a part of the evidence with a group for each scene. */
  part(hear: HearComparisons): CountedPart {
    return {
      totals: () => this.#groups(),
      has: (group) => group.startsWith(GROUP),
      isPossible: (row, more) => row < TIER_KINDS.length * BINS_MAX && more.length === 2,
      hear: (group, row, [right = 0, wrong = 0]) => {
        const kind = TIER_KINDS[Math.floor(row / BINS_MAX)] as TierKind;
        hear(group.slice(GROUP.length), kind, row % BINS_MAX, mixed(right, wrong));
      },
    };
  }

  *#groups(): Generator<readonly [string, readonly TotalsRow[]]> {
    for (const [scene, rows] of this.#scenes) {
      yield [`${GROUP}${scene}`, [...rows].map(([row, counts]): TotalsRow => [row, ...counts])];
    }
  }

  clear(): void {
    this.#scenes.clear();
  }
}

function* mixed(right: number, wrong: number): Generator<boolean> {
  const all = right + wrong;
  const rightAt = (at: number): number => Math.floor((at * right) / all);
  for (let i = 0; i < Math.min(all, HEARD_MAX); i++) yield rightAt(i + 1) > rightAt(i);
}
