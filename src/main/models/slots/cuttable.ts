import type { Slot } from './ask.ts';
import type { EndpointGate } from './endpoint-gate.ts';

/** The signal of a call that is also cancelled if this node loses its lease for the slot. Without a shared budget, `signal` itself. */
export function cuttable({ budget }: EndpointGate, slot: Slot, signal: AbortSignal): AbortSignal {
  if (budget === undefined) return signal;
  const cut = new AbortController();
  slot.cut = () => cut.abort();
  return AbortSignal.any([signal, cut.signal]);
}
