import { describe, expect, it } from 'vitest';
import type { ModelNode } from '../../../support/cluster/engine-model.ts';
import { type LogNode, LogNodes } from '../../../support/cluster/log-nodes.ts';

type Three = [LogNode, LogNode, LogNode];

async function threeNodes(seed = 1): Promise<{ cluster: LogNodes; nodes: Three }> {
  const cluster = new LogNodes(3, seed);
  await cluster.pass(100);
  return { cluster, nodes: cluster.nodes as Three };
}

it('a decision of one node is remembered by the others within 50 ms, with its age and the time it has left', async () => {
  const { cluster, nodes } = await threeNodes();
  const [a, b, c] = nodes;
  a.decide(1, 'attack', 10_000);
  await cluster.pass(50);
  expect([b.fresh, c.fresh]).toEqual([{ 1: 'attack' }, { 1: 'attack' }]);
  const leftMs = (b.held.get(1)?.expiresAtMs as number) - b.clock.now();
  expect(leftMs).toBeLessThanOrEqual(9_950);
  expect(leftMs).toBeGreaterThan(9_945);
  expect(a.log.stats()).toMatchObject({ isLive: true, sent: 1, received: 0 });
  expect(b.log.stats()).toMatchObject({ isLive: true, sent: 0, received: 1, gaps: 0 });
});

it('decisions of 20 ms travel in one call, the newest of each state', async () => {
  const { cluster, nodes } = await threeNodes();
  const [a, b] = nodes;
  for (const action of ['attack', 'block', 'flee']) a.decide(1, action);
  a.decide(2, 'block');
  a.decide(2, 'weakened', 5_000, true);
  await cluster.pass(50);
  expect([b.fresh, a.log.stats().sent, a.log.stats().batches]).toEqual([{ 1: 'flee', 2: 'weakened' }, 2, 1]);
  expect(b.held.get(2)?.isAmended).toBe(true);
});

it('a node that joins reads the present state', async () => {
  const { cluster, nodes } = await threeNodes();
  for (let state = 0; state < 300; state++) {
    nodes[state % 3]?.decide(state, `to ${state}`);
    if (state % 7 === 0) await cluster.pass(30);
  }
  await cluster.pass(100);
  const late = cluster.join('late');
  await cluster.pass(200);
  expect(late.fresh).toEqual(nodes[0].fresh);
  expect(Object.keys(late.fresh)).toHaveLength(300);
});

it('of two nodes that decide a state at the same time, the last in the log wins everywhere', async () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const { cluster, nodes } = await threeNodes(seed);
    const [a, b, c] = nodes;
    a.decide(1, 'attack');
    await cluster.pass(cluster.random.next() * 3);
    b.decide(1, 'block');
    await cluster.pass(60);
    expect([a.fresh, b.fresh]).toEqual([c.fresh, c.fresh]);
  }
});

it('what a node has decided never comes back to it: no vote counts twice', async () => {
  const { cluster, nodes } = await threeNodes();
  const [a] = nodes;
  a.decide(1, 'attack');
  const mine = a.held.get(1);
  cluster.model.cut('n0');
  await cluster.pass(2_000);
  cluster.model.heal('n0');
  await cluster.pass(2_000);
  expect([a.held.get(1) === mine, a.log.stats().received]).toEqual([true, 0]);
  expect(nodes[1].fresh).toEqual({ 1: 'attack' });
});

describe('a node that misses pushes', () => {
  it('reads what it missed at the next push', async () => {
    const { cluster, nodes } = await threeNodes();
    const [a, b, c] = nodes;
    const node = cluster.model.node('n1');
    deafen(node, true);
    a.decide(1, 'attack');
    await cluster.pass(30);
    deafen(node, false);
    expect([b.fresh, c.fresh]).toEqual([{}, { 1: 'attack' }]);
    a.decide(2, 'block');
    await cluster.pass(60);
    expect(b.fresh).toEqual(c.fresh);
    expect(b.log.stats()).toMatchObject({ gaps: 1, restarts: 0 });
  });

  it('finds out within two seconds if nothing is pushed any more', async () => {
    const { cluster, nodes } = await threeNodes();
    deafen(cluster.model.node('n1'), true);
    nodes[0].decide(1, 'attack');
    await cluster.pass(2_100);
    expect(nodes[1].fresh).toEqual({ 1: 'attack' });
  });

  it('reads everything if its place is gone', async () => {
    const { cluster, nodes } = await threeNodes();
    const [a, b, c] = nodes;
    a.decide(1, 'attack');
    await cluster.pass(50);
    cluster.model.cut('n1');
    await cluster.pass(600);
    cluster.model.restartEmpty();
    await cluster.pass(1_000);
    c.decide(2, 'block');
    await cluster.pass(100);
    cluster.model.heal('n1');
    await cluster.pass(1_000);
    expect(b.fresh).toEqual({ 1: 'attack', 2: 'block' });
    expect(b.log.stats().restarts).toBeGreaterThan(0);
  });
});

it("a failover that lost entries, whose ids are others' now, hides none of those from a node", async () => {
  const { cluster, nodes } = await threeNodes();
  const [a, b, c] = nodes;
  a.decide(1, 'attack');
  await cluster.pass(50);
  const failOver = cluster.model.replica();
  a.decide(2, 'block');
  await cluster.pass(50);
  expect(b.fresh).toEqual({ 1: 'attack', 2: 'block' });
  cluster.model.cut('n1');
  failOver();
  await cluster.pass(1_000);
  // Has the id of the entry that was lost, and which the other node read last.
  c.decide(3, 'flee');
  await cluster.pass(50);
  cluster.model.heal('n1');
  await cluster.pass(1_000);
  expect(b.fresh).toMatchObject({ 3: 'flee' });
  expect(b.log.stats().restarts).toBe(1);
});

describe('without the engine', () => {
  it('what was decided is kept and sent when it is back', async () => {
    const { cluster, nodes } = await threeNodes();
    const [a, b] = nodes;
    cluster.model.stopEngine();
    a.decide(1, 'attack', 10_000);
    await cluster.pass(3_000);
    expect(a.log.stats()).toMatchObject({ isLive: false, queued: 1 });
    cluster.model.startEngine();
    await cluster.pass(1_000);
    expect(b.fresh).toEqual({ 1: 'attack' });
    expect((b.held.get(1)?.expiresAtMs as number) - b.clock.now()).toBeLessThanOrEqual(6_000);
  });

  it('drops the oldest of too many', async () => {
    const { cluster, nodes } = await threeNodes();
    cluster.model.stopEngine();
    for (let state = 0; state < 4_100; state++) nodes[0].decide(state, 'wait');
    expect(nodes[0].log.stats()).toMatchObject({ queued: 4_096, dropped: { full: 4 } });
  });
});

describe('a clear', () => {
  it('reaches every node, once, and what was decided before it does not come back', async () => {
    const { cluster, nodes } = await threeNodes();
    const [a, b, c] = nodes;
    a.decide(1, 'attack');
    b.decide(2, 'block');
    await cluster.pass(50);
    // Still on its way when the clear passes.
    c.decide(3, 'flee');
    await cluster.pass(19.9);
    a.clear();
    b.decide(4, 'wait');
    await cluster.pass(60);
    a.decide(5, 'after');
    await cluster.pass(60);
    expect(nodes.map(({ fresh }) => fresh)).toEqual([{ 5: 'after' }, { 5: 'after' }, { 5: 'after' }]);
    expect(nodes.map(({ cleared }) => cleared)).toEqual([0, 1, 1]);
    const late = cluster.join('late');
    await cluster.pass(100);
    expect(late.fresh).toEqual({ 5: 'after' });
  });

  it('that was made while the engine was away holds for what others decided meanwhile', async () => {
    const { cluster, nodes } = await threeNodes();
    const [a, b, c] = nodes;
    b.decide(1, 'attack');
    await cluster.pass(50);
    cluster.model.cut('n0');
    await cluster.pass(600);
    a.clear();
    a.decide(2, 'mine');
    b.decide(3, 'theirs');
    await cluster.pass(100);
    expect(c.fresh).toEqual({ 1: 'attack', 3: 'theirs' });
    cluster.model.heal('n0');
    await cluster.pass(1_000);
    expect(nodes.map(({ fresh }) => fresh)).toEqual([{ 2: 'mine' }, { 2: 'mine' }, { 2: 'mine' }]);
  });

  it('reaches a node that was away when it was made', async () => {
    const { cluster, nodes } = await threeNodes();
    const [a, b] = nodes;
    a.decide(1, 'attack');
    await cluster.pass(50);
    cluster.model.cut('n1');
    await cluster.pass(600);
    b.decide(2, 'unsent');
    a.clear();
    await cluster.pass(100);
    cluster.model.heal('n1');
    await cluster.pass(1_000);
    expect([a.fresh, b.fresh]).toEqual([{}, {}]);
  });

  it.each([60_000, -60_000])(
    'reaches all nodes after the engine has lost its memory and its clock was set by %i ms',
    async (stepMs) => {
      const { cluster, nodes } = await threeNodes();
      const [a, b, c] = nodes;
      a.clear();
      await cluster.pass(100);
      cluster.model.skewMs += stepMs;
      cluster.model.restartEmpty();
      await cluster.pass(3_000);
      b.decide(1, 'attack');
      await cluster.pass(100);
      expect([a.fresh, c.fresh]).toEqual([{ 1: 'attack' }, { 1: 'attack' }]);
      a.clear();
      await cluster.pass(100);
      expect(nodes.map(({ fresh }) => fresh)).toEqual([{}, {}, {}]);
      expect(nodes.map(({ cleared }) => cleared)).toEqual([0, 2, 2]);
      c.decide(2, 'block');
      await cluster.pass(100);
      const late = cluster.join('late');
      await cluster.pass(100);
      expect([...nodes, late].map(({ fresh }) => fresh)).toEqual(Array(4).fill({ 2: 'block' }));
    },
  );
});

it('nodes of different fingerprints never meet', async () => {
  const cluster = new LogNodes(1);
  const other = cluster.join('other', 'g');
  await cluster.pass(100);
  cluster.nodes[0]?.decide(1, 'attack');
  other.decide(2, 'block');
  await cluster.pass(3_000);
  expect([cluster.nodes[0]?.fresh, other.fresh]).toEqual([{ 1: 'attack' }, { 2: 'block' }]);
  expect(other.log.stats()).toMatchObject({ received: 0, dropped: { poisoned: 0 } });
});

describe('freshness', () => {
  it('a node that was paused serves nothing past its expiry, however late it hears of it', async () => {
    for (const pausedMs of [3_000, 9_000]) {
      const { cluster, nodes } = await threeNodes();
      const [a, b] = nodes;
      cluster.model.pause('n1');
      a.decide(1, 'short', 2_500);
      a.decide(2, 'long', 20_000);
      await cluster.pass(pausedMs);
      cluster.model.resume('n1');
      await cluster.pass(100);
      expect(b.fresh).toEqual({ 2: 'long' });
      expect((b.held.get(2)?.expiresAtMs as number) - b.clock.now()).toBeLessThanOrEqual(20_000 - pausedMs - 100);
      expect(b.log.stats().dropped.expired).toBe(1);
    }
  });

  it('is bounded by the longest time of this node', async () => {
    const { cluster, nodes } = await threeNodes();
    nodes[0].decide(1, 'forever', Number.POSITIVE_INFINITY);
    await cluster.pass(50);
    expect((nodes[1].held.get(1)?.expiresAtMs as number) - nodes[1].clock.now()).toBeLessThanOrEqual(60_000);
  });

  it('an engine whose clock is set forward or back makes nothing fresher', async () => {
    for (const stepMs of [40_000, -40_000]) {
      const { cluster, nodes } = await threeNodes();
      const [a, b] = nodes;
      a.decide(1, 'before', 5_000);
      await cluster.pass(50);
      cluster.model.skewMs += stepMs;
      a.decide(2, 'at', 5_000);
      await cluster.pass(50);
      expect((b.held.get(2)?.expiresAtMs ?? 0) - b.clock.now()).toBeLessThanOrEqual(4_960);
      await cluster.pass(3_000);
      const late = cluster.join('late');
      await cluster.pass(2_000);
      expect([b.fresh, late.fresh]).toEqual([{}, {}]);
    }
  });
});

/** Nothing that is published reaches a node, and nobody knows. */
function deafen(node: ModelNode, isDeaf: boolean): void {
  node.push = isDeaf ? () => {} : Object.getPrototypeOf(node).push;
}
