import { createClient, type RedisClientType } from '@redis/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EngineReply } from '../../../src/main/cluster/engine/engine.ts';
import { LEASE } from '../../../src/main/cluster/leases/lease-terms.ts';
import { CLUSTER_LIBRARY } from '../../../src/main/cluster/library.ts';
import { caseNames } from '../../support/cluster/engine-cases.ts';
import { hasRedis, type RedisServer, startRedis } from '../../support/redis-server.ts';

const log = caseNames.key('log', 'f');
const state = caseNames.key('state', 'f', 's');
const slots = caseNames.key('slots', '1', 'gpu');
const totals = caseNames.key('totals', 'f');
const channel = caseNames.key('news', 'f');

/** What somebody else with access to the engine may leave there, and what the functions do then. */
describe.skipIf(!hasRedis)('keys that somebody has meddled with', () => {
  let redis: RedisServer;
  let client: RedisClientType;
  beforeAll(async () => {
    redis = await startRedis();
    client = createClient({ url: redis.url }) as RedisClientType;
    await client.connect();
    await client.sendCommand(['FUNCTION', 'LOAD', CLUSTER_LIBRARY.code]);
  });
  afterAll(async () => {
    client.destroy();
    await redis.stop();
  });
  beforeEach(() => client.sendCommand(['FLUSHALL']));

  const fcall = (fn: string, keys: readonly string[], args: readonly string[]): Promise<EngineReply> =>
    client.sendCommand(['FCALL', CLUSTER_LIBRARY.named(fn), String(keys.length), ...keys, ...args]);
  const append = (epoch: string, records = 'records', ends: readonly string[] = []): Promise<EngineReply> => {
    const keys = ends.length === 0 ? [log] : [log, state];
    return fcall('log_append', keys, [channel, epoch, '100', '60000', records, '', ...ends]);
  };
  const read = async (): Promise<[string, string[]][]> => {
    const [, , listed] = (await fcall('log_read', [log], ['', '32'])) as unknown as [
      number,
      number,
      [string, string[]][],
    ];
    return listed;
  };
  const claim = (token: string): Promise<EngineReply> =>
    fcall('state_claim', [state], [token, '5000', caseNames.presence(''), '1']);
  const sync = (node: string, seq: number, want: number): Promise<EngineReply> => {
    const report = [seq, 0, 0, want, 0, 4, 0, 0, 0, 0, 0].map(String);
    return fcall('sync_slots', [slots], [node, caseNames.presence(''), channel, ...report]);
  };

  it.each<[string, string[][]]>([
    ['is of another type', [['SET', log, 'x']]],
    ['ends with the last id that there is', [['XADD', log, '18446744073709551615-18446744073709551615', 'b', 'x']]],
    ['ends with the last number of its epoch', [['XADD', log, '5-18446744073709551615', 'b', 'x']]],
    ['has ids that nodes cannot count', [['XADD', log, '99999999999999999-0', 'b', 'x']]],
    [
      'was emptied after the last id',
      [
        ['XADD', log, '18446744073709551615-18446744073709551615', 'b', 'x'],
        ['XTRIM', log, 'MAXLEN', '0'],
      ],
    ],
  ])('a log that %s begins anew', async (_, commands) => {
    for (const command of commands) await client.sendCommand(command);
    await read();
    for (const epoch of ['', '1700000000000']) {
      const id = String(await append(epoch));
      expect(id).toMatch(/^\d{13}-\d$/);
      expect((await read()).at(-1)).toEqual([id, ['b', 'records']]);
    }
  });

  it('entries that no node would write are read without their bytes', async () => {
    await append('');
    await client.sendCommand(['XADD', log, '*', 'b', 'x'.repeat(70_000)]);
    await client.sendCommand(['XADD', log, '*', 'y'.repeat(70_000), 'x', 'b', 'records']);
    expect((await read()).map(([, fields]) => fields)).toEqual([
      ['b', 'records'],
      ['b', ''],
      ['b', ''],
    ]);
  });

  it('a claim of another type does not keep a batch from being sent, and is taken over', async () => {
    await client.sendCommand(['LPUSH', state, 'x']);
    expect(String(await append('', 'records', ['a:1', '', '0']))).toMatch(/^\d{13}-0$/);
    expect(await claim('a:2')).toEqual([1]);
  });

  it.each([['Cother:1'], ['Dmade'], ['C'], ['']])('a claim %j that never ends is taken over', async (value) => {
    await client.sendCommand(['SET', state, value]);
    expect(await claim('a:1')).toEqual([1]);
    expect(await client.sendCommand(['PTTL', state])).toBeGreaterThan(4_000);
  });

  it('what was made is not read if it is longer than a decision', async () => {
    await client.sendCommand(['SET', state, `D${'x'.repeat(70_000)}`, 'PX', '5000']);
    expect(await claim('a:1')).toEqual([1]);
  });

  it.each<[string, string[]]>([
    ['is of another type', ['SET', totals, 'x']],
    ['has a field without a time', ['HSET', totals, 'x', 'short']],
    ['has a field of no time', ['HSET', totals, 'x', `\0\0\0\0\0\0\u00f8\u007f`]],
  ])('a hash of fields that %s is read, bounded and written as if that were not there', async (_, command) => {
    const put = (field: string): Promise<EngineReply> =>
      fcall('fields_put', [totals], [channel, '60000', '2', '', field, 'value']);
    await client.sendCommand(command);
    expect(await fcall('fields_read', [totals], ['60000'])).toEqual([]);
    await client.sendCommand(command);
    for (const field of ['a', 'b', 'c']) await put(field);
    expect(await fcall('fields_read', [totals], ['60000'])).toContain('c');
  });

  const forged = `return redis.call('SET', KEYS[1], cmsgpack.pack({ frozen = 0, heard = 0, nodes = { x = {
    lease = tonumber(ARGV[1]), want = 0, later = 0, usable = 4, used = tonumber(ARGV[3]), seq = 1, untilMs = tonumber(ARGV[2]), endsMs = tonumber(ARGV[2]),
    busy = 4, limit = tonumber(ARGV[4]), learned = 0, heardMs = 0, restMs = 0 } } }))`;
  it.each<[string, string[]]>([
    ['are of another type', ['LPUSH', slots, 'x']],
    ['are damaged', ['SET', slots, 'not packed']],
    [
      'are packed otherwise',
      ['EVAL', "return redis.call('SET', KEYS[1], cmsgpack.pack({ 7, nodes = 3 }))", '1', slots],
    ],
    ['hold leases for ever', ['EVAL', forged, '1', slots, '4', '9e15', '0', '4']],
    ['hold endless leases', ['EVAL', forged, '1', slots, '1e300', '0', '0', '4']],
    ['hold less than none', ['EVAL', forged, '1', slots, '-5', '0', '0', '4']],
    ['count what is no number', ['EVAL', forged, '1', slots, '4', '0', 'nan', '4']],
    ['have no slot', ['EVAL', forged, '1', slots, '4', '0', '0', '0']],
  ])('slots that %s are as good as lost: they are given out again after the life of a lease', async (_, command) => {
    await client.sendCommand(command);
    const [, , , , nodes, limit, othersBusy, , , frozenMs] = (await sync('a', 1, 4)) as number[];
    expect([nodes, limit, othersBusy]).toEqual([1, 4, 0]);
    expect(frozenMs).toBeGreaterThan(0);
    expect(frozenMs).toBeLessThanOrEqual(LEASE.lifeMs);
  });

  it('however many calls of a node wait, the slots are not lost', async () => {
    const empty = "return redis.call('SET', KEYS[1], cmsgpack.pack({ frozen = 0, heard = 0, nodes = {} }))";
    await client.sendCommand(['EVAL', empty, '1', slots]);
    for (let seq = 1; seq <= 3; seq++) {
      const [, , , , , , , , , frozenMs] = (await sync('a', seq, 1_000_000)) as number[];
      expect(frozenMs).toBe(0);
    }
  });
});
