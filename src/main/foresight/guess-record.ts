import { LRUCache } from 'lru-cache';
import { wilson } from '../measure/wilson.ts';

/** What is known of a guess before it is asked. */
export interface GuessKind {
  readonly source: 'host' | 'domain' | 'experience';
  readonly scene: string;
  /** From 0 to 1, as its source claims. */
  readonly likelihood: number;
  /** Requests ahead. */
  readonly horizon: number;
}

interface Tally {
  judged: number;
  used: number;
}

const NONE: Tally = { judged: 0, used: 0 };
/** Claims of likelihood are calibrated in bands: a guess is as good as others of its band have been. */
const BANDS = [0.1, 0.25, 0.5, 0.75];
const KINDS_MAX = 1_024;
/** After this many guesses of a kind, one has decayed to a third. */
const MEMORY = 300;
/** With fewer guesses in its own scene, a kind is judged by all scenes. A claim that is believed counts as this many guesses. */
const JUDGED_MIN = 20;

/**
 * How often guesses of a kind were of use. A guess that nobody asked a model for can be judged, too: whether its state came is known
 * either way.
 */
export class GuessRecord {
  readonly #tallies = new LRUCache<string, Tally>({ max: KINDS_MAX });

  /** Records whether the state of a guess was requested, and in time. */
  judged(kind: GuessKind, wasUsed: boolean): void {
    for (const key of keysOf(kind)) {
      const { judged, used } = this.#tallies.get(key) ?? NONE;
      const kept = 1 - 1 / MEMORY;
      this.#tallies.set(key, { judged: kept * judged + 1, used: kept * used + (wasUsed ? 1 : 0) });
    }
  }

  /** Returns the lower bound of how often such a guess is used; 0 without evidence. */
  usedLow(kind: GuessKind): number {
    return lowOf(this.#tallyOf(kind));
  }

  /** The same for a source that knows what it claims: until there is evidence, its likelihood is believed. */
  claimedLow(kind: GuessKind): number {
    const { judged, used } = this.#tallyOf(kind);
    return lowOf({ judged: judged + JUDGED_MIN, used: used + JUDGED_MIN * kind.likelihood });
  }

  #tallyOf(kind: GuessKind): Tally {
    const [own, all] = keysOf(kind).map((key) => this.#tallies.get(key));
    return ((own?.judged ?? 0) >= JUDGED_MIN ? own : all) ?? NONE;
  }
}

function lowOf({ judged, used }: Tally): number {
  return Math.max(0, wilson(Math.min(used, judged), judged).low);
}

/** Of its scene, and of all scenes. */
function keysOf({ source, scene, likelihood, horizon }: GuessKind): readonly string[] {
  const band = BANDS.filter((bound) => bound <= likelihood).length;
  const kind = `${source} ${horizon} ${band}`;
  return [`${kind} ${scene}`, kind];
}
