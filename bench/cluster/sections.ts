import { execFileSync } from 'node:child_process';
import { quantile } from '../figures.ts';
import { after, Fleet, type FleetNode, SLOTS } from './fleet.ts';
import type { NodeTally } from './node-process.ts';

/** What the nodes need to find each other, and to share out the slots, in milliseconds. */
const SETTLE_MS = 3_000;
const BACKLOG = { thinkMs: 0, timeoutMs: 5_000, states: 0 };

/** 1,000 equal requests over four nodes at the same moment: how many panels the model server sees. */
export async function equalRequests(seed: number): Promise<{ panels: number; failed: number }> {
  await using fleet = await Fleet.open({ nodes: 4, seed, serviceMs: 300 });
  await after(SETTLE_MS);
  // Each node has asked once at start, to see what the model can do.
  fleet.server.made.clear();
  const asked = fleet.nodes.map((node) =>
    node.ask<{ sources: string[] }>({ kind: 'plan', index: 1, count: 250, timeoutMs: 8_000 }),
  );
  const sources = (await Promise.all(asked)).flatMap((each) => each?.sources ?? []);
  await after(500);
  const byRole = Math.max(...fleet.server.made.values());
  const nodesThatAsked = [...fleet.server.made.values()].filter((calls) => calls > 0).length;
  if (byRole > 4) console.error(`equal: one node made ${byRole} calls`);
  return { panels: nodesThatAsked, failed: sources.filter((source) => source === 'heuristic').length };
}

/** From the settling of a plan at one node until another serves its decision, under load. */
export async function sharing(seed: number, rounds: number): Promise<{ p99Ms: number; lost: number }> {
  await using fleet = await Fleet.open({ nodes: 4, seed, serviceMs: 20 });
  await after(SETTLE_MS);
  for (const node of fleet.nodes)
    node.tell({ kind: 'load', agents: 4, thinkMs: 40, timeoutMs: 3_000, states: 400, seed });
  await after(1_000);
  const times: number[] = [];
  let lost = 0;
  for (let round = 0; round < rounds; round++) {
    const [a, b] = [fleet.nodes[round % 4], fleet.nodes[(round + 1) % 4]] as [FleetNode, FleetNode];
    const index = 1_000_000 + round;
    const seen = b.ask<number>({ kind: 'await', index });
    const planned = await a.ask<{ atMs: number }>({ kind: 'plan', index, count: 1, timeoutMs: 5_000 });
    const seenMs = await seen;
    if (planned === undefined || seenMs === undefined) lost++;
    else times.push(Math.max(0, seenMs - planned.atMs));
  }
  return { p99Ms: quantile(times, 0.99), lost };
}

/** Jain's fairness index (Jain, Chiu and Hawe 1984). */
export function jain(shares: readonly number[]): number {
  const sum = shares.reduce((all, each) => all + each, 0);
  const squares = shares.reduce((all, each) => all + each * each, 0);
  return sum === 0 ? 0 : sum ** 2 / (shares.length * squares);
}

/** Backlogged nodes share the slots; an idle share is lent as soon as somebody wants it. */
export async function fairness(
  seed: number,
  seconds: number,
): Promise<{ jain: number; lentMs: number; atWork: number }> {
  await using fleet = await Fleet.open({ nodes: 4, seed, serviceMs: 200 });
  const { server, nodes } = fleet;
  await after(SETTLE_MS);
  for (const node of nodes) node.tell({ kind: 'load', agents: 8, ...BACKLOG, seed });
  await after(2_000);
  server.worked.clear();
  await after(seconds * 1_000);
  const shares = nodes.map(({ name }) => server.worked.get(name) ?? 0);
  const worked = shares.reduce((sum, each) => sum + each, 0);
  // All but one stop: how long until that one has all slots.
  const [last, ...others] = nodes as [FleetNode, ...FleetNode[]];
  await Promise.all(others.map((node) => node.ask({ kind: 'rest' })));
  const idleMs = performance.now();
  while ((server.atWork.get(last.name) ?? 0) < SLOTS && performance.now() - idleMs < 5_000) await after(2);
  const lentMs = performance.now() - idleMs;
  return { jain: jain(shares), lentMs, atWork: worked / (seconds * 1_000) };
}

/** The engine is killed in mid-load and comes back empty; then a node is killed with its leases. */
export async function kills(
  seed: number,
): Promise<{ late: number; recoveryMs: number; leaseBackMs: number; most: number }> {
  await using fleet = await Fleet.open({ nodes: 4, seed, serviceMs: 200 });
  const { server, nodes, redis } = fleet;
  await after(SETTLE_MS);
  for (const node of nodes) node.tell({ kind: 'load', agents: 4, ...BACKLOG, seed });
  await after(2_000);
  await redis.kill();
  let most = 0;
  server.onChange = () => {
    most = Math.max(most, server.busy);
  };
  await after(3_000);
  server.onChange = () => {};
  await redis.restart();
  const backMs = performance.now();
  const recoveryMs = await fullServiceAfter(nodes, backMs);
  const tallies = (await Promise.all(nodes.map((node) => node.tally()))) as NodeTally[];
  const late = tallies.reduce((sum, { late: over, illegal, failed }) => sum + over + illegal + failed, 0);
  await after(1_000);
  const [victim, ...others] = nodes as [FleetNode, ...FleetNode[]];
  await Promise.all(others.slice(1).map((node) => node.ask({ kind: 'rest' })));
  await after(1_000);
  await victim.kill();
  const killedMs = performance.now();
  const heir = others[0] as FleetNode;
  while ((server.atWork.get(heir.name) ?? 0) < SLOTS && performance.now() - killedMs < 10_000) await after(5);
  return { late, recoveryMs, leaseBackMs: performance.now() - killedMs, most };
}

interface ClusterFigures {
  readonly engine: { readonly isUp: boolean };
  readonly leases: readonly { readonly mode: string }[];
}

/** Until every node says that it is joined again, and keeps to the common budget. */
async function fullServiceAfter(nodes: readonly FleetNode[], sinceMs: number): Promise<number> {
  while (performance.now() - sinceMs < 10_000) {
    const all = await Promise.all(nodes.map((node) => node.ask<{ cluster?: ClusterFigures }>({ kind: 'stats' })));
    const isBack = all.every((stats) => {
      const cluster = stats?.cluster;
      return cluster?.engine.isUp === true && cluster.leases.every(({ mode }) => mode === 'shared');
    });
    if (isBack) return performance.now() - sinceMs;
    await after(20);
  }
  return Number.POSITIVE_INFINITY;
}

/** Commands at the engine for a plan that models decide, as its own counters tell: those inside functions apart. */
export async function operations(
  seed: number,
  seconds: number,
): Promise<{ perPlan: number; withInner: number; plansPerSecond: number }> {
  await using fleet = await Fleet.open({ nodes: 4, seed, serviceMs: 20 });
  await after(SETTLE_MS);
  for (const node of fleet.nodes)
    node.tell({ kind: 'load', agents: 6, thinkMs: 20, timeoutMs: 3_000, states: 0, seed });
  await after(2_000);
  await Promise.all(fleet.nodes.map((node) => node.tally()));
  const before = commandsAt(fleet.redis.port);
  await after(seconds * 1_000);
  const counted = commandsAt(fleet.redis.port);
  const tallies = (await Promise.all(fleet.nodes.map((node) => node.tally()))) as NodeTally[];
  const decided = tallies.reduce((sum, { byModels }) => sum + byModels, 0);
  return {
    perPlan: (counted.fromClients - before.fromClients) / decided,
    withInner: (counted.all - before.all) / decided,
    plansPerSecond: decided / seconds,
  };
}

function commandsAt(port: number): { fromClients: number; all: number } {
  const info = execFileSync('redis-cli', ['-p', String(port), 'info', 'commandstats'], { encoding: 'utf8' });
  const counts = [...info.matchAll(/^cmdstat_([\w|]+):calls=(\d+)/gm)].map(
    ([, name, calls]) => [name, Number(calls)] as const,
  );
  const sum = (of: readonly (readonly [string | undefined, number])[]): number =>
    of.reduce((all, [, calls]) => all + calls, 0);
  const outer = counts.filter(([name]) =>
    /^(fcall|ping|ssubscribe|set|get|xrange|xread|hello|client\|.*|info)$/.test(name ?? ''),
  );
  return { fromClients: sum(outer), all: sum(counts) };
}
