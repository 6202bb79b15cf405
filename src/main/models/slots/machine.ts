/**
 * One machine behind several endpoints, such as two model servers on one graphics card. They share the number of slots of the
 * endpoint that has most, and a call of one is company to the calls of the others. A slot that becomes free goes to the first
 * call in the common order. Each endpoint also keeps its own limit.
 */
export interface MachineGate {
  readonly ownSlots: number;
  readonly ownBusy: number;
  readonly ownWaiting: number;
  readonly ownInBackground: number;
  /** Rank of the call that is served next; infinite if none waits. */
  readonly firstRankMs: number;
  /** Number of waiting calls that are served before one of this rank. */
  ownAhead(rankMs: number): number;
  /** Busy slots times milliseconds. */
  ownWorked(): number;
  wake(): void;
}

export class Machine {
  readonly #gates: MachineGate[] = [];
  #isWaking = false;

  join(gate: MachineGate): void {
    this.#gates.push(gate);
  }

  get slots(): number {
    return Math.max(...this.#gates.map(({ ownSlots }) => ownSlots));
  }

  get busy(): number {
    return this.#sum(({ ownBusy }) => ownBusy);
  }

  get waiting(): number {
    return this.#sum(({ ownWaiting }) => ownWaiting);
  }

  get inBackground(): number {
    return this.#sum(({ ownInBackground }) => ownInBackground);
  }

  ahead(rankMs: number): number {
    return this.#sum((gate) => gate.ownAhead(rankMs));
  }

  worked(): number {
    return this.#sum((gate) => gate.ownWorked());
  }

  /** Call when a slot may be free: it is offered to the endpoints in the order of their waiting calls. */
  wake(): void {
    // A gate that is woken may wake the machine.
    if (this.#isWaking) return;
    this.#isWaking = true;
    try {
      for (const gate of this.#gates.toSorted((a, b) => a.firstRankMs - b.firstRankMs)) gate.wake();
    } finally {
      this.#isWaking = false;
    }
  }

  #sum(of: (gate: MachineGate) => number): number {
    return this.#gates.reduce((sum, gate) => sum + of(gate), 0);
  }
}
