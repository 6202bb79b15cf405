import { describe, expect, it } from 'vitest';
import { openPlanCache } from '../../../../src/main/cache/open-plan-cache.ts';
import { Cluster } from '../../../../src/main/cluster/cluster.ts';
import { SharedDomain } from '../../../../src/main/cluster/shared-domain.ts';
import { systemClock as clock } from '../../../../src/shared/clock.ts';
import { seededRandom } from '../../../../src/shared/random.ts';
import { EvidenceNode } from '../../../support/cluster/evidence-nodes.ts';
import { cacheDomain, PLAIN_CACHE, state } from '../../../support/make-cache.ts';
import { hasRedis, type RedisServer, startRedis } from '../../../support/redis-server.ts';

const OPTIONS = { ...PLAIN_CACHE, errorBudget: 0.1, ttlMs: 1e6, ttlMaxMs: 1e6, entries: 200 };

interface RealNode {
  readonly node: EvidenceNode;
  close(): Promise<void>;
}

async function join(redis: RedisServer, seed: number): Promise<RealNode> {
  const random = seededRandom(seed);
  const cluster = new Cluster({ url: redis.url, name: 'evidence' }, clock, random);
  await cluster.start(2_000);
  const cache = await openPlanCache({ cache: OPTIONS, domain: cacheDomain }, clock, random, () => {});
  if (cache === undefined) throw new Error('no cache was opened');
  const { engine, names } = cluster;
  const parts = { engine, names, clock, random, fingerprint: 'f', cache, ttlMaxMs: 1e6 };
  const shared = new SharedDomain({ ...parts, onCleared: () => cache.clear() });
  cluster.shareDomain('test', shared);
  const node = new EvidenceNode(`node ${seed}`, cache, clock, cacheDomain, shared);
  return { node, close: () => cluster.close().then(() => cache.close()) };
}

function play(node: EvidenceNode, requests: number): void {
  for (let i = 0; i < requests; i++) node.ask(state(i % 20), ['attack', 'block', 'flee'][i % 3] as string);
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !isSo(); tries++) {
    const tick = Promise.withResolvers<void>();
    clock.setTimer(10, tick.resolve);
    await tick.promise;
  }
  expect(isSo()).toBe(true);
}

describe.skipIf(!hasRedis)('two nodes at a real engine', () => {
  it('count what the other one has found out, and a third that comes later does too', async () => {
    await using redis = await startRedis();
    const [a, b] = await Promise.all([join(redis, 1), join(redis, 2)]);
    const statsOf = ({ node }: RealNode) => node.shared?.stats().evidence;
    await until(() => [a, b].every(({ node }) => node.shared?.stats().log.isLive));
    play(a.node, 400);
    await until(
      () => statsOf(b)?.totalsReceived !== 0 && statsOf(b)?.precedentsReceived === statsOf(a)?.precedentsSent,
    );
    play(b.node, 100);
    expect(b.node.served).toBeGreaterThan(60);
    await a.close();
    const c = await join(redis, 3);
    await until(() => (statsOf(c)?.nodes ?? 0) > 0 && (statsOf(c)?.precedentsReceived ?? 0) > 0);
    play(c.node, 100);
    expect(c.node.served).toBeGreaterThan(60);
    expect([b, c].map((each) => statsOf(each)?.dropped.poisoned)).toEqual([0, 0]);
    await Promise.all([b.close(), c.close()]);
  });
});
