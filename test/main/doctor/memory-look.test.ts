import { describe, expect, test } from 'vitest';
import type { TimedCall } from '../../../src/main/doctor/examine.ts';
import { MemoryLook } from '../../../src/main/doctor/memory-look.ts';
import type { ServerKind } from '../../../src/main/models/discovery/endpoint-facts.ts';

const NEVER = new AbortController().signal;
const call = (model: string, firstTokenMs: number): TimedCall => ({ model, code: 'OK', totalMs: 5_000, firstTokenMs });

/** Models that are loaded after each call. */
async function looked(kind: ServerKind, loadedAfter: readonly (readonly string[])[], models: readonly string[]) {
  let nth = -1;
  const client = { getJson: async () => ({ models: (loadedAfter[nth] ?? []).map((name) => ({ name })) }) };
  const look = new MemoryLook(client, kind, NEVER);
  for (const model of models) {
    nth++;
    await look.called(model);
  }
  return look;
}

const never = () => Promise.reject(new Error('nobody is called again'));

describe('a server that tells what is loaded', () => {
  test('has put one model out for another', async () => {
    const look = await looked('ollama', [['a'], ['b'], ['b', 'c']], ['a', 'b', 'c']);
    expect(await look.displaced([call('a', 1), call('b', 1)], never)).toEqual([{ model: 'a', by: 'b' }]);
  });

  test('has all of them', async () => {
    const look = await looked('ollama', [['a'], ['a', 'b']], ['a', 'b']);
    expect(await look.displaced([call('a', 1), call('b', 1)], never)).toEqual([]);
  });
});

describe('one that does not tell', () => {
  test.each<readonly [string, readonly [number, number], boolean]>([
    ['only the first of two further calls takes long', [5_000, 300], true],
    ['both take long', [5_000, 4_900], false],
    ['none takes long', [900, 300], false],
  ])('has put the first model out where %s', async (_, times, isOut) => {
    const look = await looked('unknown', [], ['a', 'b']);
    const left = [...times];
    const again = async (model: string): Promise<TimedCall> => call(model, left.shift() as number);
    expect(await look.displaced([call('a', 5_000), call('b', 5_000)], again)).toEqual(isOut ? [{ model: 'a' }] : []);
  });

  test('is not asked again with one model, or after a failure', async () => {
    const look = await looked('unknown', [], ['a', 'b']);
    expect(await look.displaced([call('a', 1)], never)).toEqual([]);
    expect(await look.displaced([call('a', 1), { ...call('b', 1), code: 'ERR_MODEL_STATUS' }], never)).toEqual([]);
  });
});
