import { expect, test } from 'vitest';
import { PART_MEMBERS } from '../../../src/shared/in-parts.ts';
import type { PlanRequest } from '../../../src/shared/plan-request.ts';
import { drive } from '../../support/drive.ts';
import { makePlanner, request } from '../../support/make-planner.ts';

const ACTIONS = Array.from({ length: 100_000 }, (_, i) => `action ${i}`);
const QVALUES = Object.fromEntries(ACTIONS.map((action, i) => [action, (i * 7_919) % 100_003]));
const BEST = ACTIONS.reduce((best, action) =>
  (QVALUES[action] as number) > (QVALUES[best] as number) ? action : best,
);

test('a request that was taken over is planned and remembered as the same one is that was not', async () => {
  await using under = await makePlanner(() => ({ kind: 'answers', action: BEST }));
  const largest = request({ actions: ACTIONS, qValues: QVALUES });
  const owned = await under.planner.own(largest);
  expect(owned).toEqual(expect.objectContaining(largest));
  expect(JSON.stringify(owned)).toBe(JSON.stringify(largest));
  expect(structuredClone(owned)).toEqual(largest);
  const first = await drive(under.clock, under.planner.plan(owned));
  expect([first.source, first.action]).toEqual(['synthesis', BEST]);
  expect(under.planner.peek(largest)?.action).toBe(BEST);
  expect(under.planner.peek(await under.planner.own(largest))?.action).toBe(BEST);
  const [plain, again] = [request({ ...largest, agent: 'b' }), request({ ...largest, agent: 'c' })];
  for (const plan of [under.planner.planNow(plain), under.planner.planNow(await under.planner.own(again))])
    expect(plan).toMatchObject({ source: 'cache', action: BEST });
});

test.each([
  ['with values', QVALUES, BEST, /^highest value: 100002$/],
  ['with none', undefined, ACTIONS[0], /^first legal action/],
  ['with values of other actions', { other: 1 }, ACTIONS[0], /^first legal action/],
] as const)('the last rung takes the best action of it, %s', async (_, qValues, action, reason) => {
  await using under = await makePlanner(() => ({ kind: 'empty' }));
  const large = request({ actions: ACTIONS, ...(qValues && { qValues }) });
  for (const asked of [large, await under.planner.own(large)]) {
    const plan = await drive(under.clock, under.planner.plan(asked));
    expect(plan).toMatchObject({ source: 'heuristic', action, reason: expect.stringMatching(reason) });
  }
});

test.each<[string, Partial<PlanRequest>]>([
  ['the same action twice, far apart', { actions: [...ACTIONS.slice(1), 'action 7'] }],
  ['an action too many', { actions: [...ACTIONS, 'one more'] }],
  ['an action without a name', { actions: [...ACTIONS.slice(1), ''] }],
  ['an action that is a number', { actions: [...ACTIONS.slice(1), 7 as unknown as string] }],
  ['no list of actions', { actions: 'attack' as unknown as string[] }],
  ['no actions', { actions: [] }],
  ['a value too many', { actions: ACTIONS, qValues: { ...QVALUES, more: 1 } }],
  ['a value that is no number', { actions: ACTIONS, qValues: { ...QVALUES, [BEST]: null as unknown as number } }],
  ['a list of values', { actions: ACTIONS, qValues: [] as unknown as Record<string, number> }],
  ['values null', { actions: ACTIONS, qValues: null as unknown as Record<string, number> }],
  ['no agent', { actions: ACTIONS, agent: '' }],
  ['an unknown member', { actions: ACTIONS, more: 1 } as Partial<PlanRequest>],
  ['an unknown feature', { actions: ACTIONS, observation: { place: 'cave', health: 1, more: 1 } }],
])('%s is refused as plan refuses it, and counted', async (_, broken) => {
  await using under = await makePlanner(() => ({ kind: 'empty' }));
  const asked = request(broken);
  const refused = await under.planner.plan(asked).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'ERR_REQUEST_INVALID' });
  expect(await under.planner.own(asked).catch((error: unknown) => error)).toEqual(refused);
  expect(under.planner.stats().plans.invalid).toBe(2);
});

test('its time runs from when it was taken over; a planner that was closed meanwhile refuses it', async () => {
  await using under = await makePlanner(() => ({ kind: 'empty' }));
  const owned = await under.planner.own(request({ actions: ACTIONS }));
  under.clock.advance(700);
  const plan = await drive(under.clock, under.planner.plan(owned, { timeoutMs: 500 }));
  expect([plan.latencyMs, plan.latenessMs, plan.why?.code]).toEqual([700, 200, 'no-time']);
  await under.planner.close();
  await expect(under.planner.plan(owned)).rejects.toMatchObject({ code: 'ERR_PLANNER_CLOSED' });
  await expect(under.planner.own(request())).rejects.toMatchObject({ code: 'ERR_PLANNER_CLOSED' });
});

test('the event loop turns many times while the largest request is taken over, and then no pass over it is left', async () => {
  await using under = await makePlanner(() => ({ kind: 'empty' }));
  let passes = 0;
  /** Counts how often its last action is read. */
  const actions = new Proxy(ACTIONS, {
    get(target, name, receiver) {
      if (name === '99999') passes++;
      return Reflect.get(target, name, receiver);
    },
  });
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns++;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const owned = await under.planner.own(request({ actions, qValues: QVALUES }));
  isOver = true;
  // Checking actions and values, the sum of hashes, the best values.
  expect(turns).toBeGreaterThan(4 * Math.floor(ACTIONS.length / PART_MEMBERS));
  expect(passes).toBeLessThanOrEqual(3);
  passes = 0;
  // Those that look for one action, and the list that models are shown, stop where they have what they want or are native.
  under.planner.peek(owned);
  expect(passes).toBe(0);
});
