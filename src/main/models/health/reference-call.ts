import { type Clock, deadlineSignal } from '../../../shared/clock.ts';
import type { ErrorCode } from '../../../shared/errors.ts';
import type { ChatCaller } from '../../../shared/vote-answer.ts';
import type { EndpointGate } from '../slots/endpoint-gate.ts';
import type { ServerVerdict } from './server-doubt.ts';

export interface ReferenceParts {
  readonly caller: ChatCaller;
  readonly gate: EndpointGate;
  readonly clock: Clock;
}

/** Time for its slot and its answer together. A server that takes longer for one word is slow, which is no failure. */
const REFERENCE_MS = 3_000;
/** Codes with which a server reports what is wrong, which shows that it works. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set(['ERR_MODEL_INVALID_ID', 'ERR_MODEL_REJECTED', 'ERR_MODEL_EMPTY']);

/**
 * Makes a request that is known to be good: one short line of plain text, one token of answer. It goes ahead of all waiting
 * calls, since they depend on its result. Never rejects.
 */
export async function referenceCall(
  { caller, gate, clock }: ReferenceParts,
  model: string,
  closing: AbortSignal,
): Promise<ServerVerdict> {
  using deadline = deadlineSignal(clock, clock.now() + REFERENCE_MS, closing);
  const slot = await gate.acquire(deadline.signal, { rankMs: 0, modelNow: () => model });
  if (slot === undefined) return 'unknown';
  try {
    const call = {
      model,
      messages: [{ role: 'user', content: 'Say yes.' }] as const,
      maxTokens: 1,
      temperature: 0,
      timeoutMs: REFERENCE_MS,
    };
    const outcome = await caller.chat(call, deadline.signal);
    if (outcome.ok || REFUSALS.has(outcome.failure.code)) return 'well';
    const { code } = outcome.failure;
    return code === 'ERR_CANCELLED' || code.startsWith('ERR_MODEL_TIMEOUT') ? 'unknown' : 'ill';
  } catch {
    // A bug in the caller says nothing about the server.
    return 'unknown';
  } finally {
    slot.release();
  }
}
