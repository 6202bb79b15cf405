import { expect, it, onTestFinished } from 'vitest';
import { PlannerNodes } from '../../../support/cluster/planners.ts';
import type { Behaviour } from '../../../support/fake-models.ts';
import { request } from '../../../support/make-planner.ts';

const answers = (action: string, afterMs = 300): Behaviour => ({ kind: 'answers', action, afterMs });

async function open(...args: Parameters<typeof PlannerNodes.open>): Promise<PlannerNodes> {
  const cluster = await PlannerNodes.open(...args);
  onTestFinished(() => cluster[Symbol.asyncDispose]());
  return cluster;
}

it('1,000 equal requests over four nodes are one panel, and every plan has its decision', async () => {
  const cluster = await open(4, () => answers('attack'), { maxInFlight: 1_000 });
  const plans = Array.from({ length: 1_000 }, (_, i) =>
    cluster.nodes[i % 4]?.planner.plan(request({ agent: `a${i}` }), { timeoutMs: 5_000 }),
  );
  await cluster.pass(2_000);
  const settled = await Promise.all(plans);
  // Two experts and a synthesis.
  expect(cluster.asked).toBe(3);
  expect(new Set(settled.map((plan) => `${plan?.action} ${plan?.source}`))).toEqual(new Set(['attack synthesis']));
  expect(settled.filter((plan) => plan?.coalesced)).toHaveLength(999);
  expect(cluster.nodes.reduce((sum, { planner }) => sum + planner.stats().plans.coalesced, 0)).toBe(999);
  const owners = new Set(settled.map((plan) => plan?.node));
  expect(owners.size).toBe(2);
  for (const plan of settled) expect(plan?.latencyMs).toBeLessThan(700);
});

it('a decision of one node is a hit at the others', async () => {
  const cluster = await open(3, () => answers('block'));
  const [a, b, c] = cluster.nodes;
  const plan = a?.planner.plan(request(), { timeoutMs: 2_000 });
  await cluster.pass(800);
  expect((await plan)?.node).toBeUndefined();
  for (const node of [b, c]) {
    const hit = node?.planner.planNow(request({ agent: 'other' }));
    expect(hit).toMatchObject({ action: 'block', source: 'cache', coalesced: false });
  }
  expect(cluster.asked).toBe(3);
});

it('a request at the very moment of the decision, or just after, asks no model', async () => {
  const cluster = await open(2, () => answers('block'));
  const [a, b] = cluster.nodes;
  const first = a?.planner.plan(request(), { timeoutMs: 2_000 });
  await cluster.pass(601);
  const second = b?.planner.plan(request({ agent: 'other' }), { timeoutMs: 2_000 });
  await cluster.pass(60);
  expect([(await first)?.action, (await second)?.action, cluster.asked]).toEqual(['block', 'block', 3]);
});

it('a decision from before a clear is no answer to another node, although the engine still has it', async () => {
  const cluster = await open(2, ({ node }) => answers(node === 'n0' ? 'block' : 'flee'));
  const [a, b] = cluster.nodes;
  const first = a?.planner.plan(request(), { timeoutMs: 2_000 });
  await cluster.pass(700);
  a?.planner.clearCache();
  await cluster.pass(100);
  const second = b?.planner.plan(request({ agent: 'other' }), { timeoutMs: 2_000 });
  await cluster.pass(700);
  const third = a?.planner.plan(request(), { timeoutMs: 2_000 });
  await cluster.pass(700);
  expect([(await first)?.action, (await second)?.action, (await third)?.action]).toEqual(['block', 'flee', 'flee']);
  expect(cluster.asked).toBe(6);
});

it('an owner that dies is followed by another node within a second, and no plan is late', async () => {
  const cluster = await open(3, ({ node }) => (node === 'n0' ? { kind: 'times-out' } : answers('flee')));
  const [a, b, c] = cluster.nodes;
  void a?.planner.plan(request(), { timeoutMs: 5_000 });
  await cluster.pass(50);
  const plans = [b, c].map((node) => node?.planner.plan(request({ agent: `of ${node.id}` }), { timeoutMs: 5_000 }));
  await cluster.pass(400);
  expect(cluster.nodes.map(({ models }) => models.calls.length)).toEqual([2, 0, 0]);
  cluster.model.kill('n0');
  await cluster.pass(1_000);
  expect((b?.models.calls.length ?? 0) + (c?.models.calls.length ?? 0)).toBeGreaterThan(0);
  await cluster.pass(1_000);
  const settled = await Promise.all(plans);
  expect(settled.map((plan) => [plan?.action, plan?.latenessMs])).toEqual([
    ['flee', 0],
    ['flee', 0],
  ]);
  expect((b?.models.calls.length ?? 0) + (c?.models.calls.length ?? 0)).toBe(3);
});

it('an owner without a decision frees the state at once', async () => {
  const fails: Behaviour = { kind: 'errors', code: 'ERR_MODEL_MALFORMED', afterMs: 200 };
  const cluster = await open(2, ({ node }) => (node === 'n0' ? fails : answers('flee', 100)));
  const [a, b] = cluster.nodes;
  const failing = a?.planner.plan(request(), { timeoutMs: 900 });
  await cluster.pass(20);
  const waiting = b?.planner.plan(request({ agent: 'other' }), { timeoutMs: 5_000 });
  await cluster.pass(300);
  expect(b?.models.calls).toHaveLength(0);
  await cluster.pass(900);
  expect((await failing)?.source).toBe('heuristic');
  await cluster.pass(600);
  expect(await waiting).toMatchObject({ action: 'flee', source: 'synthesis' });
});

it('waits no longer than leaves time for its own models', async () => {
  const cluster = await open(2, ({ node }) => (node === 'n0' ? { kind: 'times-out' } : answers('flee', 100)));
  const [a, b] = cluster.nodes;
  void a?.planner.plan(request(), { timeoutMs: 60_000 });
  await cluster.pass(20);
  const waiting = b?.planner.plan(request({ agent: 'other' }), { timeoutMs: 1_000 });
  await cluster.pass(1_000);
  expect(await waiting).toMatchObject({ action: 'flee', source: 'synthesis', coalesced: false, latenessMs: 0 });
  expect(b?.shared.stats().states).toMatchObject({ waits: 1, inVain: 1, waiting: 0 });
});

it('without the engine, each node goes on alone, at once', async () => {
  const cluster = await open(2, () => answers('flee', 100));
  cluster.model.stopEngine();
  const plans = cluster.nodes.map(({ planner }) => planner.plan(request(), { timeoutMs: 1_000 }));
  await cluster.pass(400);
  expect((await Promise.all(plans)).map(({ source }) => source)).toEqual(['synthesis', 'synthesis']);
  expect(cluster.asked).toBe(6);
  expect(cluster.nodes[0]?.shared.stats().states.claims).toMatchObject({ away: 1, own: 0 });
});

it('a plan waits 2 % of its time for an engine that says nothing', async () => {
  const cluster = await open(2, () => answers('flee', 100));
  cluster.model.cut('n0');
  const plan = cluster.nodes[0]?.planner.plan(request(), { timeoutMs: 1_000 });
  await cluster.pass(400);
  expect((await plan)?.latencyMs).toBeLessThanOrEqual(225);
  expect(cluster.nodes[0]?.shared.stats().states.claims).toMatchObject({ late: 1 });
});

it('clearCache reaches all nodes', async () => {
  const cluster = await open(3, () => answers('flee', 100));
  const plan = cluster.nodes[0]?.planner.plan(request(), { timeoutMs: 1_000 });
  await cluster.pass(400);
  await plan;
  expect(cluster.nodes.map(({ planner }) => planner.peek(request())?.action)).toEqual(['flee', 'flee', 'flee']);
  cluster.nodes[1]?.planner.clearCache();
  await cluster.pass(60);
  expect(cluster.nodes.map(({ planner }) => planner.peek(request()))).toEqual([undefined, undefined, undefined]);
});

it('an agent that asks another node is not caught in a loop', async () => {
  const cluster = await open(2, () => answers('flee', 100), {
    cache: { checkShare: 0, refreshAhead: false, loopGuard: true },
  });
  const [a, b] = cluster.nodes;
  const plan = a?.planner.plan(request(), { timeoutMs: 1_000 });
  await cluster.pass(400);
  await plan;
  expect(a?.planner.planNow(request())).toMatchObject({ source: 'cache', action: 'flee' });
  await cluster.pass(50);
  // It has taken the action twice in this state, without effect.
  expect(b?.planner.planNow(request())).toBeInstanceOf(Promise);
  expect(b?.planner.planNow(request({ agent: 'other' }))).toMatchObject({ source: 'cache', action: 'flee' });
  expect(b?.shared.stats().acts).toMatchObject({ received: 2, dropped: 0 });
});

it('what another node decided serves similar states too', async () => {
  const cluster = await open(2, () => answers('flee', 100), {
    cache: { checkShare: 0, refreshAhead: false, trust: 'always', similar: { distanceMax: 0.5 } },
  });
  const plan = cluster.nodes[0]?.planner.plan(request(), { timeoutMs: 1_000 });
  await cluster.pass(400);
  await plan;
  const near = request({ observation: { place: 'cave', health: 75 } });
  expect(cluster.nodes[1]?.planner.planNow(near)).toMatchObject({ source: 'similar', action: 'flee' });
});

it('entries that somebody else has put into the log are dropped and counted', async () => {
  const cluster = await open(2, () => answers('flee', 100));
  const [a, b] = cluster.nodes;
  const names = cluster.model.names;
  const plan = a?.planner.plan(request(), { timeoutMs: 1_000 });
  await cluster.pass(300);
  await plan;
  const [, , listed] = cluster.model.run('log_read', [names.key('log', cluster.fingerprint)], ['', '9']) as [
    number,
    number,
    [Buffer, Buffer[]][],
  ];
  const whole = listed[0]?.[1][1] as Buffer;
  for (const bytes of [Buffer.from('rubbish'), whole.map((byte, i) => (i > 90 ? byte ^ 1 : byte))]) {
    const args = [names.key('news', cluster.fingerprint), '', '100', '9999', Buffer.from(bytes), ''];
    cluster.model.run('log_append', [names.key('log', cluster.fingerprint)], args);
  }
  await cluster.pass(100);
  expect(b?.shared.stats().log).toMatchObject({ received: 1, dropped: { poisoned: 2 }, isLive: true });
  expect(b?.planner.planNow(request({ agent: 'other' }))).toMatchObject({ source: 'cache', action: 'flee' });
});
