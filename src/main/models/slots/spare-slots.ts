import type { SlotNeed } from './ask.ts';
import { cuttable } from './cuttable.ts';
import type { EndpointGate } from './endpoint-gate.ts';

export interface SpareSlot {
  /** The signal of the request that has it. */
  readonly signal: AbortSignal;
  release(holdMs: number): void;
}

/** Slots for further requests of a call that has one already: only such as are free at once, and only while no call waits. */
export class SpareSlots {
  readonly #gate: EndpointGate;
  readonly #need: SlotNeed;
  readonly #signal: AbortSignal;

  /** `signal` is that of the call. */
  constructor(gate: EndpointGate, need: SlotNeed, signal: AbortSignal) {
    this.#gate = gate;
    this.#need = need;
    this.#signal = signal;
  }

  get count(): number {
    return this.#gate.isIdle ? this.#gate.idle : 0;
  }

  /** Takes one; undefined if there is none. */
  take(): SpareSlot | undefined {
    const slot = this.#gate.takeIdle({ need: this.#need, modelNow: () => this.#need.model });
    if (slot === undefined) return undefined;
    return {
      signal: cuttable(this.#gate, slot, this.#signal),
      release: (holdMs) => slot.release(holdMs),
    };
  }
}
