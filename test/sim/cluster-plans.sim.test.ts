import { afterAll, expect, test } from 'vitest';
import type { Plan } from '../../src/main/plans/plan.ts';
import { randomIndex, seededRandom } from '../../src/shared/random.ts';
import { PlannerNodes } from '../support/cluster/planners.ts';
import { request } from '../support/make-planner.ts';

/**
 * Planners of one cluster under faults of nodes, network and engine, in virtual time: few states, so that nodes wait for each other all
 * the time. `SIM_SEED` plays one seed.
 */
const seeds =
  process.env.SIM_SEED === undefined ? Array.from({ length: 20 }, (_, i) => i + 1) : [Number(process.env.SIM_SEED)];
const NODES = 4;
const STATES = 5;
const STEPS = 150;

let waits = 0;
afterAll(() => {
  if (seeds.length > 1) expect(waits).toBeGreaterThan(50);
});

interface Asked {
  readonly node: string;
  readonly atMs: number;
  readonly timeoutMs: number;
  plan: Plan | undefined;
}

test.each(seeds)(
  'seed %i: every plan of a living node is legal and on time, and nothing waits at the end',
  async (seed) => {
    const random = seededRandom(seed);
    const cluster = await PlannerNodes.open(
      NODES,
      () => {
        const chance = random.next();
        if (chance < 0.1) return { kind: 'times-out' };
        if (chance < 0.2) return { kind: 'errors', code: 'ERR_MODEL_MALFORMED', afterMs: 300 * random.next() };
        return { kind: 'answers', action: chance < 0.6 ? 'attack' : 'flee', afterMs: 50 + 400 * random.next() };
      },
      { cache: { checkShare: 0.2, refreshAhead: true, ttlMs: 1_500 } },
      seed,
    );
    const asked: Asked[] = [];
    const away = new Map<string, 'cut' | 'paused'>();
    const dead = new Set<string>();
    const { model } = cluster;
    const pauses: { readonly node: string; readonly fromMs: number; toMs: number }[] = [];
    const ask = (): void => {
      const node = cluster.nodes[randomIndex(random, NODES)];
      if (node === undefined || dead.has(node.id) || away.get(node.id) === 'paused') return;
      const timeoutMs = 40 + 3_000 * random.next() ** 2;
      const one: Asked = { node: node.id, atMs: cluster.clock.now(), timeoutMs, plan: undefined };
      const observation = { place: `place ${randomIndex(random, STATES)}`, health: 50 };
      asked.push(one);
      void node.planner.plan(request({ agent: `a${asked.length % 7}`, observation }), { timeoutMs }).then((plan) => {
        one.plan = plan;
      });
    };
    const recover = (id: string): void => {
      if (away.get(id) === 'cut') model.heal(id);
      else model.resume(id);
      for (const pause of pauses) if (pause.node === id) pause.toMs = Math.min(pause.toMs, cluster.clock.now());
      away.delete(id);
    };
    const fault = (): void => {
      const id = `n${randomIndex(random, NODES)}`;
      const chance = random.next();
      if (away.has(id)) return void (chance < 0.2 && recover(id));
      if (dead.has(id)) return;
      if (chance < 0.03) {
        model.cut(id);
        away.set(id, 'cut');
      } else if (chance < 0.06) {
        model.pause(id);
        pauses.push({ node: id, fromMs: cluster.clock.now(), toMs: Number.POSITIVE_INFINITY });
        away.set(id, 'paused');
      } else if (chance < 0.07 && dead.size < 2) {
        model.kill(id);
        dead.add(id);
      } else if (chance > 0.98) {
        if (model.isRunning) model.stopEngine();
        else model.startEngine();
      } else if (chance > 0.97 && model.isRunning) model.restartEmpty();
    };
    for (let step = 0; step < STEPS; step++) {
      ask();
      fault();
      await cluster.pass(100 * random.next());
    }
    for (const id of [...away.keys()]) recover(id);
    if (!model.isRunning) model.startEngine();
    await cluster.pass(10_000);
    for (const { node, plan, atMs, timeoutMs } of asked) {
      if (dead.has(node) && plan === undefined) continue;
      expect(['attack', 'block', 'flee']).toContain(plan?.action);
      const stoodStill = pauses.some(
        (each) => each.node === node && each.fromMs <= atMs + timeoutMs && each.toMs >= atMs,
      );
      if (!stoodStill) expect(plan?.latenessMs, `a plan of ${node} at ${atMs}`).toBe(0);
    }
    for (const { id, shared } of cluster.nodes) {
      waits += shared.stats().states.waits;
      if (!dead.has(id))
        expect(shared.stats()).toMatchObject({ states: { waiting: 0 }, log: { isLive: true, queued: 0 } });
    }
  },
);
