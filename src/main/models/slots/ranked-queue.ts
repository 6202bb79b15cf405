/**
 * A queue ordered by rank, lowest first, and for equal ranks by arrival. Kept as a sequence of short sorted lists, so that when
 * thousands come and leave at the same moment, each costs the square root of their number instead of their number.
 */
export interface Ranked {
  readonly rankMs: number;
}

interface Place<T> {
  readonly item: T;
  readonly seq: number;
}

const LIST_MAX = 256;

export class RankedQueue<T extends Ranked> {
  /** No list is empty. */
  readonly #lists: Place<T>[][] = [];
  readonly #seqs = new Map<T, number>();
  #nextSeq = 0;

  get length(): number {
    return this.#seqs.size;
  }

  get first(): T | undefined {
    return this.#lists[0]?.[0]?.item;
  }

  has(item: T): boolean {
    return this.#seqs.has(item);
  }

  /** Adds an item behind all others of the same rank. */
  add(item: T): void {
    const place = { item, seq: this.#nextSeq++ };
    this.#seqs.set(item, place.seq);
    const last = this.#lists.length - 1;
    if (last < 0) return void this.#lists.push([place]);
    const at = Math.min(this.#listOf(item.rankMs, place.seq), last);
    const list = this.#lists[at] as Place<T>[];
    list.splice(placeIn(list, item.rankMs, place.seq), 0, place);
    if (list.length > LIST_MAX) this.#lists.splice(at + 1, 0, list.splice(LIST_MAX >> 1));
  }

  /** Removes an item. Does nothing if it is not in the queue. */
  delete(item: T): void {
    const seq = this.#seqs.get(item);
    if (seq === undefined) return;
    this.#seqs.delete(item);
    const at = this.#listOf(item.rankMs, seq);
    const list = this.#lists[at] as Place<T>[];
    list.splice(placeIn(list, item.rankMs, seq), 1);
    if (list.length === 0) this.#lists.splice(at, 1);
  }

  shift(): T | undefined {
    const { first } = this;
    if (first !== undefined) this.delete(first);
    return first;
  }

  /** The first item that passes. */
  find(passes: (item: T) => boolean): T | undefined {
    for (const list of this.#lists) for (const { item } of list) if (passes(item)) return item;
    return undefined;
  }

  /** Number of items that come before one of this rank added now. */
  before(rankMs: number): number {
    const at = this.#listOf(rankMs, this.#nextSeq);
    let count = 0;
    for (let nth = 0; nth < at; nth++) count += (this.#lists[nth] as Place<T>[]).length;
    const list = this.#lists[at];
    return list === undefined ? count : count + placeIn(list, rankMs, this.#nextSeq);
  }

  /** Items from one place to another, as `Array.slice`. */
  slice(from: number, to: number): T[] {
    const items: T[] = [];
    let start = 0;
    for (const list of this.#lists) {
      if (start >= to) break;
      for (const { item } of list.slice(Math.max(0, from - start), to - start)) items.push(item);
      start += list.length;
    }
    return items;
  }

  /** The first list whose last place is not before this one. */
  #listOf(rankMs: number, seq: number): number {
    return firstNot(this.#lists, (list) => isBefore(list.at(-1) as Place<T>, rankMs, seq));
  }
}

function placeIn<T extends Ranked>(list: readonly Place<T>[], rankMs: number, seq: number): number {
  return firstNot(list, (place) => isBefore(place, rankMs, seq));
}

function isBefore({ item, seq }: Place<Ranked>, rankMs: number, otherSeq: number): boolean {
  return item.rankMs < rankMs || (item.rankMs === rankMs && seq < otherSeq);
}

/** The index of the first item that does not pass, in a list in which all passing items come first. */
function firstNot<T>(list: readonly T[], passes: (item: T) => boolean): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (passes(list[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}
