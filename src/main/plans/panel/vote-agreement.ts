import { Comparisons } from '../../cache/standing/comparisons.ts';
import type { PanelAgreement } from '../../cache/standing/tier-standing.ts';
import type { ExpertVote } from './tally.ts';

/**
 * How often two experts agree on one state, which is the standard for anything that answers in their place. In each panel, the
 * first two votes are compared. A panel that agrees stops there and one that does not continues, so comparing all pairs would
 * count disagreement several times.
 */
export class VoteAgreement implements PanelAgreement {
  readonly #pairs = new Comparisons();

  get compared(): number {
    return this.#pairs.total;
  }

  get rate(): number | undefined {
    return this.#pairs.rate;
  }

  /** Records the votes of one panel, in the order of arrival. */
  heard([first, second]: readonly ExpertVote[]): void {
    if (first !== undefined && second !== undefined) this.#pairs.add(first.vote.action === second.vote.action);
  }
}
