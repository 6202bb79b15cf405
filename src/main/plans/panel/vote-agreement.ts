import { Comparisons } from '../../cache/standing/comparisons.ts';
import type { PanelAgreement } from '../../cache/standing/tier-standing.ts';
import type { ExpertVote } from './tally.ts';

/**
 * How often two experts say the same of one state: what can be expected of anything that answers in their place. Of each
 * panel the two votes that came first are compared. A panel that agrees is stopped there and one that does not goes on, so
 * that all pairs together would count disagreement several times.
 */
export class VoteAgreement implements PanelAgreement {
  readonly #pairs = new Comparisons();

  get compared(): number {
    return this.#pairs.total;
  }

  get rate(): number | undefined {
    return this.#pairs.rate;
  }

  /** Votes of one panel, in the order in which they came. */
  heard([first, second]: readonly ExpertVote[]): void {
    if (first !== undefined && second !== undefined) this.#pairs.add(first.vote.action === second.vote.action);
  }
}
