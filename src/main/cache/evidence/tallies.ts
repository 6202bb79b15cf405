import { areAll, areNumbers, areTexts, inChunks } from '../learned/learned-part.ts';

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

/** Number of contexts that are saved in one value: it is written in less than a millisecond. */
const SAVED_AT_ONCE = 250;

/** A context as it is saved: actions are places in the list of its chunk, `pairs` holds a place and a count in turn. */
type SavedTally = readonly [context: string, total: number, pairs: readonly number[], latest: number, inARow: number];

export interface SavedTallies {
  readonly actions: readonly string[];
  readonly tallies: readonly SavedTally[];
}

/**
 * Tallies by context name. Bounded: the most recently used contexts are kept, in two generations. When the young one is full it
 * becomes the old one, and what was not used since the last time is forgotten. Unlike a list in order of use, this can be walked
 * through in parts while it changes.
 */
export class Tallies {
  readonly #generationMax: number;
  #young = new Map<string, ContextTally>();
  #old = new Map<string, ContextTally>();

  constructor(contextsMax: number) {
    this.#generationMax = Math.max(1, contextsMax / 2);
  }

  get(context: string): ContextTally | undefined {
    const young = this.#young.get(context);
    if (young !== undefined) return young;
    const old = this.#old.get(context);
    if (old !== undefined) this.#set(context, old);
    return old;
  }

  #set(context: string, tally: ContextTally): void {
    if (this.#young.size >= this.#generationMax) {
      this.#old = this.#young;
      this.#young = new Map();
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

  *#walk(): Generator<[string, ContextTally]> {
    const [old, young] = [this.#old, this.#young];
    for (const entry of old) if (!young.has(entry[0])) yield entry;
    let left = young.size;
    for (const entry of young) {
      if (left-- === 0) return;
      yield entry;
    }
  }

  /** Adds the contexts of a chunk. Returns false if it is none. */
  restore(chunk: unknown): boolean {
    if (!isSavedChunk(chunk)) return false;
    for (const saved of chunk.tallies) this.#set(saved[0], tallyOf(saved, chunk.actions));
    return true;
  }

  clear(): void {
    this.#young = new Map();
    this.#old = new Map();
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

function savedChunk(chunk: readonly (readonly [string, ContextTally])[]): SavedTallies {
  const places = new Map<string, number>();
  const placeOf = (action: string): number => {
    const place = places.get(action) ?? places.size;
    places.set(action, place);
    return place;
  };
  const tallies = chunk.map(([context, { total, actions, counts, latest, inARow }]): SavedTally => {
    const pairs = actions.flatMap((action, i) => [placeOf(action), counts[i] as number]);
    return [context, total, pairs, placeOf(latest), inARow];
  });
  return { actions: [...places.keys()], tallies };
}

function tallyOf([, total, pairs, latest, inARow]: SavedTally, names: readonly string[]): ContextTally {
  const actions: string[] = [];
  const counts: number[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    actions.push(names[pairs[i] as number] ?? '');
    counts.push(pairs[i + 1] as number);
  }
  return { total, actions, counts, latest: names[latest] ?? '', inARow };
}

function isSavedChunk(value: unknown): value is SavedTallies {
  const { actions, tallies } = (value ?? {}) as Partial<Record<string, unknown>>;
  return areTexts(actions) && areAll(tallies, isSavedTally);
}

function isSavedTally(value: unknown): value is SavedTally {
  if (!Array.isArray(value) || value.length !== 5) return false;
  const pairs: unknown = value[2];
  const isNamed = typeof value[0] === 'string' && Number.isFinite(value[1]);
  const hasPairs = areNumbers(pairs) && pairs.length % 2 === 0;
  return isNamed && hasPairs && Number.isFinite(value[3]) && Number.isFinite(value[4]);
}
