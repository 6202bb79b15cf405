import { describe, expect, test } from 'vitest';
import type { Slot } from '../../../../src/main/models/slots/ask.ts';
import { EndpointGate } from '../../../../src/main/models/slots/endpoint-gate.ts';
import { SpareSlots } from '../../../../src/main/models/slots/spare-slots.ts';
import { flush } from '../../../support/drive.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const NEVER = new AbortController().signal;
const NEED = { model: 'm', kind: 'read', deadlineMs: 10_000 } as const;

function make(slots: number): { gate: EndpointGate; clock: FakeClock; spare: SpareSlots } {
  const clock = new FakeClock(1_000);
  const gate = new EndpointGate(clock, slots, 0);
  return { gate, clock, spare: new SpareSlots(gate, NEED, NEVER) };
}

describe('spare slots', () => {
  test('are those that are idle', () => {
    const { gate, spare } = make(3);
    gate.acquire(NEVER, { need: NEED });
    expect(spare.count).toBe(2);
    const taken = [spare.take(), spare.take(), spare.take()];
    expect(taken.map((slot) => slot !== undefined)).toEqual([true, true, false]);
    expect([gate.busy, spare.count]).toEqual([3, 0]);
    taken[0]?.release(0);
    expect([gate.busy, spare.count]).toEqual([2, 1]);
  });

  test('are none while a call waits, and go to it when they are given back', async () => {
    const { gate, spare } = make(2);
    gate.acquire(NEVER, { need: NEED });
    const slot = spare.take();
    let waited: Slot | undefined;
    void Promise.resolve(gate.acquire(NEVER, { need: NEED })).then((granted) => {
      waited = granted;
    });
    await flush();
    expect([spare.count, spare.take(), waited]).toEqual([0, undefined, undefined]);
    slot?.release(0);
    await flush();
    expect(waited).toBeDefined();
  });

  test('stay taken while their server probably works on', () => {
    const { gate, clock, spare } = make(2);
    spare.take()?.release(300);
    expect(gate.busy).toBe(1);
    clock.advance(300);
    expect(gate.busy).toBe(0);
  });

  test('are at most as many as reads may run at once', () => {
    const { gate, spare } = make(4);
    gate.widthMax = (kind) => (kind === 'read' ? 2 : 4);
    gate.acquire(NEVER, { need: NEED });
    expect([spare.take() !== undefined, spare.take()]).toEqual([true, undefined]);
  });

  test('are only those that this node has, while several share them', () => {
    const { gate, spare } = make(4);
    gate.budget = { held: 2, share: 2, reach: 4, othersBusy: 0, changed() {} };
    gate.acquire(NEVER, { need: NEED });
    expect([spare.take() !== undefined, spare.take()]).toEqual([true, undefined]);
  });
});
