import { Comparisons } from '../cache/standing/comparisons.ts';
import type { PanelAgreement } from '../cache/standing/tier-standing.ts';

/** States whose last choice is remembered, some 50 bytes each; of those met later nothing is compared. */
const STATES_MAX = 1_000_000;

/**
 * How often a record chooses in a state what it chose there the last time. A trace has no panels: this is what stands in
 * for the agreement of models with each other, and no cache can be expected to do better.
 */
export class SelfAgreement implements PanelAgreement {
  readonly #pairs = new Comparisons();
  readonly #choices = new Map<number, string>();

  get compared(): number {
    return this.#pairs.total;
  }

  get rate(): number | undefined {
    return this.#pairs.rate;
  }

  /** By the fingerprint of the state. */
  chosen(state: number, action: string): void {
    const before = this.#choices.get(state);
    if (before !== undefined) this.#pairs.add(before === action);
    else if (this.#choices.size >= STATES_MAX) return;
    this.#choices.set(state, action);
  }
}
