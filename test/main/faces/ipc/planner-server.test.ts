import { wrap } from 'comlink';
import { describe, expect, test } from 'vitest';
import type { ChatPlanner } from '../../../../src/main/chat/chat-planner.ts';
import { deliver } from '../../../../src/main/faces/ipc/channel.ts';
import {
  type FromPlanner,
  isOwn,
  type PlanCallWire,
  type PlannerApi,
  type Reply,
  type ToPlanner,
} from '../../../../src/main/faces/ipc/messages.ts';
import { PlannerServer } from '../../../../src/main/faces/ipc/planner-server.ts';
import type { Plan } from '../../../../src/main/plans/plan.ts';
import { PlannerError } from '../../../../src/shared/errors.ts';
import { drive, flush } from '../../../support/drive.ts';
import type { Behaviour } from '../../../support/fake-models.ts';
import { makePlanner, request, testOptions } from '../../../support/make-planner.ts';

/** A server over a channel of this thread, in front of a planner on a fake clock. */
async function serve(behaviour: Behaviour = { kind: 'stuck' }, sharesMemory = true, instead?: ChatPlanner) {
  const under = await makePlanner(() => behaviour);
  const told: FromPlanner[] = [];
  const order: string[] = [];
  const listeners = new Set<Parameters<typeof deliver>[0] extends Iterable<infer L> ? L : never>();
  let hear: (message: unknown) => void = () => {};
  const server = new PlannerServer({
    channel: {
      post: (message) => {
        const copy: unknown = structuredClone(message);
        order.push(isOwn(copy) ? copy.kind : 'reply');
        if (isOwn(copy)) told.push(copy as FromPlanner);
        else deliver(listeners, copy);
      },
      listen: (listener) => {
        hear = listener;
      },
    },
    createPlanner: async () => instead ?? under.planner,
    clock: under.clock,
    sharesMemory,
  });
  const say = (message: ToPlanner): void => hear(structuredClone(message));
  const api = wrap<PlannerApi>({
    postMessage: (message) => hear(structuredClone(message)),
    addEventListener: (_type, listener) => void listeners.add(listener),
    removeEventListener: (_type, listener) => void listeners.delete(listener),
  });
  say({ kind: 'start', options: testOptions });
  await flush();
  return { ...under, server, told, order, say, api };
}

function asked(more: Partial<PlanCallWire> = {}): PlanCallWire {
  return {
    call: 1,
    request: request(),
    timeoutMs: 500,
    priority: undefined,
    wantsAttempts: false,
    sentAtMs: undefined,
    ...more,
  };
}

describe('the start', () => {
  test('hands over the memory of the cache where the host can see it', async () => {
    const shared = await serve();
    expect(shared.told).toEqual([{ kind: 'ready', cacheBuffer: shared.planner.cacheBuffer }]);
    const apart = await serve({ kind: 'stuck' }, false);
    expect(apart.told).toEqual([{ kind: 'ready', cacheBuffer: undefined }]);
    await Promise.all([shared.planner.close(), apart.planner.close()]);
  });

  test('that fails is told with its code', async () => {
    const told: unknown[] = [];
    let hear: (message: unknown) => void = () => {};
    new PlannerServer({
      channel: {
        post: (message) => told.push(message),
        listen: (listener) => {
          hear = listener;
        },
      },
      createPlanner: () => Promise.reject(new PlannerError('ERR_MODEL_MISSING', 'no such model')),
      clock: { now: () => 0, wallNow: () => 0, setTimer: () => ({ cancel: () => {} }), nextTurn: () => {} },
      sharesMemory: true,
    });
    hear({ kind: 'start', options: testOptions });
    await flush();
    expect(told).toEqual([
      { kind: 'failed', error: { code: 'ERR_MODEL_MISSING', message: 'no such model', retryable: false } },
    ]);
  });

  test('keeps its warnings until the host says whether it listens, so many at most', async () => {
    const { planner, told, say } = await serve();
    for (let n = 0; n < 150; n++) planner.warn(`early ${n}`);
    expect(told).toHaveLength(1);
    say({ kind: 'listen', plan: false, warning: true });
    expect(told.slice(1)).toEqual(Array.from({ length: 100 }, (_, n) => ({ kind: 'warning', message: `early ${n}` })));
    planner.warn('now');
    say({ kind: 'listen', plan: false, warning: false });
    planner.warn('to nobody');
    say({ kind: 'listen', plan: false, warning: true });
    expect(told.slice(101)).toEqual([{ kind: 'warning', message: 'now' }]);
    await planner.close();
  });
});

describe('a plan', () => {
  test('has the time that is left of it, and at least an answer', async () => {
    const { api, clock, planner } = await serve();
    const sentAtMs = clock.now();
    clock.advance(200);
    const reply = await drive<Reply<Plan>>(clock, api.plan(asked({ sentAtMs })));
    expect(reply).toMatchObject({ ok: true, value: { source: 'heuristic' } });
    expect(clock.now()).toBeGreaterThan(sentAtMs + 400);
    expect(clock.now()).toBeLessThanOrEqual(sentAtMs + 502);
    clock.advance(100);
    const late = await drive<Reply<Plan>>(clock, api.plan(asked({ sentAtMs })), 3);
    expect(late).toMatchObject({ ok: true, value: { source: 'heuristic', attempts: [] } });
    await planner.close();
  });

  test('is cancelled by its number; any other number means nothing', async () => {
    const { api, say, planner } = await serve();
    const replies = [api.plan(asked()), api.plan(asked({ call: 2 }))];
    await flush();
    say({ kind: 'cancel', call: 3 });
    say({ kind: 'cancel', call: 1 });
    expect(await replies[0]).toMatchObject({ ok: false, error: { code: 'ERR_PLAN_CANCELLED' } });
    expect(planner.stats().plans).toMatchObject({ cancelled: 1, inFlight: 1 });
    await planner.close();
    expect(await replies[1]).toMatchObject({ ok: true });
  });

  test('is told as an event while the host listens, before its reply', async () => {
    const { api, say, clock, planner, order } = await serve({ kind: 'answers', action: 'flee', afterMs: 5 });
    say({ kind: 'listen', plan: true, warning: false });
    say({ kind: 'listen', plan: true, warning: true });
    order.length = 0;
    await drive<Reply<Plan>>(clock, api.plan(asked({ wantsAttempts: true })));
    expect(order).toEqual(['attempt', 'attempt', 'attempt', 'plan', 'reply']);
    say({ kind: 'listen', plan: false, warning: false });
    expect(planner.listenerCount('plan')).toBe(0);
    await planner.close();
  });
});

test('the reply to a close comes after those of all plans, also of one that settles last', async () => {
  const last = Promise.withResolvers<Plan>();
  const slow = { on: () => {}, cacheBuffer: undefined, plan: () => last.promise, close: async () => {} };
  const { api } = await serve(undefined, true, slow as unknown as ChatPlanner);
  const settled: string[] = [];
  const plan = Promise.resolve(api.plan(asked())).then(() => settled.push('plan'));
  const closed = Promise.resolve(api.close({})).then(() => settled.push('close'));
  await flush();
  expect(settled).toEqual([]);
  last.resolve({ id: 1 } as Plan);
  await Promise.all([plan, closed]);
  expect(settled).toEqual(['plan', 'close']);
});

test('without a host, it closes its planner', async () => {
  const { api, server, planner } = await serve();
  expect(await api.stats()).toMatchObject({ ok: true });
  await server.close();
  expect(planner.isOpen).toBe(false);
});
