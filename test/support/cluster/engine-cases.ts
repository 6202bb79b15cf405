import { clusterNames, type Engine } from '../../../src/main/cluster/engine/engine.ts';
import {
  type FunctionLibrary,
  functionLibrary,
  type LibraryPart,
} from '../../../src/main/cluster/engine/function-library.ts';
import { RedisEngine } from '../../../src/main/cluster/engine/redis-engine.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { FakeClock } from '../fake-clock.ts';
import { type RedisServer, startRedis } from '../redis-server.ts';
import { EngineModel } from './engine-model.ts';

/** Two nodes at one engine, real or modelled, for cases that hold for both. */
export interface EngineUnderTest extends AsyncDisposable {
  readonly a: Engine;
  readonly b: Engine;
  /** The process of a node ends. */
  kill(node: 'a' | 'b'): Promise<void>;
}

export const caseNames = clusterNames('cases');

/** Calls pass the model at once: only its functions matter. */
export async function modelledEngine(register: (model: EngineModel) => void): Promise<EngineUnderTest> {
  const clock = new FakeClock(1_000);
  const model = new EngineModel({ clock, random: seededRandom(1), names: caseNames });
  register(model);
  const direct = (id: string): Engine => {
    const node = model.node(id);
    return {
      node: id,
      isUp: true,
      call: async (fn, keys, args) => {
        const reply = model.run(fn, keys, args);
        clock.advance(2);
        return reply;
      },
      listen: (channel, onMessage) => node.listen(channel, onMessage),
      onChange: () => () => {},
    };
  };
  return {
    a: direct('a'),
    b: direct('b'),
    kill: async (node) => model.kill(node),
    [Symbol.asyncDispose]: async () => {},
  };
}

export async function realEngine(parts: readonly LibraryPart[], redis?: RedisServer): Promise<EngineUnderTest> {
  const server = redis ?? (await startRedis());
  const library: FunctionLibrary = functionLibrary(parts);
  const at = { url: server.url, names: caseNames, library, clock: systemClock, random: seededRandom(1) };
  const nodes = { a: new RedisEngine({ ...at, node: 'a' }), b: new RedisEngine({ ...at, node: 'b' }) };
  await Promise.all([nodes.a.start(), nodes.b.start()]);
  return {
    ...nodes,
    kill: async (node) => nodes[node].close(),
    [Symbol.asyncDispose]: async () => {
      nodes.a.close();
      nodes.b.close();
      if (redis === undefined) await server.stop();
    },
  };
}
