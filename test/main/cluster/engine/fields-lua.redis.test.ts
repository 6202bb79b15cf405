import { describe, expect, it, onTestFinished } from 'vitest';
import type { Engine } from '../../../../src/main/cluster/engine/engine.ts';
import { SHARED_DOMAIN_LUA } from '../../../../src/main/cluster/shared-domain.ts';
import { caseNames, type EngineUnderTest, modelledEngine, realEngine } from '../../../support/cluster/engine-cases.ts';
import { modelSharedDomain } from '../../../support/cluster/shared-domain-model.ts';
import { hasRedis } from '../../../support/redis-server.ts';

const hash = caseNames.key('totals', 'f');
const channel = caseNames.key('counted', 'f');
const LIFE = '60000';

type Field = readonly [name: string, value: string];

function put(at: Engine, fields: readonly Field[], pushed = '', most = 100): Promise<unknown> {
  return at.call('fields_put', [hash], [channel, LIFE, String(most), pushed, ...fields.flat()]);
}

async function read(at: Engine, lifeMs = LIFE): Promise<Readonly<Record<string, string>>> {
  const listed = (await at.call('fields_read', [hash], [lifeMs])) as readonly Buffer[];
  return Object.fromEntries(
    Array.from({ length: listed.length / 2 }, (_, i) => [String(listed[2 * i]), String(listed[2 * i + 1])]),
  );
}

const engines: [name: string, isThere: boolean, open: () => Promise<EngineUnderTest>][] = [
  ['the model', true, () => modelledEngine(modelSharedDomain)],
  ['a real Redis', hasRedis, () => realEngine(SHARED_DOMAIN_LUA)],
];

describe.each(engines)('fields at %s', (_, isThere, open) => {
  const use = async (): Promise<EngineUnderTest> => {
    const engine = await open();
    onTestFinished(() => engine[Symbol.asyncDispose]());
    return engine;
  };

  it.runIf(isThere)('the last value of each field is read by every node', async () => {
    const { a, b } = await use();
    expect(await read(a)).toEqual({});
    await put(a, [
      ['a budget', 'one'],
      ['a standing', 'two'],
    ]);
    await put(b, [['b budget', 'three']]);
    await put(a, [['a budget', 'four']]);
    expect(await read(b)).toEqual({ 'a budget': 'four', 'a standing': 'two', 'b budget': 'three' });
  });

  it.runIf(isThere)('what is older than its life is left out', async () => {
    const { a } = await use();
    await put(a, [['a budget', 'one']]);
    expect(await read(a, '-1')).toEqual({});
  });

  it.runIf(isThere)('with too many fields, the oldest quarter goes', async () => {
    const { a } = await use();
    for (let i = 0; i < 8; i++) {
      await put(a, [[`node ${i}`, 'x']], '', 8);
      // Each has a time of its own.
      const from = Date.now();
      while (Date.now() - from < 2);
    }
    await put(a, [['node 8', 'x']], '', 8);
    expect(Object.keys(await read(a)).sort()).toEqual([2, 3, 4, 5, 6, 7, 8].map((i) => `node ${i}`));
  });

  it.runIf(isThere)('is published to nodes that listen', async () => {
    const { a, b } = await use();
    const heard = Promise.withResolvers<string>();
    b.listen(channel, (message) => heard.resolve(String(message)));
    let isHeard = false;
    heard.promise.then(() => {
      isHeard = true;
    });
    // The subscription of a real engine is under way on another connection.
    while (!isHeard) await put(a, [['a budget', 'one']], 'told');
    expect(await heard.promise).toBe('told');
  });
});
