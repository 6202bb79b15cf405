import { describe, expect, test } from 'vitest';
import { OUT_OF_TIME } from '../../../../src/main/models/calls/call-maker.ts';
import { NO_FACTS } from '../../../../src/main/models/discovery/endpoint-facts.ts';
import type { FeatureName } from '../../../../src/main/options/features.ts';
import { UNWANTED } from '../../../../src/shared/unwanted.ts';
import { flush } from '../../../support/drive.ts';
import { failed, MakerUnderTest, voted } from '../../../support/make-maker.ts';

const ELSEWHERE = { alternatives: ['b', 'c'] };

describe('a call', () => {
  test('takes a slot, tells which, gives it back, and is an attempt with its end and its time', async () => {
    const under = new MakerUnderTest();
    const call = under.make();
    await flush();
    expect(under.at('a').gate.busy).toBe(1);
    under.clock.advance(40);
    await under.last.end(voted(40, { firstTokenMs: 20 }));
    expect(await call).toMatchObject({ ok: true, vote: { action: 'flee' } });
    expect(under.attempts.snapshot(under.clock.now(), 0)).toEqual([
      {
        step: 'expert',
        role: 'one',
        model: 'm',
        endpoint: 'a',
        form: 'text',
        code: 'OK',
        startMs: 1_000,
        waitMs: 0,
        latencyMs: 40,
        firstTokenMs: 20,
        action: 'flee',
      },
    ]);
    expect(under.slots).toHaveLength(1);
    expect(under.isAtRest).toBe(true);
    expect(under.parts.counters.calls()).toMatchObject({ made: 1, useful: 1, running: 0 });
  });

  test('that fails ends with its code, and gives its slot back', async () => {
    const under = new MakerUnderTest();
    const call = under.make();
    await flush();
    await under.last.end(failed('ERR_VOTE_NONE'));
    expect(await call).toMatchObject({ ok: false, error: { code: 'ERR_VOTE_NONE' } });
    expect([under.codes, under.isAtRest]).toEqual([['a ERR_VOTE_NONE'], true]);
  });

  test('that has lost its lease is cancelled, is not tried again, and its slot is held', async () => {
    const under = new MakerUnderTest(['slotHolds'], { callRetries: 1 });
    const { gate } = under.at('a');
    gate.budget = { held: 1, reach: 1, share: 1, othersBusy: 0, changed: () => {} };
    const call = under.make();
    await flush();
    expect(under.last.signal.aborted).toBe(false);
    gate.running[0]?.cut?.();
    expect(under.last.signal.aborted).toBe(true);
    await under.last.end(failed('ERR_CANCELLED'));
    expect(await call).toMatchObject({ ok: false, error: { code: 'ERR_CANCELLED' } });
    expect([under.tries.length, gate.held]).toEqual([1, 1]);
  });

  test('is not tried again once nobody waits for it', async () => {
    for (const isLate of [false, true]) {
      const under = new MakerUnderTest([], { callRetries: 1 });
      const call = under.make({ holder: under.holder(isLate) });
      await flush();
      await under.last.end(failed('ERR_MODEL_RESET', { retryable: true }));
      expect(under.tries).toHaveLength(isLate ? 1 : 2);
      if (!isLate) await under.last.end(voted());
      expect((await call).ok).toBe(!isLate);
    }
  });

  test('that breaks by a bug is ERR_INTERNAL with the bug, is not made again, and gives its slot back', async () => {
    const under = new MakerUnderTest();
    const call = under.make(ELSEWHERE);
    await flush();
    await under.last.end(Promise.reject(new TypeError('a bug')));
    expect(await call).toMatchObject({ ok: false, error: { code: 'ERR_INTERNAL', message: 'TypeError: a bug' } });
    expect([under.asked, under.isAtRest]).toEqual([['a'], true]);
    expect(under.parts.counters.calls()).toMatchObject({ made: 1, failed: 1, running: 0 });
  });

  test('that breaks before it begins is one too', async () => {
    const under = new MakerUnderTest();
    const call = under.make({
      query: {
        run: () => {
          throw new TypeError('a bug');
        },
      },
    });
    expect(await call).toMatchObject({ ok: false, error: { code: 'ERR_INTERNAL' } });
    expect(under.isAtRest).toBe(true);
  });

  test('whose plan is cancelled while it waits is not made, and leaves the queue', async () => {
    const under = new MakerUnderTest([], { endpoints: { a: { baseURL: 'http://a/v1', maxConcurrent: 1 } } });
    const held = under.takeSlot('a');
    const controller = new AbortController();
    const call = under.make({}, controller.signal);
    await flush();
    expect(under.at('a').gate.waiting).toBe(1);
    controller.abort(UNWANTED);
    expect(await call).toMatchObject({ ok: false, error: { code: 'ERR_ENDPOINT_BUSY' } });
    held.release();
    expect([under.tries, under.isAtRest]).toEqual([[], true]);
    expect(under.parts.counters.calls().made).toBe(0);
  });

  test('begins with at most three others in one turn of the event loop; cancelled before its own, it is not made', async () => {
    const under = new MakerUnderTest();
    const controller = new AbortController();
    const calls = [1, 2, 3, 4].map(() => under.make());
    const fifth = under.make({}, controller.signal);
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    expect([under.tries.length, under.at('a').gate.busy]).toEqual([4, 5]);
    controller.abort(UNWANTED);
    expect(await fifth).toMatchObject({ ok: false, error: { code: 'ERR_ENDPOINT_BUSY' } });
    expect([under.tries.length, under.at('a').gate.busy]).toEqual([4, 4]);
    for (const open of under.tries) await open.end(voted());
    await Promise.all(calls);
    expect(under.isAtRest).toBe(true);
  });

  test('that is cancelled ends as unwanted, and at the deadline of its plan as out of time', async () => {
    for (const [reason, code] of [
      [UNWANTED, 'ERR_CANCELLED'],
      [OUT_OF_TIME, 'ERR_PLAN_SETTLED'],
    ] as const) {
      const under = new MakerUnderTest();
      const controller = new AbortController();
      const call = under.make({}, controller.signal);
      await flush();
      controller.abort(reason);
      expect(await call).toMatchObject({ ok: false, error: { code } });
      expect([under.codes, under.isAtRest]).toEqual([[`a ${code}`], true]);
    }
  });

  test('that ended in a vote as its plan ran out of time has its vote', async () => {
    const under = new MakerUnderTest();
    const controller = new AbortController();
    const call = under.make({}, controller.signal);
    await flush();
    const ended = under.last.end(voted());
    controller.abort(OUT_OF_TIME);
    await ended;
    expect((await call).ok).toBe(true);
  });
});

describe('another try', () => {
  test('is made at the same endpoint after a failure that may pass', async () => {
    const under = new MakerUnderTest();
    const call = under.make();
    await flush();
    await under.last.end(failed('ERR_MODEL_RESET', { retryable: true }));
    await under.last.end(voted());
    expect((await call).ok).toBe(true);
    expect(under.codes).toEqual(['a ERR_MODEL_RESET', 'a OK']);
    expect(under.parts.counters.tries.retries).toBe(1);
  });

  test('is made elsewhere after a failure of the server', async () => {
    for (const code of ['ERR_MODEL_REFUSED', 'ERR_MODEL_STATUS', 'ERR_MODEL_TIMEOUT_FIRST_TOKEN'] as const) {
      const under = new MakerUnderTest();
      const call = under.make(ELSEWHERE);
      await flush();
      await under.last.end(failed(code));
      await under.last.end(voted());
      expect((await call).ok).toBe(true);
      expect(under.codes).toEqual([`a ${code}`, 'b OK']);
    }
  });

  test('is not made for what the model said, nor where there is nowhere else', async () => {
    for (const [code, plan] of [
      ['ERR_VOTE_ILLEGAL', ELSEWHERE],
      ['ERR_WORKER_EXITED', ELSEWHERE],
      ['ERR_MODEL_STATUS', {}],
    ] as const) {
      const under = new MakerUnderTest();
      const call = under.make(plan);
      await flush();
      await under.last.end(failed(code));
      expect(await call).toMatchObject({ ok: false, error: { code } });
      expect(under.asked).toEqual(['a']);
    }
  });

  test.each([0, 1, 2])(
    'is made at most %i times, as configured, each where none was made before',
    async (callRetries) => {
      const under = new MakerUnderTest([], { callRetries });
      const call = under.make(ELSEWHERE);
      await flush();
      for (let nth = 0; nth <= callRetries; nth++) await under.last.end(failed('ERR_MODEL_STATUS'));
      expect((await call).ok).toBe(false);
      expect(under.asked).toEqual(['a', 'b', 'c'].slice(0, callRetries + 1));
      expect(under.isAtRest).toBe(true);
    },
  );

  test('is not made once nobody waits', async () => {
    const under = new MakerUnderTest();
    const controller = new AbortController();
    const call = under.make(ELSEWHERE, controller.signal);
    await flush();
    const ended = under.last.end(failed('ERR_MODEL_RESET', { retryable: true }));
    controller.abort(UNWANTED);
    await ended;
    await call;
    expect(under.codes).toEqual(['a ERR_MODEL_RESET']);
    expect(under.parts.counters.tries.retries).toBe(0);
  });
});

describe('an endpoint that rests', () => {
  const resting = (more: object = {}) => {
    const under = new MakerUnderTest(['breaker'], more);
    under.saw('a', failed('ERR_MODEL_REFUSED'), 5);
    expect(under.at('a').isResting).toBe(true);
    return under;
  };

  test('is not asked: the call is refused at once, though its slots are taken', async () => {
    const under = resting({ endpoints: { a: { baseURL: 'http://a/v1', maxConcurrent: 1 } } });
    under.takeSlot('a');
    expect(await under.make()).toMatchObject({ ok: false, error: { code: 'ERR_ENDPOINT_RESTING' } });
    expect([under.tries, under.codes]).toEqual([[], ['a ERR_ENDPOINT_RESTING']]);
    expect(under.parts.counters.calls().made).toBe(0);
  });

  test('is passed over where another one serves the model', async () => {
    const under = resting();
    const call = under.make(ELSEWHERE);
    await flush();
    await under.last.end(voted());
    await call;
    expect(under.codes).toEqual(['b OK']);
    expect(
      under.parts.maker.isReachable({ subject: { step: 'expert', model: 'm', endpoint: 'a' }, ...ELSEWHERE }),
    ).toBe(true);
  });

  test('that began to rest while the call waited for its slot is not asked, and the slot is given back', async () => {
    const under = new MakerUnderTest(['breaker'], {
      endpoints: { a: { baseURL: 'http://a/v1', maxConcurrent: 1 } },
    });
    const held = under.takeSlot('a');
    const call = under.make();
    await flush();
    for (let nth = 0; nth < 5; nth++) under.at('a').breaker.failed();
    held.release();
    expect(await call).toMatchObject({ ok: false, error: { code: 'ERR_ENDPOINT_RESTING' } });
    expect([under.tries, under.isAtRest]).toEqual([[], true]);
  });

  test('is asked by one call after its rest, and by all when that has ended well', async () => {
    const under = resting();
    under.clock.advance(700);
    const calls = [under.make(), under.make()];
    await flush();
    expect([under.asked, under.codes]).toEqual([['a'], ['a ERR_PLAN_SETTLED', 'a ERR_ENDPOINT_RESTING']]);
    await under.last.end(voted());
    await Promise.all(calls);
    const next = [under.make(), under.make()];
    await flush();
    expect(under.asked).toEqual(['a', 'a', 'a']);
    for (const open of under.tries) await open.end(voted());
    await Promise.all(next);
  });

  test('is asked all the same where breakers are switched off', async () => {
    const under = new MakerUnderTest();
    under.saw('a', failed('ERR_MODEL_REFUSED'), 20);
    const call = under.make();
    await flush();
    await under.last.end(voted());
    expect((await call).ok).toBe(true);
  });
});

describe('a call that has no hope to end in time', () => {
  const known = () => {
    const under = new MakerUnderTest(['learnedTimeouts']);
    under.saw('a', voted(1_000), 30);
    // One such call has just been let through.
    under.at('a').mayTry('m', 'text');
    return under;
  };
  const left = (under: MakerUnderTest, ms: number) => ({ deadlineMs: under.clock.now() + ms });

  test('is not begun, says so, and gives its slot back', async () => {
    const under = known();
    expect(await under.make(left(under, 900))).toMatchObject({ ok: false, error: { code: 'ERR_STEP_SKIPPED' } });
    expect([under.tries, under.codes, under.isAtRest]).toEqual([[], ['a ERR_STEP_SKIPPED'], true]);
  });

  test('is begun with a little more time, in the background, without learned timeouts, and where nothing is known', async () => {
    const background = known();
    const unlearned = new MakerUnderTest();
    unlearned.saw('a', voted(1_000), 30);
    const enough = known();
    const unknown = new MakerUnderTest(['learnedTimeouts']);
    void background.make({ ...left(background, 900), lane: 'background' });
    void unlearned.make(left(unlearned, 900));
    void enough.make(left(enough, 1_100));
    void unknown.make(left(unknown, 5));
    await flush();
    for (const under of [background, unlearned, enough, unknown]) expect(under.asked).toEqual(['a']);
  });

  test('while others wait for the slots is one that half of its kind would not end in time', async () => {
    for (const waiting of [0, 1]) {
      const under = new MakerUnderTest(['learnedTimeouts'], {
        endpoints: { a: { baseURL: 'http://a/v1', maxConcurrent: 1 } },
      });
      for (let nth = 0; nth < 15; nth++) for (const ms of [200, 1_000, 1_000]) under.saw('a', voted(ms));
      const held = under.takeSlot('a');
      const nowMs = under.clock.now();
      const first = under.make({ deadlineMs: nowMs + 500, rankMs: nowMs });
      for (let nth = 0; nth < waiting; nth++) void under.make();
      await flush();
      held.release();
      await flush();
      expect(under.codes[0]).toBe(waiting === 0 ? 'a ERR_PLAN_SETTLED' : 'a ERR_STEP_SKIPPED');
      await under.last.end(voted());
      await first;
    }
  });

  test('is let through once in two seconds: it may be quicker by now', async () => {
    const under = known();
    const skipped = { ok: false, error: { code: 'ERR_STEP_SKIPPED' } };
    under.clock.advance(1_999);
    expect(await under.make(left(under, 900))).toMatchObject(skipped);
    under.clock.advance(1);
    const tried = under.make(left(under, 900));
    await flush();
    expect(under.asked).toEqual(['a']);
    expect(await under.make(left(under, 900))).toMatchObject(skipped);
    await under.last.end(voted(300));
    expect((await tried).ok).toBe(true);
  });

  test('is judged by when the call must end, where that is before the deadline', async () => {
    const under = known();
    const result = await under.make({ endMs: under.clock.now() + 900 });
    expect(result).toMatchObject({ ok: false, error: { code: 'ERR_STEP_SKIPPED' } });
  });
});

describe('of several endpoints', () => {
  test('the one that is expected to answer first is asked', async () => {
    const under = new MakerUnderTest();
    for (const [name, ms] of [
      ['a', 900],
      ['b', 300],
      ['c', 600],
    ] as const)
      under.saw(name, voted(ms), 30);
    void under.make(ELSEWHERE);
    await flush();
    expect(under.asked).toEqual(['b']);
  });

  test('one that answers garbage quickly has few calls beside a slower one that votes', async () => {
    const under = new MakerUnderTest();
    for (let nth = 0; nth < 100; nth++) {
      const call = under.make({ alternatives: ['b'] });
      await flush();
      const isGarbage = under.last.at === 'a';
      under.clock.advance(isGarbage ? 5 : 300);
      await under.last.end(isGarbage ? failed('ERR_VOTE_ILLEGAL', { totalMs: 5 }) : voted(300));
      await call;
    }
    expect(under.asked.filter((at) => at === 'a').length).toBeLessThanOrEqual(5);
  });

  test('those that wait count: a quick one with a queue is left for one that is free', async () => {
    const endpoint = { baseURL: 'http://x/v1', maxConcurrent: 1 };
    const under = new MakerUnderTest([], { endpoints: { a: endpoint, b: endpoint, c: endpoint } });
    for (const [name, ms] of [
      ['a', 900],
      ['b', 300],
      ['c', 500],
    ] as const)
      under.saw(name, voted(ms), 30);
    under.takeSlot('b');
    void under.make(ELSEWHERE);
    await flush();
    expect(under.asked).toEqual(['c']);
  });

  test('one that is not known is tried where it has room, and not where it has none', async () => {
    const endpoint = { baseURL: 'http://x/v1', maxConcurrent: 1 };
    const under = new MakerUnderTest([], { endpoints: { a: endpoint, b: endpoint } });
    under.saw('a', voted(300), 30);
    void under.make({ alternatives: ['b'] });
    await flush();
    under.saw('a', voted(300));
    void under.make({ alternatives: ['b'] });
    await flush();
    expect(under.asked).toEqual(['b', 'a']);
  });
});

describe('a second try of a call that takes unusually long', () => {
  /** At `a` calls take 100 ms; `b` is known too; and there is one second try to spend. */
  const known = (more: object = {}) => {
    const under = new MakerUnderTest(['hedging'], more);
    under.saw('a', voted(100), 30);
    under.saw('b', voted(150), 30);
    return under;
  };
  const spend = async (under: MakerUnderTest, calls: number): Promise<void> => {
    for (let nth = 0; nth < calls; nth++) {
      const call = under.make({ alternatives: ['b'] });
      await flush();
      await under.last.end(voted(100));
      await call;
    }
    under.tries.length = 0;
  };

  test('is made elsewhere after the time that 19 of 20 calls take: the first vote wins, the other is cancelled', async () => {
    const under = known();
    await spend(under, 20);
    const call = under.make({ alternatives: ['b'] });
    await flush();
    under.clock.advance(90);
    await flush();
    expect(under.asked).toEqual(['a']);
    under.clock.advance(20);
    await flush();
    expect(under.asked).toEqual(['a', 'b']);
    await under.last.end(voted(30));
    expect((await call).ok).toBe(true);
    await flush();
    expect(under.tries.map(({ signal }) => signal.aborted)).toEqual([true, true]);
    expect(under.codes.slice(-2)).toEqual(['a ERR_CANCELLED', 'b OK']);
    expect(under.parts.counters.tries.hedges).toBe(1);
    expect(under.isAtRest).toBe(true);
  });

  test('loses to the first one where that is sooner after all', async () => {
    const under = known();
    await spend(under, 20);
    const call = under.make({ alternatives: ['b'] });
    await flush();
    under.clock.advance(110);
    await flush();
    await under.tries[0]?.end(voted(120));
    expect((await call).ok).toBe(true);
    await flush();
    expect(under.codes.slice(-2)).toEqual(['a OK', 'b ERR_CANCELLED']);
    expect(under.isAtRest).toBe(true);
  });

  test('is waited for when the first one fails meanwhile', async () => {
    const under = known();
    await spend(under, 20);
    const call = under.make({ alternatives: ['b'] });
    await flush();
    under.clock.advance(110);
    await flush();
    await under.tries[0]?.end(failed('ERR_MODEL_RESET'));
    await under.last.end(voted());
    expect((await call).ok).toBe(true);
    expect(under.asked).toEqual(['a', 'b']);
  });

  test('is not made beyond one in twenty calls', async () => {
    const under = known();
    await spend(under, 18);
    const call = under.make({ alternatives: ['b'] });
    await flush();
    under.clock.advance(1_000);
    await flush();
    expect([under.asked, under.parts.counters.tries.hedges]).toEqual([['a'], 0]);
    await under.last.end(voted());
    await call;
    expect(under.isAtRest).toBe(true);
  });

  test('is not made where no slot is idle, the other one rests, in the background, or when it is switched off', async () => {
    const endpoint = { baseURL: 'http://x/v1', maxConcurrent: 1 };
    const busy = known({ endpoints: { a: endpoint, b: endpoint } });
    const background = known();
    const off = new MakerUnderTest();
    off.saw('a', voted(100), 30);
    off.saw('b', voted(150), 30);
    const resting = new MakerUnderTest(['hedging', 'breaker']);
    resting.saw('a', voted(100), 30);
    for (const under of [busy, background, off, resting]) {
      await spend(under, 40);
      if (under === busy) under.takeSlot('b');
      if (under === resting) for (let nth = 0; nth < 5; nth++) under.at('b').breaker.failed();
      const lane = under === background ? 'background' : 'foreground';
      void under.make({ alternatives: ['b'], lane });
      await flush();
      under.clock.advance(1_000);
      await flush();
      expect(under.asked).toHaveLength(1);
      expect([under.parts.counters.tries.hedges, under.at('b').gate.waiting]).toEqual([0, 0]);
    }
  });

  test('is cancelled with the first one when nobody waits any more', async () => {
    const under = known();
    await spend(under, 20);
    const controller = new AbortController();
    const call = under.make({ alternatives: ['b'] }, controller.signal);
    await flush();
    under.clock.advance(110);
    await flush();
    controller.abort(OUT_OF_TIME);
    expect((await call).ok).toBe(false);
    await flush();
    expect(under.codes.slice(-2)).toEqual(['a ERR_PLAN_SETTLED', 'b ERR_PLAN_SETTLED']);
    expect(under.isAtRest).toBe(true);
  });

  test('and a first one are not made at all for a plan that is cancelled already', async () => {
    const under = known();
    const call = under.make({ alternatives: ['b'] }, AbortSignal.abort(UNWANTED));
    await flush();
    expect(under.tries).toEqual([]);
    expect((await call).ok).toBe(false);
    expect(under.isAtRest).toBe(true);
  });
});

describe('the terms of a call', () => {
  const termsOf = async (under: MakerUnderTest, more: object = {}) => {
    void under.make(more);
    await flush();
    return under.last.terms;
  };

  test('of a plain planner are its timeout, text, and no stream', async () => {
    expect(await termsOf(new MakerUnderTest())).toEqual({ timeoutMs: 5_000, answer: 'text', stream: false });
  });

  test('never give it more time than there is until it must end', async () => {
    const under = new MakerUnderTest();
    expect((await termsOf(under, { endMs: under.clock.now() + 4_999 })).timeoutMs).toBe(4_999);
    expect((await termsOf(under, { endMs: under.clock.now() + 5_001 })).timeoutMs).toBe(5_000);
    expect((await termsOf(under, { endMs: under.clock.now() - 1 })).timeoutMs).toBe(1);
  });

  test('with learned timeouts come from measured times, and each phase has its own where there is a stream', async () => {
    const under = new MakerUnderTest(['learnedTimeouts', 'streaming']);
    const unknown = await termsOf(under);
    expect(unknown).toMatchObject({ timeoutMs: 5_000, phases: { firstTokenMs: 5_000, gapMs: 5_000 }, stream: true });
    under.saw('a', voted(1_500, { firstTokenMs: 800, gapMsMax: 20, queueMs: 5 }), 30);
    const { timeoutMs, phases } = await termsOf(under);
    expect(timeoutMs).toBeGreaterThan(2_500);
    expect(timeoutMs).toBeLessThan(3_500);
    expect(phases?.firstTokenMs).toBeGreaterThan(1_400);
    expect(phases?.firstTokenMs).toBeLessThan(1_900);
    expect(phases).toMatchObject({ gapMs: 1_000, headersMs: 1_000 });
    const unstreamed = new MakerUnderTest(['learnedTimeouts']);
    expect(await termsOf(unstreamed)).not.toHaveProperty('phases');
  });

  test('ask for JSON where the model is known to keep to a schema, and the feature is on', async () => {
    for (const [on, answer] of [
      [true, 'json'],
      [false, 'text'],
    ] as const) {
      const under = new MakerUnderTest(on ? ['constrainedAnswers'] : []);
      under.parts.forms.begin('a', 'm', true);
      expect((await termsOf(under)).answer).toBe(answer);
    }
  });

  test('ask for text again once the server has refused the schema', async () => {
    const under = new MakerUnderTest(['constrainedAnswers']);
    under.parts.forms.begin('a', 'm', true);
    expect((await termsOf(under)).answer).toBe('json');
    await under.last.end(failed('ERR_MODEL_SCHEMA'));
    expect((await termsOf(under)).answer).toBe('text');
  });

  test('ask llama.cpp alone for its tokens with every event', async () => {
    for (const kind of ['llamacpp', 'lmstudio'] as const) {
      const under = new MakerUnderTest();
      under.at('a').learn({ ...NO_FACTS, kind });
      expect((await termsOf(under)).tellsTokens).toBe(kind === 'llamacpp' ? true : undefined);
    }
  });

  test('of the one call that decides whether an endpoint is well again are three seconds, or twice what it usually takes', async () => {
    const under = new MakerUnderTest(['breaker']);
    under.saw('a', voted(100), 5);
    under.saw('a', failed('ERR_MODEL_RESET'), 5);
    under.clock.advance(1_000);
    expect((await termsOf(under)).timeoutMs).toBe(3_000);
    await under.last.end(voted());
    expect((await termsOf(under)).timeoutMs).toBe(5_000);
    const unknown = new MakerUnderTest(['breaker']);
    unknown.saw('a', failed('ERR_MODEL_RESET'), 5);
    unknown.clock.advance(1_000);
    expect((await termsOf(unknown)).timeoutMs).toBe(5_000);
    const slow = new MakerUnderTest(['breaker']);
    slow.saw('a', voted(2_000), 5);
    slow.saw('a', failed('ERR_MODEL_RESET'), 5);
    slow.clock.advance(1_000);
    const { timeoutMs } = await termsOf(slow);
    expect([timeoutMs > 3_900, timeoutMs < 4_200]).toEqual([true, true]);
    const short = new MakerUnderTest(['breaker']);
    short.saw('a', failed('ERR_MODEL_RESET'), 5);
    short.clock.advance(1_000);
    expect((await termsOf(short, { ceilingMs: 2_000 })).timeoutMs).toBe(2_000);
  });
});

describe('a call that cannot be in time', () => {
  /** How many of four such calls begin. */
  async function begun(...on: FeatureName[]): Promise<number> {
    const under = new MakerUnderTest(['learnedTimeouts', ...on], {
      endpoints: { a: { baseURL: 'http://x/v1', maxConcurrent: 4 } },
    });
    under.saw('a', voted(2_000), 60);
    for (let nth = 0; nth < 4; nth++) {
      const nowMs = under.clock.now();
      const made = under.make({ deadlineMs: nowMs + 100, endMs: nowMs + 5_000, rankMs: nowMs });
      await flush();
      if (under.tries.length > nth) await under.last.end(voted());
      await made;
    }
    return under.tries.length;
  }

  test('is made all the same where nobody waits, for what it says is remembered', async () => {
    expect(await begun('lateAnswers')).toBe(4);
  });

  test('is made once in a while where late answers are given up', async () => {
    expect(await begun()).toBe(1);
  });
});
