import { readSync } from 'node:fs';
import {
  DEPTH_MAX,
  META_PAGES,
  NO_PAGE,
  NODE,
  NODE_FLAG,
  PAGE,
  PAGE_BYTES_MAX,
  PAGE_KIND,
  REFERENCE,
  readSignedWord,
  readWord,
  type TreeHeader,
} from './lmdb-layout.ts';

/** Thrown if a file is unusable. Its message is the reason, for the warning. */
export class Damage extends Error {
  override readonly name = 'Damage';
}

/** Throws Damage if `holds` is false. */
export function check(holds: boolean, reason: string): asserts holds {
  if (!holds) throw new Damage(reason);
}

export interface TreeSnapshot {
  readonly fd: number;
  readonly pageBytes: number;
  readonly lastPage: number;
  readonly transaction: number;
}

/** A value in memory: in its leaf, or in the run of pages that was read for it. */
export interface ValueAt {
  readonly view: DataView;
  readonly at: number;
  readonly bytes: number;
}

export interface TreeRules {
  readonly name: string;
  readonly keys: 'bytes' | 'integers';
  /** Exact length of every key, in bytes. */
  readonly keyBytes?: number;
  /** Whether values are trees, as in the table of names. */
  readonly valuesAreTrees?: boolean;
  /** Called with each entry, in order. */
  readonly entry?: (key: Uint8Array, value: ValueAt) => void;
}

interface LoadedPage {
  readonly bytes: Uint8Array;
  readonly words: Uint16Array;
  readonly view: DataView;
}

/** Number of pages between two yields: a fraction of a millisecond. */
const PAGES_PER_STEP = 64;
const MARK = { NONE: 0, USED: 1, FREE: 2 } as const;

function loadedPage(pageBytes: number): LoadedPage {
  const buffer = new ArrayBuffer(pageBytes);
  return { bytes: new Uint8Array(buffer), words: new Uint16Array(buffer), view: new DataView(buffer) };
}

/**
 * Walks the trees of one snapshot as lmdb would and checks every number that lmdb would follow: page kinds, counts, offsets,
 * lengths, order of keys, and that no page has two owners. Yields regularly so that the caller can let other work run.
 */
export class TreeWalk {
  readonly #snapshot: TreeSnapshot;
  readonly #marks: Uint8Array;
  readonly #levels: LoadedPage[] = [];
  readonly #offsets = new Uint16Array(PAGE_BYTES_MAX / 2);
  /** The last key passed, in order. A branch bound may be equal to the first key below it. */
  readonly #lastKey = new Uint8Array(PAGE_BYTES_MAX);
  #lastKeyBytes = -1;
  #lastIsBound = false;
  #counts = { branches: 0, leaves: 0, overflows: 0, entries: 0 };
  #pagesRead = 0;

  constructor(snapshot: TreeSnapshot) {
    this.#snapshot = snapshot;
    this.#marks = new Uint8Array(snapshot.lastPage + 1);
  }

  markFree(page: number, pages: number): void {
    this.#mark(page, pages, MARK.FREE);
  }

  *walk(tree: TreeHeader, rules: TreeRules): Generator<void> {
    this.#counts = { branches: 0, leaves: 0, overflows: 0, entries: 0 };
    this.#lastKeyBytes = -1;
    check(tree.depth <= DEPTH_MAX, `${rules.name}: a tree of ${tree.depth} levels`);
    check((tree.root === NO_PAGE) === (tree.depth === 0), `${rules.name}: a depth without a root`);
    if (tree.depth === 1) this.#leaf(tree.root, 0, rules);
    else if (tree.depth > 1) yield* this.#branch(tree.root, 0, tree.depth, rules);
    const { branches, leaves, overflows, entries } = this.#counts;
    const isCounted =
      tree.branches === branches && tree.leaves === leaves && tree.overflows === overflows && tree.entries === entries;
    check(isCounted, `${rules.name}: other numbers of pages and entries than counted`);
  }

  *#branch(page: number, level: number, depth: number, rules: TreeRules): Generator<void> {
    const loaded = this.#load(page, level, PAGE_KIND.BRANCH);
    const nodes = this.#nodes(loaded, page, true, rules);
    this.#counts.branches++;
    // lmdb temporarily leaves a single child in the free tree.
    check(nodes >= (rules.keys === 'integers' ? 1 : 2), `${rules.name}: page ${page} is a branch of ${nodes}`);
    for (let i = 0; i < nodes; i++) {
      const at = nodeAt(loaded, i);
      if (i > 0) this.#pass(loaded, at, page, true, rules);
      const child = loaded.view.getUint32(at, true) + loaded.view.getUint16(at + NODE.FLAGS, true) * 2 ** 32;
      if (level + 2 < depth) yield* this.#branch(child, level + 1, depth, rules);
      else this.#leaf(child, level + 1, rules);
      if (++this.#pagesRead % PAGES_PER_STEP === 0) yield;
    }
  }

  #leaf(page: number, level: number, rules: TreeRules): void {
    const loaded = this.#load(page, level, PAGE_KIND.LEAF);
    const nodes = this.#nodes(loaded, page, false, rules);
    check(nodes > 0, `${rules.name}: page ${page} is an empty leaf`);
    this.#counts.leaves++;
    this.#counts.entries += nodes;
    for (let i = 0; i < nodes; i++) {
      const at = nodeAt(loaded, i);
      this.#pass(loaded, at, page, false, rules);
      const keyBytes = loaded.view.getUint16(at + NODE.KEY_BYTES, true);
      const valueBytes = loaded.view.getUint32(at, true);
      const valueAt = at + NODE.HEADER_BYTES + keyBytes;
      const flags = loaded.view.getUint16(at + NODE.FLAGS, true);
      const value =
        flags === NODE_FLAG.BIG
          ? this.#run(loaded.view, valueAt, valueBytes, rules)
          : { view: loaded.view, at: valueAt, bytes: valueBytes };
      rules.entry?.(loaded.bytes.subarray(at + NODE.HEADER_BYTES, valueAt), value);
    }
  }

  /** Returns the run of pages that a long value refers to. */
  #run(view: DataView, at: number, valueBytes: number, rules: TreeRules): ValueAt {
    const { fd, pageBytes } = this.#snapshot;
    const page = readWord(view, at + REFERENCE.PAGE);
    const pages = readWord(view, at + REFERENCE.PAGES);
    check(pages === Math.ceil((PAGE.HEADER_BYTES + valueBytes) / pageBytes), `${rules.name}: a run of ${pages} pages`);
    this.#mark(page, pages, MARK.USED);
    this.#counts.overflows += pages;
    // Read to its end, because otherwise reading the value from the map could end the process.
    const run = loadedPage(pages * pageBytes);
    check(readSync(fd, run.bytes, 0, run.bytes.length, page * pageBytes) === run.bytes.length, 'the file ends early');
    this.#checkHeader(run.view, page, PAGE_KIND.OVERFLOW);
    check(run.view.getUint32(PAGE.RUN_PAGES, true) === pages, `${rules.name}: page ${page} begins another run`);
    return { view: run.view, at: PAGE.HEADER_BYTES, bytes: valueBytes };
  }

  #load(page: number, level: number, kind: number): LoadedPage {
    const { fd, pageBytes } = this.#snapshot;
    this.#mark(page, 1, MARK.USED);
    const loaded = this.#levels[level] ?? loadedPage(pageBytes);
    this.#levels[level] = loaded;
    check(readSync(fd, loaded.bytes, 0, pageBytes, page * pageBytes) === pageBytes, 'the file ends early');
    this.#checkHeader(loaded.view, page, kind);
    return loaded;
  }

  #checkHeader(view: DataView, page: number, kind: number): void {
    check(readWord(view, PAGE.NUMBER) === page, `page ${page} says that it is another`);
    check(view.getUint16(PAGE.FLAGS, true) === kind, `page ${page} is of another kind`);
    check(readWord(view, PAGE.TRANSACTION) <= this.#snapshot.transaction, `page ${page} is newer than the file`);
  }

  /** Checks that offsets and nodes fill the page as `lower` and `upper` say, without gaps or overlaps. */
  #nodes(loaded: LoadedPage, page: number, isBranch: boolean, rules: TreeRules): number {
    const { words, view } = loaded;
    const room = this.#snapshot.pageBytes - PAGE.HEADER_BYTES;
    const lower = view.getUint16(PAGE.LOWER, true);
    const upper = view.getUint16(PAGE.UPPER, true);
    check(lower % 2 === 0 && lower <= upper && upper <= room, `${rules.name}: page ${page} has no such room`);
    const nodes = lower / 2;
    const offsets = this.#offsets.subarray(0, nodes);
    offsets.set(words.subarray(PAGE.HEADER_BYTES / 2, PAGE.HEADER_BYTES / 2 + nodes));
    offsets.sort();
    let end = upper;
    for (let i = 0; i < nodes; i++) {
      check(offsets[i] === end, `${rules.name}: the nodes of page ${page} leave a gap or overlap`);
      check(end + NODE.HEADER_BYTES <= room, `${rules.name}: a node of page ${page} passes its end`);
      end += this.#nodeBytes(view, PAGE.HEADER_BYTES + end, isBranch, rules);
      check(end <= room, `${rules.name}: a node of page ${page} passes its end`);
    }
    check(end === room, `${rules.name}: the nodes of page ${page} leave a gap`);
    return nodes;
  }

  #nodeBytes(view: DataView, at: number, isBranch: boolean, rules: TreeRules): number {
    const keyBytes = view.getUint16(at + NODE.KEY_BYTES, true);
    let bytes = NODE.HEADER_BYTES + keyBytes;
    if (!isBranch) {
      const flags = view.getUint16(at + NODE.FLAGS, true);
      const isBig = flags === NODE_FLAG.BIG && !rules.valuesAreTrees;
      check(isBig || flags === (rules.valuesAreTrees ? NODE_FLAG.TREE : 0), `${rules.name}: a value of kind ${flags}`);
      check(keyBytes > 0, `${rules.name}: an empty key`);
      bytes += isBig ? REFERENCE.BYTES : view.getUint32(at, true);
    }
    return bytes + (bytes % 2);
  }

  /** Passes a key, which must come after the last one. */
  #pass(loaded: LoadedPage, at: number, page: number, isBound: boolean, rules: TreeRules): void {
    const keyBytes = loaded.view.getUint16(at + NODE.KEY_BYTES, true);
    const keyAt = at + NODE.HEADER_BYTES;
    const { bytes } = loaded;
    // A branch of byte keys may shorten them: only leaves have the full length.
    const isLength = rules.keyBytes === undefined || keyBytes === rules.keyBytes || (isBound && rules.keys === 'bytes');
    check(isLength, `${rules.name}: page ${page} has a key of ${keyBytes} bytes`);
    if (this.#lastKeyBytes >= 0) {
      const order =
        rules.keys === 'integers'
          ? compareIntegers(bytes, keyAt, this.#lastKey)
          : compareBytes(bytes, keyAt, keyBytes, this.#lastKey, this.#lastKeyBytes);
      check(order > 0 || (order === 0 && this.#lastIsBound), `${rules.name}: page ${page} is out of order`);
    }
    for (let i = 0; i < keyBytes; i++) this.#lastKey[i] = bytes[keyAt + i] as number;
    this.#lastKeyBytes = keyBytes;
    this.#lastIsBound = isBound;
  }

  #mark(page: number, pages: number, mark: number): void {
    const isPage = Number.isSafeInteger(page) && pages >= 1;
    check(
      isPage && page >= META_PAGES && page + pages - 1 <= this.#snapshot.lastPage,
      `page ${page} is not in the file`,
    );
    for (let i = page; i < page + pages; i++) {
      check(this.#marks[i] === MARK.NONE, `page ${i} has two owners`);
      this.#marks[i] = mark;
    }
  }
}

/** Marks the pages of one record of the free tree. */
export function markFreeRecord(walk: TreeWalk, value: ValueAt): void {
  check(value.bytes >= 8 && value.bytes % 8 === 0, 'a free-page record of another size');
  const count = readSignedWord(value.view, value.at);
  check(count >= 0 && count < value.bytes / 8, `a free-page record of ${count} pages`);
  for (let i = 1; i <= count; i++) {
    const item = readSignedWord(value.view, value.at + i * 8);
    if (item > 0) walk.markFree(item, 1);
    if (item >= 0) continue;
    check(++i <= count, 'a run of free pages without its first page');
    walk.markFree(readSignedWord(value.view, value.at + i * 8), -item);
  }
}

function nodeAt(loaded: LoadedPage, index: number): number {
  return PAGE.HEADER_BYTES + (loaded.words[PAGE.HEADER_BYTES / 2 + index] as number);
}

function compareBytes(a: Uint8Array, at: number, length: number, b: Uint8Array, bLength: number): number {
  const shared = Math.min(length, bLength);
  for (let i = 0; i < shared; i++) {
    const difference = (a[at + i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return length - bLength;
}

function compareIntegers(a: Uint8Array, at: number, b: Uint8Array): number {
  for (let i = 7; i >= 0; i--) {
    const difference = (a[at + i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}
