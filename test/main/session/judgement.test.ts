import { describe, expect, test } from 'vitest';
import { reportText } from '../../../src/main/cli/terminal/report-text.ts';
import { type Criterion, parseCriterion, publishedCriteria } from '../../../src/main/session/criterion.ts';
import { type CriterionResult, faultOf, judge } from '../../../src/main/session/judgement.ts';
import type { SessionReport } from '../../../src/main/session/report.ts';
import { makeReport } from '../report/make-report.ts';

const WHOLE = makeReport();

function reportWith(plans: number, hits: number, misses: number, more: Partial<SessionReport> = {}): SessionReport {
  const cache = { ...WHOLE.cache, hits, misses };
  const hitRate = hits + misses === 0 ? 0 : hits / (hits + misses);
  return makeReport({ plans, legal: plans, onTime: plans, hitRate, cache, ...more });
}

function criterion(text: string): Criterion {
  return parseCriterion(text) as Criterion;
}

function verdict(text: string, lap: SessionReport, warmUp?: SessionReport): CriterionResult {
  return judge([criterion(text)], { lap, warmUp }).criteria[0] as CriterionResult;
}

describe('a bound', () => {
  // A thousand plans: half of them hits, 10 of the calls out of time, 5 fallbacks, a mean of 40 ms.
  test.each<[string, boolean, number]>([
    ['hitRate>0.5', false, 0.5],
    ['hitRate>=0.5', true, 0.5],
    ['hitRate>0.49', true, 0.5],
    ['hitRate>49%', true, 0.5],
    ['hitRate>50%', false, 0.5],
    ['planningMs.mean<40', false, 40],
    ['planningMs.mean<=40', true, 40],
    ['planningMs.mean<0.041s', true, 40],
    ['planningMs.mean<41ms', true, 40],
    ['fallbacks<5', false, 5],
    ['fallbacks<5%', true, 0.005],
    ['fallbacks=5', true, 5],
    ['sources.heuristic<=1%', true, 0.01],
    ['sources.heuristic<1%', false, 0.01],
    ['legal=100%', true, 1],
    ['cache.hits>=50%', true, 0.5],
    ['calls.byCode.ERR_MODEL_INVALID_ID=0', true, 0],
    ['why.server-silent=7', true, 7],
    ['plans>=1000', true, 1_000],
  ])('%s: %s', (text, met, value) => {
    expect(verdict(text, WHOLE)).toEqual({ criterion: text, met, value });
  });

  test('all criteria must be met', () => {
    const of = (...texts: string[]) => judge(texts.map(criterion), { lap: WHOLE, warmUp: undefined });
    expect(of('hitRate>0.4', 'fallbacks<6')).toMatchObject({ met: true, plans: 1_000 });
    expect(of('hitRate>0.4', 'fallbacks<5')).toMatchObject({ met: false, criteria: [{ met: true }, { met: false }] });
  });
});

describe('without a value a criterion is not met, whatever its bound', () => {
  const nothing = reportWith(0, 0, 0);
  const unasked = reportWith(10, 0, 0);
  const uncalled = makeReport({ calls: { ...WHOLE.calls, made: 0, useful: 0, timeouts: 0, failed: 0 } });
  test.each<[string, SessionReport, string]>([
    ['planningMs.mean<1s', nothing, 'no plan was made'],
    ['fallbacks<5%', nothing, 'no plan was made'],
    ['hitRate<1', unasked, 'the cache was not asked'],
    ['timeouts<10%', uncalled, 'no call was made'],
    ['llmSuccess>=0', uncalled, 'no call was needed to its end'],
    ['cache.falseHits.similar.rate<1', WHOLE, 'there is nothing to tell it from'],
    ['cache.budget.risk<1', WHOLE, 'there is nothing to tell it from'],
    ['models.99.made<1', WHOLE, 'there is nothing to tell it from'],
  ])('%s', (text, report, why) => {
    expect(verdict(text, report)).toEqual({ criterion: text, met: false, value: null, why });
  });

  test('a count of plans is a value also where there are none', () => {
    expect(verdict('plans=0', nothing)).toMatchObject({ met: true, value: 0 });
  });
});

describe('the warm-up', () => {
  // 20 hits in the first hundred plans, 80 in the next hundred; 10 ms and then 30 ms a plan.
  const times = (mean: number) => ({ planningMs: { ...WHOLE.planningMs, mean } });
  const warmUp = reportWith(100, 20, 80, { ...times(10), fallbacks: 4 });
  const lap = reportWith(200, 100, 100, { ...times(20), fallbacks: 5 });

  test.each<[string, number]>([
    ['warmUp.hitRate>30%', 0.2],
    ['hitRate>30%', 0.5],
    ['afterWarmUp.hitRate>30%', 0.8],
    ['warmUp.planningMs.mean>0', 10],
    ['afterWarmUp.planningMs.mean>0', 30],
    ['afterWarmUp.fallbacks>0', 1],
    ['afterWarmUp.fallbacks>0%', 0.01],
    ['afterWarmUp.plans>0', 100],
  ])('%s is held against %d', (text, value) => {
    expect(verdict(text, lap, warmUp).value).toBeCloseTo(value, 9);
  });

  test.each<[string, SessionReport, SessionReport | undefined, string]>([
    ['warmUp.hitRate<1', reportWith(99, 99, 0), undefined, 'too few plans: 99, and it takes 100'],
    ['afterWarmUp.hitRate<1', reportWith(99, 99, 0), undefined, 'too few plans: 99, and it takes more than 100'],
    ['afterWarmUp.hitRate<1', warmUp, warmUp, 'too few plans: 100, and it takes more than 100'],
  ])('%s of a lap that is too short is not met', (text, short, warm, why) => {
    expect(verdict(text, short, warm)).toEqual({ criterion: text, met: false, value: null, why });
  });

  test('the published list is met by a session that keeps to it, and names each thing that does not', () => {
    const calls = { ...WHOLE.calls, made: 100, useful: 85, timeouts: 9, failed: 6, byCode: {} };
    const good = { ...lap, calls, timeouts: 9, llmSuccess: 0.85 };
    const warm = { ...warmUp, cache: { ...warmUp.cache, hits: 31, misses: 69 }, hitRate: 0.31 };
    expect(judge(publishedCriteria(1), { lap: good, warmUp: warm })).toMatchObject({ met: true });
    const missed = (report: SessionReport) =>
      judge(publishedCriteria(1), { lap: report, warmUp: warm })
        .criteria.filter(({ met }) => !met)
        .map((one) => one.criterion);
    expect(missed({ ...good, timeouts: 10 })).toEqual(['timeouts<10%']);
    expect(missed({ ...good, llmSuccess: 0.79 })).toEqual(['llmSuccess>=80%']);
    expect(missed({ ...good, fallbacks: 10 })).toEqual(['fallbacks<5%']);
    expect(missed({ ...good, ...times(5_000) })).toEqual(['planningMs.mean<5000ms']);
    expect(missed({ ...good, calls: { ...calls, byCode: { ERR_MODEL_INVALID_ID: 1 } } })).toEqual([
      'calls.byCode.ERR_MODEL_INVALID_ID=0',
    ]);
    expect(missed({ ...good, cache: { ...good.cache, hits: 81, misses: 119 } })).toEqual(['afterWarmUp.hitRate>50%']);
  });
});

describe('what is wrong with a criterion', () => {
  test.each([
    ['hitrate>0.3', 'hitrate must be a figure of the report (nearest: hitRate), got "hitrate>0.3"'],
    ['mean<5', 'mean must be a figure of the report (nearest: planningMs.mean, latenessMs.mean'],
    ['planningMs<5', 'planningMs must be a figure of the report'],
    ['interrupted=0', 'interrupted must be a figure of the report'],
    ['series.plans>0', 'series.plans must be a figure of the report'],
    ['models.first.made>0', 'models.first.made must be a figure of the report'],
    ['toString>0', 'toString must be a figure of the report'],
    ['calls.byCode.oops=0', 'calls.byCode.oops must be a figure of the report'],
    ['afterWarmUp.planningMs.p99<5', 'planningMs.p99 must be a figure that is counted after the warm-up (nearest: '],
    ['cache.entries<5%', 'cache.entries must be a share, or a count of plans or calls, for %, got "cache.entries<5%"'],
    ['hitRate<5s', 'hitRate must be a time for s, got "hitRate<5s"'],
  ])('%s', (text, message) => {
    expect(faultOf(criterion(text), WHOLE)).toContain(message);
  });

  test.each([
    'hitRate>0.3',
    'warmUp.hitRate>0.3',
    'afterWarmUp.sources.cache>30%',
    'afterWarmUp.calls.byCode.ERR_MODEL_RESET=0',
    'cache.budget.risk<5%',
    'cache.falseHits.exact.rate<10%',
    'models.7.latencyMs.p95<3s',
    'background.later.asked>0',
    'tokensPerPlan.prompt<500',
  ])('nothing: %s', (text) => {
    expect(faultOf(criterion(text), WHOLE)).toBeUndefined();
  });

  test('nothing is wrong with the published list', () => {
    expect(publishedCriteria(7).map((one) => faultOf(one, WHOLE))).toEqual(Array(7).fill(undefined));
  });
});

test('the text of the report has each criterion as met or not, and of which lap', () => {
  const texts = ['hitRate>0.3', 'fallbacks<0.1%', 'warmUp.hitRate>30%'];
  const expected = judge(texts.map(criterion), { lap: reportWith(50, 25, 25), warmUp: undefined });
  const text = reportText({ ...WHOLE, laps: 3, expect: expected });
  expect(text).toContain('3 laps of the trace started');
  const lines = text.split('\n').filter((line) => /met|NOT MET/.test(line));
  expect(lines.map((line) => line.trim().split(/ {2,}/))).toEqual([
    ['2 of 3 criteria not met', 'Expected', 'Found in the first lap, 50 plans'],
    ['met', 'hitRate>0.3', '0.5'],
    ['NOT MET', 'fallbacks<0.1%', '10 %'],
    ['NOT MET', 'warmUp.hitRate>30%', 'too few plans: 50, and it takes 100'],
  ]);
});
