import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { checkCrossing } from '../../../../src/main/faces/ipc/peer-options.ts';
import { PlannerClient } from '../../../../src/main/faces/ipc/planner-client.ts';
import type { Plan } from '../../../../src/main/index.ts';
import { flush } from '../../../support/drive.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakePeer } from '../../../support/fake-peer.ts';
import { request, testOptions } from '../../../support/make-planner.ts';

const REMOTE = { lateGraceMs: 50, startTimeoutMs: 5_000, closeTimeoutMs: 1_000, callsMax: 100 };

function open(more: Partial<typeof REMOTE> = {}, peer = new FakePeer()) {
  const clock = new FakeClock(1_000);
  const planner = checkCrossing(testOptions);
  const client = new PlannerClient({ peer, clock, planner, remote: { ...REMOTE, ...more } });
  return { peer, clock, client };
}

async function opened(more: Partial<typeof REMOTE> = {}, peer = new FakePeer()) {
  const under = open(more, peer);
  const started = under.client.start(testOptions);
  peer.say({ kind: 'ready', cacheBuffer: undefined });
  await started;
  await flush();
  return under;
}

/** A plan as the planner answers it. */
const PLAN: Plan = {
  id: 7,
  agent: 'tester',
  action: 'block',
  source: 'quorum',
  reason: 'Because.',
  attempts: [],
  coalesced: false,
  latencyMs: 5,
  latenessMs: 0,
};

describe('starting', () => {
  test('sends the options, and then what the host listens to', async () => {
    const { peer, client, clock } = open();
    const started = client.start(testOptions);
    expect(peer.posted).toEqual([{ kind: 'start', options: structuredClone(testOptions) }]);
    peer.say({ kind: 'ready', cacheBuffer: undefined });
    await started;
    client.on('plan', () => {});
    client.on('warning', () => {});
    await flush();
    expect(peer.own()).toEqual([{ kind: 'listen', plan: true, warning: true }]);
    expect({ held: peer.isHeld, timers: clock.pendingTimers }).toEqual({ held: false, timers: 0 });
  });

  test('that fails waits for the end of the peer before it rejects', async () => {
    const { peer, client } = open();
    const started = client.start(testOptions);
    let settled = false;
    started.catch(() => {
      settled = true;
    });
    peer.say({ kind: 'failed', error: { code: 'ERR_MODEL_MISSING', message: 'no', retryable: false } });
    await flush();
    expect({ settled, kills: peer.kills }).toEqual({ settled: false, kills: 1 });
    peer.end({ code: 1, signal: null });
    await expect(started).rejects.toMatchObject({ code: 'ERR_MODEL_MISSING', message: 'no' });
  });

  test('that takes too long is given up at its time', async () => {
    const { peer, client, clock } = open();
    const started = client.start(testOptions);
    clock.advance(4_999);
    await flush();
    expect(peer.kills).toBe(0);
    clock.advance(1);
    await flush();
    expect(peer.kills).toBe(1);
    peer.end({ code: 1, signal: null });
    await expect(started).rejects.toMatchObject({ code: 'ERR_PEER_EXITED' });
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a plan', () => {
  test('is asked for with its time, and has the answer of the peer', async () => {
    const { peer, client, clock } = await opened();
    const { signal } = new AbortController();
    const plan = client.plan(request(), { timeoutMs: 300, priority: 2, signal });
    expect(peer.asked('plan')).toEqual({
      call: 1,
      request: request(),
      timeoutMs: 300,
      priority: 2,
      wantsAttempts: false,
      sentAtMs: 1_000,
    });
    expect(peer.isHeld).toBe(true);
    peer.reply('plan', { ok: true, value: PLAN });
    expect(await plan).toEqual(PLAN);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect({ held: peer.isHeld, timers: clock.pendingTimers, own: peer.own().length }).toEqual({
      held: false,
      timers: 0,
      own: 1,
    });
  });

  test('has the default time of the planner, and tells no time to a peer of another clock', async () => {
    const { peer, client } = await opened({}, new FakePeer(false));
    void client.plan(request());
    expect(peer.asked('plan')).toMatchObject({ timeoutMs: 1_000, sentAtMs: undefined });
  });

  test('is answered by the host when the grace after its deadline is over, not before', async () => {
    const { peer, client, clock } = await opened();
    const actions = ['attack', 'block'];
    let settled: Plan | undefined;
    void client.plan(request({ actions, qValues: { block: 2 } }), { timeoutMs: 300 }).then((plan) => {
      settled = plan;
    });
    actions.pop();
    clock.advance(349);
    await flush();
    expect(settled).toBeUndefined();
    clock.advance(1);
    await flush();
    expect(settled).toEqual({
      id: 0,
      agent: 'tester',
      action: 'block',
      source: 'heuristic',
      reason: "the planner's thread did not answer in time; highest value: 2",
      why: { code: 'planner-silent', message: "the planner's thread did not answer in 350 ms" },
      attempts: [],
      coalesced: false,
      latencyMs: 350,
      latenessMs: 50,
    });
    expect(peer.own().at(-1)).toEqual({ kind: 'cancel', call: 1 });
    peer.reply('plan', { ok: true, value: PLAN });
    await flush();
    expect({ held: peer.isHeld, timers: clock.pendingTimers }).toEqual({ held: false, timers: 0 });
  });

  test('has the answer that came in the turn in which its grace is over', async () => {
    const { peer, client, clock } = await opened();
    const plan = client.plan(request(), { timeoutMs: 300 });
    clock.advance(350);
    peer.reply('plan', { ok: true, value: PLAN });
    expect(await plan).toEqual(PLAN);
    await flush();
    expect(peer.own()).toHaveLength(1);
  });

  test('of a host that was held up has its grace again, a few times at most', async () => {
    const { client, clock } = await opened();
    let settled = false;
    void client.plan(request(), { timeoutMs: 300 }).then(() => {
      settled = true;
    });
    clock.stall(2_000);
    await flush();
    expect(settled).toBe(false);
    for (let times = 0; times < 3; times++) {
      clock.stall(2_000);
      await flush();
    }
    expect(settled).toBe(false);
    clock.advance(50);
    await flush();
    expect(settled).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  test('is cancelled by its signal, with one message and no listener left', async () => {
    const { peer, client, clock } = await opened();
    const controller = new AbortController();
    const plan = client.plan(request(), { signal: controller.signal });
    controller.abort('enough');
    await expect(plan).rejects.toMatchObject({ code: 'ERR_PLAN_CANCELLED', cause: 'enough' });
    expect(peer.own().slice(1)).toEqual([{ kind: 'cancel', call: 1 }]);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    expect(clock.pendingTimers).toBe(0);
    // Until the peer has answered, the call counts.
    expect(peer.isHeld).toBe(true);
    peer.reply('plan', { ok: false, error: { code: 'ERR_PLAN_CANCELLED', message: '', retryable: false } });
    expect(peer.isHeld).toBe(false);
  });

  test('hears its own attempts, while it waits', async () => {
    const { peer, client } = await opened();
    const heard: unknown[] = [];
    const plan = client.plan(request(), { onAttempt: (attempt) => heard.push(attempt) });
    void client.plan(request());
    expect(peer.asked('plan').wantsAttempts).toBe(true);
    peer.say({ kind: 'attempt', call: 2, attempt: { role: 'other' } });
    peer.say({ kind: 'attempt', call: 1, attempt: { role: 'one' } });
    peer.reply('plan', { ok: true, value: PLAN });
    await plan;
    peer.say({ kind: 'attempt', call: 1, attempt: { role: 'late' } });
    expect(heard).toEqual([{ role: 'one' }]);
  });

  test('one over callsMax is refused, until another one is answered', async () => {
    const { peer, client } = await opened({ callsMax: 2 });
    const plans = [client.plan(request()), client.plan(request())];
    await expect(client.plan(request())).rejects.toMatchObject({ code: 'ERR_PLANNER_OVERLOADED', retryable: true });
    peer.reply('plan', { ok: true, value: PLAN });
    await plans[0];
    const third = client.plan(request());
    peer.reply('plan', { ok: true, value: PLAN }, 2);
    expect(await third).toEqual(PLAN);
  });
});

describe('events', () => {
  test('are asked for when the first listener comes and the last one goes', async () => {
    const { peer, client } = await opened();
    const before = peer.own().length;
    const one = (): void => {};
    const two = (): void => {};
    client.on('plan', one);
    client.on('plan', two);
    client.off('plan', one);
    client.on('exit', one);
    expect(peer.own().slice(before)).toEqual([{ kind: 'listen', plan: true, warning: false }]);
    client.off('plan', two);
    client.once('warning', one);
    peer.say({ kind: 'warning', message: 'careful' });
    expect(peer.own().slice(before + 1)).toEqual([
      { kind: 'listen', plan: false, warning: false },
      { kind: 'listen', plan: false, warning: true },
      { kind: 'listen', plan: false, warning: false },
    ]);
  });
});

test('removeAllListeners takes the listeners of the host, and later ones are heard of', async () => {
  const { peer, client } = await opened();
  const before = peer.own().length;
  for (const name of ['plan', 'warning', 'exit'] as const) client.on(name, () => {});
  client.removeAllListeners();
  expect(['plan', 'warning', 'exit'].map((name) => client.listenerCount(name as 'plan'))).toEqual([0, 0, 0]);
  client.on('plan', () => {});
  expect(peer.own().slice(before).at(-1)).toEqual({ kind: 'listen', plan: true, warning: false });
  client.removeAllListeners('plan');
  expect(peer.own().at(-1)).toEqual({ kind: 'listen', plan: false, warning: false });
});

describe('the end of the peer', () => {
  test('rejects everything, tells once, and leaves no timer', async () => {
    const { peer, client, clock } = await opened();
    const exits: unknown[] = [];
    client.on('exit', (exit) => {
      exits.push(exit);
      throw new Error('a listener');
    });
    const warnings: string[] = [];
    client.on('warning', (message) => warnings.push(message));
    const pending = [client.plan(request()), client.stats(), client.clearCache()];
    peer.end({ code: 134, signal: null, reason: 'out of memory' });
    for (const outcome of await Promise.allSettled(pending)) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: {
          code: 'ERR_PEER_EXITED',
          retryable: false,
          message: "the planner's thread has ended (exit code 134, out of memory)",
        },
      });
    }
    expect(exits).toEqual([{ code: 134, signal: null, expected: false }]);
    expect(warnings).toEqual(['a listener of "exit" threw: a listener']);
    expect({ open: client.isOpen, timers: clock.pendingTimers }).toEqual({ open: false, timers: 0 });
    await client.close();
    expect({ leaves: peer.leaves, kills: peer.kills }).toEqual({ leaves: 0, kills: 0 });
  });

  test('during a drain is not the end that was asked for', async () => {
    const { peer, client, clock } = await opened();
    const exits: unknown[] = [];
    client.on('exit', (exit) => exits.push(exit));
    const plan = client.plan(request());
    const closed = client.close({ drainMs: 500 });
    peer.end({ code: null, signal: 'SIGKILL' });
    await expect(plan).rejects.toMatchObject({ code: 'ERR_PEER_EXITED' });
    await closed;
    expect(exits).toEqual([{ code: null, signal: 'SIGKILL', expected: false }]);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('closing', () => {
  test('lets the peer go when it has closed its planner, and waits for its end', async () => {
    const { peer, client, clock } = await opened();
    const closed = client.close({ drainMs: 500 });
    expect(peer.asked('close')).toEqual({ drainMs: 500 });
    await expect(client.plan(request())).rejects.toMatchObject({ code: 'ERR_PLANNER_CLOSED' });
    expect(peer.leaves).toBe(0);
    peer.reply('close', { ok: true, value: undefined });
    await flush();
    expect(peer.leaves).toBe(1);
    peer.end({ code: 0, signal: null });
    await closed;
    await expect(client.stats()).rejects.toMatchObject({ code: 'ERR_PLANNER_CLOSED' });
    expect({ kills: peer.kills, timers: clock.pendingTimers }).toEqual({ kills: 0, timers: 0 });
  });

  test('uses force when its time is over, and then plans have the answer of the host', async () => {
    const { peer, client, clock } = await opened();
    const plan = client.plan(request({ qValues: { flee: 1 } }), { timeoutMs: 60_000 });
    const closed = client.close({ drainMs: 500 });
    clock.advance(1_499);
    expect(peer.kills).toBe(0);
    clock.advance(1);
    expect(peer.kills).toBe(1);
    peer.end({ code: 1, signal: null });
    expect(await plan).toMatchObject({ id: 0, action: 'flee', source: 'heuristic' });
    await closed;
    expect(clock.pendingTimers).toBe(0);
  });

  test('again and without draining hurries the planner, and has less time', async () => {
    const { peer, client, clock } = await opened();
    const closed = client.close({ drainMs: 60_000 });
    expect(client.close({ drainMs: 5 })).toBe(closed);
    expect(peer.calls('close')).toHaveLength(1);
    void client.close();
    expect(peer.asked('close', 1)).toEqual({});
    clock.advance(1_000);
    expect(peer.kills).toBe(1);
    peer.end({ code: 1, signal: null });
    await closed;
  });

  test('kills a peer that has closed its planner and does not end', async () => {
    const { peer, client, clock } = await opened();
    const closed = client.close();
    peer.reply('close', { ok: true, value: undefined });
    await flush();
    clock.advance(1_000);
    expect({ leaves: peer.leaves, kills: peer.kills }).toEqual({ leaves: 1, kills: 1 });
    peer.end({ code: 1, signal: null });
    await closed;
  });
});
