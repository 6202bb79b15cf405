import type { CountedPart, Counts, TotalsRow } from '../exchange/evidence-totals.ts';
import { CLASSES } from './class-outcomes.ts';

const COUNTED = ['judged', 'served', 'probed', 'asked', 'askedWrong', 'sampled', 'sampledWrong'] as const;
type Counted = (typeof COUNTED)[number];

/** Counts of one class: requests judged, served and probed, and outcomes of those that were asked and of samples. */
export type BudgetCounts = Readonly<Record<Counted, number>>;

/** What this node has counted of each class. Unlike what the budget knows, it does not fade, and has nothing of other nodes. */
export class BudgetTotals {
  readonly #counts: Readonly<Record<Counted, Float64Array>> = recordOf(() => new Float64Array(CLASSES));

  count(what: Counted, riskClass: number): void {
    const counts = this.#counts[what];
    counts[riskClass] = (counts[riskClass] as number) + 1;
  }

  observe(riskClass: number, isWrong: boolean, isSample: boolean): void {
    this.count(isSample ? 'sampled' : 'asked', riskClass);
    if (isWrong) this.count(isSample ? 'sampledWrong' : 'askedWrong', riskClass);
  }

  /** As a part of the evidence with one group of this name. */
  part(name: string, hear: (riskClass: number, more: BudgetCounts) => void): CountedPart {
    return {
      totals: () => this.#groups(name),
      has: (group) => group === name,
      isPossible: (row, more) => row < CLASSES && more.length === COUNTED.length && isPossible(countsOf(more)),
      hear: (_, row, more) => hear(row, countsOf(more)),
    };
  }

  *#groups(name: string): Generator<readonly [string, readonly TotalsRow[]]> {
    const rows: TotalsRow[] = [];
    for (let riskClass = 0; riskClass < CLASSES; riskClass++) {
      const counts = COUNTED.map((what) => this.#counts[what][riskClass] as number);
      if (counts.some((count) => count > 0)) rows.push([riskClass, ...counts]);
    }
    if (rows.length > 0) yield [name, rows];
  }

  clear(): void {
    for (const what of COUNTED) this.#counts[what].fill(0);
  }
}

function isPossible({ judged, served, probed, asked, askedWrong, sampled, sampledWrong }: BudgetCounts): boolean {
  return served + probed <= judged && askedWrong <= asked && sampledWrong <= sampled;
}

function countsOf(counts: Counts): BudgetCounts {
  return recordOf((_, i) => counts[i] as number);
}

function recordOf<T>(make: (what: Counted, i: number) => T): Record<Counted, T> {
  return Object.fromEntries(COUNTED.map((what, i) => [what, make(what, i)])) as Record<Counted, T>;
}
