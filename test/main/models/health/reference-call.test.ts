import { describe, expect, test } from 'vitest';
import { referenceCall } from '../../../../src/main/models/health/reference-call.ts';
import type { Slot } from '../../../../src/main/models/slots/ask.ts';
import { EndpointGate } from '../../../../src/main/models/slots/endpoint-gate.ts';
import { type ErrorCode, PlannerError } from '../../../../src/shared/errors.ts';
import type { ChatCall, ChatOutcome } from '../../../../src/shared/model-client/model-client.ts';
import type { ChatCaller } from '../../../../src/shared/vote-answer.ts';
import { flush } from '../../../support/drive.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const NEVER = new AbortController().signal;

function make(outcome: 'OK' | ErrorCode | 'throws', slots = 1) {
  const clock = new FakeClock(1_000);
  const gate = new EndpointGate(clock, slots, 0);
  const calls: ChatCall[] = [];
  const caller: ChatCaller = {
    chat: async (call): Promise<ChatOutcome> => {
      calls.push(call);
      if (outcome === 'throws') throw new TypeError('a bug');
      const report = { totalMs: 1 };
      if (outcome !== 'OK') return { ok: false, failure: new PlannerError(outcome, outcome), report };
      return { ok: true, answer: { content: '', reasoning: '', finishReason: 'length' }, report };
    },
  };
  return { clock, gate, calls, ask: (closing = NEVER) => referenceCall({ caller, gate, clock }, 'm', closing) };
}

describe('a request that is known to be good', () => {
  test('asks the model for one token and leaves slot and clock as they were', async () => {
    const { clock, gate, calls, ask } = make('OK');
    expect(await ask()).toBe('well');
    expect(calls).toMatchObject([{ model: 'm', maxTokens: 1 }]);
    expect([gate.busy, clock.pendingTimers]).toEqual([0, 0]);
  });

  test.each([
    ['ERR_MODEL_STATUS', 'ill'],
    ['ERR_MODEL_RESET', 'ill'],
    ['ERR_MODEL_REFUSED', 'ill'],
    ['ERR_MODEL_OVERLOADED', 'ill'],
    ['ERR_MODEL_REJECTED', 'well'],
    ['ERR_MODEL_EMPTY', 'well'],
    ['ERR_MODEL_TIMEOUT_FIRST_TOKEN', 'unknown'],
    ['ERR_CANCELLED', 'unknown'],
    ['throws', 'unknown'],
  ] as const)('that ends in %s shows that its server is %s', async (code, verdict) => {
    const { gate, ask } = make(code);
    expect(await ask()).toBe(verdict);
    expect(gate.busy).toBe(0);
  });

  test('goes ahead of those who wait, and shows nothing where no slot is free in time', async () => {
    const { clock, gate, calls, ask } = make('OK');
    const held = gate.acquire(NEVER) as Slot;
    void gate.acquire(NEVER, { rankMs: 1 });
    const verdict = ask();
    expect(gate.waiting).toBe(2);
    held.release();
    await flush();
    expect(calls).toHaveLength(1);
    expect(await verdict).toBe('well');
    const late = ask();
    clock.advance(3_000);
    expect(await late).toBe('unknown');
    expect(gate.waiting).toBe(0);
  });

  test('is given up when the endpoint closes', async () => {
    const { clock, gate, ask } = make('OK');
    const held = gate.acquire(NEVER) as Slot;
    const closing = new AbortController();
    const verdict = ask(closing.signal);
    closing.abort();
    expect(await verdict).toBe('unknown');
    expect(clock.pendingTimers).toBe(0);
    held.release();
  });
});
