import { afterEach, describe, expect, test, vi } from 'vitest';
import type { ModelEndpoint } from '../../../../src/main/models/model-endpoint.ts';
import type { Slot } from '../../../../src/main/models/slots/ask.ts';
import { CheckReserve, type ReserveServer } from '../../../../src/main/plans/background/check-reserve.ts';
import type { Errand } from '../../../../src/main/plans/lessons.ts';
import { flush } from '../../../support/drive.ts';
import type { Behaviour } from '../../../support/fake-models.ts';
import { errand, LaneUnderTest } from '../../../support/make-lane.ts';

const NEVER = new AbortController().signal;
const answers = (): Behaviour => ({ kind: 'answers', action: 'block', afterMs: 50 });
const ofPlace = (...ids: number[]) => ids.map((id) => [`place ${id}`, 'block']);

let under: LaneUnderTest;

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
});

describe('an errand that is lost is counted by reason', () => {
  test('gone: its entry is no longer remembered when its turn comes', async () => {
    under = new LaneUnderTest(answers);
    const slot = under.takeSlot();
    for (const id of [1, 2, 2]) under.lane.add(errand(id));
    under.gone.add('place 2');
    slot.release();
    under.lane.wake();
    await advance(120);
    expect(under.decided).toEqual(ofPlace(1));
    expect(under.lost).toEqual([
      ['place 2', 1],
      ['place 2', 1],
    ]);
    expect(under.lane.stats()).toMatchObject({ done: 1, dropped: 2, lost: { gone: 2, full: 0, old: 0 } });
  });

  test('old: it has waited for more than ten minutes', async () => {
    under = new LaneUnderTest(answers);
    const slot = under.takeSlot();
    under.lane.add(errand(1));
    under.clock.advance(1);
    under.lane.add(errand(2));
    under.clock.advance(600_000);
    slot.release();
    under.lane.wake();
    await advance(60);
    expect(under.decided).toEqual(ofPlace(2));
    expect(under.lane.stats().lost).toMatchObject({ old: 1, full: 0 });
  });

  test('full, failed and ended: the queue had no room, the models failed, the lane was closed', async () => {
    under = new LaneUnderTest(({ nth }) => (nth === 0 ? { kind: 'empty' } : { kind: 'times-out' }));
    under.lane.add(errand(100));
    await advance(5);
    under.lane.add(errand(101));
    for (let id = 1_000; id < 1_257; id++) under.lane.add(errand(id));
    expect(under.lane.stats()).toMatchObject({ failed: 1, lost: { full: 1, failed: 1 } });
    await under.lane.close();
    expect(under.lane.stats().lost.ended).toBe(257);
    expect(under.lost).toHaveLength(259);
  });
});

test('where the queue is full of refreshes, these are dropped before checks', async () => {
  under = new LaneUnderTest(answers);
  const slot = under.takeSlot();
  under.lane.add(errand(1_000));
  for (let id = 0; id < 300; id++) under.lane.add(errand(id, 'refresh'));
  expect(under.lost.filter(([scene]) => scene === 'place 1000')).toEqual([]);
  for (let id = 2_000; id < 2_255; id++) under.lane.add(errand(id));
  expect(under.lost).toHaveLength(300);
  under.lane.add(errand(3_000));
  expect(under.lost.at(-1)).toEqual(['place 1000', 1]);
  slot.release();
});

test('a queue of long requests has less room', () => {
  under = new LaneUnderTest(answers);
  const slot = under.takeSlot();
  const long = (id: number, chars: number): Errand => {
    const { request, ...rest } = errand(id);
    return { request: { ...request, observation: { ...request.observation, note: 'x'.repeat(chars) } }, ...rest };
  };
  for (let id = 1; id <= 6; id++) under.lane.add(long(id, 10_000_000));
  expect(under.lane.stats()).toMatchObject({ queued: 3, lost: { full: 3 } });
  under.lane.add(long(7, 40_000_000));
  expect(under.lost.map(([scene]) => scene)).toEqual(ofPlace(1, 2, 3, 7).map(([place]) => place));
  slot.release();
});

test('hits that served the same remembered decision share one answer, however many they are', async () => {
  under = new LaneUnderTest(answers);
  const counts: number[][] = [];
  under.onDecided = (_errand, _made, others) => counts.push(others.map(({ count }) => count));
  const slot = under.takeSlot();
  const first = errand(1);
  const again = errand(1);
  under.lane.add(first);
  for (let nth = 0; nth < 500; nth++) under.lane.add(again);
  slot.release();
  under.lane.wake();
  await advance(60);
  expect(counts).toEqual([[500]]);
  expect(under.lane.stats()).toMatchObject({ done: 1, dropped: 0 });
});

describe('a check within its reserve', () => {
  const RESERVED = { cache: { checkReserve: 0.5 } };

  /** All slots are busy while a check waits, for long enough to cover it. */
  async function busy(): Promise<Slot> {
    const slot = under.takeSlot();
    under.lane.add(errand(1));
    under.clock.advance(5_000);
    await flush();
    return slot;
  }

  test('starts although no slot is idle, and is served before plans that wait', async () => {
    under = new LaneUnderTest(answers, RESERVED);
    const slot = await busy();
    const waits = Promise.resolve(under.gate().acquire(NEVER, { rankMs: 0 }));
    under.lane.wake();
    expect(under.lane.stats()).toMatchObject({ queued: 0, running: 1 });
    await flush();
    slot.release();
    await advance(60);
    expect(under.decided).toEqual(ofPlace(1));
    (await waits)?.release();
  });

  test('does not give way, and does so when the reserve is used up; then it waits again', async () => {
    under = new LaneUnderTest(() => ({ kind: 'times-out' }), { ...RESERVED, timeoutMs: 10_000 });
    (await busy()).release();
    under.lane.wake();
    await flush();
    const waits = Promise.resolve(under.gate().acquire(NEVER));
    await advance(1_000);
    expect(under.models.calls.map(({ cancelled }) => cancelled)).toEqual([false]);
    under.clock.advance(500);
    await advance(200);
    expect(under.models.calls.map(({ cancelled }) => cancelled)).toEqual([true]);
    expect(under.lane.stats()).toMatchObject({ queued: 1, running: 0, cancelled: 1, dropped: 0 });
    (await waits)?.release();
  });

  test('does not start while a request of raised priority waits', async () => {
    under = new LaneUnderTest(answers, RESERVED);
    const slot = await busy();
    const waits = Promise.resolve(under.gate().acquire(NEVER, { isRaised: true }));
    under.lane.wake();
    expect(under.lane.stats()).toMatchObject({ queued: 1, running: 0 });
    slot.release();
    const raised = await waits;
    under.lane.wake();
    expect(under.lane.stats()).toMatchObject({ queued: 0, running: 1 });
    raised?.release();
    await advance(60);
    expect(under.decided).toEqual(ofPlace(1));
  });

  test('starts while one of raised priority waits whose turn is not next', async () => {
    under = new LaneUnderTest(answers, RESERVED);
    const slot = await busy();
    const first = Promise.resolve(under.gate().acquire(NEVER, { rankMs: 1 }));
    const raised = Promise.resolve(under.gate().acquire(NEVER, { isRaised: true, rankMs: 2 }));
    under.lane.wake();
    expect(under.lane.stats()).toMatchObject({ queued: 0, running: 1 });
    await flush();
    slot.release();
    await advance(60);
    expect(under.decided).toEqual(ofPlace(1));
    (await first)?.release();
    (await raised)?.release();
  });

  test('is not asked again at once where servers refuse every call', async () => {
    under = new LaneUnderTest(() => ({ kind: 'errors', code: 'ERR_MODEL_REFUSED', afterMs: 0 }), RESERVED);
    (await busy()).release();
    await advance(1_000);
    expect(under.models.calls.length).toBeLessThan(5);
    expect(under.lane.stats()).toMatchObject({ queued: 1, running: 0, failed: 0 });
  });

  test('whose request waits for a slot lets one of raised priority go first', async () => {
    under = new LaneUnderTest(answers, RESERVED);
    const slot = await busy();
    under.lane.wake();
    await flush();
    const waits = Promise.resolve(under.gate().acquire(NEVER, { isRaised: true, rankMs: 0 }));
    slot.release();
    await flush();
    expect(under.models.calls).toEqual([]);
    (await waits)?.release();
    await advance(60);
    expect(under.decided).toEqual(ofPlace(1));
  });

  test('is no refresh, and needs a reserve', async () => {
    under = new LaneUnderTest(answers, RESERVED);
    const slot = under.takeSlot();
    under.lane.add(errand(1, 'refresh'));
    under.clock.advance(5_000);
    under.lane.add(errand(2));
    expect(under.lane.stats()).toMatchObject({ queued: 2, running: 0 });
    under.clock.advance(5_000);
    under.lane.wake();
    expect(under.lane.stats()).toMatchObject({ queued: 1, running: 1 });
    slot.release();
    await advance(120);
    expect(under.decided).toEqual(ofPlace(2, 1));
    const without = new LaneUnderTest(answers, { cache: { checkReserve: 0 } });
    const taken = without.takeSlot();
    without.lane.add(errand(1));
    without.clock.advance(100_000);
    without.lane.wake();
    expect(without.lane.stats()).toMatchObject({ queued: 1, running: 0 });
    taken.release();
    await without.lane.close();
  });
});

test('checks that are late come after those that are not, and of each the one that has waited longest comes first', async () => {
  under = new LaneUnderTest(answers, { cache: { checkReserve: 0 } });
  const slot = under.takeSlot();
  for (const id of [1, 2]) under.lane.add(errand(id));
  under.clock.advance(60_000);
  for (const id of [3, 4]) under.lane.add(errand(id));
  under.clock.advance(60_000);
  slot.release();
  under.lane.wake();
  await advance(220);
  expect(under.decided).toEqual(ofPlace(3, 4, 1, 2));
});

test('a check that gave way keeps its place before those that came after it', async () => {
  under = new LaneUnderTest(answers, { cache: { checkReserve: 0 } });
  under.lane.add(errand(1));
  await advance(1);
  under.lane.add(errand(2));
  const plan = under.gate().acquire(NEVER, { rankMs: under.clock.now() });
  await advance(1);
  expect(under.lane.stats()).toMatchObject({ queued: 2, cancelled: 1 });
  (await (plan as Promise<Slot>)).release();
  under.lane.wake();
  await advance(120);
  expect(under.decided).toEqual(ofPlace(1, 2));
});

test('a check waits for an idle server before it takes a slot from plans, and then no more than one does', async () => {
  under = new LaneUnderTest(answers, { cache: { checkReserve: 0.5 } });
  const slot = under.takeSlot();
  for (const id of [1, 2]) under.lane.add(errand(id));
  under.clock.advance(4_999);
  under.lane.wake();
  expect(under.lane.stats()).toMatchObject({ queued: 2, running: 0 });
  under.clock.advance(1);
  under.lane.wake();
  await advance(2);
  expect(under.lane.stats()).toMatchObject({ queued: 1, running: 1 });
  slot.release();
  await advance(120);
  expect(under.decided).toEqual(ofPlace(1, 2));
});

test('nor do more of several domains together', async () => {
  under = new LaneUnderTest(answers, { cache: { checkReserve: 0.5 } });
  const other = under.another();
  const slot = under.takeSlot();
  under.lane.add(errand(1));
  other.add(errand(2));
  under.clock.advance(5_000);
  under.lane.wake();
  await advance(2);
  expect([under.lane, other].map((lane) => lane.stats().running)).toEqual([1, 0]);
  slot.release();
  await advance(120);
  expect(under.decided).toEqual(ofPlace(1, 2));
  await other.close();
});

test('the checks of one domain do not keep those of another waiting', async () => {
  under = new LaneUnderTest(answers, { cache: { checkReserve: 0.5 } });
  const other = under.another();
  const slot = under.takeSlot();
  for (const id of [1, 2, 3, 4]) under.lane.add(errand(id));
  other.add(errand(10));
  under.clock.advance(5_000);
  under.lane.wake();
  slot.release();
  await advance(320);
  expect(under.decided.slice(0, 2)).toEqual(ofPlace(1, 10));
  await other.close();
});

describe('a check at idle servers', () => {
  /** A check has cost the plan beside it more than the reserve. */
  async function owed(areSlowed: boolean): Promise<void> {
    under = new LaneUnderTest(answers, { endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', maxConcurrent: 2 } } });
    const { profiles } = under.endpoints.get('fake') as ModelEndpoint;
    vi.spyOn(profiles, 'areSlowed', 'get').mockReturnValue(areSlowed);
    under.lane.add(errand(1));
    await flush();
    const slot = under.takeSlot();
    await advance(60);
    slot.release();
    expect(under.decided).toEqual(ofPlace(1));
  }

  test('waits a minute for further hits of its state while checks have cost more than the reserve', async () => {
    await owed(true);
    const counts: number[] = [];
    under.onDecided = (_errand, _made, others) => counts.push(others.reduce((sum, { count }) => sum + count, 1));
    under.lane.add(errand(2));
    under.clock.advance(59_999);
    await flush();
    under.lane.add(errand(2));
    expect(under.lane.stats()).toMatchObject({ queued: 1, running: 0 });
    await advance(1);
    under.lane.wake();
    await advance(60);
    expect(under.decided).toEqual(ofPlace(1, 2));
    expect(counts).toEqual([2]);
  });

  test('starts as soon as that is earned again', async () => {
    await owed(true);
    under.lane.add(errand(2));
    const slots = [under.takeSlot(), under.takeSlot()];
    under.clock.advance(1_000);
    for (const slot of slots) slot.release();
    under.lane.wake();
    await advance(60);
    expect(under.decided).toEqual(ofPlace(1, 2));
  });

  test('starts at once where calls do not slow one another', async () => {
    await owed(false);
    under.lane.add(errand(2));
    await advance(60);
    expect(under.decided).toEqual(ofPlace(1, 2));
  });

  test('starts at once if an entry that expires soon waits for the same answer', async () => {
    await owed(true);
    under.lane.add(errand(2));
    under.lane.add(errand(2, 'refresh'));
    await advance(60);
    expect(under.decided).toEqual(ofPlace(1, 2));
  });
});

/** A server at which calls do not slow one another. */
function server(workedMs: () => number): ReserveServer {
  return { workedMs, isOut: () => false, areSlowed: () => false };
}

function serverWith(workedMs: () => number): ReadonlyMap<string, ReserveServer> {
  return new Map([['one', server(workedMs)]]);
}

describe('the reserve', () => {
  test('is used up by a check at idle servers for as long as it has company, where calls slow one another', () => {
    let workedMs = 0;
    const reserve = new CheckReserve(0.1, new Map([['one', { ...server(() => workedMs), areSlowed: () => true }]]));
    const check = (othersMs: number): void => {
      const ended = reserve.besidePlans();
      workedMs += 300 + othersMs;
      ended(new Map([['one', 300]]));
    };
    check(0);
    expect(reserve.isOwed).toBe(false);
    check(100);
    expect(reserve.isOwed).toBe(true);
    workedMs += 1_000;
    expect(reserve.isOwed).toBe(false);
    check(10_000);
    expect(reserve.isOwed).toBe(false);
  });

  test('is a share of the time that models work, and all checks together take no more', () => {
    under = new LaneUnderTest(answers);
    let workedMs = 0;
    const reserve = new CheckReserve(
      0.03,
      serverWith(() => workedMs),
    );
    let usedMs = 0;
    for (let ms = 0; ms < 1_000_000; ms += 100) {
      workedMs += 400;
      if (!reserve.covers) continue;
      const takenMs = reserve.take();
      reserve.settle(takenMs, 300, true);
      usedMs += 300;
    }
    expect(usedMs / workedMs).toBeLessThanOrEqual(0.03);
    expect(usedMs / workedMs).toBeGreaterThan(0.029);
  });

  test('takes no more than its share of the time of any server, also where all checks are made at one of several', () => {
    const worked = new Map([
      ['small', 0],
      ['large', 0],
    ]);
    const servers = new Map([...worked.keys()].map((name) => [name, server(() => worked.get(name) as number)]));
    const reserve = new CheckReserve(0.1, servers);
    let usedMs = 0;
    for (let ms = 0; ms < 1_000_000; ms += 100) {
      worked.set('small', ms);
      worked.set('large', 10 * ms);
      if (!reserve.covers) continue;
      reserve.settle(reserve.take(), 200, true, 200, new Map([['small', 200]]));
      usedMs += 200;
    }
    expect(usedMs / 1_000_000).toBeGreaterThan(0.09);
    expect(usedMs / 1_000_000).toBeLessThanOrEqual(0.102);
  });

  test('does not wait for a server that is owed something and is out', () => {
    let workedMs = 0;
    let isOut = false;
    const servers = new Map([
      ['hung', { ...server(() => 0), isOut: () => isOut }],
      ['other', server(() => workedMs)],
    ]);
    const reserve = new CheckReserve(0.1, servers);
    workedMs = 1_000_000;
    expect(reserve.covers).toBe(true);
    reserve.settle(reserve.take(), 500, false, 500, new Map([['hung', 500]]));
    workedMs = 2_000_000;
    expect(reserve.covers).toBe(false);
    isOut = true;
    expect(reserve.covers).toBe(true);
  });

  test('does not learn how long checks take from those that another node answers', () => {
    let workedMs = 0;
    const reserve = new CheckReserve(
      0.1,
      serverWith(() => workedMs),
    );
    workedMs = 100_000;
    for (let nth = 0; nth < 5; nth++) reserve.settle(0, 400, true);
    for (let nth = 0; nth < 50; nth++) reserve.settle(0, 0, true);
    expect(reserve.covers).toBe(true);
    expect(reserve.take()).toBeCloseTo(600);
  });

  test('is owed what a check took in excess of the time set aside for it', () => {
    let workedMs = 0;
    const reserve = new CheckReserve(
      0.03,
      serverWith(() => workedMs),
    );
    let usedMs = 0;
    for (let ms = 0, nth = 0; ms < 3_000_000; ms += 100) {
      workedMs += 400;
      if (!reserve.covers) continue;
      const takenMs = reserve.take();
      const tookMs = nth++ % 10 === 0 ? 5_000 : 100;
      reserve.settle(takenMs, tookMs, true);
      usedMs += tookMs;
    }
    expect(usedMs / workedMs).toBeLessThanOrEqual(0.031);
    expect(usedMs / workedMs).toBeGreaterThan(0.025);
  });

  test('sets aside what nearly all checks take, where most read and some write', () => {
    let workedMs = 0;
    const reserve = new CheckReserve(
      0.1,
      serverWith(() => workedMs),
    );
    let takenMs = 0;
    for (let nth = 0; nth < 200; nth++) {
      workedMs += 100_000;
      expect(reserve.covers).toBe(true);
      takenMs = reserve.take();
      reserve.settle(takenMs, nth % 4 === 0 ? 1_000 : 100, true);
    }
    expect(takenMs).toBeGreaterThan(1_000);
    expect(takenMs).toBeLessThan(2_000);
  });

  test('saves up the time of eight checks, and waits longer for one that was cut short', () => {
    let workedMs = 0;
    const reserve = new CheckReserve(
      0.1,
      serverWith(() => workedMs),
    );
    workedMs = 10_000;
    expect(reserve.covers).toBe(true);
    reserve.settle(reserve.take(), 100, true);
    workedMs = 1_000_000;
    let checks = 0;
    for (; reserve.covers; checks++) reserve.settle(reserve.take(), 100, true);
    expect(checks).toBe(8);
    reserve.settle(0, 400, false);
    workedMs += 5_000;
    expect(reserve.covers).toBe(false);
    workedMs += 1_000;
    expect(reserve.covers).toBe(true);
  });
});
