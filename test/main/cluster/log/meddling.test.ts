import { expect, it } from 'vitest';
import { encodeRecord } from '../../../../src/main/cache/disk/decision-record.ts';
import type { EngineReply } from '../../../../src/main/cluster/engine/engine.ts';
import { framed } from '../../../../src/main/cluster/log/frames.ts';
import { ClusterStates } from '../../../../src/main/cluster/states/cluster-states.ts';
import { seededRandom } from '../../../../src/shared/random.ts';
import { LogNodes } from '../../../support/cluster/log-nodes.ts';
import { decision } from '../../../support/decisions.ts';

const PAGE = 32;

/** An engine whose functions were replaced: each claim has this reply. */
async function claimAt(reply: EngineReply) {
  const cluster = new LogNodes(1);
  cluster.model.register('state_claim', () => reply);
  const clock = cluster.model.clockOf('n0');
  const engine = cluster.model.node('n0');
  const states = new ClusterStates({ engine, names: cluster.model.names, fingerprint: 'f', clock, endClaim: () => {} });
  const { signal } = new AbortController();
  const deadlineMs = clock.now() + 5_000;
  const asked = states.claim({ state: 's', deadlineMs, waitUntilMs: deadlineMs - 1_000, asksAgain: false, signal });
  await cluster.pass(4_100);
  const outcome = await Promise.race([asked, 'waits']);
  return { outcome, stats: states.stats(), asked: cluster.model.calls.get('state_claim') as number };
}

function made(node: string, ageMs: number, weight = 1): Buffer {
  const age = Buffer.alloc(8);
  age.writeDoubleLE(ageMs);
  const record = encodeRecord(undefined, decision({ tally: [{ action: 'attack', count: 1, weight }] }));
  return Buffer.concat([framed(Buffer.from(node)), framed(Buffer.concat([age, record]))]);
}

it.each<[string, EngineReply]>([
  ['a number', 7],
  ['nothing', null],
  ['an unknown kind', [9, null, null]],
  ['no owner and no time', [0, null, null]],
  ['no number', [0, Buffer.from('n1'), Number.NaN]],
  ['no bytes', [2, 5]],
  ['a damaged decision', [2, Buffer.from('xxxxxxxxxxxxxxxxxxxxxxxx')]],
  ['a decision of the future', [2, made('n1', -1e12)]],
  ['a decision of no time', [2, made('n1', Number.NaN)]],
  ['a decision with an endless vote', [2, made('n1', 5, Number.POSITIVE_INFINITY)]],
  ['a node with control characters', [2, made('\u001b[2J\n', 5)]],
  ['a node with a long name', [2, made('n'.repeat(65), 5)]],
])('a claim that is answered with %s goes on alone', async (_, reply) => {
  const { outcome, asked } = await claimAt(reply);
  expect([outcome, asked]).toMatchObject([{ kind: 'go' }, 1]);
});

it('what was made is taken over', async () => {
  expect((await claimAt([2, made('n1', 5)])).outcome).toMatchObject({ kind: 'made', made: { node: 'n1' } });
});

it.each([-1, 0, 1e15])('a claim with %d ms left is asked about a few times, not all the time', async (leftMs) => {
  const { outcome, asked } = await claimAt([0, Buffer.from('n1'), leftMs]);
  expect(outcome).toMatchObject({ kind: 'go' });
  expect(asked).toBeLessThan(420);
});

it('a claim that is said to have changed all the time is not asked about all the time', async () => {
  const cluster = new LogNodes(1);
  cluster.model.register('state_claim', () => [0, Buffer.from('n1'), 3_000]);
  const [clock, engine] = [cluster.model.clockOf('n0'), cluster.model.node('n0')];
  const states = new ClusterStates({ engine, names: cluster.model.names, fingerprint: 'f', clock, endClaim: () => {} });
  const { signal } = new AbortController();
  const deadlineMs = clock.now() + 2_000;
  const asked = states.claim({ state: 's', deadlineMs, waitUntilMs: deadlineMs - 1_000, asksAgain: false, signal });
  for (let i = 0; i < 2_200; i++) {
    states.changed('s');
    await cluster.pass(0.5);
  }
  expect(await Promise.race([asked, 'waits'])).toMatchObject({ kind: 'go' });
  expect(cluster.model.calls.get('state_claim')).toBeLessThan(110);
});

it('a log of which nothing can be read is not read all the time, and what is pushed is still taken', async () => {
  const cluster = new LogNodes(2, 1);
  await cluster.pass(100);
  const nonsense = Array.from({ length: PAGE }, (_, i) => [
    Buffer.from(`99999999999999999999-${i}`),
    [Buffer.from('b'), Buffer.from('x')],
  ]);
  const pages: EngineReply[] = [
    [cluster.model.engineNowMs, 0, nonsense],
    [cluster.model.engineNowMs, 0, [7, null, [], [null, null]]],
    7,
    [Number.NaN, 0, []],
  ];
  for (const page of pages) {
    const before = cluster.model.calls.get('log_read') ?? 0;
    cluster.model.register('log_read', () => page);
    await cluster.pass(4_000);
    expect((cluster.model.calls.get('log_read') as number) - before).toBeLessThan(2 * 20);
  }
});

it('a message that no node would send is dropped and counted, and holds nothing', async () => {
  const cluster = new LogNodes(2, 1);
  await cluster.pass(100);
  const [a, b] = cluster.nodes;
  const head = Buffer.alloc(6);
  head.writeUInt16LE(3, 0);
  head.writeUInt32LE(70_000, 2);
  const long = Buffer.concat([head, Buffer.from('1-0'), Buffer.alloc(70_000)]);
  cluster.model.register('shout', (_, [message], { publish }) => {
    publish(cluster.model.names.key('news', 'f'), message as Buffer);
    return null;
  });
  const random = seededRandom(3);
  const shouts = [long, Buffer.alloc(2 ** 20 + 7), Buffer.from([1]), Buffer.from('\u001b]0;x\u0007'.repeat(9))];
  for (const shout of shouts) cluster.model.run('shout', [], [shout]);
  for (let i = 0; i < 500; i++)
    cluster.model.run('shout', [], [Buffer.from(Array.from({ length: 40 }, () => random.next() * 256))]);
  await cluster.pass(50);
  expect(b?.log.stats().dropped.poisoned).toBeGreaterThan(400);
  a?.decide(1, 'attack');
  await cluster.pass(3_000);
  expect(b?.fresh).toEqual({ 1: 'attack' });
});
