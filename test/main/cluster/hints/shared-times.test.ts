import { expect, it } from 'vitest';
import { clusterNames } from '../../../../src/main/cluster/engine/engine.ts';
import { SharedTimes } from '../../../../src/main/cluster/hints/shared-times.ts';
import { framed } from '../../../../src/main/cluster/log/frames.ts';
import { Profiles } from '../../../../src/main/models/time/profiles.ts';
import { seededRandom } from '../../../../src/shared/random.ts';
import { passVirtual, VirtualClock } from '../../../sim/virtual-clock.ts';
import { EngineModel } from '../../../support/cluster/engine-model.ts';
import { modelSharedDomain } from '../../../support/cluster/shared-domain-model.ts';

const HASH = '{conclave:sim}:times';

class TimesNodes {
  readonly clock = new VirtualClock(5_000);
  readonly model = new EngineModel({ clock: this.clock, random: seededRandom(1), names: clusterNames('sim') });

  constructor() {
    modelSharedDomain(this.model);
  }

  join(id: string) {
    const profiles = new Profiles('http://gpu/v1');
    const times = new SharedTimes({
      engine: this.model.node(id),
      names: this.model.names,
      clock: this.model.clockOf(id),
      memory: {
        measured: () => [...profiles.measured()].map(({ model, ...times }) => ({ ...times, name: model })),
        adopt: (name, saved) => (name.startsWith('m') ? profiles.adopt(name, 'text', saved) : 'known'),
      },
    });
    return { times, profiles, of: (model: string) => profiles.of(model, 'text') };
  }

  pass(ms: number): Promise<void> {
    return passVirtual(this.clock, ms);
  }
}

function answered({ of }: ReturnType<TimesNodes['join']>, calls: number, totalMs: number, model = 'm'): void {
  for (let i = 0; i < calls; i++) of(model).answered({ queueMs: 1, firstTokenMs: totalMs / 2, totalMs }, false);
}

it('a node that has measured nothing starts with the times of a neighbour', async () => {
  const cluster = new TimesNodes();
  const [a, b] = [cluster.join('a'), cluster.join('b')];
  answered(a, 30, 800);
  await cluster.pass(21_000);
  expect(b.of('m').expectedMs).toBeGreaterThan(700);
  expect(b.of('m').expectedMs).toBeLessThan(900);
  expect(b.of('m').timeouts(60_000, false).totalMs).toBe(60_000);
  const late = cluster.join('late');
  await cluster.pass(100);
  expect(late.of('m').usual.totalMs).toBeGreaterThan(700);
  expect([a, b, late].map(({ times }) => times.stats())).toEqual([
    { sent: 1, adopted: 0, poisoned: 0, failed: 0 },
    { sent: 0, adopted: 1, poisoned: 0, failed: 0 },
    { sent: 0, adopted: 1, poisoned: 0, failed: 0 },
  ]);
});

it('what it measures itself soon counts for more, and is not replaced', async () => {
  const cluster = new TimesNodes();
  const [a, b] = [cluster.join('a'), cluster.join('b')];
  answered(a, 30, 800);
  await cluster.pass(21_000);
  answered(b, 5, 200);
  expect(b.of('m').expectedMs).toBeLessThan(230);
  answered(a, 100, 5_000);
  await cluster.pass(21_000);
  expect(b.of('m').expectedMs).toBeLessThan(230);
});

it('what was adopted is not passed on', async () => {
  const cluster = new TimesNodes();
  const a = cluster.join('a');
  answered(a, 30, 800);
  await cluster.pass(11_000);
  const b = cluster.join('b');
  await cluster.pass(60_000);
  expect([b.times.stats().adopted, b.times.stats().sent]).toEqual([1, 0]);
});

it('times that are damaged, of another version, or none are dropped and counted; those of other models are left', async () => {
  const cluster = new TimesNodes();
  const put = (name: string, bytes: Buffer) =>
    cluster.model.run('fields_put', [HASH], ['told', '100000', '99', '', name, bytes]);
  const none = { queue: [], load: [], firstToken: [], gap: [], total: [] };
  const text = (value: unknown) => framed(Buffer.from(JSON.stringify(value)));
  put('m1', Buffer.from('noise'));
  put('m2', text([2, none]));
  put('m3', text([1, { ...none, total: [['x', 1]] }]));
  put('m4', text([1, null]));
  put(
    'm5',
    text([
      1,
      {
        ...none,
        total: [
          [-1, 1],
          [1e9, 1],
          [5, -3],
          [6, 1e300],
        ],
      },
    ]),
  );
  put('other', text([1, none]));
  const a = cluster.join('a');
  await cluster.pass(100);
  expect(a.times.stats()).toMatchObject({ poisoned: 4 });
  expect(a.of('m5').expectedMs).toBeUndefined();
  // What stays as it is counts once, and what is damaged in another way again.
  put('m1', Buffer.from('other noise'));
  await cluster.pass(25_000);
  expect(a.times.stats()).toMatchObject({ poisoned: 5 });
});

it('without the engine nothing is thrown, and it is told when it is back', async () => {
  const cluster = new TimesNodes();
  const [a, b] = [cluster.join('a'), cluster.join('b')];
  cluster.model.stopEngine();
  answered(a, 30, 800);
  await cluster.pass(30_000);
  expect(b.of('m').expectedMs).toBeUndefined();
  cluster.model.startEngine();
  await cluster.pass(21_000);
  expect(b.of('m').expectedMs).toBeGreaterThan(700);
});
