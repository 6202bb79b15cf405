import { recordOfScene } from '../false-hits.ts';
import { areAll } from '../learned/learned-part.ts';

/** Number of outcomes after which one counts for 1/e. */
const RECENT = 30;
/** A scene starts as if this many predictions in it had been right this much less often than estimated. */
const FIRST_OUTCOMES = 12;
const FIRST_SURPRISE = -0.2;
/** Number of outcomes, none of them surprising, that count for all scenes together at first. */
const OUTCOMES_MIN = 10;
/** What a surprise of 1 takes from the log odds of being right. */
const WEIGHT = 8;
/** A surprise beyond this one is a reason to look closely. */
const MARKED = -0.08;

/** The sum of how much more often predictions were right than estimated, and the number of them. */
interface Recent {
  sum: number;
  outcomes: number;
}

type SavedRecent = readonly [scene: string | null, sum: number, outcomes: number];

/**
 * Whether predictions have recently been right less often than estimated, in a scene or in all: in a world that has changed, and in a
 * scene that is harder than those known. Most outcomes are of predictions that were asked about, so this shows within a few dozen
 * requests, long before samples of what is served do. It only lowers estimates.
 */
export class Surprise {
  readonly #all: Recent = { sum: 0, outcomes: OUTCOMES_MIN };
  readonly #scenes = new Map<string, Recent>();

  /** Lowers an estimated chance of being right by what was surprising of late. */
  lowered(chance: number, scene: string): number {
    const odds = (chance / (1 - chance + 1e-9)) * Math.exp(WEIGHT * this.#of(scene));
    return odds / (1 + odds);
  }

  /** Whether so much is surprising in a scene that more should be asked. */
  isMarked(scene: string): boolean {
    return this.#of(scene) < MARKED;
  }

  /** Records the outcome of a prediction whose chance of being right was estimated. */
  add(scene: string, chance: number, isRight: boolean): void {
    const surprise = (isRight ? 1 : 0) - chance;
    for (const recent of [this.#all, recordOfScene(this.#scenes, scene, unknownScene)]) {
      recent.sum += surprise - recent.sum / RECENT;
      recent.outcomes += 1 - recent.outcomes / RECENT;
    }
  }

  saved(): SavedRecent[] {
    const all = [null, this.#all.sum, this.#all.outcomes] as const;
    return [all, ...[...this.#scenes].map(([scene, { sum, outcomes }]) => [scene, sum, outcomes] as const)];
  }

  /** Returns false, and changes nothing, if the value is not what `saved` returns. */
  restore(saved: unknown): boolean {
    if (!areAll(saved, isSavedRecent)) return false;
    for (const [scene, sum, outcomes] of saved) {
      const recent = scene === null ? this.#all : recordOfScene(this.#scenes, scene, unknownScene);
      Object.assign(recent, { sum, outcomes });
    }
    return true;
  }

  clear(): void {
    Object.assign(this.#all, { sum: 0, outcomes: OUTCOMES_MIN });
    this.#scenes.clear();
  }

  /** How much less often than estimated predictions were right: 0, or below. */
  #of(scene: string): number {
    const own = this.#scenes.get(scene);
    return Math.min(0, meanOf(this.#all), own === undefined ? FIRST_SURPRISE : meanOf(own));
  }
}

function unknownScene(): Recent {
  return { sum: FIRST_OUTCOMES * FIRST_SURPRISE, outcomes: FIRST_OUTCOMES };
}

function meanOf({ sum, outcomes }: Recent): number {
  return sum / outcomes;
}

function isSavedRecent(value: unknown): value is SavedRecent {
  if (!Array.isArray(value) || value.length !== 3) return false;
  const [scene, sum, outcomes] = value;
  return (
    (scene === null || typeof scene === 'string') && Number.isFinite(sum) && Number.isFinite(outcomes) && outcomes > 0
  );
}
