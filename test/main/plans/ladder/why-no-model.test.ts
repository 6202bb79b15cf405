import { describe, expect, test } from 'vitest';
import type { Attempt } from '../../../../src/main/models/calls/attempt.ts';
import { WHY_CODE_LIST } from '../../../../src/main/plans/ladder/why.ts';
import { type Undecided, whyNoModel, whyOf } from '../../../../src/main/plans/ladder/why-no-model.ts';
import { ERROR_CODES, type ErrorCode } from '../../../../src/shared/errors.ts';

function attempt(overrides: Partial<Attempt>): Attempt {
  const subject = { step: 'expert', role: 'one', model: 'e', endpoint: 'l' } as const;
  return { ...subject, code: 'ERR_PLAN_SETTLED', startMs: 0, waitMs: 0, latencyMs: 585, ...overrides };
}

function why(attempts: readonly Partial<Attempt>[], more: Partial<Undecided> = {}): [string, string] {
  const { code, message } = whyNoModel({ attempts: attempts.map(attempt), timeMs: 600, ...more });
  return [code, message];
}

const times = (count: number, of: Partial<Attempt>): Partial<Attempt>[] => Array(count).fill(of);
const usual = (totalMs: number, begunMs?: number) => ({ usual: () => ({ totalMs, begunMs }) });

describe('the cause of calls that were cut is how far they had come', () => {
  test.each<[Partial<Attempt>[], string, string]>([
    [times(3, { lastSeen: 'sent' }), 'server-silent', 'l took 3 calls and sent nothing in 585 ms'],
    [[{ lastSeen: 'sent' }], 'server-silent', 'l took 1 call and sent nothing in 585 ms'],
    [
      [{ code: 'ERR_MODEL_TIMEOUT_HEADERS', lastSeen: 'sent', latencyMs: 2_040 }],
      'server-silent',
      'l took 1 call and sent nothing in 2.0 s',
    ],
    [times(2, { lastSeen: 'headers' }), 'server-silent', 'l took 2 calls and sent headers but no token in 585 ms'],
    [
      [{ lastSeen: 'sent' }, { lastSeen: 'headers', latencyMs: 300 }],
      'server-silent',
      'l took 1 call and sent nothing in 585 ms; l took 1 call and sent headers but no token in 300 ms',
    ],
    [[{ lastSeen: 'token' }], 'unfinished', 'l had begun 1 answer and not finished it in 585 ms'],
    [
      [{ lastSeen: 'token' }, { lastSeen: 'choice' }],
      'unfinished',
      'l had begun 2 answers and finished none in 585 ms',
    ],
    [times(2, { lastSeen: 'called' }), 'unreachable', 'l accepted no connection for 2 calls in 585 ms'],
    [[{ lastSeen: 'queued', waitMs: 585 }], 'no-slot', 'no slot of l became free in 585 ms'],
  ])('%#', (attempts, code, message) => {
    expect(why(attempts)).toEqual([code, message]);
  });
});

describe('a call that had less time than usual says nothing of its server', () => {
  test.each<[Partial<Attempt>, Partial<Undecided>, string, string]>([
    [{ lastSeen: 'sent' }, usual(3_000), 'too-short', 'l had 585 ms for a call that usually takes 3.0 s'],
    [{ lastSeen: 'token' }, usual(3_000, 100), 'too-short', 'l had 585 ms for a call that usually takes 3.0 s'],
    // Nearly all answers have begun by then, so that this server hangs.
    [{ lastSeen: 'sent' }, usual(3_000, 500), 'server-silent', 'l took 1 call and sent nothing in 585 ms'],
    [{ lastSeen: 'sent' }, usual(500), 'server-silent', 'l took 1 call and sent nothing in 585 ms'],
    [
      { lastSeen: 'sent', waitMs: 400 },
      usual(250),
      'no-slot',
      'a slot of l became free after 400 ms and left 185 ms for a call that usually takes 250 ms',
    ],
    [{ lastSeen: 'called', latencyMs: 12.3 }, {}, 'too-short', 'l had 12 ms for a call'],
    [{ lastSeen: 'sent', latencyMs: 99 }, {}, 'too-short', 'l had 99 ms for a call'],
    [{ lastSeen: 'sent', latencyMs: 100 }, {}, 'server-silent', 'l took 1 call and sent nothing in 100 ms'],
    [
      { lastSeen: 'called', latencyMs: 585, waitMs: 580.4 },
      {},
      'no-slot',
      'a slot of l became free after 580 ms and left 4.6 ms for a call',
    ],
  ])('%#', (of, more, code, message) => {
    expect(why([of], more)).toEqual([code, message]);
  });
});

describe('a slot that no call gives back', () => {
  const queued = { lastSeen: 'queued', waitMs: 585 } as const;
  const silent = 'no slot of l became free in 585 ms: it holds 4 calls without a token, the oldest for 2.1 s';
  const one = 'no slot of l became free in 585 ms: it holds a call without a token for 9.0 s';

  test.each<[Partial<Undecided>, string, string]>([
    [{ silenceAt: () => ({ calls: 4, oldestMs: 2_100 }) }, 'server-silent', silent],
    [{ silenceAt: () => ({ calls: 1, oldestMs: 9_000 }) }, 'server-silent', one],
    [{ silenceAt: () => ({ calls: 4, oldestMs: 2_000 }) }, 'no-slot', 'no slot of l became free in 585 ms'],
    // As long as some answers take to begin there.
    [
      { silenceAt: () => ({ calls: 4, oldestMs: 2_100 }), ...usual(9_000, 5_000) },
      'no-slot',
      'no slot of l became free in 585 ms',
    ],
    [{ silenceAt: () => undefined }, 'no-slot', 'no slot of l became free in 585 ms'],
  ])('%#', (more, code, message) => {
    expect(why([queued], more)).toEqual([code, message]);
    expect(why([{ code: 'ERR_ENDPOINT_BUSY', waitMs: 585 }], more)).toEqual([code, message]);
  });
});

test.each<['OK' | ErrorCode, string, string]>([
  ['OK', 'no-vote', 'l was not sure enough of any action in 2 answers'],
  ['ERR_VOTE_NONE', 'no-vote', 'l gave 2 answers that were no vote for one of the actions (ERR_VOTE_NONE)'],
  ['ERR_VOTE_ILLEGAL', 'no-vote', 'l gave 2 answers that were no vote for one of the actions (ERR_VOTE_ILLEGAL)'],
  ['ERR_VOTE_AMBIGUOUS', 'no-vote', 'l gave 2 answers that were no vote for one of the actions (ERR_VOTE_AMBIGUOUS)'],
  ['ERR_MODEL_EMPTY', 'no-vote', 'l gave 2 answers that were no vote for one of the actions (ERR_MODEL_EMPTY)'],
  ['ERR_MODEL_STATUS', 'server-failed', '2 calls to l failed (ERR_MODEL_STATUS)'],
  ['ERR_MODEL_RESET', 'server-failed', '2 calls to l failed (ERR_MODEL_RESET)'],
  ['ERR_MODEL_MALFORMED', 'server-failed', '2 calls to l failed (ERR_MODEL_MALFORMED)'],
  ['ERR_MODEL_TOO_LARGE', 'server-failed', '2 calls to l failed (ERR_MODEL_TOO_LARGE)'],
  ['ERR_MODEL_OVERLOADED', 'server-overloaded', 'l says that it is overloaded or still loading'],
  ['ERR_MODEL_REJECTED', 'server-refused', 'l refused 2 calls (ERR_MODEL_REJECTED)'],
  ['ERR_MODEL_SCHEMA', 'server-refused', 'l refused 2 calls (ERR_MODEL_SCHEMA)'],
  ['ERR_MODEL_INVALID_ID', 'server-refused', 'l refused 2 calls (ERR_MODEL_INVALID_ID)'],
  ['ERR_MODEL_REFUSED', 'unreachable', 'nothing listens at the address of l'],
  ['ERR_ENDPOINT_RESTING', 'resting', 'l rests after failures'],
  ['ERR_STEP_SKIPPED', 'too-short', 'too little time was left for a call to l'],
  ['ERR_WORKER_STUCK', 'internal', '2 calls to l failed in Conclave itself (ERR_WORKER_STUCK)'],
  ['ERR_WORKER_EXITED', 'internal', '2 calls to l failed in Conclave itself (ERR_WORKER_EXITED)'],
  ['ERR_POOL_FULL', 'internal', '2 calls to l failed in Conclave itself (ERR_POOL_FULL)'],
  ['ERR_INTERNAL', 'internal', '2 calls to l failed in Conclave itself (ERR_INTERNAL)'],
])('%s is %s', (failure, code, message) => {
  expect(why(times(2, { code: failure, message: 'said \u001b[31m by the server' }))).toEqual([code, message]);
});

test('every model failure of the error table has a cause that is not a bug', () => {
  const failures = Object.keys(ERROR_CODES).filter((code) => /^ERR_(?:MODEL|VOTE)_/.test(code)) as ErrorCode[];
  // At start only.
  const found = failures.filter((code) => code !== 'ERR_MODEL_MISSING' && !code.startsWith('ERR_MODEL_TIMEOUT'));
  expect(found.filter((code) => why([{ code }])[0] === 'internal')).toEqual([]);
});

describe('several causes', () => {
  test('the call that came nearest to a vote gives the code, and the sentence tells of all', () => {
    const attempts: Partial<Attempt>[] = [
      { code: 'ERR_ENDPOINT_RESTING', endpoint: 'm', latencyMs: 0 },
      { lastSeen: 'sent' },
      { code: 'ERR_VOTE_NONE', endpoint: 'n' },
    ];
    const message =
      'n gave 1 answer that was no vote for one of the actions (ERR_VOTE_NONE); l took 1 call and sent nothing in 585 ms; m rests after failures';
    expect(why(attempts)).toEqual(['no-vote', message]);
  });

  test('a call that was made comes before one that never was', () => {
    const attempts: Partial<Attempt>[] = [{ lastSeen: 'queued', waitMs: 585 }, { lastSeen: 'sent' }];
    expect(why(attempts, usual(3_000))[0]).toBe('too-short');
  });

  test('at most three are told', () => {
    const attempts = ['a', 'b', 'c', 'd'].map((endpoint) => ({ lastSeen: 'sent', endpoint }) as const);
    expect(why(attempts)[1].split('; ')).toHaveLength(3);
  });

  test('a call that was given up for another plan is told as such, where calls were', () => {
    const given = { code: 'ERR_CANCELLED', lastSeen: 'sent' } as const;
    expect(why([given], { gaveWay: true })).toEqual([
      'gave-way',
      '1 call to l gave way to plans that could be in time',
    ]);
    expect(why([given])[0]).toBe('server-silent');
    expect(why([{ lastSeen: 'sent' }], { gaveWay: true })[0]).toBe('server-silent');
  });
});

describe('a plan as a whole', () => {
  test('what cut it comes before what its calls saw', () => {
    for (const cut of ['superseded', 'closing'] as const) {
      expect(why([{ lastSeen: 'sent' }], { cut })[0]).toBe(cut);
    }
  });

  test('without attempts it says why nobody was asked; else it was a bug', () => {
    expect(why([], { unasked: 'no-turn' })[0]).toBe('no-turn');
    expect(why([])).toEqual(['internal', 'the model work of this plan failed by a bug: a warning has the details']);
  });

  test.each(WHY_CODE_LIST)('%s has a sentence without attempts too', (code) => {
    expect(whyOf(code, 600)).toEqual({ code, message: expect.stringMatching(/^[a-z0-9][^.]{10,160}$/) });
  });
});
