import { Comparisons } from '../cache/standing/comparisons.ts';
import type { PanelAgreement } from '../cache/standing/tier-standing.ts';

/** Maximum number of states whose last choice is remembered, some 50 bytes each; later states are not compared. */
const STATES_MAX = 1_000_000;

/**
 * How often a record makes the same choice in a state as the last time. A trace has no panels, so this stands in for the agreement between models; no
 * cache can be expected to do better.
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

  /** `state` is the fingerprint of the state. */
  chosen(state: number, action: string): void {
    const before = this.#choices.get(state);
    if (before !== undefined) this.#pairs.add(before === action);
    else if (this.#choices.size >= STATES_MAX) return;
    this.#choices.set(state, action);
  }
}
