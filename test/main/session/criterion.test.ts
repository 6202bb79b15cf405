import { expect, test } from 'vitest';
import { parseCriterion, publishedCriteria } from '../../../src/main/session/criterion.ts';

test.each([
  ['hitRate>0.3', { stretch: 'lap', figure: 'hitRate', relation: '>', bound: 0.3, unit: undefined }],
  [' planningMs.mean <= 8s ', { figure: 'planningMs.mean', relation: '<=', bound: 8, unit: 's' }],
  ['planningMs.p99<250ms', { figure: 'planningMs.p99', relation: '<', bound: 250, unit: 'ms' }],
  ['timeouts < 10 %', { figure: 'timeouts', relation: '<', bound: 10, unit: '%' }],
  ['fallbacks=0', { relation: '=', bound: 0 }],
  ['fallbacks==0', { relation: '=', bound: 0 }],
  ['warmUp.hitRate>=30%', { stretch: 'warmUp', figure: 'hitRate', relation: '>=', bound: 30, unit: '%' }],
  ['afterWarmUp.why.no-time<1', { stretch: 'afterWarmUp', figure: 'why.no-time' }],
  ['calls.byCode.ERR_MODEL_INVALID_ID=0', { figure: 'calls.byCode.ERR_MODEL_INVALID_ID' }],
  ['models.0.latencyMs.p50<100', { figure: 'models.0.latencyMs.p50' }],
])('%j is a criterion', (text, parts) => {
  expect(parseCriterion(text)).toMatchObject({ text: text.trim(), ...parts });
});

test.each([
  '',
  'hitRate',
  'hitRate>',
  '>0.3',
  'hitRate>0.3>0.2',
  'hitRate=>0.3',
  'hitRate!=0.3',
  'hitRate>30 percent',
  'hitRate>.3',
  'hitRate>1e3',
  'hitRate>NaN',
  'hit rate>0.3',
  'planningMs.mean<5m',
])('%j is none', (text) => {
  expect(parseCriterion(text)).toBeUndefined();
});

test('the published list is of life: a simulated server of 100 times its speed has 50 ms for 5 s', () => {
  expect(publishedCriteria(1).map(({ text }) => text)).toEqual([
    'calls.byCode.ERR_MODEL_INVALID_ID=0',
    'warmUp.hitRate>30%',
    'afterWarmUp.hitRate>50%',
    'planningMs.mean<5000ms',
    'timeouts<10%',
    'llmSuccess>=80%',
    'fallbacks<5%',
  ]);
  expect(publishedCriteria(100).map(({ text }) => text)).toContain('planningMs.mean<50ms');
});
