import { createClient } from '@redis/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPlanCache } from '../../../src/main/cache/open-plan-cache.ts';
import { clusterNames } from '../../../src/main/cluster/engine/engine.ts';
import { functionLibrary } from '../../../src/main/cluster/engine/function-library.ts';
import { RedisEngine } from '../../../src/main/cluster/engine/redis-engine.ts';
import { SHARED_DOMAIN_LUA, SharedDomain } from '../../../src/main/cluster/shared-domain.ts';
import { resolveOptions } from '../../../src/main/options/resolve-options.ts';
import { Planner } from '../../../src/main/plans/planner.ts';
import { makeParts } from '../../../src/main/service/create-planner.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { NO_CHATS } from '../../support/cluster/planners.ts';
import { FakeModels } from '../../support/fake-models.ts';
import { request, testOptions } from '../../support/make-planner.ts';
import { hasRedis, type RedisServer, startRedis } from '../../support/redis-server.ts';

const names = clusterNames('commands');
const library = functionLibrary(SHARED_DOMAIN_LUA);
const NODES = 4;
const PLANS = 200;
const EVERY_MS = 16;

async function join(redis: RedisServer, node: string) {
  const random = seededRandom(NODES);
  const engine = new RedisEngine({ url: redis.url, node, names, library, clock: systemClock, random });
  await engine.start();
  const options = resolveOptions({ ...testOptions, cache: { checkShare: 0, refreshAhead: false } });
  const models = new FakeModels(systemClock, () => ({ kind: 'answers', action: 'attack', afterMs: 20 }));
  const cache = await openPlanCache(options, systemClock, random, () => {});
  const at = { engine, names, fingerprint: 'f', clock: systemClock, random, cache, ttlMaxMs: 60_000 };
  const shared = new SharedDomain({ ...at, onCleared: () => {} });
  const callers = new Map(options.endpoints.map(({ name }) => [name, models]));
  const parts = { ...makeParts(options, { clock: systemClock, random, pool: models, callers }), states: shared.states };
  const planner = new Planner([{ name: 'test', parts, cache }], NO_CHATS, undefined, random, async () => {
    shared.close();
    engine.close();
  });
  return { planner, shared };
}

describe.skipIf(!hasRedis)('commands at the engine', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  it('are at most seven for a plan that models decide, those inside functions and all reads included', async () => {
    const nodes = await Promise.all(Array.from({ length: NODES }, (_, i) => join(redis, `n${i}`)));
    const client = createClient({ url: redis.url });
    await client.connect();
    const until = Promise.withResolvers<void>();
    systemClock.setTimer(200, until.resolve);
    await until.promise;
    await client.sendCommand(['CONFIG', 'RESETSTAT']);
    const plans: Promise<unknown>[] = [];
    for (let i = 0; i < PLANS; i++) {
      const observation = { place: `place ${i}`, health: 50 };
      plans.push(
        nodes[i % NODES]?.planner.plan(request({ agent: `a${i}`, observation }), {
          timeoutMs: 5_000,
        }) as Promise<unknown>,
      );
      const next = Promise.withResolvers<void>();
      systemClock.setTimer(EVERY_MS, next.resolve);
      await next.promise;
    }
    await Promise.all(plans);
    const over = Promise.withResolvers<void>();
    systemClock.setTimer(100, over.resolve);
    await over.promise;
    const info = String(await client.sendCommand(['INFO', 'commandstats']));
    const counts: Record<string, number> = {};
    for (const [, name = '', calls] of info.matchAll(/cmdstat_([^:]+):calls=(\d+)/g))
      counts[name] = Number(calls) / PLANS;
    const { ping = 0, info: _, ...others } = counts;
    const perPlan = Object.values(others).reduce((sum, count) => sum + count, 0);
    console.info('commands for a plan:', perPlan.toFixed(2), 'and heartbeats', ping.toFixed(2), JSON.stringify(others));
    expect(nodes.map(({ shared }) => shared.stats().log.received)).toEqual(nodes.map(() => (PLANS * 3) / 4));
    expect(perPlan).toBeLessThanOrEqual(7);
    await client.close();
    await Promise.all(nodes.map(({ planner }) => planner.close()));
  });
});
