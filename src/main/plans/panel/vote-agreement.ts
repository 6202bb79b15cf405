import { Comparisons } from '../../cache/standing/comparisons.ts';
import { COMPARISONS_MIN, type PanelAgreement } from '../../cache/standing/tier-standing.ts';
import type { ExpertVote } from './tally.ts';

/**
 * How often two experts agree on one state, which is the standard for anything that answers in their place. In each panel, the
 * first two votes are compared. A panel that agrees stops there and one that does not continues, so comparing all pairs would
 * count disagreement several times.
 */
export class VoteAgreement implements PanelAgreement {
  readonly #pairs = new Comparisons();
  readonly #roles = new Comparisons();

  get compared(): number {
    return this.#pairs.total;
  }

  get rate(): number | undefined {
    return this.#pairs.rate;
  }

  get ofRoles(): number | undefined {
    return this.#roles.total < COMPARISONS_MIN ? undefined : this.#roles.rate;
  }

  /** Records whether the first two roles of a read chose the same action. */
  read(areAlike: boolean): void {
    this.#roles.add(areAlike);
  }

  /** Records the votes of one panel, in the order of arrival. */
  heard([first, second]: readonly ExpertVote[]): void {
    if (first !== undefined && second !== undefined) this.#pairs.add(first.vote.action === second.vote.action);
  }
}
