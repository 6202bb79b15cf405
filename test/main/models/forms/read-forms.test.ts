import { beforeEach, describe, expect, test } from 'vitest';
import { ReadForms, readManner } from '../../../../src/main/models/forms/read-forms.ts';
import { type ErrorCode, PlannerError } from '../../../../src/shared/errors.ts';
import type { ReadCall, ReadForm, ReadOutcome } from '../../../../src/shared/reads/reading.ts';
import type { ExpertResult } from '../../../../src/shared/tasks.ts';
import type { ChatCaller } from '../../../../src/shared/vote-answer.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const REPORT = { totalMs: 1 };
const OK: ExpertResult = { ok: true, vote: { action: 'wait', reason: '' }, report: REPORT };
const [AT, MODEL] = ['local', 'phi'];

function failed(code: ErrorCode): ExpertResult {
  return { ok: false, error: { code, message: '', retryable: false }, report: REPORT };
}

let clock: FakeClock;
let forms: ReadForms;

beforeEach(() => {
  clock = new FakeClock(1_000);
  forms = new ReadForms(clock);
});

function form(): ReadForm | undefined {
  return forms.formFor(AT, MODEL);
}

/** Makes one call in the form that is to be asked for. Returns whether the next form may be tried at once. */
function call(result: ExpertResult): boolean {
  return forms.observe(AT, MODEL, form() as ReadForm, result);
}

/** Until none is left. */
function loseAll(): void {
  for (let i = 0; i < 3; i++) expect(call(failed('ERR_METHOD_UNKNOWN'))).toBe(true);
}

describe('forms of reads', () => {
  test('are tried from the best on', () => {
    expect(form()).toBe('decisions');
    call(failed('ERR_METHOD_UNKNOWN'));
    expect(form()).toBe('systemone');
    call(failed('ERR_METHOD_UNKNOWN'));
    expect(form()).toBe('logprobs');
    call(failed('ERR_METHOD_UNKNOWN'));
    expect(form()).toBeUndefined();
  });

  test('are known for each model at each endpoint', () => {
    call(failed('ERR_METHOD_UNKNOWN'));
    expect(forms.formFor(AT, 'other')).toBe('decisions');
    expect(forms.formFor('other', MODEL)).toBe('decisions');
  });

  test('count as shown once an answer was of use', () => {
    expect(forms.shownFor(AT, MODEL)).toBeUndefined();
    expect(call(OK)).toBe(false);
    expect(forms.shownFor(AT, MODEL)).toBe('decisions');
  });

  test.each<ErrorCode>(['ERR_METHOD_UNKNOWN', 'ERR_MODEL_REJECTED', 'ERR_MODEL_MALFORMED', 'ERR_MODEL_EMPTY'])(
    'one that has never worked is left at once on %s',
    (code) => {
      expect(call(failed(code))).toBe(true);
      expect(form()).toBe('systemone');
    },
  );

  test.each<ErrorCode>([
    'ERR_MODEL_STATUS',
    'ERR_MODEL_TIMEOUT_HEADERS',
    'ERR_MODEL_TIMEOUT_FIRST_TOKEN',
    'ERR_MODEL_RESET',
  ])('one that has never worked is left at the third %s', (code) => {
    expect([call(failed(code)), call(failed(code)), call(failed(code))]).toEqual([false, false, true]);
    expect(form()).toBe('systemone');
  });

  test.each<ErrorCode>(['ERR_MODEL_STATUS', 'ERR_MODEL_TIMEOUT_HEADERS', 'ERR_MODEL_OVERLOADED', 'ERR_CANCELLED'])(
    'one that works is not left on %s',
    (code) => {
      call(OK);
      for (let i = 0; i < 20; i++) expect(call(failed(code))).toBe(false);
      expect(forms.shownFor(AT, MODEL)).toBe('decisions');
    },
  );

  test.each<ErrorCode>(['ERR_CANCELLED', 'ERR_PLAN_SETTLED', 'ERR_MODEL_REFUSED', 'ERR_MODEL_OVERLOADED'])(
    '%s says nothing of a form',
    (code) => {
      for (let i = 0; i < 20; i++) expect(call(failed(code))).toBe(false);
      expect(form()).toBe('decisions');
    },
  );

  test.each<ErrorCode>(['ERR_MODEL_MALFORMED', 'ERR_MODEL_EMPTY', 'ERR_MODEL_REJECTED'])(
    'one that works is left where 3 of the latest 8 are %s',
    (code) => {
      call(OK);
      const results = [failed(code), OK, failed(code), OK, OK, OK, OK, OK];
      // The first miss is forgotten by the time of the third.
      for (const result of results) expect(call(result)).toBe(false);
      expect(call(failed(code))).toBe(false);
      expect(call(OK)).toBe(false);
      expect(call(failed(code))).toBe(false);
      expect(call(failed(code))).toBe(true);
      expect(form()).toBe('systemone');
    },
  );

  test('one that a server forgot is left at once', () => {
    call(OK);
    expect(call(failed('ERR_METHOD_UNKNOWN'))).toBe(true);
    expect(form()).toBe('systemone');
  });

  test('a late answer in a form that was left teaches nothing', () => {
    call(failed('ERR_METHOD_UNKNOWN'));
    expect(forms.observe(AT, MODEL, 'decisions', OK)).toBe(false);
    expect(forms.shownFor(AT, MODEL)).toBeUndefined();
    expect(forms.observe(AT, MODEL, 'decisions', failed('ERR_METHOD_UNKNOWN'))).toBe(false);
    expect(form()).toBe('systemone');
  });
});

describe('a model that could not be read', () => {
  test('is tried again after ten minutes, from the first form on', () => {
    loseAll();
    clock.advance(599_999);
    expect(form()).toBeUndefined();
    clock.advance(1);
    expect(form()).toBe('decisions');
    call(OK);
    expect(forms.shownFor(AT, MODEL)).toBe('decisions');
  });

  test('and again ten minutes after that', () => {
    loseAll();
    clock.advance(600_000);
    loseAll();
    expect(form()).toBeUndefined();
    clock.advance(600_000);
    expect(form()).toBe('decisions');
  });
});

test('a form that worked and was lost is tried again, though another one works meanwhile', () => {
  call(OK);
  call(failed('ERR_METHOD_UNKNOWN'));
  call(OK);
  expect(forms.shownFor(AT, MODEL)).toBe('systemone');
  clock.advance(599_999);
  expect(form()).toBe('systemone');
  clock.advance(1);
  expect(form()).toBe('decisions');
});

test('a form below others that never worked stays', () => {
  call(failed('ERR_METHOD_UNKNOWN'));
  call(OK);
  clock.advance(10_000_000);
  expect(form()).toBe('systemone');
});

test('a model that writes a blank first is asked for two tokens, at once and from then on, in the same form', () => {
  call(failed('ERR_METHOD_UNKNOWN'));
  call(failed('ERR_METHOD_UNKNOWN'));
  const tokens = (): number | undefined => forms.mannerFor({ endpoint: AT, model: MODEL, kind: 'llamacpp' }).tokensMax;
  expect(tokens()).toBe(1);
  expect(call({ ...OK, report: { ...REPORT, startsBlank: true } })).toBe(true);
  expect([form(), tokens()]).toEqual(['logprobs', 2]);
  expect(call(OK)).toBe(false);
  expect([forms.shownFor(AT, MODEL), tokens()]).toEqual(['logprobs', 2]);
});

describe('a probe', () => {
  /** A server that answers each form like this. */
  function caller(says: Partial<Record<ReadForm, 'OK' | ErrorCode>>): ChatCaller & { readonly asked: ReadCall[] } {
    const asked: ReadCall[] = [];
    const read = async (call: ReadCall): Promise<ReadOutcome> => {
      asked.push(call);
      const code = says[call.form] ?? 'ERR_METHOD_UNKNOWN';
      if (code !== 'OK') return { ok: false, failure: new PlannerError(code, code), report: REPORT };
      return { ok: true, readings: [{ role: 'probe', probabilities: [1, 0] }], report: REPORT };
    };
    return { chat: () => Promise.reject(new Error('a probe of reads does not chat')), read, asked };
  }

  const at = { endpoint: AT, model: MODEL, kind: 'llamacpp' } as const;

  test.each<[ReadForm, readonly ReadForm[]]>([
    ['decisions', ['decisions']],
    ['systemone', ['decisions', 'systemone']],
    ['logprobs', ['decisions', 'systemone', 'logprobs']],
  ])('finds %s, and asks no further', async (found, asked) => {
    const server = caller({ [found]: 'OK' });
    await forms.probe(at, server, 'You choose.', 1_000);
    expect(server.asked.map((each) => each.form)).toEqual(asked);
    expect(forms.shownFor(AT, MODEL)).toBe(found);
  });

  test('of a model that cannot be read ends with none', async () => {
    const server = caller({});
    await forms.probe(at, server, 'You choose.', 1_000);
    expect(server.asked).toHaveLength(3);
    expect(form()).toBeUndefined();
  });

  test('that has no time leaves the question to the first call', async () => {
    const server = caller({ decisions: 'ERR_MODEL_TIMEOUT_HEADERS' });
    await forms.probe(at, server, 'You choose.', 1_000);
    expect(server.asked).toHaveLength(1);
    expect(form()).toBe('decisions');
    expect(forms.shownFor(AT, MODEL)).toBeUndefined();
  });

  test('of a caller that cannot read says nothing', async () => {
    await forms.probe(at, { chat: caller({}).chat }, 'You choose.', 1_000);
    expect(form()).toBe('decisions');
  });

  test('that is cancelled says nothing', async () => {
    await forms.probe(at, caller({}), 'You choose.', 1_000, AbortSignal.abort());
    expect(form()).toBe('decisions');
  });
});

test('OpenAI and Ollama are asked for no more than the 20 alternatives that they tell', () => {
  expect(readManner('ollama')).toEqual({ alternativesMax: 20, thinkingSwitch: 'effort' });
  expect(readManner('llamacpp')).toMatchObject({ thinkingSwitch: 'template' });
  expect(readManner('lmstudio').thinkingSwitch).toBeUndefined();
  expect(readManner('llamacpp').alternativesMax).toBeGreaterThan(26);
});
