/**
 * The recent states of an agent, one visit each regardless of its length, with its last action there. A cycle is a state that
 * comes up again and again while memory gives the same answer in it: the agent sees nothing new, and memory does not lead out of
 * it. A cycle need not be wrong: in some worlds agents have few states and repeat them forever.
 */

/** Maximum distance, in visits, between two equal answers from memory that count towards a cycle. */
const CYCLE_VISITS = 16;
/** Number of visits kept: from now back to the last time, and from there to the one before. A power of two. */
const KEPT = 2 * CYCLE_VISITS;
/** Number of times the same answer is served with nothing new in between, before models are asked. */
const SERVED_MAX = 2;

const FROM_MEMORY = 1;
/** The state was not among those kept when the agent entered it. */
const NEW = 2;

/** A visit as it is saved. */
export type SavedVisit = readonly [state: number, action: string, marks: number];

export class Visits {
  readonly #states = new Float64Array(KEPT);
  readonly #marks = new Uint8Array(KEPT);
  readonly #actions: string[] = [];
  /** Visits since the start; the latest one is at `#count - 1`, modulo the number kept. */
  #count = 0;

  /** Records that the agent enters a state, given by its fingerprint, and takes this action. */
  entered(state: number, action: string, isFromMemory: boolean): void {
    const isNew = !this.#isKept(state);
    const at = this.#count++ & (KEPT - 1);
    this.#states[at] = state;
    this.#actions[at] = action;
    this.#marks[at] = (isNew ? NEW : 0) | (isFromMemory ? FROM_MEMORY : 0);
  }

  /** Records that the agent stays in its state and now takes this action. */
  stayed(action: string, isFromMemory: boolean): void {
    const at = (this.#count - 1) & (KEPT - 1);
    this.#actions[at] = action;
    this.#marks[at] = ((this.#marks[at] as number) & ~FROM_MEMORY) | (isFromMemory ? FROM_MEMORY : 0);
  }

  /** Whether serving this action from memory once more in this state would continue a cycle. */
  isCycle(state: number, action: string): boolean {
    const oldest = Math.max(0, this.#count - KEPT);
    let served = 0;
    let nearest = this.#count;
    for (let visit = this.#count - 1; visit >= oldest && nearest - visit <= CYCLE_VISITS; visit--) {
      const at = visit & (KEPT - 1);
      const marks = this.#marks[at] as number;
      if (this.#states[at] === state && this.#actions[at] === action && (marks & FROM_MEMORY) !== 0) {
        nearest = visit;
        if (++served === SERVED_MAX) return true;
      }
      if ((marks & NEW) !== 0) return false;
    }
    return false;
  }

  /** The visits that are kept, the oldest first. */
  saved(): SavedVisit[] {
    const oldest = Math.max(0, this.#count - KEPT);
    return Array.from({ length: this.#count - oldest }, (_, i) => {
      const at = (oldest + i) & (KEPT - 1);
      return [this.#states[at] as number, this.#actions[at] as string, this.#marks[at] as number];
    });
  }

  /** Takes over what `saved` returned. */
  restore(visits: readonly SavedVisit[]): void {
    this.#count = 0;
    for (const [state, action, marks] of visits.slice(-KEPT)) {
      const at = this.#count++;
      this.#states[at] = state;
      this.#actions[at] = action;
      this.#marks[at] = marks;
    }
  }

  #isKept(state: number): boolean {
    const states = this.#states;
    const kept = Math.min(this.#count, KEPT);
    for (let at = 0; at < kept; at++) if (states[at] === state) return true;
    return false;
  }
}
