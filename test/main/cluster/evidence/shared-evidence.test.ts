import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeTotal } from '../../../../src/main/cluster/evidence/totals-codec.ts';
import { type EvidenceNode, EvidenceNodes } from '../../../support/cluster/evidence-nodes.ts';
import { cacheDomain, PLAIN_CACHE, seen, state } from '../../../support/make-cache.ts';
import { type Folder, makeFolder } from '../../cache/disk/support/open-tier.ts';

const WITHIN_BUDGET = { ...PLAIN_CACHE, errorBudget: 0.1, ttlMs: 1e8, ttlMaxMs: 1e9, entries: 200, checkShare: 0.05 };
const TRUSTED = {
  ...PLAIN_CACHE,
  trust: 'earned' as const,
  similar: { distanceMax: 0.3, confirmedMax: 0.3 },
  ttlMs: 1e8,
  ttlMaxMs: 1e9,
};
const HASH = '{conclave:sim}:totals:f';
const CHANNEL = '{conclave:sim}:counted:f';

let folder: Folder;
let opened: EvidenceNodes[];
beforeEach(() => {
  folder = makeFolder();
  opened = [];
});
afterEach(async () => {
  for (const cluster of opened) for (const { cache } of cluster.nodes) await cluster.settled(cache.close());
  folder.remove();
});

async function nodesOf(count: number, options = WITHIN_BUDGET as typeof PLAIN_CACHE): Promise<EvidenceNodes> {
  const cluster = new EvidenceNodes(options, cacheDomain);
  opened.push(cluster);
  for (let i = 0; i < count; i++) await cluster.join(`n${i}`);
  await cluster.pass(500);
  return cluster;
}

/** Agents ask about states in turn; one answer in thirty is odd. */
function play(node: EvidenceNode, requests: number, from = 0): void {
  for (let i = from; i < from + requests; i++) {
    const action = ['attack', 'block', 'flee'][i % 29 === 0 ? (i + 1) % 3 : i % 3] as string;
    node.ask({ ...state(i % 30), agent: `agent ${i % 7}` }, action);
  }
}

/** What a node knows of its budgets: outcomes, mix, share, served. */
function budgetOf({ cache }: EvidenceNode): string {
  const parts = cache.summedParts().filter(({ name }) => name.startsWith('budget'));
  return JSON.stringify(parts.map(({ saved }) => [...saved()]));
}

interface SavedBudget {
  readonly outcomes: readonly (readonly number[])[];
  readonly served: number;
}

function outcomesOf({ cache }: EvidenceNode): { counted: number; wrong: number; served: number } {
  const part = cache.summedParts().find(({ name }) => name === 'budget');
  const [saved] = [...(part?.saved() ?? [])] as SavedBudget[];
  const sums = (saved as SavedBudget).outcomes.map((counts) => counts.reduce((sum, count) => sum + count, 0));
  const [asked = 0, askedWrong = 0, sampled = 0, sampledWrong = 0] = sums;
  return { counted: asked + sampled, wrong: askedWrong + sampledWrong, served: saved?.served ?? 0 };
}

/** Evidence fades with each request, and what comes a second later fades a little differently. */
function expectAbout(counted: number, expected: number | undefined): void {
  expect(Math.abs(counted - (expected ?? Number.NaN))).toBeLessThan(1 + 0.02 * counted);
}

describe('totals', () => {
  it('what one node has counted counts at the others within two seconds, and once', async () => {
    const cluster = await nodesOf(3);
    const [a, b, c] = cluster.nodes as [EvidenceNode, EvidenceNode, EvidenceNode];
    play(a, 300);
    await cluster.pass(2_000);
    const [own, ...others] = [a, b, c].map(outcomesOf);
    for (const other of others) {
      expectAbout(other.counted, own?.counted as number);
      expectAbout(other.wrong, own?.wrong as number);
      expect(other.served).toBe(own?.served);
    }
    const [before, atB] = [budgetOf(a), budgetOf(b)];
    await cluster.pass(130_000);
    expect([budgetOf(a), budgetOf(b)]).toEqual([before, atB]);
    expect(a.shared?.stats().evidence).toMatchObject({ nodes: 0, dropped: { poisoned: 0, cleared: 0 } });
  });

  it('a total that comes again, or an older one, changes nothing', async () => {
    const cluster = await nodesOf(2);
    const [a, b] = cluster.nodes as [EvidenceNode, EvidenceNode];
    const heard: Buffer[] = [];
    cluster.model.node('n1').listen(CHANNEL, (message) => void heard.push(message));
    play(a, 200);
    await cluster.pass(2_000);
    play(a, 200, 200);
    await cluster.pass(2_000);
    const before = budgetOf(b);
    expect(heard.length).toBeGreaterThan(1);
    for (const message of heard) cluster.model.run('fields_put', [HASH], [CHANNEL, '1000', '99', message]);
    await cluster.pass(100);
    expect(budgetOf(b)).toBe(before);
  });

  it('those of a dead node stay, and a late node has the present ones', async () => {
    const cluster = await nodesOf(3);
    const [a, b] = cluster.nodes as [EvidenceNode, EvidenceNode];
    play(a, 400);
    play(b, 200);
    await cluster.pass(12_000);
    cluster.model.kill('n0');
    await cluster.pass(1_000);
    play(b, 100, 200);
    await cluster.pass(2_000);
    const late = await cluster.join('late');
    await cluster.pass(2_000);
    const [atB, atLate] = [outcomesOf(b), outcomesOf(late)];
    expect(atB.counted).toBeGreaterThan(150);
    expectAbout(atLate.counted, atB.counted);
    expect(atLate.served).toBe(atB.served);
    play(late, 60);
    expect(late.served).toBeGreaterThan(40);
  });

  it('damaged or impossible ones are dropped and counted', async () => {
    const cluster = await nodesOf(2);
    const [a, b] = cluster.nodes as [EvidenceNode, EvidenceNode];
    play(a, 200);
    await cluster.pass(2_000);
    const before = budgetOf(b);
    const whole = [3, 100, 50, 5, 40, 2, 5, 0];
    const send = (group: string, rows: unknown): void => {
      const bytes = encodeTotal({ node: 'evil', clear: '0-0', group, rows });
      cluster.model.run('fields_put', [HASH], [CHANNEL, '1000', '99', bytes]);
    };
    const bad: unknown[] = [
      ...[null, 'rows', [null], [[]], [whole.slice(1)], [[...whole, 1]]],
      ...[Number.NaN, -1, 0.5, 2 ** 60, '7'].map((count) => [[3, 100, 50, 5, count, 2, 5, 0]]),
      ...[[[3, 10, 50, 5, 40, 2, 5, 0]], [[3, 100, 50, 5, 1, 2, 5, 0]], [[99, ...whole.slice(1)]]],
    ];
    for (const rows of bad) send('budget 0.1', rows);
    cluster.model.run('fields_put', [HASH], [CHANNEL, '1000', '99', Buffer.from('no frame')]);
    await cluster.pass(100);
    expect(b.shared?.stats().evidence?.dropped.poisoned).toBe(bad.length + 1);
    const long = encodeTotal({ node: 'x'.repeat(1_000), clear: '0-0', group: 'budget 0.1', rows: [whole] });
    cluster.model.run('fields_put', [HASH], [CHANNEL, '1000', '99', long]);
    await cluster.pass(100);
    expect(budgetOf(b)).toBe(before);
    bad.push(long);
    send('budget 0.2', [whole]);
    send('standing somewhere', [[0, 5, 5]]);
    await cluster.pass(100);
    expect(budgetOf(b)).toBe(before);
    expect(b.shared?.stats().evidence?.dropped.poisoned).toBe(bad.length + 1);
  });

  it('what a huge one says fades like everything else', async () => {
    const cluster = await nodesOf(1);
    const [a] = cluster.nodes as [EvidenceNode];
    const rows = [[0, 1e12, 0, 0, 1e12, 0, 0, 0]];
    const bytes = encodeTotal({ node: 'old', clear: '0-0', group: 'budget 0.1', rows });
    cluster.model.run('fields_put', [HASH], [CHANNEL, '1000', '99', bytes]);
    await cluster.pass(100);
    expect(outcomesOf(a).counted).toBeLessThanOrEqual(2_000);
  });

  it('a clear of one node is one of all evidence, and nothing from before comes back', async () => {
    const cluster = await nodesOf(3);
    const [a, b, c] = cluster.nodes as [EvidenceNode, EvidenceNode, EvidenceNode];
    for (const node of [a, b, c]) play(node, 150);
    await cluster.pass(2_000);
    b.cache.clear();
    await cluster.pass(3_000);
    expect([a, b, c].map((node) => outcomesOf(node).counted)).toEqual([0, 0, 0]);
    play(c, 60);
    await cluster.pass(2_000);
    expect(outcomesOf(c).counted).toBeGreaterThan(20);
    for (const node of [a, b]) expectAbout(outcomesOf(node).counted, outcomesOf(c).counted);
  });

  it('without the engine each node goes on, and hears what it missed when it is back', async () => {
    const cluster = await nodesOf(2);
    const [a, b] = cluster.nodes as [EvidenceNode, EvidenceNode];
    play(a, 150);
    await cluster.pass(2_000);
    cluster.model.stopEngine();
    await cluster.pass(1_000);
    const missed = outcomesOf(b).counted;
    play(a, 150, 150);
    await cluster.pass(5_000);
    expect(outcomesOf(b).counted).toBe(missed);
    cluster.model.startEngine();
    await cluster.pass(4_000);
    expectAbout(outcomesOf(b).counted, outcomesOf(a).counted);
    expect(outcomesOf(b).counted).toBeGreaterThan(missed + 30);
  });
});

describe('evidence as a whole', () => {
  it('that is too large to be sent is not written out to its end', async () => {
    const cluster = await nodesOf(1);
    const [a] = cluster.nodes as [EvidenceNode];
    let written = 0;
    const saved = function* (): Generator<string> {
      for (; written < 10_000; written++) yield 'x'.repeat(1_000);
    };
    a.cache.summedParts = () => [{ name: 'totals', saved, restore: () => false }];
    play(a, 100);
    await cluster.pass(2_000);
    expect(written).toBeGreaterThan(0);
    expect(written).toBeLessThan(200);
  });
});

describe('an engine that has lost its memory', () => {
  it('gets all totals again, for nodes that come later', async () => {
    const cluster = await nodesOf(2);
    const [a, b] = cluster.nodes as [EvidenceNode, EvidenceNode];
    play(a, 300);
    play(b, 100);
    await cluster.pass(12_000);
    cluster.model.restartEmpty();
    await cluster.pass(10_000);
    const late = await cluster.join('late');
    await cluster.pass(3_000);
    expectAbout(outcomesOf(late).counted, outcomesOf(a).counted);
    expect(outcomesOf(late).served).toBe(outcomesOf(a).served);
    expect(outcomesOf(a).served).toBe(outcomesOf(b).served);
  });
});

describe('a node that is restarted with its disk', () => {
  const disk = () => ({ path: join(folder.path, 'decisions.lmdb'), bytesMax: 2 ** 24 });

  it('counts nothing of what it knew a second time, and nothing of it is missing', async () => {
    const cluster = await nodesOf(1);
    const [b] = cluster.nodes as [EvidenceNode];
    const first = await cluster.join('first', { disk: disk() });
    await cluster.pass(1_000);
    play(first, 300);
    play(b, 200);
    await cluster.pass(2_000);
    const before = outcomesOf(b);
    await cluster.leave(first);
    play(b, 60, 200);
    await cluster.pass(2_000);
    const again = await cluster.join('again', { disk: disk() });
    await cluster.pass(3_000);
    expect(readdirSync(folder.path)).toContain('decisions.lmdb.evidence.json');
    const [atB, atAgain] = [outcomesOf(b), outcomesOf(again)];
    expect(atB.counted).toBeGreaterThan(before.counted);
    expectAbout(atAgain.counted, atB.counted);
    expect(atAgain.served).toBe(atB.served);
    expect(again.shared?.stats().evidence?.precedentsReceived).toBeLessThan(60);
  });

  it('keeps what came after a clear that the log still has', async () => {
    const cluster = await nodesOf(1);
    const [b] = cluster.nodes as [EvidenceNode];
    const first = await cluster.join('first', { disk: disk() });
    await cluster.pass(1_000);
    play(first, 100);
    await cluster.pass(1_000);
    b.cache.clear();
    await cluster.pass(1_000);
    play(first, 100);
    await cluster.pass(1_000);
    const { counted } = outcomesOf(first);
    await cluster.leave(first);
    const again = await cluster.join('again', { disk: disk() });
    await cluster.pass(3_000);
    expect(again.shared?.stats().log.clears).toBe(0);
    expect(counted).toBeGreaterThan(40);
    expect(outcomesOf(again).counted).toBeCloseTo(counted, 5);
  });

  it('keeps its newer decision for a state of which the log has only an older one', async () => {
    const options = { ...PLAIN_CACHE, ttlMs: 1e8, ttlMaxMs: 1e9 };
    const cluster = await nodesOf(1, options);
    const first = await cluster.join('first', { disk: disk() });
    await cluster.pass(1_000);
    first.ask(state(1), 'attack');
    first.ask(state(2), 'attack');
    await cluster.pass(1_000);
    cluster.model.stopEngine();
    await cluster.pass(5_000);
    first.decide(state(1), 'block');
    await cluster.leave(first);
    cluster.model.startEngine();
    await cluster.pass(1_000);
    const again = await cluster.join('again', { disk: disk() });
    await cluster.pass(3_000);
    expect([1, 2].map((id) => again.answer(state(id)))).toEqual(['block', 'attack']);
  });
});

describe('without an error budget', () => {
  it('the standing of tiers is that of all nodes together', async () => {
    const cluster = await nodesOf(2, TRUSTED);
    const [a, b] = cluster.nodes as [EvidenceNode, EvidenceNode];
    for (let i = 0; i < 100; i++) a.ask(seen({ scene: `scene ${i % 3}`, health: (i * 37) % 100 }), 'attack');
    await cluster.pass(2_000);
    const standingOf = ({ cache }: EvidenceNode) => {
      const { standing } = cache.stats();
      return standing === false
        ? []
        : standing.tiers.map(({ tier, to, compared, wrong }) => [tier, to, compared, wrong]);
    };
    expect(standingOf(a).length).toBeGreaterThan(0);
    expect(standingOf(b)).toEqual(standingOf(a));
    await cluster.pass(61_000);
    expect(standingOf(b)).toEqual(standingOf(a));
  });
});
