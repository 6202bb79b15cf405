import { expect, onTestFinished, test } from 'vitest';
import type { EngineReply } from '../../src/main/cluster/engine/engine.ts';
import { decodeLogRecord, encodeDecided, encodeHead } from '../../src/main/cluster/log/batch-codec.ts';
import { framesOf } from '../../src/main/cluster/log/frames.ts';
import { pick, type Random, randomIndex, seededRandom } from '../../src/shared/random.ts';
import { PlannerNodes } from '../support/cluster/planners.ts';
import { request } from '../support/make-planner.ts';

const LATEST_MS = 2_000;

async function open(seed = 1): Promise<PlannerNodes> {
  const cluster = await PlannerNodes.open(2, () => ({ kind: 'answers', action: 'block', afterMs: 200 }), {}, seed);
  onTestFinished(() => cluster[Symbol.asyncDispose]());
  return cluster;
}

/** Records of the only entry in the log. */
function written(cluster: PlannerNodes): Buffer[] {
  const reply = cluster.model.run('log_read', [cluster.model.names.key('log', cluster.fingerprint)], ['', '32']);
  const [, , listed] = reply as unknown as [number, number, [Buffer, [Buffer, Buffer]][]];
  return listed.flatMap(([, [, bytes]]) => [...framesOf(bytes)].slice(1) as Buffer[]);
}

function append(cluster: PlannerNodes, bytes: Buffer): void {
  const { names } = cluster.model;
  const [log, news] = [names.key('log', cluster.fingerprint), names.key('news', cluster.fingerprint)];
  cluster.model.run('log_append', [log], [news, '', '1000', '60000', bytes, '']);
}

test('an action that is not offered is never taken from an entry, whatever its checksums say', async () => {
  const cluster = await open();
  const [a, b] = cluster.nodes;
  const decided = a?.planner.plan(request(), { timeoutMs: 2_000 });
  await cluster.pass(1_000);
  await decided;
  const record = decodeLogRecord(written(cluster)[0] as Buffer);
  if (record?.kind !== 'decided') return expect.fail('no decision in the log');
  const { decision } = record;
  const head = (number: number): Buffer =>
    encodeHead({ node: 'mallory', number, hasClear: false, clearId: '0-0', sentMs: cluster.model.engineNowMs });
  const evil = { ...decision, action: 'surrender', tally: [{ action: 'surrender', count: 60_000, weight: 1e30 }] };
  append(cluster, Buffer.concat([head(1), encodeDecided({ ...record, decision: evil, leftMs: 1e15, ageMs: 0 })]));
  await cluster.pass(100);
  expect([a, b].map((node) => node?.planner.peek(request({ agent: 'x' })))).toEqual([undefined, undefined]);
  for (const node of [a, b]) {
    const plan = node?.planner.plan(request({ agent: 'y' }), { timeoutMs: LATEST_MS });
    await cluster.pass(LATEST_MS);
    expect(await plan).toMatchObject({ action: 'block', latenessMs: 0 });
  }
});

test('a plan whose claim is answered with nonsense has the decision of its own models', async () => {
  for (const reply of [7, null, [0, null, null], [2, 5]] as EngineReply[]) {
    const cluster = await open();
    cluster.model.register('state_claim', () => reply);
    const plan = cluster.nodes[0]?.planner.plan(request(), { timeoutMs: LATEST_MS });
    await cluster.pass(LATEST_MS);
    expect(await plan).toMatchObject({ action: 'block', source: 'synthesis', latenessMs: 0 });
  }
});

function anything(random: Random, depth = 0): EngineReply {
  const kind = randomIndex(random, depth > 2 ? 5 : 8);
  if (kind === 0) return null;
  if (kind === 1) return pick(random, [0, 1, 2, -1, Number.NaN, 1e15, -1e15, 0.5]);
  if (kind < 5) return Buffer.from(Array.from({ length: randomIndex(random, 60) }, () => randomIndex(random, 256)));
  return Array.from({ length: randomIndex(random, kind === 7 ? 40 : 4) }, () => anything(random, depth + 1));
}

test.each([1, 2, 3, 4])(
  'functions that answer anything and noise on the channel cost no plan its deadline: seed %i',
  async (seed) => {
    const cluster = await open(seed);
    const random = seededRandom(seed);
    const { model } = cluster;
    const news = model.names.key('news', cluster.fingerprint);
    for (const fn of ['log_append', 'log_read', 'state_claim']) model.register(fn, () => anything(random));
    model.register('shout', (_, [message], { publish }) => {
      publish(news, message as Buffer);
      return null;
    });
    for (let round = 0; round < 40; round++) {
      const asked = request({ observation: { place: `p${round % 7}`, health: round } });
      const node = pick(random, cluster.nodes);
      const plan = node.planner.plan(asked, { timeoutMs: LATEST_MS });
      for (let i = 0; i < 20; i++)
        model.run(
          'shout',
          [],
          [anything(random, 3) as Buffer].map((bytes) => Buffer.from(String(bytes))),
        );
      await cluster.pass(LATEST_MS);
      const { action, latenessMs } = await plan;
      expect([asked.actions.includes(action), latenessMs]).toEqual([true, 0]);
    }
    const asked = (fn: string): number => model.calls.get(fn) ?? 0;
    expect(asked('log_read')).toBeLessThan(40 * 2 * 2 * 10);
    expect(asked('state_claim')).toBeLessThan(40 * 200);
  },
);
