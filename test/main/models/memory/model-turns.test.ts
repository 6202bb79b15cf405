import { describe, expect, test } from 'vitest';
import { ModelMemory } from '../../../../src/main/models/memory/model-memory.ts';
import { ModelTurns } from '../../../../src/main/models/memory/model-turns.ts';
import type { Slot } from '../../../../src/main/models/slots/ask.ts';
import { EndpointGate } from '../../../../src/main/models/slots/endpoint-gate.ts';
import { flush } from '../../../support/drive.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const NEVER = new AbortController().signal;

/** A gate of four slots before a server that tells that `a` is in memory, of `a` and `b`, which do not fit together. */
class GateUnderTest {
  readonly clock = new FakeClock(1_000);
  readonly memory = new ModelMemory(this.clock, true, new Set(['a', 'b']));
  readonly gate = new EndpointGate(this.clock, 4, 0);
  /** Models of the calls that were let in, in their order. */
  readonly begun: string[] = [];
  readonly #atWork: { model: string; slot: Slot }[] = [];

  constructor(isShort = true) {
    this.memory.lists(['a', 'b']);
    if (isShort) this.memory.told({ names: new Set(['a']), count: 1 });
    this.gate.turns = new ModelTurns(this.clock, this.memory);
  }

  ask(model: string, rankMs = 0, modelNow = () => model): void {
    const slot = this.gate.acquire(NEVER, { rankMs, modelNow });
    if (slot === undefined || !(slot instanceof Promise)) this.#begin(modelNow(), slot as Slot);
    else void slot.then((granted) => this.#begin(modelNow(), granted as Slot));
  }

  async end(model: string): Promise<void> {
    const at = this.#atWork.findIndex((work) => work.model === model);
    this.#atWork.splice(at, 1)[0]?.slot.release();
    await flush();
  }

  #begin(model: string, slot: Slot): void {
    this.begun.push(model);
    this.memory.begins(model);
    this.#atWork.push({ model, slot });
  }
}

describe('a call that needs a load', () => {
  test('waits until no call of another model is at work, since its load would end those', async () => {
    const under = new GateUnderTest();
    for (const model of ['a', 'a', 'b']) under.ask(model);
    expect([under.begun, under.gate.waiting]).toEqual([['a', 'a'], 1]);
    await under.end('a');
    expect(under.begun).toEqual(['a', 'a']);
    await under.end('a');
    expect(under.begun).toEqual(['a', 'a', 'b']);
  });

  test('lets calls of what is there pass, until it has waited as long as a load takes', async () => {
    const under = new GateUnderTest();
    under.ask('a');
    under.ask('b', 1);
    under.ask('a', 2);
    await under.end('a');
    expect(under.begun).toEqual(['a', 'a']);
    under.clock.advance(5_000);
    under.ask('a', 2);
    under.ask('b', 1);
    await under.end('a');
    // Those of one model go together.
    expect(under.begun).toEqual(['a', 'a', 'b', 'b']);
    await under.end('b');
    await under.end('b');
    expect(under.begun).toEqual(['a', 'a', 'b', 'b', 'a']);
  });

  test('begins at once where nothing is at work', () => {
    const under = new GateUnderTest();
    under.ask('b');
    expect(under.begun).toEqual(['b']);
  });

  test('that may be asked of another model begins as soon as that one is there', async () => {
    const under = new GateUnderTest();
    let now = 'b';
    under.ask('a');
    under.ask('b', 0, () => now);
    now = 'a';
    under.gate.wake();
    await flush();
    expect(under.begun).toEqual(['a', 'a']);
  });
});

test('where all models fit, as far as is known, calls are served in their order', () => {
  const under = new GateUnderTest(false);
  for (const model of ['a', 'b', 'a', 'b', 'a']) under.ask(model);
  expect([under.begun, under.gate.waiting]).toEqual([['a', 'b', 'a', 'b'], 1]);
});

test('background work loads nothing while anything else is at work, and holds nobody up', async () => {
  const under = new GateUnderTest();
  under.ask('a');
  const waiting = under.gate.acquire(NEVER, { lane: 'background', modelNow: () => 'b' });
  under.clock.advance(60_000);
  under.ask('a');
  expect(under.begun).toEqual(['a', 'a']);
  await under.end('a');
  await under.end('a');
  expect(((await waiting) as Slot).isBackground).toBe(true);
});
