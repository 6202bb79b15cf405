import { describe, expect, test } from 'vitest';
import type { Attempt } from '../../../../src/main/models/calls/attempt.ts';
import { AttemptLog, type AttemptSubject } from '../../../../src/main/models/calls/attempt-log.ts';
import { CALL_PHASES, type CallPhase } from '../../../../src/shared/model-client/failures.ts';

const EXPERT: AttemptSubject = { step: 'expert', role: 'one', model: 'e', endpoint: 'local' };
const SYNTHESIS: AttemptSubject = { step: 'synthesis', model: 'a', endpoint: 'local' };
const VOTE = { action: 'attack', reason: 'because' };

describe('the log', () => {
  test('is empty at the start', () => {
    expect(new AttemptLog().snapshot(0, 0)).toEqual([]);
  });

  test('lists attempts in the order of their start, however they end', () => {
    const log = new AttemptLog();
    const first = log.begin(EXPERT, 0);
    const second = log.begin(SYNTHESIS, 1);
    second.voted(VOTE, { totalMs: 5 }, 6);
    first.failed({ code: 'ERR_MODEL_RESET', message: 'gone', retryable: true }, { totalMs: 9 }, 9);
    expect(log.snapshot(10, 0).map(({ model, code }) => [model, code])).toEqual([
      ['e', 'ERR_MODEL_RESET'],
      ['a', 'OK'],
    ]);
  });
});

describe('an attempt', () => {
  test('tells its time from the start of the plan that looks, and how long it waited for a slot', () => {
    const log = new AttemptLog();
    const end = log.begin(EXPERT, 100);
    end.called(130);
    end.voted(VOTE, { totalMs: 20, queueMs: 4, promptTokens: 300, completionTokens: 12, estimated: 'both' }, 150);
    const told = {
      startMs: 60,
      waitMs: 30,
      latencyMs: 50,
      queueMs: 4,
      promptTokens: 300,
      completionTokens: 12,
      estimated: 'both',
    };
    expect(log.snapshot(900, 40)).toMatchObject([told]);
    expect(log.snapshot(900, 120)).toMatchObject([{ ...told, startMs: -20 }]);
  });

  test('is told as it ends, once, from the start of any plan', () => {
    const log = new AttemptLog();
    const heard: Attempt[] = [];
    log.onEnded = (attemptFrom) => void heard.push(attemptFrom(90));
    const end = log.begin(EXPERT, 100);
    log.begin(SYNTHESIS, 101);
    expect(heard).toEqual([]);
    end.voted(VOTE, { totalMs: 40 }, 150);
    end.failed({ code: 'ERR_CANCELLED', message: '', retryable: false }, undefined, 160);
    expect(heard).toEqual([{ ...EXPERT, code: 'OK', startMs: 10, waitMs: 50, latencyMs: 50, action: 'attack' }]);
    expect(log.ended(90)).toEqual(heard);
  });

  test('that voted tells its action, and its time from its start, not from that of its call', () => {
    const log = new AttemptLog();
    log.begin(EXPERT, 100).voted(VOTE, { totalMs: 40, firstTokenMs: 30 }, 150);
    expect(log.snapshot(900, 0)).toEqual([
      { ...EXPERT, code: 'OK', startMs: 100, waitMs: 50, latencyMs: 50, firstTokenMs: 30, action: 'attack' },
    ]);
  });

  test('that failed tells its code and message, and the first token where there was one', () => {
    const log = new AttemptLog();
    const error = { code: 'ERR_MODEL_TIMEOUT_STREAM', message: 'no answer within 5 ms', retryable: false } as const;
    const opened = () => {
      const end = log.begin(SYNTHESIS, 10);
      end.called(10);
      return end;
    };
    opened().failed(error, { totalMs: 5, firstTokenMs: 2 }, 15);
    opened().failed(error, { totalMs: 5 }, 15);
    opened().failed(error, undefined, 15);
    const { code, message } = error;
    const plain = { ...SYNTHESIS, code, message, lastSeen: 'token', startMs: 10, waitMs: 0, latencyMs: 5 };
    expect(log.snapshot(20, 0)).toEqual([{ ...plain, firstTokenMs: 2 }, plain, plain]);
  });

  test('that is open counts as ended by its plan, at the moment of looking', () => {
    const log = new AttemptLog();
    const end = log.begin(EXPERT, 100);
    expect(log.snapshot(130, 0)).toEqual([
      { ...EXPERT, code: 'ERR_PLAN_SETTLED', lastSeen: 'queued', startMs: 100, waitMs: 30, latencyMs: 30 },
    ]);
    expect(log.snapshot(100, 0)[0]?.latencyMs).toBe(0);
    expect(log.snapshot(99, 0)[0]?.latencyMs).toBe(0);
    end.voted(VOTE, { totalMs: 50 }, 150);
    expect(log.snapshot(200, 0)).toMatchObject([{ code: 'OK', latencyMs: 50 }]);
  });

  test('keeps its first end', () => {
    const log = new AttemptLog();
    const end = log.begin(EXPERT, 0);
    end.failed({ code: 'ERR_CANCELLED', message: 'cancelled', retryable: false }, undefined, 3);
    end.voted(VOTE, { totalMs: 9 }, 9);
    expect(log.snapshot(10, 0)).toMatchObject([{ code: 'ERR_CANCELLED', latencyMs: 3 }]);
  });

  test('in a snapshot does not change when it ends later', () => {
    const log = new AttemptLog();
    const end = log.begin(EXPERT, 0);
    const before = log.snapshot(5, 0);
    end.voted(VOTE, { totalMs: 9 }, 9);
    expect(before).toMatchObject([{ code: 'ERR_PLAN_SETTLED', latencyMs: 5 }]);
  });

  test.each([
    ['ERR_MODEL_TIMEOUT_CONNECT', {}, 'called'],
    ['ERR_MODEL_TIMEOUT_HEADERS', {}, 'sent'],
    ['ERR_MODEL_TIMEOUT_FIRST_TOKEN', { queueMs: 1 }, 'headers'],
    ['ERR_MODEL_TIMEOUT_STREAM', { queueMs: 1, firstTokenMs: 2 }, 'token'],
    ['ERR_PLAN_SETTLED', { queueMs: 1 }, 'headers'],
    ['ERR_CANCELLED', { queueMs: 1, firstTokenMs: 2 }, 'token'],
    ['ERR_CANCELLED', {}, 'sent'],
    ['ERR_MODEL_STATUS', { queueMs: 1 }, undefined],
    ['ERR_VOTE_NONE', { queueMs: 1, firstTokenMs: 2 }, undefined],
  ] as const)('cut by %s after %o was last seen: %s', (code, report, lastSeen) => {
    const log = new AttemptLog();
    const end = log.begin(EXPERT, 0);
    end.called(1);
    end.sent(() => 'headers');
    end.failed({ code, message: 'cut', retryable: false }, { totalMs: 9, ...report }, 10);
    expect(log.snapshot(20, 0)[0]?.lastSeen).toBe(lastSeen);
  });

  test('that runs tells how far it has come', () => {
    const log = new AttemptLog();
    const end = log.begin(EXPERT, 0);
    const seen = () => log.snapshot(20, 0)[0]?.lastSeen;
    const told = [seen()];
    end.called(1);
    told.push(seen());
    let phase: CallPhase | undefined = 'connect';
    end.sent(() => phase);
    for (phase of [...CALL_PHASES, undefined]) told.push(seen());
    phase = 'stream';
    end.chose('attack');
    told.push(seen());
    expect(told).toEqual(['queued', 'called', 'called', 'sent', 'headers', 'token', 'called', 'choice']);
  });
});
