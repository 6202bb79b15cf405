import { afterEach, describe, expect, test } from 'vitest';
import { allFeatures } from '../../../../src/main/options/features.ts';
import type { AnswerRule } from '../../../../src/main/options/planner-options.ts';
import type { Plan } from '../../../../src/main/plans/plan.ts';
import { drive, flush } from '../../../support/drive.ts';
import { type CachedPlanner, makeCachedPlanner } from '../../../support/make-cached-planner.ts';
import { request, testDomain } from '../../../support/make-planner.ts';

const ON = { ...allFeatures(true), discovery: false, constrainedAnswers: false, askLater: false };

/** What models say now, read and written. */
const says = { read: 'block', written: 'block' };
let under: CachedPlanner;

async function make(answers: AnswerRule): Promise<void> {
  says.read = 'block';
  says.written = 'block';
  under = await makeCachedPlanner(() => ({ kind: 'answers', action: says.written, afterMs: 20 }), {
    cache: { checkShare: 1, loopGuard: false, similar: false },
    reads: () => ({ kind: 'reads', probabilities: { [says.read]: 0.95 }, afterMs: 5 }),
    options: {
      domain: testDomain,
      experts: ['one', 'two'].map((role) => ({ role, model: 'e' })),
      synthesis: { models: [] },
      quorum: 'firstAgree',
      features: ON,
      answers,
    },
  });
}

afterEach(async () => {
  await under.planner.close();
  expect(under.clock.pendingTimers).toBe(0);
});

const at = (place: string, agent = 'x') => request({ agent, observation: { place, health: 50 } });
const plan = (place: string, agent?: string): Promise<Plan> => drive(under.clock, under.planner.plan(at(place, agent)));

async function pass(ms: number): Promise<void> {
  for (let i = 0; i < ms; i++) {
    under.clock.advance(1);
    await flush();
  }
}

/** A hit, and its check. Returns the calls of the check: how many reads and how many in words. */
async function check(place: string): Promise<{ reads: number; written: number }> {
  const before = under.models.calls.length;
  expect((await plan(place, 'y')).source).toBe('cache');
  await pass(400);
  const calls = under.models.calls.slice(before);
  const reads = calls.filter(({ form }) => form !== undefined).length;
  return { reads, written: calls.length - reads };
}

function exact() {
  const { cache } = under.planner.stats();
  if (cache === false) throw new Error('the cache is off');
  return cache.falseHits.exact;
}

/** How many reads were compared with what was written. */
function compared(): number {
  const { reads } = under.planner.stats();
  return (reads || undefined)?.calibration[0]?.compared ?? 0;
}

describe('a check under auto, once reads have shown to be right', () => {
  test('is settled by a read that finds what was served; one that contradicts is written, and the words count', async () => {
    await make('auto');
    for (let i = 0; i < 50; i++) await plan(`hall ${i}`);
    await plan('cave');
    await plan('wood');
    expect(await check('cave')).toEqual({ reads: 1, written: 0 });
    expect(exact()).toMatchObject({ due: 1, checked: 1, wrong: 0 });
    says.read = 'flee';
    const before = compared();
    expect(await check('cave')).toMatchObject({ reads: 1, written: 2 });
    expect(exact()).toMatchObject({ due: 2, checked: 2, wrong: 0 });
    // The words were asked for because the read contradicts: they would be unfair to it.
    expect(compared()).toBe(before);
    says.written = 'flee';
    expect(await check('wood')).toMatchObject({ reads: 1, written: 2 });
    expect(exact()).toMatchObject({ due: 3, checked: 3, wrong: 1, lost: 0 });
  });
});

test('a check is written while nothing is known of the reads, and compared with them', async () => {
  await make('auto');
  await plan('cave');
  const before = compared();
  expect(await check('cave')).toEqual({ reads: 1, written: 2 });
  expect(compared()).toBe(before + 1);
});

test('a check where models are only read counts what is read', async () => {
  await make('read');
  await plan('cave');
  says.read = 'flee';
  expect(await check('cave')).toEqual({ reads: 1, written: 0 });
  expect(exact()).toMatchObject({ checked: 1, wrong: 1 });
});

test('reads of checks are not counted as reads of plans', async () => {
  await make('read');
  await plan('cave');
  await check('cave');
  expect(under.planner.stats().reads).toMatchObject({ asked: 1, decided: 1, unsure: 0 });
});

test('a check where models only write is written', async () => {
  await make('write');
  await plan('cave');
  expect(await check('cave')).toEqual({ reads: 0, written: 2 });
});
