import { describe, expect, test } from 'vitest';
import type { AttemptSubject } from '../../../src/main/models/calls/attempt-log.ts';
import { callOutcome, PlannerCounters } from '../../../src/main/plans/counters.ts';
import { PLAN_SOURCES } from '../../../src/shared/decision.ts';
import { ERROR_CODES, type ErrorCode } from '../../../src/shared/errors.ts';

const EXPERT: AttemptSubject = { step: 'expert', role: 'one', model: 'm', endpoint: 'local' };
const A: AttemptSubject = { step: 'synthesis', model: 'm', endpoint: 'local' };
const B: AttemptSubject = { step: 'fallback', model: 'n', endpoint: 'local' };

describe('the outcome of a call', () => {
  test('is useful, cancelled, out of time or failed: each code is exactly one', () => {
    expect(callOutcome('OK')).toBe('useful');
    const codes = Object.keys(ERROR_CODES) as ErrorCode[];
    const of = (outcome: string) => codes.filter((code) => callOutcome(code) === outcome);
    expect(of('cancelled')).toEqual(['ERR_CANCELLED']);
    expect(of('timeout').sort()).toEqual([
      'ERR_MODEL_TIMEOUT_CONNECT',
      'ERR_MODEL_TIMEOUT_FIRST_TOKEN',
      'ERR_MODEL_TIMEOUT_HEADERS',
      'ERR_MODEL_TIMEOUT_STREAM',
      'ERR_PLAN_SETTLED',
      'ERR_WORKER_STUCK',
    ]);
    expect(of('failed')).toHaveLength(codes.length - 7);
  });
});

describe('the calls', () => {
  test('add up: made is what ended in some way and what still runs', () => {
    const counters = new PlannerCounters();
    const codes = ['OK', 'OK', 'ERR_CANCELLED', 'ERR_MODEL_TIMEOUT_HEADERS', 'ERR_VOTE_ILLEGAL'] as const;
    for (const code of codes) {
      counters.callStarted(EXPERT);
      counters.callEnded(EXPERT, code, { totalMs: 1 });
    }
    counters.callStarted(EXPERT);
    expect(counters.calls()).toEqual({
      made: 6,
      useful: 2,
      timeouts: 1,
      cancelled: 1,
      failed: 1,
      running: 1,
      successRate: 0.5,
    });
    expect(Object.fromEntries(counters.codes)).toEqual({
      OK: 2,
      ERR_CANCELLED: 1,
      ERR_MODEL_TIMEOUT_HEADERS: 1,
      ERR_VOTE_ILLEGAL: 1,
    });
  });

  test('have a success rate of zero while none has ended that was wanted', () => {
    const counters = new PlannerCounters();
    expect(counters.calls().successRate).toBe(0);
    counters.callStarted(EXPERT);
    counters.callEnded(EXPERT, 'ERR_CANCELLED', { totalMs: 1 });
    expect(counters.calls()).toMatchObject({ cancelled: 1, running: 0, successRate: 0 });
  });
});

describe('the table of models', () => {
  test('has one line for a model in a step at an endpoint; synthesis and fallback are the same step', () => {
    const counters = new PlannerCounters();
    for (const subject of [EXPERT, { ...EXPERT, role: 'two' }, A, { ...A, step: 'fallback' as const }, B]) {
      counters.callStarted(subject);
      counters.callEnded(subject, 'OK', { totalMs: 1 });
    }
    counters.callStarted({ ...A, endpoint: 'other' });
    expect(counters.models().map(({ step, endpoint, model, made }) => [step, endpoint, model, made])).toEqual([
      ['expert', 'local', 'm', 2],
      ['synthesis', 'local', 'm', 2],
      ['synthesis', 'local', 'n', 1],
      ['synthesis', 'other', 'm', 1],
    ]);
  });

  test('sums tokens, and measures first tokens of all calls but the latency only of those that were wanted', () => {
    const counters = new PlannerCounters();
    const tokens = { promptTokens: 100, completionTokens: 7, cachedTokens: 60 };
    counters.callStarted(A);
    counters.callEnded(A, 'OK', { totalMs: 40, firstTokenMs: 10, ...tokens });
    counters.callStarted(A);
    counters.callEnded(A, 'ERR_CANCELLED', { totalMs: 1_000, firstTokenMs: 20 });
    counters.callStarted(A);
    counters.callEnded(A, 'ERR_MODEL_RESET', { totalMs: 40, ...tokens });
    expect(counters.models()[0]).toMatchObject({
      promptTokens: 200,
      completionTokens: 14,
      cachedTokens: 120,
      latencyMs: { count: 2 },
      firstTokenMs: { count: 2 },
    });
    expect(counters.models()[0]?.latencyMs.max).toBeLessThan(41);
  });

  test('sums what is estimated of them aside', () => {
    const counters = new PlannerCounters();
    const tokens = { promptTokens: 100, completionTokens: 7 };
    for (const estimated of [undefined, 'prompt', 'completion', 'both'] as const) {
      counters.callStarted(A);
      counters.callEnded(A, 'OK', { totalMs: 1, ...tokens, ...(estimated === undefined ? {} : { estimated }) });
    }
    expect(counters.models()[0]).toMatchObject({
      promptTokens: 400,
      completionTokens: 28,
      promptTokensEstimated: 200,
      completionTokensEstimated: 14,
    });
  });
});

test('every source of plans is counted from zero', () => {
  const { sources } = new PlannerCounters();
  expect(sources).toEqual(Object.fromEntries(PLAN_SOURCES.map((source) => [source, 0])));
});
