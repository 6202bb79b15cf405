import { createClient } from '@redis/client';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../../src/main/cluster/cluster.ts';
import { SlotLeases } from '../../../src/main/cluster/leases/slot-leases.ts';
import { CLUSTER_LIBRARY } from '../../../src/main/cluster/library.ts';
import { SharedDomain } from '../../../src/main/cluster/shared-domain.ts';
import { EndpointGate } from '../../../src/main/models/slots/endpoint-gate.ts';
import { LeasedGates } from '../../../src/main/models/slots/leased-gates.ts';
import { systemClock as clock } from '../../../src/shared/clock.ts';
import { systemRandom as random } from '../../../src/shared/random.ts';
import { decision } from '../../support/decisions.ts';
import { hasRedis, startRedis } from '../../support/redis-server.ts';

const NEVER = new AbortController().signal;

describe.skipIf(!hasRedis)('a node that closes', () => {
  it('gives back its leases, and hands on what it decided last', async () => {
    await using redis = await startRedis();
    const cluster = new Cluster({ url: redis.url, name: 'closing' }, clock, random);
    await cluster.start(1_000);
    const { engine, names } = cluster;
    const gate = new EndpointGate(clock, 4, 0);
    const at = { gate, learnedSlots: undefined, adoptSlots: () => {}, restMs: 0, doubt: () => {} };
    const demand = new LeasedGates({ clock, endpoints: [at], callMs: 1_000, lateMs: 0 });
    const leases = new SlotLeases({ engine, names, server: 'gpu', clock, random, demand });
    demand.share(leases);
    cluster.shareSlots(leases);
    const shared = new SharedDomain({
      ...{ engine, names, clock, random, fingerprint: 'f', cache: undefined, ttlMaxMs: 0 },
      onCleared: () => {},
    });
    cluster.shareDomain('test', shared);
    for (let i = 0; i < 4; i++) await gate.acquire(NEVER);
    // What was made without a cache is kept for 100 ms.
    const client = await createClient({ url: redis.url }).connect();
    const times = { deadlineMs: clock.now() + 5_000, waitUntilMs: undefined };
    const outcome = await shared.states.claim({ state: 's', ...times, asksAgain: false, signal: NEVER });
    if (outcome.kind === 'go') outcome.claim.end(decision());
    await cluster.close();
    const state = String(await client.get(names.key('state', 'f', 's')));
    expect(state.startsWith('D')).toBe(true);
    const report = ['1', '0', '0', '4', '0', '4', '0', '0', '0', '0', '0'];
    const fn = CLUSTER_LIBRARY.named('sync_slots');
    const args = ['other', names.presence(''), names.key('told'), ...report];
    const [granted] = (await client.sendCommand(['FCALL', fn, '1', names.key('slots', '1', 'gpu'), ...args])) as [
      number,
    ];
    expect(granted).toBe(4);
    client.destroy();
    gate.close();
  });
});
