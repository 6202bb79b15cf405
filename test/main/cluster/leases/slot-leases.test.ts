import { describe, expect, test } from 'vitest';
import { runFaults } from '../../../support/cluster/lease-faults.ts';
import { jain, LeaseSim, type LeaseSimSettings, type SimNode } from '../../../support/cluster/lease-sim.ts';

const sum = (figures: readonly number[]): number => figures.reduce((total, x) => total + x, 0);

/** Nodes that the engine knows. */
async function opened(settings: Partial<LeaseSimSettings>): Promise<LeaseSim> {
  const sim = new LeaseSim({ seed: 1, nodes: 4, slots: 4, ...settings });
  await sim.run(1_500);
  return sim;
}

/** Runs until the condition holds; returns how long that took. */
async function until(sim: LeaseSim, condition: () => boolean, limitMs = 10_000): Promise<number> {
  const startMs = sim.clock.now();
  while (!condition()) {
    if (sim.clock.now() - startMs > limitMs) throw new Error(`not within ${limitMs} ms`);
    await sim.run(1);
  }
  return sim.clock.now() - startMs;
}

function backlog(nodes: readonly SimNode[], calls = 6): void {
  for (const node of nodes) node.backlog(calls);
}

describe('nodes that share the slots of a server', () => {
  test.each([
    [4, 4],
    [4, 3],
    [4, 1],
    [3, 4],
    [2, 5],
  ])('%i backlogged nodes get equal parts of %i slots, all of which are used', async (nodes, slots) => {
    const sim = await opened({ nodes, slots });
    let most = 0;
    sim.check = () => {
      most = Math.max(most, sim.busy);
    };
    backlog(sim.nodes);
    await sim.run(1_000);
    sim.server.worked.clear();
    const reportsBefore = sim.model.calls.get('sync_slots') as number;
    await sim.run(4_000);
    const worked = sim.nodes.map(({ id }) => sim.server.worked.get(id) ?? 0);
    expect(most).toBe(slots);
    expect(jain(worked)).toBeGreaterThan(0.95);
    expect(sum(worked) / 4_000 / slots).toBeGreaterThan(0.95);
    // Renewals are few: at most 15 a second for each node.
    expect((sim.model.calls.get('sync_slots') as number) - reportsBefore).toBeLessThan(4 * 15 * nodes);
  });

  test('lend an idle share within 200 ms, and get it back when a call ends', async () => {
    const sim = await opened({});
    const [first, ...others] = sim.nodes as [SimNode, ...SimNode[]];
    backlog(sim.nodes);
    await sim.run(1_000);
    first.backlog(0);
    await until(sim, () => first.atWork === 0);
    expect(await until(sim, () => sum(others.map(({ atWork }) => atWork)) === 4)).toBeLessThan(200);
    first.backlog(6);
    // The longest call takes 150 ms.
    expect(await until(sim, () => first.atWork === 1)).toBeLessThan(200);
  });

  test('lend everything to the only one that has calls, in one round trip', async () => {
    const sim = await opened({});
    const [first] = sim.nodes as [SimNode];
    first.backlog(6);
    expect(await until(sim, () => first.atWork === 4)).toBeLessThan(5);
  });

  test('background work gets only what no call waits for', async () => {
    const sim = await opened({ nodes: 2, slots: 2, callMs: () => 400 });
    const [a, b] = sim.nodes as [SimNode, SimNode];
    b.backlog(6);
    await sim.run(100);
    a.ask('background', 10_000);
    await sim.run(3_000);
    expect([a.atWork, b.atWork]).toEqual([0, 2]);
    b.backlog(0);
    // The waiting calls of the other take 1.2 s; its idle leases go back with the next report.
    expect(await until(sim, () => a.atWork === 1)).toBeLessThan(1_700);
  });

  test('use the slots of a killed node again within 2 s', async () => {
    const sim = await opened({ callMs: () => 30_000 });
    const [first, ...others] = sim.nodes as [SimNode, ...SimNode[]];
    first.backlog(4);
    await sim.run(3_000);
    expect(first.atWork).toBe(4);
    first.kill();
    backlog(others);
    expect(await until(sim, () => sum(others.map(({ atWork }) => atWork)) === 4)).toBeLessThan(2_000);
  });

  test('keep what a paused node has at work, and it starts nothing when it wakes', async () => {
    const sim = await opened({ callMs: () => 1_800 });
    const [first, ...others] = sim.nodes as [SimNode, ...SimNode[]];
    let most = 0;
    sim.check = () => {
      most = Math.max(most, sim.busy);
    };
    backlog(sim.nodes);
    await sim.run(100);
    first.pause();
    await sim.run(6_000);
    expect(sum(others.map(({ atWork }) => atWork))).toBe(4);
    first.resume();
    await sim.run(2_000);
    expect(most).toBe(4);
  });

  test('use what a node had that died behind a connection that stays, as soon as its calls must have ended', async () => {
    const sim = await opened({ callMs: () => 150 });
    const [first, ...others] = sim.nodes as [SimNode, ...SimNode[]];
    first.backlog(4);
    await sim.run(50_000);
    expect(first.atWork).toBe(4);
    // To the engine, the same as a node that stands still.
    first.pause();
    backlog(others);
    expect(await until(sim, () => sum(others.map(({ atWork }) => atWork)) === 4)).toBeLessThan(2_000);
  });

  test('a node that is cut off gives up what goes beyond its share before others get it', async () => {
    const sim = await opened({ callMs: () => 8_000 });
    const [first, ...others] = sim.nodes as [SimNode, ...SimNode[]];
    first.backlog(4);
    await sim.run(100);
    let most = 0;
    sim.check = () => {
      most = Math.max(most, sim.busy);
    };
    first.cut(false);
    backlog(others);
    await sim.run(3_000);
    expect({ mode: first.leases.stats().mode, most, own: first.atWork }).toEqual({ mode: 'alone', most: 5, own: 1 });
  });

  test('without the engine each works with its part, and all is shared again within 2 s of its return', async () => {
    const sim = await opened({});
    backlog(sim.nodes);
    await sim.run(1_000);
    sim.model.stopEngine();
    await sim.run(4_000);
    expect(sim.nodes.map(({ atWork }) => atWork)).toEqual([1, 1, 1, 1]);
    expect(sim.nodes.map(({ leases }) => leases.stats().mode)).toEqual(Array(4).fill('alone'));
    sim.model.restartEmpty();
    backlog(sim.nodes.slice(1), 0);
    sim.nodes[0]?.backlog(8);
    expect(await until(sim, () => sim.nodes[0]?.atWork === 4)).toBeLessThan(2_000);
  });

  test('learn the number of slots together: whoever moves it takes the others along', async () => {
    const sim = await opened({ learns: true, nodes: 3 });
    const [first, ...others] = sim.nodes as [SimNode, ...SimNode[]];
    backlog(sim.nodes);
    await sim.run(500);
    expect(sim.busy).toBe(4);
    // As many first tokens at the limit as at half of it, in the same time: the limit may grow.
    for (let nth = 0; nth < 40 && first.limit.learned === 4; nth++)
      for (const inFlight of [2, 4]) first.limit.observe({ model: 'm', firstTokenMs: 100, inFlight });
    await sim.run(2_500);
    expect(first.limit.learned).toBeGreaterThan(4);
    expect(others.map(({ limit }) => limit.learned)).toEqual([first.limit.learned, first.limit.learned]);
    expect(sim.busy).toBe(first.limit.learned);
    others[1]?.limit.dropped();
    await sim.run(2_500);
    expect(first.limit.learned).toBe(others[1]?.limit.learned);
    expect(sim.busy).toBe(first.limit.learned);
  });

  test('tell each other that a breaker is open, and for how long', async () => {
    const sim = await opened({ nodes: 2 });
    const [a, b] = sim.nodes as [SimNode, SimNode];
    a.restMs = 2_000;
    a.ask();
    await sim.run(50);
    b.ask();
    await sim.run(50);
    expect(b.doubts.at(-1)).toBeGreaterThan(1_800);
    expect(a.doubts).toEqual([]);
  });

  test('give everything back when they close', async () => {
    const sim = await opened({ nodes: 2, callMs: () => 20 });
    const [a, b] = sim.nodes as [SimNode, SimNode];
    backlog(sim.nodes);
    await sim.run(200);
    a.backlog(0);
    await until(sim, () => a.gate.busy + a.gate.waiting === 0);
    void a.leases.close();
    expect(await until(sim, () => b.atWork === 4)).toBeLessThan(50);
  });

  test('a node that closes is not counted from then on, and one that is killed after some seconds', async () => {
    const sim = await opened({ nodes: 3, callMs: () => 20 });
    const [a, b, c] = sim.nodes as [SimNode, SimNode, SimNode];
    const counted = (): number => c.leases.stats().nodes;
    c.backlog(1);
    await sim.run(500);
    expect(counted()).toBe(3);
    void a.leases.close();
    // Its next report.
    expect(await until(sim, () => counted() === 2)).toBeLessThan(500);
    b.kill();
    expect(await until(sim, () => counted() === 1)).toBeLessThan(3_000);
    expect(c.leases.share).toBe(4);
  });

  test.each([1, 2])('are given no more than there is, whatever fails: seed %i', async (seed) => {
    const { done } = await runFaults({ seed, faults: 4 });
    expect(done).toBeGreaterThan(20);
  });
});
