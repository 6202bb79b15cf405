import { describe, expect, test } from 'vitest';
import type { Plan } from '../../../src/main/plan.ts';
import type { Planner } from '../../../src/main/planner/planner.ts';
import { WHY_CODE_LIST, type WhyCode } from '../../../src/main/why.ts';
import { makePlanner } from '../../support/make-planner.ts';
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
    const scenario = WHY_SCENARIOS['no-time'];
    await using under = await makePlanner(() => ({ kind: 'answers', action: 'block' }), scenario.options);
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
});
