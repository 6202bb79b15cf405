import { createClient, type RedisClientType } from '@redis/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clusterNames } from '../../../../src/main/cluster/engine/engine.ts';
import { functionLibrary } from '../../../../src/main/cluster/engine/function-library.ts';
import { LEASE } from '../../../../src/main/cluster/leases/lease-terms.ts';
import { LEASES_LUA } from '../../../../src/main/cluster/leases/leases-lua.ts';
import { pick, type Random, randomIndex, seededRandom } from '../../../../src/shared/random.ts';
import type { ModelContext } from '../../../support/cluster/engine-model.ts';
import { syncSlots } from '../../../support/cluster/slots-model.ts';
import { hasRedis, type RedisServer, startRedis } from '../../../support/redis-server.ts';

const names = clusterNames('test');
/** The functions with a clock that the test sets. */
const library = functionLibrary([
  { source: `local function now_ms() return tonumber(redis.call('GET', '${names.key('now')}')) end` },
  LEASES_LUA,
]);
const NODES = ['a', 'b', 'c', 'd'];
const CHANNEL = names.key('told');

/** The model's state for one run. */
class ModelRun {
  readonly #keys = new Map<string, unknown>();
  readonly published: string[] = [];
  readonly present = new Set(NODES);
  nowMs = 1_800_000_000_000;

  run(key: string, args: readonly string[]): unknown {
    const context: ModelContext = {
      nowMs: this.nowMs,
      get: <T>(name: string) => this.#keys.get(name) as T | undefined,
      set: (name, value) => void this.#keys.set(name, structuredClone(value)),
      delete: (name) => void this.#keys.delete(name),
      ttlMs: () => Number.POSITIVE_INFINITY,
      publish: (_channel, message) => void this.published.push(message.toString()),
      isPresent: (channel) => [...this.present].some((node) => names.presence(node) === channel),
    };
    const buffers = args.map((arg) => Buffer.from(arg));
    return syncSlots([key], buffers, context);
  }
}

function randomReport(random: Random, seq: number, knows: boolean): number[] {
  const busy = randomIndex(random, pick(random, [2, 2, 4]));
  const keep = busy + (random.next() < 0.2 ? 1 : 0);
  const want = randomIndex(random, 5);
  const ends = randomIndex(random, 6_000);
  const limit = pick(random, [4, 4, 4, 5, 2]);
  // A known number of slots, a learned one, and one that is being probed.
  const learned = knows ? 0 : limit + (random.next() < 0.2 ? 2 : 0);
  const flag = (): number => pick(random, [0, 0, 1]);
  const rest = pick(random, [0, 0, 700]);
  return [
    seq,
    keep,
    busy,
    want,
    randomIndex(random, 3),
    limit,
    learned,
    ends,
    rest,
    flag(),
    flag(),
    Number(random.next() < 0.02),
  ];
}

describe.skipIf(!hasRedis)('the function of leases', () => {
  let redis: RedisServer;
  let client: RedisClientType;
  const connections = new Map<string, RedisClientType>();
  const published: string[] = [];

  beforeAll(async () => {
    redis = await startRedis();
    const connect = () => createClient({ url: redis.url }).connect() as unknown as Promise<RedisClientType>;
    client = await connect();
    await client.sendCommand(['FUNCTION', 'LOAD', library.code]);
    for (const name of [...NODES, 'listener']) connections.set(name, await connect());
    await connections.get('listener')?.sSubscribe(CHANNEL, (message) => void published.push(message));
  });
  afterAll(async () => {
    for (const each of [client, ...connections.values()]) each?.destroy();
    await redis?.stop();
  });

  async function appear(node: string, isPresent: boolean): Promise<void> {
    const at = connections.get(node) as RedisClientType;
    if (isPresent) await at.sSubscribe(names.presence(node), () => {});
    else await at.sUnsubscribe(names.presence(node));
  }

  test.each([1, 2, 3, 4])('decides as its model, in 300 random reports: seed %i', async (seed) => {
    const random = seededRandom(seed);
    const model = new ModelRun();
    const key = names.key('slots', `seed ${seed}`);
    const seqs = new Map(NODES.map((node) => [node, 0]));
    for (const node of NODES) await appear(node, true);
    published.length = 0;
    for (let nth = 0; nth < 300; nth++) {
      model.nowMs += random.next() < 0.05 ? pick(random, [LEASE.lifeMs, 5_000]) : pick(random, [1, 5, 20, 100, 400]);
      if (random.next() < 0.05) {
        const node = pick(random, NODES);
        const isPresent = !model.present.delete(node);
        if (isPresent) model.present.add(node);
        await appear(node, isPresent);
      }
      const node = pick(random, NODES);
      // Now and then a report that is older than the last.
      const seq = (seqs.get(node) as number) + (random.next() < 0.05 ? 0 : 1);
      seqs.set(node, seq);
      const args = [
        node,
        names.presence(''),
        CHANNEL,
        ...randomReport(random, seq, seed > 1 && node !== 'd').map(String),
      ];
      await client.set(names.key('now'), String(model.nowMs));
      const real = await client.sendCommand(['FCALL', library.named('sync_slots'), '1', key, ...args]);
      expect(real, `report ${nth}: ${args.join(' ')}`).toEqual(model.run(key, args));
    }
    await connections.get('listener')?.ping();
    const parsed = (messages: readonly string[]): unknown[] => messages.map((message) => JSON.parse(message));
    expect(published.length).toBeGreaterThan(10);
    expect(parsed(published)).toEqual(parsed(model.published));
  });
});
