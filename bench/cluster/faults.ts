import { forkRandom, pick, type Random, randomIndex } from '../../src/shared/random.ts';
import type { ProxyMode } from '../../test/support/faulty-proxy.ts';
import { AtWork } from './at-work.ts';
import { after, Fleet, type FleetNode, SLOTS } from './fleet.ts';
import type { NodeTally } from './node-process.ts';

/** How long a lease lives on after its holder was lost sight of, at most, in milliseconds. */
const LEASE_LIFE_MS = 2_000;
const NODES = 4;
const LOAD = { agents: 4, thinkMs: 30, timeoutMs: 2_000, states: 0 };

export interface FaultFigures {
  readonly faults: number;
  /** The slots, and what was ever at work beyond what was allowed. */
  readonly mostAtWork: number;
  readonly mostWithoutEngine: number;
  readonly timesOver: number;
  readonly plans: number;
  readonly byModels: number;
  readonly illegal: number;
  readonly late: number;
  readonly failed: number;
}

/** Seeded faults of nodes, engine and network, one after another and sometimes two at once, under a load that never ends. */
export async function underFaults(seed: number, count: number, tell: (line: string) => void): Promise<FaultFigures> {
  // A node that was killed comes back at once, also while the engine is away.
  await using fleet = await Fleet.open({ nodes: NODES, seed, serviceMs: 120, planner: { allowOffline: true } });
  await after(3_000);
  const random = forkRandom(seed, 'faults');
  const now = { engineUp: true, astray: 0 };
  const work = new AtWork(fleet.server, SLOTS, NODES, () => now);
  const sums = { plans: 0, byModels: 0, illegal: 0, late: 0, failed: 0 };
  const load = (node: FleetNode): void => node.tell({ kind: 'load', ...LOAD, seed: seed + randomIndex(random, 1e6) });
  const collect = async (node: FleetNode, wasPaused = false): Promise<void> => {
    const tally: NodeTally | undefined = await node.tally();
    if (tally === undefined) return;
    // A process that does not run cannot answer in time.
    if (wasPaused) tally.late = 0;
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += tally[name];
  };
  const parts: FaultParts = { fleet, random, now, work, load, collect };
  for (const node of fleet.nodes) load(node);
  let shownMs = 0;
  for (let fault = 0; fault < count; fault++) {
    const isDouble = random.next() < 0.2;
    await Promise.all([oneFault(parts), ...(isDouble ? [oneFault(parts)] : [])]);
    await after(100 + 400 * random.next());
    if (performance.now() - shownMs < 10_000) continue;
    shownMs = performance.now();
    tell(`cluster: ${fault + 1} of ${count} faults, most at work ${work.most}, ${work.over.length} times over`);
  }
  await after(LEASE_LIFE_MS);
  for (const node of fleet.nodes) await collect(node);
  for (const line of work.over.slice(0, 5)) tell(`cluster: over: ${line}`);
  const { most: mostAtWork, mostWithout: mostWithoutEngine, over } = work;
  return { faults: count, mostAtWork, mostWithoutEngine, timesOver: over.length, ...sums };
}

interface FaultParts {
  readonly fleet: Fleet;
  readonly random: Random;
  readonly now: { engineUp: boolean; astray: number };
  readonly work: AtWork;
  readonly load: (node: FleetNode) => void;
  readonly collect: (node: FleetNode, wasPaused?: boolean) => Promise<void>;
}

const busyNodes = new Set<FleetNode>();
let isEngineBusy = false;

async function oneFault(parts: FaultParts): Promise<void> {
  const { fleet, random } = parts;
  const kind = pick(random, ['kill node', 'pause node', 'network', 'network', 'engine'] as const);
  if (kind === 'engine') {
    if (isEngineBusy) return;
    isEngineBusy = true;
    await engineFault(parts);
    isEngineBusy = false;
    return;
  }
  const free = fleet.nodes.filter((node) => !busyNodes.has(node));
  if (free.length < 2) return;
  const node = pick(random, free);
  busyNodes.add(node);
  if (kind === 'kill node') await killNode(parts, node);
  else await strayNode(parts, node, kind);
  busyNodes.delete(node);
}

async function killNode({ work, collect, load }: FaultParts, node: FleetNode): Promise<void> {
  await collect(node);
  await node.kill();
  work.note(`${node.name} killed`);
  await after(200);
  await node.start();
  work.note(`${node.name} started`);
  load(node);
}

/** A node that is paused or cut off may have one call at work beyond the slots, until it is back and its lease is renewed. */
async function strayNode(
  { random, now, work, collect }: FaultParts,
  node: FleetNode,
  kind: 'pause node' | 'network',
): Promise<void> {
  now.astray++;
  if (kind === 'pause node') await collect(node);
  if (kind === 'pause node') node.pause();
  else node.proxy.mode = pick(random, ['cut', 'stall', 'half-open', 'slow'] satisfies ProxyMode[]);
  work.note(`${node.name} ${kind === 'pause node' ? 'paused' : node.proxy.mode}`);
  await after(200 + 3_000 * random.next());
  work.keep(LEASE_LIFE_MS);
  if (kind === 'pause node') node.resume();
  else node.proxy.mode = 'pass';
  work.note(`${node.name} well`);
  now.astray--;
  if (kind !== 'pause node') return;
  await after(LOAD.timeoutMs);
  await collect(node, true);
}

async function engineFault({ fleet: { redis }, random, now, work }: FaultParts): Promise<void> {
  now.engineUp = false;
  work.note('engine away');
  if (random.next() < 0.5) {
    await redis.kill();
    await after(200 + 2_000 * random.next());
    await redis.restart();
  } else {
    redis.pause();
    await after(200 + 2_000 * random.next());
    redis.resume();
  }
  work.keep(LEASE_LIFE_MS);
  work.note('engine back');
  now.engineUp = true;
}
