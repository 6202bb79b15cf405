import { describe, expect, test } from 'vitest';
import { checkCrossing } from '../../../src/main/faces/ipc/peer-options.ts';
import { PlannerClient } from '../../../src/main/faces/ipc/planner-client.ts';
import { connectPlanner } from '../../../src/main/faces/socket/client/connect-planner.ts';
import type { PlanOptions } from '../../../src/main/plans/plan.ts';
import { readPlanOptions } from '../../../src/main/plans/plan-options.ts';
import type { PlanRequest } from '../../../src/shared/plan-request.ts';
import { flush } from '../../support/drive.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakePeer } from '../../support/fake-peer.ts';
import { makePlanner, request, testOptions } from '../../support/make-planner.ts';
import { makeSocketFace } from '../../support/make-socket-face.ts';

type PlanCall = (request: PlanRequest, options?: PlanOptions) => Promise<unknown>;

/** Every way to a plan from within a process, with what it leaves behind when nothing is in flight. */
const DOORS: Record<string, (use: (plan: PlanCall) => Promise<void>) => Promise<void>> = {
  library: async (use) => {
    await using under = await makePlanner(() => ({ kind: 'answers', action: 'block' }));
    await use(async (asked, options) => under.planner.plan(asked, options));
  },
  thread: async (use) => {
    const peer = new FakePeer();
    const clock = new FakeClock(1_000);
    const remote = { lateGraceMs: 50, startTimeoutMs: 5_000, closeTimeoutMs: 1_000, callsMax: 100 };
    const client = new PlannerClient({ peer, clock, planner: checkCrossing(testOptions), remote });
    const started = client.start(testOptions);
    peer.say({ kind: 'ready', cacheBuffer: undefined });
    await started;
    await flush();
    await use((asked, options) => client.plan(asked, options));
    expect(clock.pendingTimers).toBe(0);
  },
  socket: async (use) => {
    await using made = await makeSocketFace();
    await using client = await connectPlanner(made.path);
    await use((asked, options) => client.plan(asked, options));
  },
};

const thrower = (): never => {
  throw new Error('ouch');
};
const throwing = (name: string) => Object.defineProperty({ ...request() }, name, { get: thrower, enumerable: true });
const trap = new Proxy({}, { get: thrower, has: thrower, ownKeys: thrower, getPrototypeOf: thrower });

const REQUESTS: Record<string, unknown> = {
  null: null,
  'a throwing agent': throwing('agent'),
  'a throwing list of actions': throwing('actions'),
  'throwing values': throwing('qValues'),
  'a throwing feature': {
    ...request(),
    observation: Object.defineProperty({}, 'place', { get: thrower, enumerable: true }),
  },
  'a proxy for a request': trap,
  'a proxy for an observation': { ...request(), observation: trap },
  'a proxy for values': { ...request(), qValues: trap },
  'a proxy for actions': { ...request(), actions: new Proxy(['a'], { get: thrower }) },
  'what throws no error': Object.defineProperty({ ...request() }, 'agent', {
    get() {
      throw Object.create(null);
    },
    enumerable: true,
  }),
};

const OPTIONS: Record<string, unknown> = {
  null: null,
  'a number': 5,
  'a controller for its signal': { signal: new AbortController() },
  'an object for a signal': { signal: {} },
  'a text for a signal': { signal: 'now' },
  'a listener that is none': { onAttempt: 'log' },
  'options that throw': Object.defineProperty({}, 'timeoutMs', { get: thrower, enumerable: true }),
  'a proxy': trap,
};

describe.each(Object.keys(DOORS))('%s: refuses with a code', (door) => {
  test.each(Object.keys(REQUESTS))('%s', async (name) => {
    await DOORS[door]?.(async (plan) => {
      await expect(plan(REQUESTS[name] as PlanRequest)).rejects.toMatchObject({ code: 'ERR_REQUEST_INVALID' });
    });
  });

  test.each(Object.keys(OPTIONS))('options: %s', async (name) => {
    await DOORS[door]?.(async (plan) => {
      await expect(plan(request(), OPTIONS[name] as PlanOptions)).rejects.toMatchObject({
        code: 'ERR_REQUEST_INVALID',
      });
    });
  });
});

describe('a chat', () => {
  test.each(Object.keys(OPTIONS).filter((name) => name !== 'a listener that is none'))('options: %s', async (name) => {
    await using under = await makePlanner(() => ({ kind: 'answers', action: 'block' }));
    const { chats } = under.planner;
    const body = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
    const reply = await chats.chat(body, OPTIONS[name] as object);
    expect(reply).toMatchObject({ kind: 'failed', error: { code: 'ERR_REQUEST_INVALID' } });
    expect(chats.stats().inFlight).toBe(0);
  });

  test.each([trap, { model: 'm', messages: [trap] }, Object.defineProperty({}, 'model', { get: thrower })])(
    'body %#',
    async (body) => {
      await using under = await makePlanner(() => ({ kind: 'answers', action: 'block' }));
      const reply = await under.planner.chats.chat(body);
      expect(reply).toMatchObject({ kind: 'failed', error: { code: 'ERR_REQUEST_INVALID' } });
    },
  );
});

test('options say what is wrong with them, and a signal of another realm is one', () => {
  expect(() => readPlanOptions({ signal: new AbortController() })).toThrow(
    'signal must be an AbortSignal, got its controller (pass controller.signal)',
  );
  expect(() => readPlanOptions({ signal: 7 })).toThrow('signal must be an AbortSignal, got 7');
  expect(() => readPlanOptions(null)).toThrow('options must be an object, got null');
  const foreign = { aborted: false, addEventListener() {}, removeEventListener() {} };
  expect(readPlanOptions({ signal: foreign }).signal).toBe(foreign);
  const { signal } = new AbortController();
  expect(readPlanOptions({ timeoutMs: 5, signal, onAttempt: undefined })).toEqual({ timeoutMs: 5, signal });
});
