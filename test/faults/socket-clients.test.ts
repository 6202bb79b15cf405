import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { type Random, randomIndex, seededRandom } from '../../src/shared/random.ts';
import { flush } from '../support/drive.ts';
import { makeSocketLoad, type SocketUnderLoad } from '../support/make-socket-load.ts';
import { eventually, RawClient } from '../support/raw-client.ts';

/** At once, each again and again as a new client. The whole numbers are 1,000 and 100,000. */
const CLIENTS = Number(process.env.SOCKET_CLIENTS ?? 100);
const REQUESTS = Number(process.env.SOCKET_REQUESTS ?? 5_000);
const SEED = Number(process.env.SOCKET_SEED ?? 2_026);
const PIPELINED_MAX = 20;
const HEAP_GROWTH_MAX = 12 * 2 ** 20;

interface Tally {
  sent: number;
  answered: number;
  /** Asked by a client that left before the answer. */
  abandoned: number;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** What is alive after everything that nobody holds is gone, bytes. */
async function heapUsed(): Promise<number> {
  for (let times = 0; times < 3; times++) {
    await flush();
    collect();
  }
  return process.memoryUsage().heapUsed;
}

function openPipes(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'PipeWrap').length;
}

/** A system that lets fewer wait to be let in sends the others away for a moment. */
async function connect(path: string): Promise<RawClient> {
  for (;;) {
    try {
      return await RawClient.connect(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      await flush();
    }
  }
}

/** Every request is told from every other one by its agent, and its answer too. */
async function beOneClient(at: SocketUnderLoad, random: Random, tally: Tally, name: string): Promise<void> {
  const client = await connect(at.path);
  const count = 1 + randomIndex(random, PIPELINED_MAX);
  const agents = Array.from({ length: count }, (_, index) => `${name}/${index}`);
  for (const [id, agent] of agents.entries()) {
    const isKnown = random.next() < 0.9;
    const observation = { place: isKnown ? 'cave' : agent, health: 50 };
    const actions = isKnown ? ['attack', 'block'] : ['attack', 'block', agent];
    client.call(id, 'plan', { agent, observation, actions, progress: random.next() < 0.1 });
  }
  tally.sent += count;
  // Half of them leave before they have all of their answers, some before the first.
  const wanted = random.next() < 0.5 ? count : randomIndex(random, count);
  const missing = new Set(agents.keys());
  while (count - missing.size < wanted) {
    const { id, result, method } = await client.next();
    if (method === '$/progress') continue;
    expect(missing.delete(id as number), `one answer for ${id}`).toBe(true);
    expect(result).toMatchObject({ agent: agents[id as number], action: 'block' });
  }
  client.socket.destroy();
  tally.answered += wanted;
  tally.abandoned += count - wanted;
}

async function load(at: SocketUnderLoad, requests: number, seed: number): Promise<Tally> {
  const random = seededRandom(seed);
  const tally: Tally = { sent: 0, answered: 0, abandoned: 0 };
  const lane = async (index: number): Promise<void> => {
    for (let nth = 0; tally.sent < requests; nth++) await beOneClient(at, random, tally, `${seed}/${index}/${nth}`);
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, index) => lane(index)));
  await eventually(() => at.face.connected === 0, 'every client has left');
  await eventually(() => at.planner.stats().plans.inFlight === 0, 'no plan is under way');
  at.models.calls.length = 0;
  return tally;
}

test(`${CLIENTS} clients that plan and vanish lose and cross nothing of ${REQUESTS} requests, and leave nothing behind`, {
  timeout: 60_000 + 2 * REQUESTS,
}, async () => {
  await using at = await makeSocketLoad();
  // Fills what is bounded: the cache, tables of agents, pools.
  await load(at, Math.max(REQUESTS / 4, 2_000), SEED + 1);
  const heapBefore = await heapUsed();
  const pipesBefore = openPipes();
  const callsBefore = at.face.counters.calls;
  const before = at.planner.stats().plans;
  const tally = await load(at, REQUESTS, SEED);
  const growth = (await heapUsed()) - heapBefore;
  const after = at.planner.stats().plans;
  const { counters } = at.face;
  expect(tally.sent).toBeGreaterThanOrEqual(REQUESTS);
  expect(tally.answered + tally.abandoned).toBe(tally.sent);
  expect(tally.abandoned).toBeGreaterThan(REQUESTS / 10);
  // Whatever the face has read, the planner has ended in one of two ways.
  const ended = after.settled - before.settled + (after.cancelled - before.cancelled);
  expect(ended).toBe(counters.calls - callsBefore);
  expect(after.cancelled).toBeGreaterThan(before.cancelled);
  expect([counters.badMessages, counters.slowClients, counters.refusedConnections]).toEqual([0, 0, 0]);
  expect(openPipes()).toBe(pipesBefore);
  expect(growth).toBeLessThan(HEAP_GROWTH_MAX);
});
