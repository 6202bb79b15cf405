import { areNumbers, areTexts } from '../learned/learned-part.ts';
import type { ContextTally } from './tallies.ts';

/** Number of contexts that are saved in one value: it is written in less than a millisecond. */
export const SAVED_AT_ONCE = 250;

/**
 * Contexts as they are saved. Each has a row of numbers: total, latest, in a row, number of actions, and for each of these its
 * place and its count. Actions are places in the list.
 */
export interface SavedTallies {
  readonly actions: readonly string[];
  readonly contexts: readonly string[];
  /** The rows, one after the other. */
  readonly rows: readonly number[];
}

const ROW_HEAD = 4;

export function savedChunk(chunk: readonly (readonly [string, ContextTally])[]): SavedTallies {
  const places = new Map<string, number>();
  const placeOf = (action: string): number => {
    const place = places.get(action) ?? places.size;
    places.set(action, place);
    return place;
  };
  const rows: number[] = [];
  for (const [, { total, actions, counts, latest, inARow }] of chunk) {
    rows.push(total, placeOf(latest), inARow, actions.length);
    for (const [i, action] of actions.entries()) rows.push(placeOf(action), counts[i] as number);
  }
  return { actions: [...places.keys()], contexts: chunk.map(([context]) => context), rows };
}

export function isSavedChunk(value: unknown): value is SavedTallies {
  const { actions, contexts, rows } = (value ?? {}) as Partial<Record<string, unknown>>;
  return areTexts(actions) && areTexts(contexts) && areNumbers(rows);
}

/** Number of places in the numbers of one chunk: a chunk and a row in it are one number. */
const CHUNK_PLACES = 2 ** 14;

/** Contexts of an earlier process. Restoring many is fast, because a tally is made only when it is asked for. */
export class RestoredTallies {
  readonly #chunks: SavedTallies[] = [];
  readonly #places = new Map<string, number>();

  /** Returns false, and changes nothing, if the rows are not as many as the contexts. */
  add(chunk: SavedTallies): boolean {
    const starts = startsOf(chunk);
    if (starts === undefined) return false;
    const first = this.#chunks.push(chunk) - 1;
    for (const [i, context] of chunk.contexts.entries()) {
      this.#places.set(context, first * CHUNK_PLACES + (starts[i] as number));
    }
    return true;
  }

  get(context: string): ContextTally | undefined {
    const place = this.#places.get(context);
    return place === undefined ? undefined : this.#tallyAt(place);
  }

  *all(): Generator<readonly [string, ContextTally]> {
    for (const [context, place] of this.#places) yield [context, this.#tallyAt(place)];
  }

  #tallyAt(place: number): ContextTally {
    const { actions: names, rows } = this.#chunks[Math.floor(place / CHUNK_PLACES)] as SavedTallies;
    const at = place % CHUNK_PLACES;
    const nameOf = (cell: number): string => names[rows[cell] as number] ?? '';
    const actions: string[] = [];
    const counts: number[] = [];
    for (let cell = at + ROW_HEAD, left = rows[at + 3] as number; left > 0; left--, cell += 2) {
      actions.push(nameOf(cell));
      counts.push(rows[cell + 1] as number);
    }
    return { total: rows[at] as number, latest: nameOf(at + 1), inARow: rows[at + 2] as number, actions, counts };
  }
}

/** Where the row of each context starts; undefined if the numbers are not rows of that many contexts. */
function startsOf({ contexts, rows }: SavedTallies): number[] | undefined {
  if (rows.length > CHUNK_PLACES) return undefined;
  const starts: number[] = [];
  let at = 0;
  while (at < rows.length) {
    starts.push(at);
    const actions = rows[at + 3];
    if (actions === undefined || actions < 0 || !Number.isInteger(actions)) return undefined;
    at += ROW_HEAD + 2 * actions;
  }
  return at === rows.length && starts.length === contexts.length ? starts : undefined;
}
