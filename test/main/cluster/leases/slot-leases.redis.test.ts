import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { clusterNames } from '../../../../src/main/cluster/engine/engine.ts';
import { functionLibrary } from '../../../../src/main/cluster/engine/function-library.ts';
import { RedisEngine } from '../../../../src/main/cluster/engine/redis-engine.ts';
import { LEASES_LUA } from '../../../../src/main/cluster/leases/leases-lua.ts';
import { SlotLeases } from '../../../../src/main/cluster/leases/slot-leases.ts';
import type { Slot } from '../../../../src/main/models/slots/ask.ts';
import { EndpointGate } from '../../../../src/main/models/slots/endpoint-gate.ts';
import { LeasedGates } from '../../../../src/main/models/slots/leased-gates.ts';
import { systemClock as clock } from '../../../../src/shared/clock.ts';
import { systemRandom as random } from '../../../../src/shared/random.ts';
import { hasRedis, type RedisServer, startRedis } from '../../../support/redis-server.ts';

const names = clusterNames('leases');
const library = functionLibrary([LEASES_LUA]);
const NEVER = new AbortController().signal;

/** A node with a gate of four slots. */
async function nodeAt(url: string, node: string): Promise<{ gate: EndpointGate; leases: SlotLeases }> {
  const engine = new RedisEngine({ url, node, names, library, clock, random });
  await engine.start();
  const gate = new EndpointGate(clock, 4, 0);
  const shared = { gate, learnedSlots: undefined, adoptSlots: () => {}, restMs: 0, doubt: () => {} };
  const demand = new LeasedGates({ clock, endpoints: [shared], callMs: 1_000, lateMs: 0 });
  const leases = new SlotLeases({ engine, names, server: 'gpu', clock, random, demand });
  demand.share(leases);
  onTestFinished(async () => {
    await leases.close();
    gate.close();
    engine.close();
  });
  return { gate, leases };
}

describe.skipIf(!hasRedis)('leases at a real engine', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  test('two nodes have four calls at work between them, and a slot that one frees goes to the other', async () => {
    const [a, b] = await Promise.all([nodeAt(redis.url, 'a'), nodeAt(redis.url, 'b')]);
    const slots: Slot[] = [];
    // The engine is new: nothing is granted for one life of a lease.
    for (let nth = 0; nth < 4; nth++) slots.push((await a.gate.acquire(NEVER)) as Slot);
    expect(a.leases.stats()).toMatchObject({ mode: 'shared', leases: 4, nodes: 2, slots: 4 });
    let isServed = false;
    const served = Promise.resolve(b.gate.acquire(NEVER)).then((slot) => {
      isServed = true;
      return slot as Slot;
    });
    // The first learns that the other waits.
    while (a.leases.stats().othersWaiting === 0) await new Promise((resolve) => setImmediate(resolve));
    expect({ isServed, busy: a.gate.busy + b.gate.busy }).toEqual({ isServed: false, busy: 4 });
    const freedAtMs = clock.now();
    slots.pop()?.release();
    slots.push(await served);
    expect(clock.now() - freedAtMs).toBeLessThan(200);
    expect(a.gate.busy + b.gate.busy).toBe(4);
    for (const slot of slots) slot.release();
  });
});
