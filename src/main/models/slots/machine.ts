/**
 * One machine behind several endpoints, such as two model servers on one graphics card: they share one budget of slots, that of the
 * endpoint that has most, and a call of one is company to the calls of the others. A slot that becomes free goes to whoever is first
 * in the order of all. Each endpoint keeps its own limit as well.
 */
export interface MachineGate {
  readonly ownSlots: number;
  readonly ownBusy: number;
  readonly ownWaiting: number;
  readonly ownInBackground: number;
  /** Of the one that is served next; infinite where none waits. */
  readonly firstRankMs: number;
  /** Waiters that are served before one of this rank. */
  ownAhead(rankMs: number): number;
  /** Slots at work times milliseconds. */
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

  /** A slot may be free: it is offered in the order of those who wait. */
  wake(): void {
    // Whoever is woken may wake the machine.
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
