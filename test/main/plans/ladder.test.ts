import { describe, expect, test } from 'vitest';
import type { PlanSource } from '../../../src/shared/decision.ts';
import type { ErrorCode } from '../../../src/shared/errors.ts';
import { drive } from '../../support/drive.ts';
import type { Behaviour } from '../../support/fake-models.ts';
import { makePlanner, request } from '../../support/make-planner.ts';

type RungName = 'answers' | 'illegal' | 'empty' | 'times-out' | 'errors';

const RUNGS: readonly RungName[] = ['answers', 'illegal', 'empty', 'times-out', 'errors'];
const CODE: Readonly<Record<RungName, 'OK' | ErrorCode>> = {
  answers: 'OK',
  illegal: 'ERR_VOTE_NONE',
  empty: 'ERR_MODEL_EMPTY',
  'times-out': 'ERR_MODEL_TIMEOUT_FIRST_TOKEN',
  errors: 'ERR_MODEL_STATUS',
};

function behaviour(rung: RungName, action: string): Behaviour {
  switch (rung) {
    case 'answers':
      return { kind: 'answers', action };
    case 'errors':
      return { kind: 'errors', code: 'ERR_MODEL_STATUS' };
    default:
      return { kind: rung };
  }
}

interface Case {
  readonly a: RungName;
  readonly b: RungName;
  readonly voted: boolean;
  readonly stale: boolean;
  readonly valued: boolean;
}

const CASES: Case[] = RUNGS.flatMap((a) =>
  RUNGS.flatMap((b) =>
    [true, false].flatMap((voted) =>
      [true, false].flatMap((stale) => [true, false].map((valued) => ({ a, b, voted, stale, valued }))),
    ),
  ),
);

/** The ladder as DESIGN.md tells it: the first rung that has a legal action. */
function expected({ a, b, voted, stale, valued }: Case): { source: PlanSource; action: string } {
  if (a === 'answers') return { source: 'synthesis', action: 'attack' };
  if (b === 'answers') return { source: 'fallback', action: 'block' };
  if (voted) return { source: 'vote', action: 'flee' };
  if (stale) return { source: 'stale', action: 'hide' };
  return { source: 'heuristic', action: valued ? 'rest' : 'attack' };
}

const ACTIONS = ['attack', 'block', 'flee', 'hide', 'rest'];

describe('the ladder', () => {
  test.each(CASES)('A $a, B $b, voted $voted, stale $stale, valued $valued', async (kase) => {
    let warm = kase.stale;
    await using under = await makePlanner(
      ({ model }) => {
        // The plan that fills the cache, for the rung "stale".
        if (warm) return model === 'a' ? { kind: 'answers', action: 'hide' } : { kind: 'empty' };
        if (model === 'e') return kase.voted ? { kind: 'answers', action: 'flee' } : { kind: 'empty' };
        return behaviour(model === 'a' ? kase.a : kase.b, model === 'a' ? 'attack' : 'block');
      },
      { cache: { ttlMs: 100 } },
    );
    const { planner, clock } = under;
    const asked = request({ actions: ACTIONS, ...(kase.valued ? { qValues: { rest: 2, hide: 1, dance: 9 } } : {}) });
    if (kase.stale) {
      expect((await drive(clock, planner.plan(asked))).source).toBe('synthesis');
      clock.advance(200);
      warm = false;
    }
    const startedAtMs = clock.now();
    const plan = await drive(clock, planner.plan(asked));
    expect({ source: plan.source, action: plan.action }).toEqual(expected(kase));
    expect(clock.now() - startedAtMs).toBeLessThanOrEqual(1_000);
    const rungs = plan.attempts.filter((attempt) => attempt.step !== 'expert');
    const reached: RungName[] = kase.a === 'answers' ? [kase.a] : [kase.a, kase.b];
    // The illegal answer is one word: that is "named no action of the list" in its illegal form.
    const codes = reached.map((rung) => (rung === 'illegal' ? 'ERR_VOTE_ILLEGAL' : CODE[rung]));
    expect(rungs.map((attempt) => attempt.code)).toEqual(codes);
    expect(plan.attempts.filter((attempt) => attempt.step === 'expert')).toHaveLength(2);
  });

  test('a model rung that has no time left is skipped and says so', async () => {
    await using under = await makePlanner(({ model }) =>
      model === 'e' ? { kind: 'answers', action: 'flee' } : { kind: 'times-out' },
    );
    const plan = await drive(under.clock, under.planner.plan(request(), { timeoutMs: 12 }));
    expect(plan.source).toBe('vote');
    expect(plan.attempts.map(({ step, code }) => `${step} ${code}`)).toEqual([
      'expert OK',
      'expert OK',
      'synthesis ERR_MODEL_TIMEOUT_FIRST_TOKEN',
      'fallback ERR_STEP_SKIPPED',
    ]);
  });

  test('both model rungs are skipped when the experts used the time up', async () => {
    await using under = await makePlanner(() => ({ kind: 'times-out' }));
    const plan = await drive(under.clock, under.planner.plan(request(), { timeoutMs: 12 }));
    expect(plan.source).toBe('heuristic');
    expect(plan.attempts.slice(2).map((attempt) => attempt.code)).toEqual(['ERR_STEP_SKIPPED', 'ERR_STEP_SKIPPED']);
  });

  test('a planner without any model answers by value', async () => {
    await using under = await makePlanner(() => ({ kind: 'stuck' }), { experts: [], synthesis: { models: [] } });
    const plan = await drive(under.clock, under.planner.plan(request({ qValues: { block: 0.1, flee: 0.2 } })));
    expect(plan).toMatchObject({ source: 'heuristic', action: 'flee', attempts: [] });
  });

  test('a vote wins by count, then by value, and brings its reason', async () => {
    await using under = await makePlanner(({ role }) =>
      role === undefined ? { kind: 'empty' } : { kind: 'answers', action: role === 'one' ? 'attack' : 'block' },
    );
    const plan = await drive(under.clock, under.planner.plan(request({ qValues: { block: 0.9, attack: 0.1 } })));
    expect(plan).toMatchObject({ source: 'vote', action: 'block', reason: 'two says so', model: 'e' });
  });
});
