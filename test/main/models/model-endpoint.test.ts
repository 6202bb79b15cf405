import { describe, expect, test } from 'vitest';
import { type EndpointFacts, NO_FACTS } from '../../../src/main/models/discovery/endpoint-facts.ts';
import type { EndpointParts } from '../../../src/main/models/endpoint-parts.ts';
import { ModelEndpoint } from '../../../src/main/models/model-endpoint.ts';
import type { Slot } from '../../../src/main/models/slots/ask.ts';
import { allFeatures, type FeatureName } from '../../../src/main/options/features.ts';
import type { ResolvedEndpoint } from '../../../src/main/options/planner-options.ts';
import { ERROR_CODES, type ErrorCode } from '../../../src/shared/errors.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import type { CallReport, ExpertResult } from '../../../src/shared/tasks.ts';
import type { ChatCaller } from '../../../src/shared/vote-answer.ts';
import { flush } from '../../support/drive.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { failed, voted } from '../../support/make-maker.ts';

const NEVER = new AbortController().signal;

class EndpointUnderTest {
  readonly clock = new FakeClock(1_000);
  readonly at: ModelEndpoint;

  constructor(
    on: readonly FeatureName[] = [],
    endpoint: Partial<ResolvedEndpoint> = {},
    more: Pick<EndpointParts, 'caller' | 'askFacts'> = {},
  ) {
    this.at = new ModelEndpoint({
      endpoint: { name: 'a', baseURL: 'http://a/v1', maxConcurrent: 64, staggerMs: 0, ...endpoint },
      features: { ...allFeatures(false), ...Object.fromEntries(on.map((name) => [name, true])) },
      clock: this.clock,
      random: seededRandom(1),
      ceilingMs: 5_000,
      ...more,
    });
  }

  takeSlot(rankMs = 0): Slot {
    const slot = this.at.gate.acquire(NEVER, { rankMs });
    if (slot === undefined || slot instanceof Promise) throw new Error('no slot is free');
    return slot;
  }

  /** Calls of `m`, one after another, that ended so. */
  ended(result: ExpertResult, { times = 1, cold = false, streamed = true, gapMs = 0 } = {}): void {
    for (let nth = 0; nth < times; nth++) {
      this.clock.advance(gapMs);
      this.at.tryEnter();
      this.at.ended('m', 'text', result, this.takeSlot(), streamed, { isCold: cold });
    }
  }

  expected(rankMs = 0): number | undefined {
    return this.at.forecast.expectedMs('m', 'text', rankMs);
  }
}

function facts(more: Partial<EndpointFacts>): EndpointFacts {
  return { ...NO_FACTS, ...more };
}

describe('a model', () => {
  test('may have to be loaded while nothing is known of it, unless the server says that it is', () => {
    const { at } = new EndpointUnderTest();
    expect(at.isCold('m')).toBe(true);
    at.learn(facts({ models: [{ id: 'm', loaded: true }, { id: 'out', loaded: false }, { id: 'who knows' }] }));
    expect(['m', 'out', 'who knows', 'unheard of'].map((model) => at.isCold(model))).toEqual([false, true, true, true]);
  });

  test('is there once it has answered, until nobody has asked it for four minutes', () => {
    const under = new EndpointUnderTest();
    under.ended(voted());
    under.clock.advance(240_000);
    expect(under.at.isCold('m')).toBe(false);
    under.clock.advance(1);
    expect(under.at.isCold('m')).toBe(true);
    under.ended(failed('ERR_MODEL_TIMEOUT_FIRST_TOKEN'));
    expect(under.at.isCold('m')).toBe(true);
  });

  test('that was told to be loaded may have been put out since its last answer', () => {
    const under = new EndpointUnderTest();
    under.at.learn(facts({ models: [{ id: 'm', loaded: true }] }));
    under.ended(voted());
    under.clock.advance(240_001);
    expect(under.at.isCold('m')).toBe(true);
  });

  test('is not known to be slow by calls that had to wait for it to be loaded', () => {
    const under = new EndpointUnderTest();
    under.ended(voted(30_000), { times: 5, cold: true });
    expect(under.expected()).toBeUndefined();
    under.ended(voted(100), { times: 5 });
    expect(under.expected()).toBeLessThan(110);
  });

  test('is not known to be quick by calls that were cut short, nor by requests that the server refused', () => {
    const under = new EndpointUnderTest();
    under.ended(voted(1_000), { times: 30 });
    const before = under.expected() as number;
    under.ended(failed('ERR_PLAN_SETTLED', { totalMs: 5 }), { times: 60 });
    under.ended(failed('ERR_CANCELLED', { totalMs: 5 }), { times: 60 });
    under.ended(failed('ERR_MODEL_SCHEMA', { totalMs: 5 }), { times: 60 });
    under.ended(failed('ERR_MODEL_REFUSED', { totalMs: 5 }), { times: 60 });
    expect(under.expected()).toBeGreaterThanOrEqual(before);
  });

  test('is known to be slower by calls that were not waited for to their end', () => {
    const under = new EndpointUnderTest();
    under.ended(voted(1_000), { times: 30 });
    under.ended(failed('ERR_MODEL_TIMEOUT_STREAM', { totalMs: 3_000 }), { times: 60 });
    expect(under.expected()).toBeGreaterThan(2_500);
  });
});

describe('the share of useful calls', () => {
  const share = (under: EndpointUnderTest) => under.at.use.share('m');

  test('is 1 while nothing is known, falls with each answer without a vote, and rises with each vote', () => {
    const under = new EndpointUnderTest();
    expect(share(under)).toBe(1);
    under.ended(failed('ERR_VOTE_ILLEGAL'));
    expect(share(under)).toBeCloseTo(0.95);
    under.ended(failed('ERR_VOTE_NONE'), { times: 100 });
    expect(share(under)).toBeLessThan(0.01);
    under.ended(voted());
    expect(share(under)).toBeGreaterThan(0.05);
    under.ended(voted(), { times: 100 });
    expect(share(under)).toBeGreaterThan(0.99);
  });

  test('is that of each model for itself, and knows nothing of calls that were cancelled, cut short or of the worker', () => {
    const under = new EndpointUnderTest();
    for (const code of ['ERR_CANCELLED', 'ERR_PLAN_SETTLED', 'ERR_WORKER_EXITED'] as const) under.ended(failed(code));
    expect(share(under)).toBe(1);
    under.ended(failed('ERR_VOTE_NONE'));
    expect(under.at.use.share('other')).toBe(1);
  });

  test('is of answers that teach no times: useless ones are often very quick', () => {
    const under = new EndpointUnderTest();
    for (const code of ['ERR_VOTE_ILLEGAL', 'ERR_VOTE_NONE', 'ERR_MODEL_EMPTY'] as const) {
      under.ended(failed(code, { totalMs: 5 }), { times: 30 });
    }
    expect(under.expected()).toBeUndefined();
    expect(under.at.profileOf('m', 'text').quantile('total', 0.5)).toBeUndefined();
  });
});

describe('a call against what is known', () => {
  test('may be made once in two seconds, each model and kind for itself', () => {
    const { at, clock } = new EndpointUnderTest();
    expect([at.mayTry('m', 'text'), at.mayTry('m', 'text')]).toEqual([true, false]);
    expect([at.mayTry('m', 'vision'), at.mayTry('n', 'text')]).toEqual([true, true]);
    clock.advance(1_999);
    expect(at.mayTry('m', 'text')).toBe(false);
    clock.advance(1);
    expect([at.mayTry('m', 'text'), at.mayTry('m', 'text')]).toEqual([true, false]);
  });

  test('may not be made while somebody waits, and that takes nothing from the next one', () => {
    const { at } = new EndpointUnderTest([], { maxConcurrent: 1 });
    const held = at.gate.acquire(NEVER) as Slot;
    const leaving = new AbortController();
    void at.gate.acquire(leaving.signal);
    expect(at.mayTry('m', 'text')).toBe(false);
    leaving.abort();
    expect(at.mayTry('m', 'text')).toBe(true);
    held.release();
  });
});

describe('the time until a call is done', () => {
  const known = (slots: number) => {
    const under = new EndpointUnderTest([], { maxConcurrent: slots });
    under.ended(voted(1_000), { times: 30 });
    return { under, workMs: under.expected() as number };
  };

  test('is not known while nothing is known of the model for that kind of call', () => {
    const { under } = known(1);
    expect(under.at.forecast.expectedMs('other', 'text', 0)).toBeUndefined();
    expect(under.at.forecast.expectedMs('m', 'vision', 0)).toBeUndefined();
  });

  test('is its work where a slot is free', () => {
    const { under, workMs } = known(2);
    expect(workMs).toBeGreaterThan(950);
    expect(workMs).toBeLessThan(1_050);
    under.takeSlot();
    expect(under.expected()).toBe(workMs);
  });

  test('and a share of the work of those ahead where none is', () => {
    const { under, workMs } = known(2);
    under.takeSlot();
    under.takeSlot();
    expect(under.expected()).toBe(workMs * 1.5);
    void under.at.gate.acquire(NEVER, { rankMs: 10 });
    expect(under.expected(20)).toBe(workMs * 2);
    // Whoever ranks before those that wait does not wait for them.
    expect(under.expected(5)).toBe(workMs * 1.5);
  });

  test('does not count the background, which makes room', () => {
    const { under, workMs } = known(2);
    under.takeSlot();
    const slot = under.at.gate.acquire(NEVER, { lane: 'background' }) as Slot;
    expect(under.expected()).toBe(workMs);
    slot.release();
    const other = under.takeSlot();
    expect(under.expected()).toBe(workMs * 1.5);
    // Nobody waits for its call any more.
    other.toBackground();
    expect(under.expected()).toBe(workMs);
    other.release();
    other.toBackground();
    under.takeSlot();
    expect(under.expected()).toBe(workMs * 1.5);
  });
});

describe('the timeouts of a call', () => {
  const ALL = { headersMs: 5_000, firstTokenMs: 5_000, gapMs: 5_000, totalMs: 5_000 };

  test('are the ceiling where they are not learned, and where the model may have to be loaded', () => {
    for (const on of [[], ['learnedTimeouts']] as const) {
      const under = new EndpointUnderTest(on);
      under.ended(voted(100, { firstTokenMs: 50 }), { times: 50 });
      if (on.length > 0) under.clock.advance(240_001);
      expect(under.at.timeouts('m', 'text', 5_000)).toEqual(ALL);
    }
  });

  test('come from measured times where they are', () => {
    const under = new EndpointUnderTest(['learnedTimeouts']);
    under.ended(voted(100, { firstTokenMs: 50, queueMs: 1, gapMsMax: 5 }), { times: 50 });
    expect(under.at.timeouts('m', 'text', 5_000)).toEqual({
      headersMs: 1_000,
      firstTokenMs: 1_000,
      gapMs: 1_000,
      totalMs: 1_000,
    });
    expect(under.at.timeouts('m', 'text', 300)).toMatchObject({ totalMs: 300, firstTokenMs: 300 });
    expect(under.at.timeouts('m', 'vision', 5_000)).toEqual(ALL);
  });

  test('widen after timeouts', () => {
    const under = new EndpointUnderTest(['learnedTimeouts']);
    under.ended(voted(100), { times: 50 });
    under.ended(failed('ERR_MODEL_TIMEOUT_STREAM', { totalMs: 1_000 }));
    expect(under.at.timeouts('m', 'text', 5_000).totalMs).toBe(2_000);
  });

  test('do not widen after calls that were cut short', () => {
    const under = new EndpointUnderTest(['learnedTimeouts']);
    under.ended(voted(100), { times: 50 });
    under.ended(failed('ERR_PLAN_SETTLED', { totalMs: 90 }), { times: 20 });
    expect(under.at.timeouts('m', 'text', 5_000).totalMs).toBe(1_000);
  });
});

describe('a slot', () => {
  const heldAfter = (under: EndpointUnderTest, code: ErrorCode, report: Partial<CallReport>, streamed = true) => {
    under.ended(failed(code, report), { streamed });
    expect(under.at.gate.held).toBe(under.at.gate.busy);
    let ms = 0;
    for (; under.at.gate.held > 0; ms++) under.clock.advance(1);
    return ms;
  };

  test.each(['ERR_CANCELLED', 'ERR_PLAN_SETTLED', 'ERR_MODEL_TIMEOUT_FIRST_TOKEN'] as const)(
    'is held after %s: shortly once tokens came, and as long as the prompt is read before',
    (code) => {
      const under = new EndpointUnderTest(['slotHolds']);
      expect(heldAfter(under, code, { totalMs: 100, firstTokenMs: 50 })).toBe(40);
      expect(heldAfter(under, code, { totalMs: 100 })).toBe(250);
      under.ended(voted(900, { firstTokenMs: 500 }), { times: 30 });
      const ms = heldAfter(under, code, { totalMs: 100 });
      expect(ms).toBeGreaterThan(370);
      expect(ms).toBeLessThan(430);
    },
  );

  test('is held to the end of the work where there is no stream', () => {
    const under = new EndpointUnderTest(['slotHolds']);
    under.ended(voted(900, { firstTokenMs: 500 }), { times: 30 });
    const ms = heldAfter(under, 'ERR_CANCELLED', { totalMs: 100 }, false);
    expect(ms).toBeGreaterThan(750);
    expect(ms).toBeLessThan(860);
  });

  test('is free at once after an answer or a failure, and after everything where holds are switched off', () => {
    const under = new EndpointUnderTest(['slotHolds']);
    for (const result of [voted(), failed('ERR_VOTE_NONE'), failed('ERR_MODEL_RESET'), failed('ERR_WORKER_EXITED')]) {
      under.ended(result);
      expect(under.at.gate.busy).toBe(0);
    }
    const off = new EndpointUnderTest();
    off.ended(failed('ERR_CANCELLED'));
    off.ended(failed('ERR_MODEL_TIMEOUT_STREAM'));
    expect([off.at.gate.busy, off.clock.pendingTimers]).toEqual([0, 0]);
  });
});

describe('the breaker', () => {
  /** Codes with which a call ends, by what they say of the server. */
  const FAILURES = [
    'ERR_MODEL_REFUSED',
    'ERR_MODEL_RESET',
    'ERR_MODEL_TIMEOUT_CONNECT',
    'ERR_MODEL_TIMEOUT_HEADERS',
    'ERR_MODEL_TIMEOUT_FIRST_TOKEN',
    'ERR_MODEL_TIMEOUT_STREAM',
    'ERR_MODEL_STATUS',
    'ERR_MODEL_OVERLOADED',
    'ERR_MODEL_MALFORMED',
    'ERR_MODEL_TOO_LARGE',
    'ERR_PLAN_SETTLED',
  ] as const;
  const ANSWERS = [
    'ERR_VOTE_NONE',
    'ERR_VOTE_ILLEGAL',
    'ERR_VOTE_AMBIGUOUS',
    'ERR_MODEL_EMPTY',
    'ERR_MODEL_SCHEMA',
    'ERR_MODEL_REJECTED',
    'ERR_MODEL_INVALID_ID',
  ] as const;
  /** Long enough to say something of the server, whatever the code. */
  const WHOLE = { totalMs: 1_000 };
  const NEITHER = ['ERR_CANCELLED', 'ERR_WORKER_EXITED', 'ERR_WORKER_STUCK', 'ERR_POOL_FULL', 'ERR_INTERNAL'] as const;

  test('knows of every code of a model', () => {
    const known = new Set<string>([...FAILURES, ...ANSWERS, ...NEITHER]);
    const ofModels = Object.keys(ERROR_CODES).filter((code) => /^ERR_(MODEL|VOTE|WORKER)/.test(code));
    // Models are held against the list at start, before any call.
    expect(ofModels.filter((code) => !known.has(code))).toEqual(['ERR_MODEL_MISSING']);
  });

  test('stays closed where plans cut calls whose choices were certain: the server is slow, and well', () => {
    const under = new EndpointUnderTest(['breaker']);
    under.ended(failed('ERR_PLAN_SETTLED', { ...WHOLE, choiceMs: 900 }), { times: 9, gapMs: 101 });
    expect(under.at.isResting).toBe(false);
    under.ended(failed('ERR_PLAN_SETTLED', { ...WHOLE, firstTokenMs: 500, isWriting: true }), { times: 9, gapMs: 101 });
    expect(under.at.breaker.stats().opened).toBe(0);
    under.ended(failed('ERR_PLAN_SETTLED', WHOLE), { times: 5, gapMs: 101 });
    expect(under.at.isResting).toBe(true);
  });

  test.each(FAILURES)('opens after five of %s in a row, not after four', (code) => {
    const under = new EndpointUnderTest(['breaker']);
    under.ended(failed(code, WHOLE), { times: 4, gapMs: 101 });
    expect(under.at.isResting).toBe(false);
    under.ended(failed(code, WHOLE), { gapMs: 101 });
    expect([under.at.isResting, under.at.tryEnter()]).toEqual([true, false]);
  });

  test('stays closed for requests at fault, however many, where a good one is answered', async () => {
    const chat: ChatCaller['chat'] = async () => ({
      ok: true,
      answer: { content: 'yes', reasoning: '', finishReason: 'length' },
      report: { totalMs: 1 },
    });
    const under = new EndpointUnderTest(['breaker'], {}, { caller: { chat } });
    for (let nth = 0; nth < 30; nth++) {
      under.ended(failed('ERR_MODEL_STATUS', WHOLE), { gapMs: 101 });
      await flush();
      expect(under.at.isResting).toBe(false);
    }
    expect(under.at.stats()).toMatchObject({ referenceCalls: 6, breaker: { state: 'closed', opened: 0 } });
  });

  test('hears of the worth of a model from plans alone where the request may be at fault', () => {
    const under = new EndpointUnderTest();
    for (const code of ['ERR_MODEL_STATUS', 'ERR_MODEL_REJECTED'] as const) {
      under.at.ended('m', 'chat', failed(code), under.takeSlot(), true, { isCold: false });
    }
    expect(under.at.use.share('m')).toBe(1);
    under.at.ended('m', 'chat', failed('ERR_MODEL_RESET'), under.takeSlot(), true, { isCold: false });
    expect(under.at.use.share('m')).toBeLessThan(1);
    under.ended(failed('ERR_MODEL_STATUS'));
    expect(under.at.use.share('m')).toBeLessThan(0.92);
  });

  const CUT = ['ERR_PLAN_SETTLED', 'ERR_MODEL_TIMEOUT_FIRST_TOKEN', 'ERR_MODEL_TIMEOUT_STREAM'] as const;

  test.each(CUT)(
    'takes %s for no sign at all where the call was cut before a second, while times are not known',
    (code) => {
      const under = new EndpointUnderTest(['breaker']);
      under.ended(failed(code, { totalMs: 999 }), { times: 50, gapMs: 101 });
      expect(under.at.isResting).toBe(false);
      under.ended(failed(code, { totalMs: 1_000 }), { times: 5, gapMs: 101 });
      expect(under.at.isResting).toBe(true);
    },
  );

  test.each(CUT)('takes %s for no sign at all where most calls take longer than this one had', (code) => {
    const under = new EndpointUnderTest(['breaker']);
    under.ended(voted(3_000, { firstTokenMs: 2_900 }), { times: 50 });
    under.ended(failed(code, { totalMs: 2_800 }), { times: 50, gapMs: 101 });
    expect(under.at.isResting).toBe(false);
    under.ended(failed(code, { totalMs: 3_300 }), { times: 5, gapMs: 101 });
    expect(under.at.isResting).toBe(true);
  });

  test('tells the call that decides whether it closes from all others', () => {
    const under = new EndpointUnderTest(['breaker']);
    const off = new EndpointUnderTest();
    for (const each of [under, off]) {
      expect(each.at.isProbed).toBe(false);
      each.ended(failed('ERR_MODEL_RESET'), { times: 5, gapMs: 101 });
      each.clock.advance(1_000);
      each.at.tryEnter();
    }
    expect([under.at.isProbed, off.at.isProbed]).toEqual([true, false]);
    under.at.ended('m', 'text', voted(), under.takeSlot(), true, { isCold: false });
    expect(under.at.isProbed).toBe(false);
  });

  test.each(ANSWERS)('takes %s for a sign of health', (code) => {
    const under = new EndpointUnderTest(['breaker']);
    for (let round = 0; round < 5; round++) {
      under.ended(failed('ERR_MODEL_RESET'), { times: 1, gapMs: 101 });
      under.ended(failed(code), { times: 1 });
    }
    expect(under.at.isResting).toBe(false);
  });

  test.each(NEITHER)('takes %s for no sign at all, and lets another one in after it', (code) => {
    const under = new EndpointUnderTest(['breaker']);
    under.ended(failed(code), { times: 20, gapMs: 101 });
    expect(under.at.isResting).toBe(false);
    under.ended(failed('ERR_MODEL_RESET'), { times: 5, gapMs: 101 });
    under.clock.advance(1_000);
    expect([under.at.tryEnter(), under.at.tryEnter()]).toEqual([true, false]);
    under.at.ended('m', 'text', failed(code), under.takeSlot(), true, { isCold: false });
    expect([under.at.tryEnter(), under.at.tryEnter()]).toEqual([true, false]);
  });

  test('opens for a server that is silent, though nobody waits for it to the end', () => {
    const under = new EndpointUnderTest(['breaker']);
    under.ended(failed('ERR_CANCELLED', { totalMs: 2_000 }), { times: 20, gapMs: 101 });
    expect(under.at.isResting).toBe(false);
    under.ended(failed('ERR_CANCELLED', { totalMs: 2_001 }), { times: 5, gapMs: 101 });
    expect(under.at.isResting).toBe(true);
  });

  test('takes a call for silent after longer than the model ever took to begin, and not once it has begun', () => {
    const under = new EndpointUnderTest(['breaker']);
    under.ended(voted(900, { firstTokenMs: 300 }), { times: 50 });
    under.ended(failed('ERR_CANCELLED', { totalMs: 280 }), { times: 20, gapMs: 101 });
    under.ended(failed('ERR_CANCELLED', { totalMs: 5_000, firstTokenMs: 300 }), { times: 20, gapMs: 101 });
    expect(under.at.isResting).toBe(false);
    under.ended(failed('ERR_CANCELLED', { totalMs: 320 }), { times: 5, gapMs: 101 });
    expect(under.at.isResting).toBe(true);
  });

  test('takes a silent call for no sign of how long the model takes: it stays silent however often it is', () => {
    const under = new EndpointUnderTest(['breaker']);
    under.ended(voted(300), { times: 50 });
    const before = under.expected();
    for (let opened = 1; opened <= 5; opened++) {
      under.ended(failed('ERR_CANCELLED', { totalMs: 600 }), { times: opened === 1 ? 5 : 1, gapMs: 101 });
      expect(under.at.stats().breaker.opened).toBe(opened);
      under.clock.advance(10_000);
    }
    expect(under.expected()).toBe(before);
  });

  test('counts calls that fail together once: the experts of one plan', () => {
    const under = new EndpointUnderTest(['breaker']);
    under.ended(failed('ERR_MODEL_RESET'), { times: 50, gapMs: 2 });
    expect(under.at.isResting).toBe(false);
    under.ended(failed('ERR_MODEL_RESET'), { times: 3, gapMs: 101 });
    expect(under.at.isResting).toBe(false);
    under.ended(failed('ERR_MODEL_RESET'), { gapMs: 101 });
    expect(under.at.isResting).toBe(true);
  });

  test('that is switched off lets everyone in', () => {
    const under = new EndpointUnderTest();
    under.ended(failed('ERR_MODEL_RESET'), { times: 5, gapMs: 101 });
    expect([under.at.isResting, under.at.tryEnter()]).toEqual([false, true]);
  });
});

describe('what the server is', () => {
  const LLAMA = facts({ kind: 'llamacpp', models: [{ id: 'm', loaded: true }] });

  test.each(['ERR_MODEL_REFUSED', 'ERR_MODEL_RESET', 'ERR_MODEL_OVERLOADED'] as const)(
    'is asked again at its first answer after %s: it has two slots now',
    async (code) => {
      const askFacts = async (): Promise<EndpointFacts> => ({ ...LLAMA, slots: 2 });
      const under = new EndpointUnderTest(['adaptiveSlots', 'breaker'], {}, { askFacts });
      under.at.learn({ ...LLAMA, slots: 4 });
      under.ended(voted(), { times: 3, gapMs: 2_000 });
      await flush();
      expect([under.at.gate.slots, under.at.stats().factsAsked]).toEqual([4, 0]);
      under.ended(failed(code), { gapMs: 2_000 });
      await flush();
      expect(under.at.gate.slots).toBe(4);
      under.ended(voted());
      await flush();
      expect(under.at.stats()).toMatchObject({ slots: 2, slotsKnown: true, factsAsked: 1 });
    },
  );

  test('is asked again after it rested, and where it was down at start', async () => {
    const askFacts = async (): Promise<EndpointFacts> => ({ ...LLAMA, slots: 2 });
    const under = new EndpointUnderTest(['adaptiveSlots', 'breaker'], {}, { askFacts });
    under.at.learn(NO_FACTS);
    under.ended(failed('ERR_MODEL_REFUSED'), { times: 5, gapMs: 200 });
    under.clock.advance(1_000);
    under.ended(voted());
    await flush();
    expect(under.at.stats()).toMatchObject({ kind: 'llamacpp', slots: 2, slotsKnown: true });
    under.at.learn({ ...LLAMA, slots: 4 });
    under.ended(failed('ERR_MODEL_TIMEOUT_HEADERS', { totalMs: 5_000 }), { times: 5, gapMs: 200 });
    expect(under.at.isResting).toBe(true);
    under.clock.advance(1_000);
    under.ended(voted());
    await flush();
    expect(under.at.gate.slots).toBe(2);
  });

  test('is learnt without forgetting the slots that times have shown', async () => {
    const under = new EndpointUnderTest(['adaptiveSlots']);
    under.at.learn(LLAMA);
    under.ended(failed('ERR_MODEL_TIMEOUT_STREAM', { totalMs: 5_000 }), { times: 3, gapMs: 200 });
    const { slots } = under.at.gate;
    under.at.learn({ ...LLAMA, tellsSlots: true });
    expect([under.at.gate.slots, under.at.facts.tellsSlots]).toEqual([slots, true]);
  });
});

describe('the number of slots', () => {
  test('is what is configured where it is not learned, whatever the server tells', () => {
    const { at } = new EndpointUnderTest([], { maxConcurrent: 7, slots: 2 });
    at.learn(facts({ slots: 3 }));
    expect([at.gate.slots, at.stats().slotsKnown]).toEqual([7, false]);
  });

  test('begins small where nothing is known, and is what the server tells as soon as it does', async () => {
    const { at } = new EndpointUnderTest(['adaptiveSlots'], { maxConcurrent: 6 });
    expect([at.gate.slots, at.stats().slotsKnown]).toEqual([4, false]);
    const slots = Array.from({ length: 6 }, () => at.gate.acquire(NEVER));
    expect(at.gate.waiting).toBe(2);
    at.learn(facts({ slots: 8 }));
    // Never more than configured; those who wait are let in.
    expect([at.gate.slots, at.gate.waiting, at.stats().slotsKnown]).toEqual([6, 0, true]);
    await Promise.all(slots);
  });

  test('is what the user says, whatever the server tells', () => {
    const { at } = new EndpointUnderTest(['adaptiveSlots'], { slots: 3 });
    at.learn(facts({ slots: 8 }));
    expect([at.gate.slots, at.stats().slotsKnown]).toEqual([3, true]);
  });

  test('shrinks where calls time out or are refused, once for those that fail together', () => {
    for (const code of ['ERR_MODEL_TIMEOUT_HEADERS', 'ERR_MODEL_OVERLOADED'] as const) {
      const under = new EndpointUnderTest(['adaptiveSlots']);
      under.ended(failed(code, { totalMs: 1_000 }), { times: 3 });
      expect(under.at.gate.slots).toBe(3);
      under.ended(failed(code, { totalMs: 1_000 }), { times: 20, gapMs: 101 });
      expect(under.at.gate.slots).toBe(1);
    }
  });

  test('does not shrink for calls that were cut short by their plan', () => {
    const under = new EndpointUnderTest(['adaptiveSlots']);
    for (const code of ['ERR_PLAN_SETTLED', 'ERR_MODEL_TIMEOUT_HEADERS'] as const) {
      under.ended(failed(code, { totalMs: 50 }), { times: 50, gapMs: 101 });
    }
    expect(under.at.gate.slots).toBe(4);
    under.ended(voted(3_000), { times: 30 });
    under.ended(failed('ERR_PLAN_SETTLED', { totalMs: 2_800 }), { times: 50, gapMs: 101 });
    expect(under.at.gate.slots).toBe(4);
  });

  test('does not shrink for what was cancelled, or is of the worker or the answer', () => {
    const under = new EndpointUnderTest(['adaptiveSlots']);
    for (const code of ['ERR_CANCELLED', 'ERR_WORKER_EXITED', 'ERR_VOTE_NONE'] as const) {
      under.ended(failed(code), { times: 10, gapMs: 101 });
    }
    expect(under.at.gate.slots).toBe(4);
  });

  test('grows where calls at the limit are answered as soon as others', () => {
    const under = new EndpointUnderTest(['adaptiveSlots']);
    for (let round = 0; round < 40; round++) {
      const slots: Slot[] = [];
      while (under.at.gate.idle > 0) slots.push(under.takeSlot());
      for (const slot of slots)
        under.at.ended('m', 'text', voted(200, { firstTokenMs: 100 }), slot, true, { isCold: false });
    }
    expect(under.at.gate.slots).toBeGreaterThan(4);
  });
});

test('profiles are kept by model and kind, and outlive a restart under the address of the server', () => {
  const under = new EndpointUnderTest(['learnedTimeouts']);
  under.ended(voted(1_000), { times: 50 });
  const saved = new Map(under.at.profiles.saved());
  const next = new EndpointUnderTest(['learnedTimeouts'], { name: 'renamed' });
  next.at.profiles.restore('m', 'text', saved);
  expect(next.expected()).toBeCloseTo(under.expected() as number, 0);
  const moved = new EndpointUnderTest(['learnedTimeouts'], { baseURL: 'http://elsewhere/v1' });
  moved.at.profiles.restore('m', 'text', saved);
  expect(moved.expected()).toBeUndefined();
});

test('only so many profiles are kept', () => {
  const { at } = new EndpointUnderTest();
  for (let id = 0; id < 10_000; id++) at.profileOf(`${id}`, 'text');
  expect(at.stats().profiles.length).toBeLessThanOrEqual(256);
});

test('calls that no plan has made do not decide how many calls of plans run at once', () => {
  const under = new EndpointUnderTest(['callWidth'], { maxConcurrent: 4, slots: 4 });
  const late = voted(10_000);
  const nextMs = (): number => under.clock.now() + 1_000;
  under.at.begun({ model: 'm', kind: 'read', deadlineMs: nextMs() });
  under.ended(late, { times: 20, gapMs: 200 });
  expect(under.at.gate.width).toBe(4);
  under.at.begun({ model: 'm', kind: 'text', deadlineMs: nextMs() });
  under.ended(late, { times: 20, gapMs: 200 });
  expect(under.at.gate.width).toBe(1);
});
