import { areAll, areNumbers, type LearnedPart } from '../learned/learned-part.ts';

/** What a node has counted of one thing since it started, or since everything was cleared. The numbers only grow. */
export type Counts = readonly number[];

/** One row of a group: its number in the group, then its counts. */
export type TotalsRow = readonly [row: number, ...counts: number[]];

/** Part of the evidence that consists of sums, so that the counts of several nodes can be added. */
export interface CountedPart {
  /** The part's own groups of rows: what this node itself has counted, nothing that it heard of. */
  totals(): Iterable<readonly [group: string, rows: readonly TotalsRow[]]>;
  /** Whether a group is one of this part. */
  has(group: string): boolean;
  /** Whether a node can have counted this. */
  isPossible(row: number, more: Counts): boolean;
  /** Adds what another node has counted since it was heard last. */
  hear(group: string, row: number, more: Counts): void;
}

/** What became of the rows of a group that was heard. */
export type TotalOutcome = 'taken' | 'known' | 'foreign' | 'poisoned';

/**
 * Maximum number of groups of earlier and present nodes whose counts are remembered: more than the engine keeps, or what is read there again would
 * be counted again. The nodes heard longest ago are forgotten.
 */
const GROUPS_MAX = 8_192;
/** No node counts as far as this. */
const COUNT_MAX = 2 ** 48;
const ROWS_MAX = 256;

type Group = Map<number, readonly number[]>;
type SavedNode = readonly [node: string, groups: readonly (readonly [group: string, rows: readonly TotalsRow[]])[]];

/**
 * The totals of each run of a node, its incarnation, by which evidence is shared. A total replaces the one before it of the same
 * incarnation: only what it has more is added to the evidence here, where it fades like what this node counted by itself. So nothing is counted
 * twice, however often and from wherever a total comes, and what a dead node had counted stays. The totals of earlier runs of this node
 * are kept beside the evidence on disk, with which they were counted.
 */
export class EvidenceTotals {
  readonly #parts: readonly CountedPart[];
  readonly #heard = new Map<string, Map<string, Group>>();
  /** Number of groups in it. */
  #groups = 0;
  /** The incarnation of this node; undefined while it is in no cluster. */
  node: string | undefined;

  constructor(parts: readonly CountedPart[]) {
    this.#parts = parts;
  }

  /** Whether neither this node nor another one has counted anything. */
  get isBlank(): boolean {
    return this.#heard.size === 0 && [...this.own()].length === 0;
  }

  /** Number of other incarnations that are counted. */
  get nodes(): number {
    return this.#heard.size;
  }

  /** What this node has counted by itself, in groups that are small enough to be sent. */
  *own(): Generator<readonly [group: string, rows: readonly TotalsRow[]]> {
    for (const part of this.#parts) yield* part.totals();
  }

  /** Takes over a group of another incarnation. Nothing is taken of a group in which a row is none, or has shrunk. */
  hear(node: string, group: string, rows: unknown): TotalOutcome {
    if (node === this.node) return 'known';
    const part = this.#parts.find((each) => each.has(group));
    if (part === undefined) return 'foreign';
    if (!areAll(rows, isRow) || rows.length > ROWS_MAX || new Set(rows.map(([row]) => row)).size < rows.length)
      return 'poisoned';
    const known = this.#heard.get(node)?.get(group) ?? new Map<number, readonly number[]>();
    const more = rows.map(([row, ...counts]): TotalsRow => [row, ...moreOf(counts, known.get(row))]);
    if (more.some(([, ...counts]) => counts.some((count) => count < 0))) return 'known';
    if (more.some(([row, ...counts]) => !part.isPossible(row, counts))) return 'poisoned';
    const grown = more.filter(([, ...counts]) => counts.some((count) => count > 0));
    for (const [row, ...counts] of grown) part.hear(group, row, counts);
    for (const [row, ...counts] of rows) known.set(row, counts);
    this.#keep(node, group, known);
    return grown.length > 0 ? 'taken' : 'known';
  }

  #keep(node: string, group: string, rows: Group): void {
    const groups = this.#heard.get(node) ?? new Map<string, Group>();
    if (!groups.has(group)) this.#groups++;
    // The node heard last is at the end.
    this.#heard.delete(node);
    this.#heard.set(node, groups.set(group, rows));
    if (this.#groups > GROUPS_MAX) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const [oldest] = this.#heard;
    if (oldest === undefined) return;
    const [node, groups] = oldest;
    this.#heard.delete(node);
    this.#groups -= groups.size;
  }

  /** Saved after the evidence: what is counted between the two is lost with the process, and not counted twice. */
  learnedPart(): LearnedPart {
    return { name: 'totals', saved: () => this.#saved(), restore: (saved) => this.#restore(saved) };
  }

  *#saved(): Generator<SavedNode> {
    for (const [node, groups] of this.#heard) {
      yield [node, [...groups].map(([group, rows]) => [group, [...rows].map(([row, counts]) => [row, ...counts])])];
    }
    if (this.node !== undefined) yield [this.node, [...this.own()]];
  }

  #restore(saved: unknown): boolean {
    if (!isSavedNode(saved)) return false;
    const [node, groups] = saved;
    for (const [group, rows] of groups) {
      this.#keep(node, group, new Map(rows.map(([row, ...counts]) => [row, counts])));
    }
    return true;
  }

  /** The counts of all nodes begin anew. */
  clear(): void {
    this.#heard.clear();
    this.#groups = 0;
  }
}

function moreOf(counts: Counts, known: Counts = []): number[] {
  return counts.map((count, i) => count - (known[i] ?? 0));
}

function isRow(value: unknown): value is TotalsRow {
  return areNumbers(value) && value.every((count) => Number.isInteger(count) && count >= 0 && count <= COUNT_MAX);
}

function isSavedNode(value: unknown): value is SavedNode {
  if (!Array.isArray(value) || typeof value[0] !== 'string') return false;
  return areAll(value[1], (group): group is readonly [string, TotalsRow[]] => {
    return Array.isArray(group) && typeof group[0] === 'string' && areAll(group[1], isRow);
  });
}
