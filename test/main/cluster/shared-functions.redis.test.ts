import { describe, expect, it, onTestFinished } from 'vitest';
import type { Engine, EngineReply } from '../../../src/main/cluster/engine/engine.ts';
import { SHARED_DOMAIN_LUA } from '../../../src/main/cluster/shared-domain.ts';
import { caseNames, type EngineUnderTest, modelledEngine, realEngine } from '../../support/cluster/engine-cases.ts';
import { modelSharedDomain } from '../../support/cluster/shared-domain-model.ts';
import { hasRedis } from '../../support/redis-server.ts';

const stream = caseNames.key('log', 'f');
const channel = caseNames.key('news', 'f');
const state = caseNames.key('state', 'f', 's');
const LIFE = '60000';

interface Append {
  readonly epoch?: string;
  readonly most?: number;
  readonly records?: string;
  readonly tail?: string;
  readonly ends?: readonly [key: string, token: string, made: string, keptMs: number][];
}

async function append(
  at: Engine,
  { epoch = '', most = 100, records = '', tail = '', ends = [] }: Append,
): Promise<string> {
  const keys = [stream, ...ends.map(([key]) => key)];
  const told = ends.flatMap(([, token, made, keptMs]) => [token, made, String(keptMs)]);
  return String(await at.call('log_append', keys, [channel, epoch, String(most), LIFE, records, tail, ...told]));
}

async function read(at: Engine, after = '', most = 100, begin = '') {
  const [nowMs, isKnown, listed] = (await at.call('log_read', [stream], [after, String(most), begin])) as [
    number,
    number,
    [Buffer, Buffer[]][],
  ];
  return { nowMs, isKnown, listed: listed.map(([id, fields]) => [String(id), String(fields[1])]) };
}

async function claim(at: Engine, token: string, takesMade = '1', ttlMs = 5_000): Promise<unknown[]> {
  const reply = (await at.call(
    'state_claim',
    [state],
    [token, String(ttlMs), caseNames.presence(''), takesMade],
  )) as EngineReply[];
  return reply.map((each) => (Buffer.isBuffer(each) ? String(each) : each));
}

const engines: [name: string, isThere: boolean, open: () => Promise<EngineUnderTest>][] = [
  ['the model', true, () => modelledEngine(modelSharedDomain)],
  ['a real Redis', hasRedis, () => realEngine(SHARED_DOMAIN_LUA)],
];

describe.each(engines)('log and claims at %s', (_, isThere, open) => {
  const use = async (): Promise<EngineUnderTest> => {
    const engine = await open();
    onTestFinished(() => engine[Symbol.asyncDispose]());
    return engine;
  };

  it.runIf(isThere)('counts entries up within an epoch, whoever appends, and reads them in order', async () => {
    const { a, b } = await use();
    const first = await append(a, { records: 'one' });
    const [epoch] = first.split('-') as [string];
    const ids = [first, await append(b, { epoch, records: 'two' }), await append(a, { epoch, records: 'three' })];
    expect(ids).toEqual([0, 1, 2].map((number) => `${epoch}-${number}`));
    const all = await read(b);
    expect(all.listed).toEqual(ids.map((id, i) => [id, ['one', 'two', 'three'][i]]));
    expect([all.isKnown, (await read(b, ids[0], 1)).listed, (await read(b, ids[2])).listed]).toEqual([
      0,
      [[ids[1], 'two']],
      [],
    ]);
    expect((await read(b, ids[0])).isKnown).toBe(1);
    const begin = String(all.listed[0]?.[1]).slice(0, 1);
    expect((await read(b, ids[0], 100, begin)).isKnown).toBe(1);
    expect(await read(b, ids[0], 100, `${begin}?`)).toMatchObject({ isKnown: 0, listed: all.listed });
    expect(Math.abs(all.nowMs - Number(epoch))).toBeLessThan(60_000);
  });

  it.runIf(isThere)('goes on in the epoch of the last entry if a node knows none, or an older one', async () => {
    const { a, b } = await use();
    const [epoch] = (await append(a, { records: 'one' })).split('-') as [string];
    expect(await append(b, { epoch: '5', records: 'two' })).toBe(`${epoch}-1`);
    expect(await append(b, { records: 'three' })).toBe(`${epoch}-2`);
  });

  it.runIf(isThere)('starts an epoch of its own where the stream is gone, whatever the node knows', async () => {
    const { a } = await use();
    const id = await append(a, { epoch: '5', records: 'one' });
    expect(id).toMatch(/^\d{4,}-0$/);
  });

  it.runIf(isThere)('a place that was trimmed away, or never was, is not known: everything is read', async () => {
    const { a } = await use();
    const first = await append(a, { records: 'x' });
    const [epoch] = first.split('-') as [string];
    // The engine trims whole nodes of its stream.
    for (let i = 0; i < 300; i++) await append(a, { epoch, most: 1, records: 'x'.repeat(300) });
    const late = await read(a, first);
    expect([late.isKnown, late.listed.length > 0, late.listed.length < 200]).toEqual([0, true, true]);
    expect((await read(a, '7-7')).isKnown).toBe(0);
  });

  it.runIf(isThere)('publishes records with their id, and a tail alone without one', async () => {
    const { a, b } = await use();
    const heard: Buffer[] = [];
    const over = Promise.withResolvers<void>();
    b.listen(channel, (message) => {
      heard.push(message);
      if (heard.at(-1)?.subarray(6).toString() === 'end') over.resolve();
    });
    // The subscription of a real engine is under way on another connection.
    for (let ready = false; !ready; ready = heard.length > 0) await append(a, { tail: 'begin' });
    const id = await append(a, { records: Buffer.from('r\0').toString(), tail: 't' });
    await append(a, { tail: 'end' });
    await over.promise;
    const shown = heard.filter((message) => message.subarray(6).toString() !== 'begin');
    expect(shown[0]).toEqual(Buffer.concat([Buffer.of(id.length, 0, 2, 0, 0, 0), Buffer.from(`${id}r\0t`)]));
    expect(shown[1]).toEqual(Buffer.concat([Buffer.alloc(6), Buffer.from('end')]));
  });

  it.runIf(isThere)(
    'gives a state to one node, and to another when that frees it, has gone, or its time is over',
    async () => {
      const { a, b, kill } = await use();
      expect(await claim(a, 'a:1')).toEqual([1]);
      const [kind, owner, leftMs] = await claim(b, 'b:1');
      expect([kind, owner]).toEqual([0, 'a']);
      expect(leftMs).toBeGreaterThan(4_000);
      expect(leftMs).toBeLessThanOrEqual(5_000);
      expect(await claim(a, 'a:2')).toEqual([1]);
      // Another flight of the same node has it now.
      await append(a, { ends: [[state, 'a:1', '', 0]] });
      expect((await claim(b, 'b:1'))[0]).toBe(0);
      await append(a, { ends: [[state, 'a:2', '', 0]] });
      expect(await claim(b, 'b:1')).toEqual([1]);
      await kill('b');
      for (let tries = 0; tries < 200; tries++) if ((await claim(a, 'a:3'))[0] === 1) return;
      expect.fail('the claim of a node that has gone stays');
    },
  );

  it.runIf(isThere)('keeps what was made for those who ask just after, unless they ask again', async () => {
    const { a, b } = await use();
    await claim(a, 'a:1');
    await append(a, { records: 'r', ends: [[state, 'a:1', 'made', 5_000]] });
    expect(await claim(b, 'b:1')).toEqual([2, 'made']);
    expect(await claim(b, 'b:2', '0')).toEqual([1]);
    expect((await claim(a, 'a:2'))[0]).toBe(0);
  });
});
