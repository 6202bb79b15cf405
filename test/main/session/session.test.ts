import { describe, expect, test } from 'vitest';
import type { Plan, PlanOptions } from '../../../src/main/plan.ts';
import { LATENESS_MS_MAX } from '../../../src/main/plan.ts';
import { runSession, type SessionOptions } from '../../../src/main/session/session.ts';
import type { TraceRecord } from '../../../src/main/session/trace-reader.ts';
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
