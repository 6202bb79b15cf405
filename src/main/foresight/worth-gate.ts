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

/** What is at stake if a model is asked ahead. */
export interface Stakes {
  /** What a used answer saves. */
  readonly savedMs: number;
  /** What the call takes from the server. */
  readonly callMs: number;
  /** Chance that somebody asks before the call ends. */
  readonly askedChance: number;
  /** How long an aborted call is known to hold its slot. */
  readonly heldMs: number;
}

interface Tally {
  judged: number;
  used: number;
}

/** Claims of likelihood are calibrated in bands: a guess is as good as others of its band have been. */
const BANDS = [0.1, 0.25, 0.5, 0.75];
const KINDS_MAX = 1_024;
/** After this many guesses of a kind, one has decayed to a third. */
const MEMORY = 300;
/** With fewer guesses in its own scene, a kind is judged by all scenes. */
const JUDGED_MIN = 20;
/** A slot has a price where nobody else asks, too: this share of the call. It costs power, and slots share a processor. */
const PRICE_MIN = 0.5;
/** Of this many decisions whose guesses are all held back, one asks its best, so that a change is noticed. */
const TRIAL_EVERY = 100;

/**
 * Opens where asking ahead pays: the lower bound of how often such guesses were used, times the time saved, is more than the price of
 * the slot. A guess that nobody asked a model for can be judged, too: whether its state came is known either way. So the gate learns
 * before it opens, and is shut without evidence.
 */
export class WorthGate {
  readonly #tallies = new LRUCache<string, Tally>({ max: KINDS_MAX });
  #silent = 0;

  /** Records whether the state of a guess was requested, and in time. */
  judged(kind: GuessKind, wasUsed: boolean): void {
    for (const key of keysOf(kind)) {
      const { judged, used } = this.#tallies.get(key) ?? { judged: 0, used: 0 };
      const kept = 1 - 1 / MEMORY;
      this.#tallies.set(key, { judged: kept * judged + 1, used: kept * used + (wasUsed ? 1 : 0) });
    }
  }

  /** Returns the lower bound of how often such a guess is used; 0 without evidence. */
  usedLow(kind: GuessKind): number {
    const [own, all] = keysOf(kind).map((key) => this.#tallies.get(key));
    const tally = (own?.judged ?? 0) >= JUDGED_MIN ? own : all;
    return tally === undefined ? 0 : Math.max(0, wilson(tally.used, tally.judged).low);
  }

  opens(kind: GuessKind, { savedMs, callMs, askedChance, heldMs }: Stakes): boolean {
    const used = this.usedLow(kind);
    return used * savedMs > (1 - used) * Math.max(askedChance * heldMs, PRICE_MIN * callMs);
  }

  /** Call once for each decision whose guesses were all held back. Returns true if its best guess is to be asked all the same. */
  tries(): boolean {
    this.#silent = (this.#silent + 1) % TRIAL_EVERY;
    return this.#silent === 0;
  }
}

/** Of its scene, and of all scenes. */
function keysOf({ source, scene, likelihood, horizon }: GuessKind): readonly string[] {
  const band = BANDS.filter((bound) => bound <= likelihood).length;
  const kind = `${source} ${horizon} ${band}`;
  return [`${kind} ${scene}`, kind];
}
