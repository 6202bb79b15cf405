import type { ErrorCode } from '../../../shared/errors.ts';
import type { ModelEndpoint } from '../model-endpoint.ts';
import type { Ask, Slot } from '../slots/ask.ts';
import type { LoopTurns } from './loop-turns.ts';

export type Entry =
  /** The call may start. `ModelEndpoint.ended` releases its slot and its place at the breaker. */
  | { readonly kind: 'entered'; readonly slot: Slot; readonly model: string | undefined }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string };

const RESTING: Entry = {
  kind: 'refused',
  code: 'ERR_ENDPOINT_RESTING',
  message: 'it has failed too often lately and is not asked for a while',
};
const BUSY: Entry = { kind: 'refused', code: 'ERR_ENDPOINT_BUSY', message: 'no slot became free in time' };
const HOPELESS: Entry = { kind: 'refused', code: 'ERR_STEP_SKIPPED', message: 'too little time was left' };

/** The path of every call into an endpoint: rest, slot, turn of the event loop, check that it is still wanted, breaker. */
export async function enterEndpoint(
  at: ModelEndpoint,
  ask: Ask,
  turns: LoopTurns,
  signal: AbortSignal,
  isHopeless: () => boolean = () => false,
): Promise<Entry> {
  // Checked before and after the wait: no call waits for a slot of an endpoint that rests.
  if (at.isResting) return RESTING;
  const slot = await at.gate.acquire(signal, ask);
  if (slot !== undefined) await turns.next('with-slot');
  if (slot === undefined || signal.aborted) {
    slot?.release();
    return BUSY;
  }
  if (isHopeless()) {
    slot.release();
    return HOPELESS;
  }
  if (!at.tryEnter()) {
    slot.release();
    return RESTING;
  }
  return { kind: 'entered', slot, model: at.modelOf(slot) };
}
