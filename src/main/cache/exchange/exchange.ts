import { areAll, type LearnedPart } from '../learned/learned-part.ts';
import { type CountedPart, EvidenceTotals } from './evidence-totals.ts';

/** A place in a log of the cluster. */
export interface LogPlace {
  readonly log: string;
  readonly entry: string;
}

type SavedNumber = readonly [node: string, number: number];

/** Maximum number of nodes whose last precedent is remembered: more than a log has, or what is read there again would be learned again. */
const NODES_MAX = 20_000;

/** What of a cluster is already part of this node's memory, so that it is never counted, or cleared, a second time. */
export class Exchange {
  readonly totals: EvidenceTotals;
  /** The number of the last precedent that was learned, by incarnation. */
  readonly #learned = new Map<string, number>();
  #isRestored = false;
  /** Returns the number of the last precedent of this node. */
  ownNumber: () => number = () => 0;
  /** The last clear that was applied here. */
  lastClear: LogPlace | undefined;
  /** Something was learned from another node. */
  onLearned: () => void = () => {};
  /** `lastClear` has changed. */
  onClear: () => void = () => {};

  constructor(parts: readonly CountedPart[]) {
    this.totals = new EvidenceTotals(parts);
  }

  /** Whether nothing is known: neither from this run, nor from disk, nor from another node. */
  get isBlank(): boolean {
    return !this.#isRestored && this.totals.isBlank;
  }

  /** Notes the number of a precedent. Returns false if it, or a later one of that incarnation, is known. */
  isNew(node: string, number: number): boolean {
    if (number <= (this.#learned.get(node) ?? 0)) return false;
    this.#learned.delete(node);
    this.#learned.set(node, number);
    if (this.#learned.size > NODES_MAX) this.#learned.delete(this.#learned.keys().next().value as string);
    return true;
  }

  noteClear(place: LogPlace): void {
    this.lastClear = place;
    this.onClear();
  }

  /** What outlives the process. These come after all other parts. */
  learnedParts(): LearnedPart[] {
    return [
      this.totals.learnedPart(),
      { name: 'precedents', saved: () => [this.#numbers()], restore: (saved) => this.#restoreNumbers(saved) },
      {
        name: 'clear',
        saved: () => (this.lastClear === undefined ? [] : [this.lastClear]),
        restore: (saved) => this.#restoreClear(saved),
      },
    ];
  }

  #numbers(): SavedNumber[] {
    const { node } = this.totals;
    return [...this.#learned, ...(node === undefined ? [] : [[node, this.ownNumber()] as const])];
  }

  #restoreNumbers(saved: unknown): boolean {
    if (!areAll(saved, isSavedNumber)) return false;
    for (const [node, number] of saved) this.#learned.set(node, number);
    this.#isRestored = true;
    return true;
  }

  #restoreClear(saved: unknown): boolean {
    const { log, entry } = (saved ?? {}) as Partial<Record<string, unknown>>;
    if (typeof log !== 'string' || typeof entry !== 'string') return false;
    this.lastClear = { log, entry };
    return true;
  }
}

function isSavedNumber(value: unknown): value is SavedNumber {
  return Array.isArray(value) && typeof value[0] === 'string' && Number.isSafeInteger(value[1]);
}
