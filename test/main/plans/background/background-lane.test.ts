import { afterEach, describe, expect, test } from 'vitest';
import type { Slot } from '../../../../src/main/models/slots/ask.ts';
import { signatureText } from '../../../../src/shared/signature.ts';
import { decision } from '../../../support/decisions.ts';
import { flush } from '../../../support/drive.ts';
import type { Behaviour } from '../../../support/fake-models.ts';
import { errand, LaneUnderTest } from '../../../support/make-lane.ts';

const NEVER = new AbortController().signal;
const answers = (): Behaviour => ({ kind: 'answers', action: 'block', afterMs: 50 });
const ofPlace = (...ids: number[]) => ids.map((id) => [`place ${id}`, 'block']);

let under: LaneUnderTest;

/** Moves the clock a millisecond at a time, so that all sees the time at which it happened. */
async function advance(ms: number): Promise<void> {
  for (let i = 0; i < ms; i++) {
    under.clock.advance(1);
    await flush();
  }
}

afterEach(async () => {
  await under.lane.close();
  for (const gate of under.gates.values()) gate.close();
  expect(under.clock.pendingTimers).toBe(0);
  expect(under.lane.stats()).toMatchObject({ queued: 0, running: 0 });
});

describe('an errand begins', () => {
  test('at once while the endpoint is idle, and brings home what the models decide', async () => {
    under = new LaneUnderTest(answers);
    under.lane.add(errand(1));
    expect(under.lane.stats()).toMatchObject({ queued: 0, running: 1 });
    await advance(60);
    expect(under.decided).toEqual(ofPlace(1));
    const later = { states: 0, asked: 0, voted: 0 };
    const lost = { full: 0, gone: 0, old: 0, failed: 0, ended: 0 };
    const counts = { queued: 0, running: 0, done: 1, failed: 0, cancelled: 0, dropped: 0 };
    expect(under.lane.stats()).toEqual({ ...counts, lost, later });
  });

  test('only when every endpoint has a slot, also those that it would not use', async () => {
    const url = 'http://127.0.0.1:9/v1';
    under = new LaneUnderTest(answers, {
      endpoints: { fake: { baseURL: url }, other: { baseURL: url, maxConcurrent: 1 } },
    });
    const slot = under.takeSlot('other');
    under.lane.add(errand(1));
    await advance(10);
    under.lane.wake();
    expect([under.lane.stats().queued, under.models.calls.length]).toEqual([1, 0]);
    slot.release();
    under.lane.wake();
    expect(under.lane.stats()).toMatchObject({ queued: 0, running: 1 });
  });

  test('not while the endpoint is full, and the oldest first when there is room', async () => {
    under = new LaneUnderTest(answers);
    const slot = under.takeSlot();
    for (const id of [1, 2, 3]) under.lane.add(errand(id));
    expect(under.lane.stats()).toMatchObject({ queued: 3, running: 0 });
    slot.release();
    under.lane.wake();
    await advance(200);
    expect(under.decided).toEqual(ofPlace(1, 2, 3));
  });

  // Schedule: three errands in one turn of the event loop, and one slot; the first flight takes it a moment later.
  test('where there is a slot for it, and not beside another one that is about to take the slot', async () => {
    under = new LaneUnderTest(answers);
    for (const id of [1, 2, 3]) under.lane.add(errand(id));
    await flush();
    expect(under.lane.stats()).toMatchObject({ queued: 2, running: 1 });
  });

  test('beside at most three others, however many slots there are', async () => {
    under = new LaneUnderTest(answers, { endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1' } } });
    for (let id = 0; id < 6; id++) under.lane.add(errand(id));
    for (let turn = 0; turn < 3; turn++) await flush();
    expect(under.lane.stats()).toMatchObject({ queued: 2, running: 4 });
    expect(under.models.calls).toHaveLength(4);
    await advance(60);
    expect(under.lane.stats()).toMatchObject({ queued: 0, running: 2, done: 4 });
    await advance(60);
    expect(under.lane.stats().done).toBe(6);
  });

  test('when the one before has ended, without a plan that wakes the lane', async () => {
    under = new LaneUnderTest(answers);
    for (const id of [1, 2]) under.lane.add(errand(id));
    await flush();
    await advance(120);
    expect(under.decided).toEqual(ofPlace(1, 2));
    expect(under.models.calls.map((call) => call.startedAtMs)).toEqual([1_000, 1_050]);
  });
});

describe('the same state', () => {
  test('is asked about once, while it waits and while it is asked about', async () => {
    under = new LaneUnderTest(answers);
    const slot = under.takeSlot();
    under.lane.add(errand(1));
    under.lane.add(errand(1));
    expect(under.lane.stats().queued).toBe(1);
    slot.release();
    under.lane.wake();
    under.lane.add(errand(1));
    await advance(10);
    under.lane.add(errand(1, 'refresh'));
    await advance(200);
    expect(under.models.calls).toHaveLength(1);
    expect(under.lane.stats()).toMatchObject({ done: 1, dropped: 0 });
  });

  test('counts every hit of it, each as a sample of its own, up to a bound', async () => {
    under = new LaneUnderTest(answers);
    const compared: number[] = [];
    under.onDecided = (_errand, _decision, others) => compared.push(others.length);
    const slot = under.takeSlot();
    for (let i = 0; i < 3; i++) under.lane.add(errand(1));
    slot.release();
    under.lane.wake();
    under.lane.add(errand(1));
    await advance(200);
    expect(compared).toEqual([3]);
    for (let i = 0; i < 70; i++) under.lane.add(errand(2));
    await advance(200);
    expect(compared).toEqual([3, 64]);
    expect(under.lane.stats()).toMatchObject({ done: 2, dropped: 5 });
  });

  test('is asked about again after that', async () => {
    under = new LaneUnderTest(answers);
    under.lane.add(errand(1));
    await advance(60);
    under.lane.add(errand(1));
    await advance(60);
    expect(under.decided).toEqual(ofPlace(1, 1));
  });
});

describe('the queue', () => {
  test('holds 256 errands; of one more the oldest is dropped and counted', async () => {
    under = new LaneUnderTest(() => ({ kind: 'answers', action: 'block', afterMs: 1 }));
    const slot = under.takeSlot();
    for (let id = 0; id < 256; id++) under.lane.add(errand(id));
    expect(under.lane.stats()).toMatchObject({ queued: 256, dropped: 0 });
    under.lane.add(errand(256));
    expect(under.lane.stats()).toMatchObject({ queued: 256, dropped: 1 });
    slot.release();
    under.lane.wake();
    await advance(800);
    expect(under.decided.map(([place]) => place)).toEqual(Array.from({ length: 256 }, (_, i) => `place ${i + 1}`));
  });
});

describe('somebody who has to wait for a slot', () => {
  test('gets it at once: what is asked in the background is cancelled', async () => {
    under = new LaneUnderTest(answers);
    under.lane.add(errand(1));
    await advance(20);
    const got = Promise.resolve(under.gate().acquire(NEVER)).then((slot) => ({ slot, atMs: under.clock.now() }));
    await flush();
    under.clock.advance(500);
    const { slot, atMs } = await got;
    expect(atMs).toBe(1_020);
    expect(under.models.calls.map((call) => call.cancelled)).toEqual([true]);
    expect(under.lane.stats()).toMatchObject({ running: 0, cancelled: 1, done: 0 });
    slot?.release();
  });

  test('takes one call of that endpoint: the other calls of the flight go on, and it is brought home', async () => {
    const url = 'http://127.0.0.1:9/v1';
    under = new LaneUnderTest(answers, {
      endpoints: { fake: { baseURL: url, maxConcurrent: 2 }, other: { baseURL: url, maxConcurrent: 1 } },
      experts: ['fake', 'other', 'fake'].map((endpoint) => ({ role: 'one', model: 'e', endpoint })),
      quorum: 'majority',
    });
    under.lane.add(errand(1));
    await advance(5);
    (await under.gate('other').acquire(NEVER))?.release();
    await advance(60);
    expect(under.models.calls.map(({ cancelled }) => cancelled)).toEqual([false, true, false]);
    expect(under.decided).toEqual(ofPlace(1));
    expect(under.lane.stats()).toMatchObject({ done: 1, cancelled: 0 });
  });

  test.each([
    // The model takes 50 ms, and has run for 20.
    ['could be done in time only with the slot', 60, true],
    ['can be done in time behind it', 200, false],
    ['cannot be done in time at all', 40, false],
  ])('in a newcomer that %s: given up %#', async (_what, leftMs, isGivenUp) => {
    under = new LaneUnderTest(answers);
    for (let id = 0; id < 12; id++) {
      under.lane.add(errand(id));
      await advance(60);
    }
    under.lane.add(errand(99));
    await advance(20);
    const need = { model: 'e', kind: 'text', deadlineMs: under.clock.now() + leftMs } as const;
    const got = Promise.resolve(under.gate().acquire(NEVER, { need }));
    await flush();
    expect(under.models.calls.at(-1)?.cancelled).toBe(isGivenUp);
    await advance(60);
    (await got)?.release();
    expect(under.lane.stats()).toMatchObject({ done: isGivenUp ? 12 : 13, cancelled: isGivenUp ? 1 : 0, failed: 0 });
  });

  // Schedule: an errand is added, and in the same turn, before its flight runs, a plan takes the slot and another waits.
  test('is behind nobody of a flight that has asked nobody yet: that waits, and is served after', async () => {
    under = new LaneUnderTest(answers);
    under.lane.add(errand(1));
    const slot = under.takeSlot();
    const waits = Promise.resolve(under.gate().acquire(NEVER));
    await flush();
    expect(under.models.calls).toHaveLength(0);
    slot.release();
    const second = await waits;
    await flush();
    expect(under.models.calls).toHaveLength(0);
    second?.release();
    await advance(60);
    expect(under.decided).toEqual(ofPlace(1));
    expect(under.lane.stats()).toMatchObject({ running: 0, cancelled: 0, done: 1 });
  });

  test('leaves the errands that have not begun where they are until there is room', async () => {
    under = new LaneUnderTest(answers);
    for (const id of [1, 2]) under.lane.add(errand(id));
    await advance(5);
    const slot = (await under.gate().acquire(NEVER)) as Slot;
    await flush();
    // The one that gave way waits behind the other.
    expect(under.lane.stats()).toMatchObject({ queued: 2, running: 0, cancelled: 1 });
    slot.release();
    under.lane.wake();
    await advance(60);
    expect(under.decided).toEqual(ofPlace(2));
    await advance(60);
    expect(under.decided).toEqual(ofPlace(2, 1));
    expect(under.lane.stats()).toMatchObject({ queued: 0, done: 2, dropped: 0 });
  });

  test('finds the state asked about again once the flight that was cut short has ended', async () => {
    under = new LaneUnderTest(answers);
    under.lane.add(errand(1));
    await advance(5);
    (await under.gate().acquire(NEVER))?.release();
    await flush();
    under.lane.add(errand(1));
    await advance(60);
    expect(under.lane.stats()).toMatchObject({ running: 0, cancelled: 1, done: 1 });
    expect(under.decided).toEqual(ofPlace(1));
  });
});

describe('a flight that is cut short', () => {
  test('brings nothing home, not even what was voted', async () => {
    under = new LaneUnderTest(
      ({ role }) => (role === 'one' ? { kind: 'answers', action: 'flee', afterMs: 1 } : { kind: 'times-out' }),
      {
        endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', maxConcurrent: 2 } },
        experts: ['one', 'two'].map((role) => ({ role, model: 'e' })),
      },
    );
    under.lane.add(errand(1));
    await advance(10);
    const slot = under.takeSlot();
    const waits = under.gate().acquire(NEVER) as Promise<Slot | undefined>;
    await advance(2_000);
    slot.release();
    (await waits)?.release();
    expect(under.decided).toEqual([]);
    expect(under.lane.stats()).toMatchObject({ done: 0, failed: 0, cancelled: 1 });
  });
});

describe('an errand without a decision', () => {
  test('is counted when the models fail, and the next one begins', async () => {
    under = new LaneUnderTest(({ nth }) => (nth === 0 ? { kind: 'empty' } : answers()));
    for (const id of [1, 2]) under.lane.add(errand(id));
    await advance(60);
    expect(under.decided).toEqual(ofPlace(2));
    expect(under.lane.stats()).toMatchObject({ done: 1, failed: 1 });
  });

  test('ends by the time of a plan when the models are silent', async () => {
    under = new LaneUnderTest(() => ({ kind: 'times-out' }), { expertTimeoutMs: 60_000 });
    under.lane.add(errand(1));
    await advance(1_000);
    expect(under.lane.stats()).toMatchObject({ running: 0, failed: 1 });
  });

  test('counts once when what it brought home cannot be taken in, and is told', async () => {
    under = new LaneUnderTest(answers);
    under.onDecided = () => {
      throw new Error('a broken cache');
    };
    under.lane.add(errand(1));
    await advance(60);
    expect(under.lane.stats()).toMatchObject({ done: 0, failed: 1, running: 0 });
    expect(under.warnings).toEqual([expect.stringContaining('a broken cache')]);
  });
});

describe('a vote that shows what a read is worth', () => {
  const prove = (id: number): void => {
    const { request, signature } = errand(id);
    under.lane.prove(request, signature, undefined);
  };
  const FOUR = { endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', maxConcurrent: 4 } } };

  test('is asked for at once, two at a time, and remembered', async () => {
    under = new LaneUnderTest(answers, FOUR);
    for (const id of [1, 2, 3]) prove(id);
    expect(under.lane.stats().later).toEqual({ states: 0, asked: 2, voted: 0 });
    await advance(60);
    expect(under.voted).toEqual(ofPlace(1, 2));
  });

  test('is asked for once a state', async () => {
    under = new LaneUnderTest(answers, FOUR);
    for (let i = 0; i < 3; i++) {
      prove(1);
      await advance(60);
    }
    expect(under.models.calls).toHaveLength(1);
  });

  test('is not asked for while no slot is free, and never waits for one', async () => {
    under = new LaneUnderTest(answers);
    const slot = under.takeSlot();
    prove(1);
    slot.release();
    await advance(60);
    expect(under.models.calls).toHaveLength(0);
    prove(1);
    await advance(60);
    expect(under.voted).toEqual(ofPlace(1));
  });

  test('is given up when the cache is cleared, and not asked for once the lane is closed', async () => {
    under = new LaneUnderTest(answers);
    prove(1);
    await advance(10);
    under.lane.clear();
    await advance(60);
    under.lane.shut();
    prove(2);
    await advance(60);
    expect(under.voted).toEqual([]);
    expect(under.models.calls).toHaveLength(1);
  });
});

describe('a state asked about for later', () => {
  /** A request was in the state `id`, so many times. */
  const met = (id: number, times = 2): void => {
    const { request, signature } = errand(id);
    for (let nth = 0; nth < times; nth++) under.lane.askLater(request, signature, undefined);
  };
  const later = () => under.lane.stats().later;
  const SLOTS = { endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', maxConcurrent: 64 } } };

  test('is asked about when a plan has settled, and its vote is remembered', async () => {
    under = new LaneUnderTest(answers);
    under.onVoted = () => decision();
    met(1);
    await advance(60);
    expect(under.models.calls).toHaveLength(0);
    under.lane.planSettled();
    await advance(60);
    expect(under.voted).toEqual(ofPlace(1));
    expect(later()).toEqual({ states: 0, asked: 1, voted: 1 });
  });

  test('is asked about until its votes agree, by one expert after another', async () => {
    under = new LaneUnderTest(answers, { experts: ['one', 'two'].map((role) => ({ role, model: 'e' })) });
    under.onVoted = (state) => decision({ tally: [{ action: 'block', count: state.votes + 1, weight: 1 }] });
    met(1);
    for (let plans = 0; plans < 2; plans++) under.lane.planSettled();
    await advance(200);
    expect(under.models.calls.map(({ role }) => role)).toEqual(['one', 'two']);
    expect(later()).toEqual({ states: 0, asked: 2, voted: 2 });
  });

  test('has a budget: fewer than two calls for each plan, the saved ones included', async () => {
    under = new LaneUnderTest(answers, SLOTS);
    for (let id = 0; id < 20; id++) met(id);
    for (const asked of [1, 3, 5]) {
      under.lane.planSettled();
      await advance(60);
      expect(later().asked).toBe(asked);
    }
  });

  test('saves up at most 240 calls', async () => {
    under = new LaneUnderTest(() => ({ kind: 'answers', action: 'block', afterMs: 1 }), SLOTS);
    for (let plans = 0; plans < 200; plans++) under.lane.planSettled();
    for (let id = 0; id < 300; id++) met(id);
    under.lane.wake();
    await advance(200);
    expect(later().asked).toBe(240);
  });

  test('that was met once has a tenth of the calls', async () => {
    under = new LaneUnderTest(answers, SLOTS);
    for (let id = 0; id < 40; id++) met(id, 1);
    for (let plans = 0; plans < 20; plans++) under.lane.planSettled();
    await advance(60);
    expect(later().asked).toBeGreaterThanOrEqual(3);
    expect(later().asked).toBeLessThanOrEqual(4);
  });

  test('is not asked about a minute after the last plan', async () => {
    under = new LaneUnderTest(answers);
    under.lane.planSettled();
    under.clock.advance(60_000);
    met(1);
    under.lane.wake();
    expect(later().asked).toBe(1);
    await advance(60);
    under.clock.advance(1);
    met(2);
    under.lane.wake();
    expect(later().asked).toBe(1);
    under.lane.planSettled();
    expect(later().asked).toBe(2);
    await advance(60);
  });

  test('is left alone while models are asked about it for somebody', async () => {
    under = new LaneUnderTest(answers, SLOTS);
    met(1);
    const key = signatureText(errand(1).signature);
    under.askedAbout.add(key);
    under.lane.planSettled();
    await advance(60);
    expect(later().asked).toBe(0);
    under.askedAbout.clear();
    under.lane.planSettled();
    expect(later().asked).toBe(1);
    // Nor twice at once.
    await flush();
    under.lane.planSettled();
    await flush();
    expect(later().asked).toBe(1);
  });

  test('is asked of another expert where one gives nothing, and given up after eight tries', async () => {
    const fails: Behaviour = { kind: 'illegal', afterMs: 1 };
    under = new LaneUnderTest(({ role }) => (role === 'one' ? fails : answers()), {
      experts: ['one', 'two'].map((role) => ({ role, model: 'e' })),
    });
    met(1);
    for (let plans = 0; plans < 2; plans++) under.lane.planSettled();
    await advance(200);
    expect(under.models.calls.slice(0, 2).map(({ role }) => role)).toEqual(['one', 'two']);
    expect(under.voted).toEqual(ofPlace(1));
    const dead = new LaneUnderTest(() => fails);
    const { request, signature } = errand(1);
    for (let times = 0; times < 2; times++) dead.lane.askLater(request, signature, undefined);
    for (let plans = 0; plans < 20; plans++) dead.lane.planSettled();
    for (let ms = 0; ms < 100; ms++) {
      dead.clock.advance(1);
      await flush();
    }
    expect(dead.lane.stats().later).toEqual({ states: 0, asked: 8, voted: 0 });
    await dead.lane.close();
  });

  test('is forgotten with the cache, and nothing of it is remembered', async () => {
    under = new LaneUnderTest(answers);
    met(1);
    under.lane.planSettled();
    await advance(10);
    under.lane.clear();
    await advance(60);
    expect(under.voted).toEqual([]);
    expect(later()).toMatchObject({ states: 0, voted: 0 });
  });

  test('comes after errands, and gives way like them', async () => {
    under = new LaneUnderTest(answers);
    const slot = under.takeSlot();
    met(1);
    for (let plans = 0; plans < 2; plans++) under.lane.planSettled();
    under.lane.add(errand(2));
    slot.release();
    under.lane.wake();
    await advance(55);
    expect(under.decided).toEqual(ofPlace(2));
    expect(later()).toMatchObject({ asked: 1, voted: 0 });
    (await under.gate().acquire(NEVER))?.release();
    await flush();
    expect(under.models.calls.map(({ cancelled }) => cancelled)).toEqual([false, true, false]);
    // It is still to be asked about.
    expect(later()).toMatchObject({ states: 1, asked: 2, voted: 0 });
  });

  // Schedule: the model answers, and in the same turn, before anyone has the answer, the lane is closed.
  test('is not voted for any more once the lane is closed', async () => {
    under = new LaneUnderTest(answers);
    met(1);
    under.lane.planSettled();
    await advance(49);
    under.clock.advance(1);
    await under.lane.close();
    expect(under.voted).toEqual([]);
    expect(later()).toMatchObject({ asked: 1, voted: 0 });
  });

  test('is forgotten when the cache is cleared, and when the lane is closed', async () => {
    under = new LaneUnderTest(answers);
    met(1);
    under.lane.clear();
    under.lane.planSettled();
    expect(later()).toEqual({ states: 0, asked: 0, voted: 0 });
    met(2);
    under.lane.planSettled();
    await under.lane.close();
    met(3);
    under.lane.planSettled();
    expect(under.voted).toEqual([]);
    expect(later()).toMatchObject({ states: 1, asked: 1 });
  });
});

describe('close', () => {
  test.each([
    ['before a flight has asked anyone', async () => {}],
    ['while it asks', () => advance(20)],
    ['just after it was cancelled', async () => void under.gate().acquire(NEVER)],
  ])('%s: cancels it and resolves when it has ended', async (_, until) => {
    under = new LaneUnderTest(() => ({ kind: 'times-out' }), { synthesis: { models: ['a'] } });
    for (const id of [1, 2]) under.lane.add(errand(id));
    await until();
    await under.lane.close();
    expect(under.lane.stats()).toMatchObject({ queued: 0, running: 0, cancelled: 1, dropped: 1 });
    expect(under.clock.pendingTimers).toBe(0);
  });

  test('waits for a synthesis call of a flight that was cancelled just before', async () => {
    under = new LaneUnderTest(
      ({ model }) => (model === 'a' ? { kind: 'stuck' } : { kind: 'answers', action: 'flee', afterMs: 1 }),
      { synthesis: { models: ['a'] } },
    );
    under.lane.add(errand(1));
    await advance(10);
    expect(under.models.callsOf('a')).toHaveLength(1);
    const gaveUp = new AbortController();
    void under.gate().acquire(gaveUp.signal);
    gaveUp.abort();
    let isClosed = false;
    const closed = under.lane.close().then(() => {
      isClosed = true;
    });
    await flush();
    expect(isClosed).toBe(false);
    await under.models.close();
    await closed;
    expect(under.clock.pendingTimers).toBe(0);
  });

  test('takes nothing on after it', async () => {
    under = new LaneUnderTest(answers);
    await under.lane.close();
    under.lane.add(errand(1));
    await flush();
    expect(under.lane.stats()).toMatchObject({ queued: 0, running: 0, dropped: 0 });
    expect(under.models.calls).toHaveLength(0);
  });

  test('begins nothing when the flights that it cancels end', async () => {
    under = new LaneUnderTest(answers);
    for (const id of [1, 2, 3]) under.lane.add(errand(id));
    await advance(5);
    await under.lane.close();
    await advance(100);
    expect(under.models.calls).toHaveLength(1);
    expect(under.decided).toEqual([]);
  });
});
