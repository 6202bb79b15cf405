import { describe, expect, test } from 'vitest';
import type { Plan, PlanOptions } from '../../../src/main/plans/plan.ts';
import { LATENESS_MS_MAX } from '../../../src/main/plans/plan.ts';
import {
  runSession,
  type SessionOptions,
  type SessionOutcome,
  WARM_UP_PLANS,
} from '../../../src/main/session/session.ts';
import type { TraceRecord } from '../../../src/main/session/trace-reader.ts';
import type { TraceWriter } from '../../../src/main/session/trace-writer.ts';
import { PlannerError } from '../../../src/shared/errors.ts';
import type { PlanRequest } from '../../../src/shared/plan-request.ts';
import { FakeClock } from '../../support/fake-clock.ts';

interface Call {
  readonly request: PlanRequest;
  readonly answer: (overrides?: Partial<Plan>) => void;
  readonly fail: (error: Error) => void;
}

/** A planner whose plans are held until the test lets them go. */
class HeldPlanner {
  readonly calls: Call[] = [];
  runningMax = 0;
  #running = 0;

  plan(request: PlanRequest, { signal }: PlanOptions = {}): Promise<Plan> {
    const { promise, resolve, reject } = Promise.withResolvers<Plan>();
    this.runningMax = Math.max(this.runningMax, ++this.#running);
    const ended = <T>(settle: (value: T) => void) => {
      return (value: T): void => {
        this.#running--;
        settle(value);
      };
    };
    const fail = ended(reject);
    const answer = ended((overrides: Partial<Plan> = {}) => resolve(planOf(request, overrides)));
    signal?.addEventListener('abort', () => fail(new PlannerError('ERR_PLAN_CANCELLED', 'interrupted')));
    this.calls.push({ request, answer: (overrides) => answer(overrides ?? {}), fail });
    return promise;
  }
}

/** Answers at once. */
const eager = { plan: async (request: PlanRequest) => planOf(request, {}) };

function planOf(request: PlanRequest, overrides: Partial<Plan>): Plan {
  const plan = { id: 1, agent: request.agent, action: 'go', source: 'synthesis', reason: '', attempts: [] } as const;
  return { ...plan, coalesced: false, latencyMs: 1, latenessMs: 0, ...overrides };
}

function record(t: number, agent: string, chosen?: string): TraceRecord {
  const request = { agent, observation: {}, actions: ['go', 'stay'] };
  return { line: t + 2, t, request, ...(chosen === undefined ? {} : { chosen }) };
}

async function* stream(records: readonly TraceRecord[], end?: Error): AsyncGenerator<TraceRecord> {
  yield* records;
  if (end) throw end;
}

function options(overrides: Partial<SessionOptions> = {}): SessionOptions {
  return { concurrency: 8, clock: new FakeClock(), ...overrides };
}

/** Lets everything run that waits for nothing but its turn. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const TRACE_FAULT = new PlannerError('ERR_TRACE_INVALID', 'trace, line 9: is not JSON');

describe('order', () => {
  test('requests of one agent run one after the other, those of several at once', async () => {
    const planner = new HeldPlanner();
    const session = runSession(planner, stream([record(0, 'a'), record(1, 'a'), record(2, 'b')]), options());
    await turns();
    expect(planner.calls.map(({ request }) => request.agent)).toEqual(['a', 'b']);
    planner.calls[0]?.answer();
    await turns();
    expect(planner.calls.map(({ request }) => request.agent)).toEqual(['a', 'b', 'a']);
    for (const call of planner.calls.slice(1)) call.answer();
    expect(await session).toMatchObject({ plans: 3, agents: 2, interrupted: false });
  });

  test('no more agents run at once than the concurrency allows', async () => {
    const planner = new HeldPlanner();
    const agents = Array.from({ length: 10 }, (_, index) => record(index, `agent ${index}`));
    const session = runSession(planner, stream(agents), options({ concurrency: 3 }));
    for (let done = 0; done < 10; done++) {
      await turns();
      expect(planner.calls.length).toBe(Math.min(10, done + 3));
      planner.calls[done]?.answer();
    }
    expect((await session).plans).toBe(10);
    expect(planner.runningMax).toBe(3);
  });

  test('a busy agent does not hold up the others', async () => {
    const planner = new HeldPlanner();
    const records = [...Array.from({ length: 100 }, (_, index) => record(index, 'a')), record(100, 'b')];
    const session = runSession(planner, stream(records), options());
    await turns();
    expect(planner.calls.map(({ request }) => request.agent)).toEqual(['a', 'b']);
    for (let index = 0; index < 101; index++) {
      planner.calls[index]?.answer();
      await turns();
    }
    expect((await session).plans).toBe(101);
  });

  test('reading stops ahead of what runs', async () => {
    const planner = new HeldPlanner();
    let read = 0;
    const interrupt = new AbortController();
    async function* endless(): AsyncGenerator<TraceRecord> {
      for (;;) yield record(read++, 'a');
    }
    const session = runSession(planner, endless(), options({ concurrency: 1, signal: interrupt.signal }));
    await turns();
    expect(read).toBe(256);
    planner.calls[0]?.answer();
    await turns();
    expect(read).toBe(257);
    interrupt.abort();
    expect(await session).toMatchObject({ plans: 1, cancelled: 1, interrupted: true });
  });

  test('a limit ends the reading at its last record', async () => {
    const outcome = await runSession(
      eager,
      stream([record(0, 'a'), record(1, 'b')], TRACE_FAULT),
      options({ limit: 2 }),
    );
    expect(outcome).toMatchObject({ plans: 2 });
    expect(outcome.fault).toBeUndefined();
  });
});

describe('judgement', () => {
  test('a plan counts as legal only if its action is one of the request, byte for byte', async () => {
    const planner = { plan: async (request: PlanRequest) => planOf(request, { action: 'Go' }) };
    expect(await runSession(planner, stream([record(0, 'a')]), options())).toMatchObject({ plans: 1, legal: 0 });
  });

  test.each([
    [LATENESS_MS_MAX, 1],
    [LATENESS_MS_MAX + 0.1, 0],
  ])('a plan %d ms late counts as on time: %i', async (latenessMs, onTime) => {
    const planner = { plan: async (request: PlanRequest) => planOf(request, { latenessMs }) };
    expect(await runSession(planner, stream([record(0, 'a')]), options())).toMatchObject({ plans: 1, onTime });
  });

  test('agreement is counted over the records that tell what was done', async () => {
    const records = [record(0, 'a', 'go'), record(1, 'a', 'stay'), record(2, 'a')];
    expect(await runSession(eager, stream(records), options())).toMatchObject({ compared: 2, agreed: 1 });
  });
});

describe('an early end', () => {
  test('a broken trace lets everything before it run to its end', async () => {
    const planner = new HeldPlanner();
    const records = [record(0, 'a'), record(1, 'a'), record(2, 'b')];
    const session = runSession(planner, stream(records, TRACE_FAULT), options());
    for (let index = 0; index < 3; index++) {
      await turns();
      planner.calls[index]?.answer();
    }
    expect(await session).toMatchObject({ plans: 3, fault: TRACE_FAULT, interrupted: false });
  });

  test('a reader that fails in another way is told with what was done too', async () => {
    const bug = new Error('a bug');
    expect(await runSession(eager, stream([record(0, 'a')], bug), options())).toMatchObject({ plans: 1, fault: bug });
  });

  test('an interrupt cancels what runs, starts nothing more, and tells what was done', async () => {
    const interrupt = new AbortController();
    const planner = new HeldPlanner();
    const records = [record(0, 'a'), record(1, 'a'), record(2, 'b'), record(3, 'c')];
    const session = runSession(planner, stream(records), options({ concurrency: 2, signal: interrupt.signal }));
    await turns();
    planner.calls[1]?.answer();
    await turns();
    interrupt.abort();
    expect(await session).toMatchObject({ plans: 1, cancelled: 2, interrupted: true });
    expect(planner.calls).toHaveLength(3);
  });

  test.each([
    new PlannerError('ERR_PLANNER_OVERLOADED', '2 plans are in flight (maxInFlight)', { retryable: true }),
    new Error('a bug'),
  ])('a plan that rejects ends the session, and what was done is told with it: %s', async (fault) => {
    const planner = new HeldPlanner();
    const session = runSession(planner, stream([record(0, 'a'), record(1, 'b'), record(2, 'a')]), options());
    await turns();
    planner.calls[0]?.fail(fault);
    await turns();
    planner.calls[1]?.answer();
    expect(await session).toMatchObject({ plans: 1, fault, interrupted: false });
    expect(planner.calls).toHaveLength(2);
  });
});

describe('laps', () => {
  const FOR_MS = 10_000;
  const TWO = [record(0, 'a'), record(1, 'b')];

  /** Plans that take a second each. */
  function secondsEach(clock: FakeClock): { plan(request: PlanRequest): Promise<Plan> } {
    return {
      plan: (request) => new Promise((resolve) => void clock.setTimer(1_000, () => resolve(planOf(request, {})))),
    };
  }

  async function pass(clock: FakeClock, ms: number): Promise<void> {
    for (let atMs = 0; atMs < ms; atMs += 500) {
      await turns();
      clock.advance(500);
    }
    await turns();
  }

  test('the records are gone through again until the time is over, and what runs then goes on to its end', async () => {
    const clock = new FakeClock();
    const again = (): AsyncIterable<TraceRecord> => stream([record(0, 'a'), record(1, 'a')]);
    const laps = { forMs: 4_500, again };
    const session = runSession(secondsEach(clock), again(), options({ clock, laps }));
    await pass(clock, 6_000);
    // Two a lap, a second each: the fifth plan starts at 4 s and ends at 5 s, the sixth does not start.
    expect(await session).toMatchObject({ plans: 5, laps: 3, seconds: 5, cancelled: 0, interrupted: false });
    expect(clock.pendingTimers).toBe(0);
  });

  test.each([
    [FOR_MS - 1, 2],
    [FOR_MS, 1],
  ])('a first lap that ends after %d ms is followed by another one only before the time is over', async (ms, laps) => {
    const clock = new FakeClock();
    const planner = new HeldPlanner();
    const again = (): AsyncIterable<TraceRecord> => stream([record(0, 'a')]);
    const session = runSession(planner, again(), options({ clock, laps: { forMs: FOR_MS, again } }));
    await turns();
    clock.advance(ms);
    planner.calls[0]?.answer();
    await turns();
    expect(planner.calls).toHaveLength(laps);
    clock.advance(FOR_MS);
    planner.calls[1]?.answer();
    expect(await session).toMatchObject({ plans: laps, laps });
  });

  test('a lap starts when the one before has ended, and the first one is told before that', async () => {
    const clock = new FakeClock();
    const planner = new HeldPlanner();
    const told: [SessionOutcome, calls: number][] = [];
    const laps = { forMs: FOR_MS, again: () => stream(TWO) };
    const onFirstLap = (outcome: SessionOutcome): void => void told.push([outcome, planner.calls.length]);
    const session = runSession(planner, stream(TWO), options({ clock, laps, onFirstLap }));
    await turns();
    planner.calls[0]?.answer();
    await turns();
    expect([planner.calls.length, told.length]).toEqual([2, 0]);
    planner.calls[1]?.answer();
    await turns();
    expect(told).toEqual([[expect.objectContaining({ plans: 2, laps: 1 }), 2]]);
    expect(planner.calls).toHaveLength(4);
    clock.advance(FOR_MS);
    for (const call of planner.calls.slice(2)) call.answer();
    expect(await session).toMatchObject({ plans: 4, laps: 2 });
    expect(told).toHaveLength(1);
  });

  test.each([
    [WARM_UP_PLANS - 1, []],
    [WARM_UP_PLANS, [WARM_UP_PLANS]],
    [2 * WARM_UP_PLANS, [WARM_UP_PLANS]],
  ])('of a first lap of %d plans the warm-up is told: %j', async (plans, told) => {
    const clock = new FakeClock();
    const heard: number[] = [];
    let lap = 1;
    const again = (): AsyncIterable<TraceRecord> => {
      if (++lap === 3) clock.advance(FOR_MS);
      return stream(Array.from({ length: plans }, (_, index) => record(index, `agent ${index % 9}`)));
    };
    const onWarmUp = (outcome: SessionOutcome): void => void heard.push(outcome.plans);
    const first = Array.from({ length: plans }, (_, index) => record(index, `agent ${index % 9}`));
    const session = runSession(eager, stream(first), options({ clock, laps: { forMs: FOR_MS, again }, onWarmUp }));
    expect(await session).toMatchObject({ plans: 2 * plans, laps: 3 });
    expect(heard).toEqual(told);
  });

  test('a limit is of each lap, and the recording has the first one', async () => {
    const clock = new FakeClock();
    const recorded: (number | string)[] = [];
    const writer = {
      ready: async () => {},
      add: (index: number, { t }: TraceRecord) => recorded.push(`${index}: ${t}`),
      skip: (index: number) => recorded.push(index),
    } as unknown as TraceWriter;
    let lap = 1;
    const again = (): AsyncIterable<TraceRecord> => {
      if (++lap === 4) clock.advance(FOR_MS);
      return stream([...TWO, record(2, 'c')]);
    };
    const laps = { forMs: FOR_MS, again };
    const outcome = await runSession(
      eager,
      stream([...TWO, record(2, 'c')]),
      options({ clock, laps, writer, limit: 2 }),
    );
    expect(outcome).toMatchObject({ plans: 6, laps: 4 });
    expect(recorded).toEqual(['0: 0', '1: 1']);
  });

  test('a trace without records is not gone round', async () => {
    const laps = { forMs: FOR_MS, again: () => stream(TWO) };
    expect(await runSession(eager, stream([]), options({ laps }))).toMatchObject({ plans: 0, laps: 1 });
  });

  test('a fault in any lap is the last thing that is read', async () => {
    const laps = { forMs: FOR_MS, again: () => stream(TWO, TRACE_FAULT) };
    expect(await runSession(eager, stream(TWO), options({ laps }))).toMatchObject({
      plans: 4,
      laps: 2,
      fault: TRACE_FAULT,
    });
    expect(await runSession(eager, stream(TWO, TRACE_FAULT), options({ laps }))).toMatchObject({ plans: 2, laps: 1 });
  });

  test('an interrupt ends the lap it comes in, tells the first one, and leaves no timer', async () => {
    const clock = new FakeClock();
    const interrupt = new AbortController();
    const planner = new HeldPlanner();
    const told: SessionOutcome[] = [];
    const laps = { forMs: FOR_MS, again: () => stream(TWO) };
    const onFirstLap = (outcome: SessionOutcome): void => void told.push(outcome);
    const set = options({ clock, laps, onFirstLap, signal: interrupt.signal });
    const session = runSession(planner, stream(TWO), set);
    await turns();
    planner.calls[0]?.answer();
    await turns();
    interrupt.abort();
    expect(await session).toMatchObject({ plans: 1, cancelled: 1, laps: 1, interrupted: true });
    expect(told).toMatchObject([{ plans: 1, interrupted: true }]);
    expect(clock.pendingTimers).toBe(0);
  });
});
