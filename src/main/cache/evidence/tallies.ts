import { inChunks } from '../learned/learned-part.ts';
import { isSavedChunk, RestoredTallies, SAVED_AT_ONCE, type SavedTallies, savedChunk } from './saved-tallies.ts';

/** How often each action was decided in one context, and which one was decided in a row most recently. */
export interface ContextTally {
  /** All decisions here, including those for actions that are no longer kept. */
  total: number;
  readonly actions: string[];
  readonly counts: number[];
  /** The action decided last, and how many times in a row. */
  latest: string;
  inARow: number;
}

/** This many equal answers in a row halve an older majority: models may have changed their mind. */
const TURNED_AFTER = 2;

/** Maximum number of different actions kept for a context. Beyond it, the rarest is dropped. */
const ACTIONS_MAX = 16;

/**
 * Tallies by context name. Bounded: the most recently used contexts are kept, in two generations. When the young one is full it
 * becomes the old one, and what was not used since the last time is forgotten, as is what was restored and not used since. Unlike a
 * list in order of use, this can be walked through in parts while it changes.
 */
export class Tallies {
  readonly #generationMax: number;
  #young = new Map<string, ContextTally>();
  #old = new Map<string, ContextTally>();
  #restored = new RestoredTallies();

  constructor(contextsMax: number) {
    this.#generationMax = Math.max(1, contextsMax / 2);
  }

  get(context: string): ContextTally | undefined {
    const young = this.#young.get(context);
    if (young !== undefined) return young;
    const older = this.#old.get(context) ?? this.#restored.get(context);
    if (older !== undefined) this.#set(context, older);
    return older;
  }

  #set(context: string, tally: ContextTally): void {
    if (this.#young.size >= this.#generationMax) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#restored = new RestoredTallies();
    }
    this.#young.set(context, tally);
  }

  add(context: string, action: string): void {
    const tally = this.get(context);
    if (tally === undefined) {
      this.#set(context, { total: 1, actions: [action], counts: [1], latest: action, inARow: 1 });
      return;
    }
    tally.total++;
    tally.inARow = tally.latest === action ? tally.inARow + 1 : 1;
    tally.latest = action;
    if (tally.inARow >= TURNED_AFTER && countOf(tally, action) < tally.total / 2) halveOlder(tally);
    const at = tally.actions.indexOf(action);
    if (at >= 0) {
      (tally.counts[at] as number)++;
      return;
    }
    if (tally.actions.length < ACTIONS_MAX) {
      tally.actions.push(action);
      tally.counts.push(1);
      return;
    }
    const rarest = tally.counts.indexOf(Math.min(...tally.counts));
    tally.actions[rarest] = action;
    tally.counts[rarest] = 1;
  }

  /** All contexts in chunks, the oldest first. What changes meanwhile is included or not. */
  *saved(): Generator<SavedTallies> {
    for (const chunk of inChunks(this.#walk(), SAVED_AT_ONCE)) yield savedChunk(chunk);
  }

  *#walk(): Generator<readonly [string, ContextTally]> {
    const [restored, old, young] = [this.#restored, this.#old, this.#young];
    for (const entry of restored.all()) if (!old.has(entry[0]) && !young.has(entry[0])) yield entry;
    for (const entry of old) if (!young.has(entry[0])) yield entry;
    let left = young.size;
    for (const entry of young) {
      if (left-- === 0) return;
      yield entry;
    }
  }

  /** Adds the contexts of a chunk of an earlier process. Returns false if it is none. */
  restore(chunk: unknown): boolean {
    return isSavedChunk(chunk) && this.#restored.add(chunk);
  }

  clear(): void {
    this.#young = new Map();
    this.#old = new Map();
    this.#restored = new RestoredTallies();
  }
}

export function countOf(tally: ContextTally, action: string): number {
  const at = tally.actions.indexOf(action);
  return at < 0 ? 0 : (tally.counts[at] as number);
}

/** Halves the counts of all actions but the latest. */
function halveOlder(tally: ContextTally): void {
  for (let i = 0; i < tally.counts.length; i++) {
    if (tally.actions[i] === tally.latest) continue;
    tally.counts[i] = (tally.counts[i] as number) / 2;
    tally.total -= tally.counts[i] as number;
  }
}

/** The likeliest of some actions. */
export interface Likeliest {
  readonly action: string;
  readonly chance: number;
  /** The chance of the next one. */
  readonly second: number;
}

/**
 * Finds the likeliest action by what was decided in some contexts, from the finest to the coarsest. The chance of an action is backed
 * off from the coarsest context to the finest (Witten and Bell, 1991): the weight of each context grows with the number of decisions in
 * it and shrinks with the number of different actions, by its place in `doubts`.
 */
export function likeliestOf(
  actions: readonly string[],
  contexts: readonly (ContextTally | undefined)[],
  doubts: readonly number[],
): Likeliest {
  let best = '';
  let chance = 0;
  let second = 0;
  for (const action of actions) {
    const own = backedOffChance(contexts, action, actions.length, doubts);
    if (own > chance) {
      second = chance;
      chance = own;
      best = action;
    } else if (own > second) second = own;
  }
  return { action: best, chance, second };
}

function backedOffChance(
  contexts: readonly (ContextTally | undefined)[],
  action: string,
  choices: number,
  doubts: readonly number[],
): number {
  let chance = 1 / choices;
  for (let level = contexts.length - 1; level >= 0; level--) {
    const tally = contexts[level];
    if (tally === undefined) continue;
    const say = tally.total / (tally.total + 1 + (doubts[level] as number) * tally.actions.length);
    chance = (say * countOf(tally, action)) / tally.total + (1 - say) * chance;
  }
  return chance;
}
