/**
 * The states that an agent was in of late, one visit each however long it stayed, with what it did there last. A state that
 * comes round again and again while memory answers the same in it is a cycle: nothing new is seen, and nothing that was
 * remembered leads out of it. It need not be wrong: agents have few states in some worlds, and go round in them for ever.
 */

/** The same answer from memory counts towards a cycle when its visits are at most so many visits apart. */
const CYCLE_VISITS = 16;
/** Two such stretches: from now back to the last time, and from there to the one before. A power of two. */
const KEPT = 2 * CYCLE_VISITS;
/** Served so often already with nothing new between, the same answer is not served again before models were asked. */
const SERVED_MAX = 2;

const FROM_MEMORY = 1;
/** The state was not among those kept when the agent came there. */
const NEW = 2;

export class Visits {
  readonly #states = new Float64Array(KEPT);
  readonly #marks = new Uint8Array(KEPT);
  readonly #actions: string[] = [];
  /** Visits since the beginning; the latest one stands at `#count - 1`, modulo what is kept. */
  #count = 0;

  /** The agent has come to a state, by its fingerprint, and takes this action there. */
  entered(state: number, action: string, isFromMemory: boolean): void {
    const isNew = !this.#isKept(state);
    const at = this.#count++ & (KEPT - 1);
    this.#states[at] = state;
    this.#actions[at] = action;
    this.#marks[at] = (isNew ? NEW : 0) | (isFromMemory ? FROM_MEMORY : 0);
  }

  /** It is still there and takes this action now. */
  stayed(action: string, isFromMemory: boolean): void {
    const at = (this.#count - 1) & (KEPT - 1);
    this.#actions[at] = action;
    this.#marks[at] = ((this.#marks[at] as number) & ~FROM_MEMORY) | (isFromMemory ? FROM_MEMORY : 0);
  }

  /** Whether to serve this from memory once more in this state would go round in a cycle. */
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

  #isKept(state: number): boolean {
    const states = this.#states;
    const kept = Math.min(this.#count, KEPT);
    for (let at = 0; at < kept; at++) if (states[at] === state) return true;
    return false;
  }
}
