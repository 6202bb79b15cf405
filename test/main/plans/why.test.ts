import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { allFeatures } from '../../../src/main/options/features.ts';
import { WHY_CODE_LIST, type WhyCode } from '../../../src/main/plans/ladder/why.ts';
import type { Plan } from '../../../src/main/plans/plan.ts';
import type { Planner } from '../../../src/main/plans/planner.ts';
import type { CallPhase } from '../../../src/shared/model-client/failures.ts';
import { drive, flush } from '../../support/drive.ts';
import { makePlanner, request } from '../../support/make-planner.ts';
import { expectedWhy, WHY_SCENARIOS, type WhyScenario } from '../../support/why-scenarios.ts';

const counted = (planner: Planner): [string, number][] =>
  Object.entries(planner.stats().why).filter(([, plans]) => plans > 0);

describe('a plan that no model decided says why', () => {
  test.each(Object.entries(WHY_SCENARIOS) as [WhyCode, WhyScenario][])('%s', async (code, scenario) => {
    await using under = await makePlanner(scenario.script, scenario.options);
    const { planner, clock } = under;
    const told: Plan[] = [];
    planner.on('plan', (plan) => told.push(plan));
    const plan = await scenario.play({
      planner,
      clock,
      plan: (asked, timeoutMs) => planner.plan(asked, { timeoutMs }),
    });
    expect([plan.source, plan.why]).toEqual(['heuristic', expectedWhy(code, scenario)]);
    // Every plan that no model decided is counted once.
    const undecided = told.filter(({ why }) => why !== undefined);
    expect(counted(planner).reduce((sum, [, plans]) => sum + plans, 0)).toBe(undecided.length);
    expect(planner.stats().why[code]).toBe(undecided.filter(({ why }) => why?.code === code).length);
    expect(planner.stats().sources.heuristic).toBe(undecided.length);
  });

  test('and one that a model or the cache decided does not', async () => {
    await using under = await makePlanner(() => ({ kind: 'answers', action: 'block' }));
    const { planner, clock } = under;
    const stage = { planner, clock, plan: (asked: Parameters<Planner['plan']>[0]) => planner.plan(asked) };
    const { play } = WHY_SCENARIOS['no-vote'];
    const plans = [await play(stage), await play(stage)];
    expect(plans.map(({ source, why }) => [source, why])).toEqual([
      ['synthesis', undefined],
      ['cache', undefined],
    ]);
    expect(Object.keys(planner.stats().why)).toEqual(WHY_CODE_LIST);
    expect(counted(planner)).toEqual([]);
  });

  test('server-silent, where calls that hang hold every slot', async () => {
    const endpoints = { fake: { baseURL: 'http://127.0.0.1:9/v1', slots: 1, maxConcurrent: 1 } };
    let phase: CallPhase = 'headers';
    await using under = await makePlanner(() => ({ kind: 'stuck', reaches: [[phase, 1]] }), { endpoints });
    const { planner, clock } = under;
    const plan = (place: string, timeoutMs: number) =>
      drive(clock, planner.plan(request({ agent: place, observation: { place, health: 50 } }), { timeoutMs }));
    const told = async (): Promise<string | undefined> => (await plan('wood', 600)).why?.message;
    void planner.plan(request(), { timeoutMs: 60_000 });
    await flush();
    const messages = [await told()];
    clock.advance(1_500);
    messages.push(await told());
    expect(messages).toEqual([
      'no slot of fake became free in 585 ms',
      'no slot of fake became free in 585 ms: it holds a call without a token for 2.7 s',
    ]);
    expect(counted(planner)).toEqual([
      ['server-silent', 1],
      ['no-slot', 1],
    ]);
    // One that writes is busy, however long it takes.
    phase = 'stream';
    await using busy = await makePlanner(() => ({ kind: 'stuck', reaches: [[phase, 1]] }), { endpoints });
    void busy.planner.plan(request(), { timeoutMs: 60_000 });
    await flush();
    busy.clock.advance(5_000);
    const behind = busy.planner.plan(request({ observation: { place: 'wood', health: 50 } }), { timeoutMs: 600 });
    expect((await drive(busy.clock, behind)).why?.code).toBe('no-slot');
  });

  // Schedule: the short plan's call began in a slot that nobody needed; the other plan can be in time with it alone.
  test('gave-way', async () => {
    const options = {
      endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', slots: 1, maxConcurrent: 1 } },
      synthesis: { models: [] },
      quorum: 'firstAgree',
      features: { ...allFeatures(true), askLater: false, balancing: false, adaptiveSlots: false, slotHolds: false },
    } as const;
    await using under = await makePlanner(() => ({ kind: 'answers', action: 'block', afterMs: 400 }), options);
    const { planner, clock } = under;
    const at = (place: string) => request({ agent: place, observation: { place, health: 50 } });
    for (let i = 0; i < 20; i++) await drive(clock, planner.plan(at(`place ${i}`), { timeoutMs: 5_000 }));
    const short = planner.plan(at('wood'), { timeoutMs: 150 });
    await flush();
    const other = planner.plan(at('hall'), { timeoutMs: 1_000 });
    expect(await drive(clock, short)).toMatchObject({
      source: 'heuristic',
      why: { code: 'gave-way', message: '1 call to fake gave way to plans that could be in time' },
    });
    expect((await drive(clock, other)).why).toBeUndefined();
    expect(counted(planner)).toEqual([['gave-way', 1]]);
  });
});

test('the documents have a row for every code', () => {
  const text = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  expect(WHY_CODE_LIST.filter((code) => !text.includes(`\n| \`${code}\` |`))).toEqual([]);
});
