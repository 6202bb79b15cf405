/**
 * Second tries are for the slowest few calls (hedged requests: Dean and Barroso, The Tail at Scale, 2013). At most one call in
 * twenty gets one: if most calls are slow, second tries would only add load.
 */
const SHARE_MAX = 0.05;
/** Upper bound on unused tries that are saved up. */
const SAVED_MAX = 5;

export class HedgeBudget {
  #saved = 0;

  /** A first try was made. */
  called(): void {
    this.#saved = Math.min(SAVED_MAX, this.#saved + SHARE_MAX);
  }

  /** Whether a second try may be made now; if so, it is counted. */
  take(): boolean {
    // A sum of twentieths is a little less than 1 after twenty.
    if (this.#saved < 1 - 1e-9) return false;
    this.#saved -= 1;
    return true;
  }
}
