import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PlannerError } from '../../../src/shared/errors.ts';
import { labelsFor } from '../../../src/shared/reads/labels.ts';
import { readReadings } from '../../../src/shared/reads/read-answer.ts';
import { pooled, READ_FORMS, type ReadCall, type ReadForm, type Reading } from '../../../src/shared/reads/reading.ts';

const ROLES = ['scout', '__proto__'];

function callOf(form: ReadForm, more: Partial<ReadCall> = {}): ReadCall {
  return {
    form,
    model: 'm',
    system: 'You choose.',
    state: 'SITUATION',
    roles: ROLES.slice(0, 1),
    actions: ['attack', 'block'],
    timeoutMs: 1_000,
    alternativesMax: 20,
    ...more,
  };
}

function read(form: ReadForm, body: unknown, more: Partial<ReadCall> = {}): readonly Reading[] {
  return readReadings(callOf(form, more), body);
}

function codeOf(form: ReadForm, body: unknown, more: Partial<ReadCall> = {}): string {
  try {
    read(form, body, more);
  } catch (error) {
    expect(error).toBeInstanceOf(PlannerError);
    return (error as PlannerError).code;
  }
  return 'OK';
}

/** One answer of each form that gives the labels these probabilities. JSON text, so that members of any name are own ones. */
const WRITTEN: Readonly<
  Record<ReadForm, (told: readonly (readonly [label: string, probability: unknown])[]) => string>
> = {
  decisions: (told) => {
    const probabilities = told.map(([value, probability]) => ({ value, probability }));
    return JSON.stringify({ answers: [{ type: 'choice', choice: '1', probabilities }] });
  },
  systemone: (told) => {
    const members = told.map(([label, probability]) => `${JSON.stringify(label)}:${JSON.stringify(probability)}`);
    return `{"answers":{"q1":{"choice":"1","probabilities":{${members.join()}}}}}`;
  },
  logprobs: (told) => {
    const top = told.map(([token, probability]) => {
      return { token, logprob: typeof probability === 'number' ? Math.log(Math.max(probability, 1e-30)) : probability };
    });
    return JSON.stringify({ choices: [{ logprobs: { content: [{ token: told[0]?.[0], top_logprobs: top }] } }] });
  },
};

function bodyOf(form: ReadForm, told: readonly (readonly [string, unknown])[]): unknown {
  return JSON.parse(WRITTEN[form](told));
}

describe.each(READ_FORMS)('an answer of the form %s', (form) => {
  test.each<[string, (readonly [string, unknown])[], [number, number]]>([
    [
      'both options',
      [
        ['1', 0.7],
        ['2', 0.3],
      ],
      [0.7, 0.3],
    ],
    [
      'the options in another order',
      [
        ['2', 0.3],
        ['1', 0.7],
      ],
      [0.7, 0.3],
    ],
    ['a missing option', [['2', 0.9]], [0, 0.9]],
    [
      'an unknown option beside them',
      [
        ['1', 0.5],
        ['C', 0.3],
        ['2', 0.2],
      ],
      [0.5, 0.2],
    ],
    [
      'all mass elsewhere',
      [
        ['x', 0.9],
        ['y', 0.1],
      ],
      [0, 0],
    ],
    [
      'a sum far below 1',
      [
        ['1', 0.2],
        ['2', 0.1],
      ],
      [0.2, 0.1],
    ],
    [
      'a sum a little above 1',
      [
        ['1', 0.606],
        ['2', 0.404],
      ],
      [0.6, 0.4],
    ],
    [
      'an option that is called __proto__',
      [
        ['__proto__', 0.5],
        ['1', 0.5],
      ],
      [0.5, 0],
    ],
  ])('%s is read as what it says', (_, told, expected) => {
    const [reading] = read(form, bodyOf(form, told)) as [Reading];
    expect(reading.role).toBe('scout');
    for (const [index, probability] of expected.entries())
      expect(reading.probabilities[index]).toBeCloseTo(probability, 6);
  });

  test.each<[string, (readonly [string, unknown])[]]>([
    [
      'a sum far above 1',
      [
        ['1', 0.9],
        ['2', 0.9],
      ],
    ],
    [
      'a number that is a string',
      [
        ['1', '0.9'],
        ['2', 0.1],
      ],
    ],
    [
      'no number',
      [
        ['1', Number.NaN],
        ['2', 'NaN'],
      ],
    ],
    [
      'a list for a number',
      [
        ['1', [0.5]],
        ['2', 0.5],
      ],
    ],
  ])('%s is no distribution', (_, told) => {
    expect(codeOf(form, bodyOf(form, told))).toBe('ERR_MODEL_MALFORMED');
  });

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a number', 5],
    ['a string', 'attack'],
    ['an empty object', {}],
    ['a list', []],
    ['an inherited member', Object.create({ answers: [], choices: [] })],
    ['answers of null', { answers: null, choices: null }],
    ['answers that are a string', { answers: 'q1', choices: 'q1' }],
    ['empty answers', { answers: form === 'decisions' ? [] : {}, choices: [] }],
    [
      'an answer in words',
      { choices: [{ message: { content: '1' } }], answers: form === 'decisions' ? [{}] : { q1: {} } },
    ],
  ])('%s is malformed', (_, body) => {
    expect(codeOf(form, body)).toBe('ERR_MODEL_MALFORMED');
  });

  test('one action is read as well as 26', () => {
    expect(read(form, bodyOf(form, [['1', 0.8]]), { actions: ['wait'] })[0]?.probabilities[0]).toBeCloseTo(0.8, 6);
    const actions = Array.from({ length: 26 }, (_, index) => `act ${index}`);
    const told = labelsFor(actions).map((label, index) => [label, index === 25 ? 0.75 : 0.01] as const);
    const [reading] = read(form, bodyOf(form, told), { actions }) as [Reading];
    expect(reading.probabilities).toHaveLength(26);
    expect(reading.probabilities[25]).toBeCloseTo(0.75, 6);
  });

  test('actions that are numbers are told by letters, never by themselves', () => {
    const body = bodyOf(form, [
      ['2', 0.6],
      ['A', 0.1],
      ['B', 0.2],
    ]);
    const [{ probabilities }] = read(form, body, { actions: ['2', '1'] }) as [Reading];
    expect(probabilities[0]).toBeCloseTo(0.1, 6);
    expect(probabilities[1]).toBeCloseTo(0.2, 6);
  });

  test('whatever comes is a distribution or a coded error', () => {
    const label = fc.oneof(fc.constantFrom('1', '2', '3', ' 1', 'A', '__proto__', 'toString'), fc.string());
    const value = fc.oneof(fc.double(), fc.double({ min: 0, max: 1 }), fc.double({ min: -50, max: 0 }), fc.jsonValue());
    const shaped = fc.array(fc.tuple(label, value), { maxLength: 6 }).map((told) => bodyOf(form, told));
    fc.assert(
      fc.property(fc.oneof(shaped, fc.jsonValue()), (body) => {
        let readings: readonly Reading[];
        try {
          readings = read(form, body);
        } catch (error) {
          expect(error).toBeInstanceOf(PlannerError);
          return;
        }
        expect(readings.length).toBeGreaterThan(0);
        for (const { probabilities } of readings) {
          expect(probabilities).toHaveLength(2);
          for (const each of probabilities) expect(each >= 0 && each <= 1).toBe(true);
          expect(probabilities.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(1 + 1e-9);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('several questions', () => {
  const choice = (first: number): object => ({
    type: 'choice',
    probabilities: [
      { value: '1', probability: first },
      { value: '2', probability: 1 - first },
    ],
  });
  const refusal = { type: 'refusal', refusal: 'no' };

  test('decisions: a refusal of one does not spoil the other', () => {
    const readings = read('decisions', { answers: [refusal, choice(0.2)] }, { roles: ROLES });
    expect(readings).toEqual([{ role: '__proto__', probabilities: [0.2, 0.8] }]);
  });

  test('decisions: a refusal of all is an empty answer', () => {
    expect(codeOf('decisions', { answers: [refusal, refusal] }, { roles: ROLES })).toBe('ERR_MODEL_EMPTY');
  });

  test('decisions: a value is its label, not something that looks like it', () => {
    const probabilities = [
      { value: 1, probability: 0.9 },
      { value: true, probability: 0.1 },
    ];
    expect(read('decisions', { answers: [{ probabilities }] })[0]?.probabilities).toEqual([0, 0]);
  });

  test('decisions: an answer too few is malformed', () => {
    expect(codeOf('decisions', { answers: [choice(0.5)] }, { roles: ROLES })).toBe('ERR_MODEL_MALFORMED');
  });

  test.each([[null], [{ refusal: 'no' }]])('systemone: %j is a refusal', (declined) => {
    const body = { answers: { q1: declined, q2: { probabilities: { 1: 0.25, 2: 0.75 } } } };
    expect(read('systemone', body, { roles: ROLES })).toEqual([{ role: '__proto__', probabilities: [0.25, 0.75] }]);
    expect(codeOf('systemone', { answers: { q1: declined, q2: declined } }, { roles: ROLES })).toBe('ERR_MODEL_EMPTY');
  });

  test('systemone: a list of probabilities is not read by its indexes', () => {
    expect(codeOf('systemone', { answers: { q1: { probabilities: [0.1, 0.2, 0.7] } } })).toBe('ERR_MODEL_MALFORMED');
  });

  test.each<[unknown, readonly number[]]>([
    [0.5, [0.4, 0.1]],
    [1, [0.8, 0.2]],
    [1.000_000_5, [0.8, 0.2]],
    [0, [0, 0]],
    ['0.5', [0.8, 0.2]],
    [-1, [0.8, 0.2]],
    [undefined, [0.8, 0.2]],
  ])('systemone: a label mass of %j leaves the rest to doubt', (mass, expected) => {
    const body = { answers: { q1: { probabilities: { 1: 0.8, 2: 0.2 } } }, diagnostics: { q1: { label_mass: mass } } };
    expect(read('systemone', body)[0]?.probabilities).toEqual(expected);
  });
});

describe('log probabilities', () => {
  const bodyWith = (top: unknown, token?: unknown): unknown => ({
    choices: [{ logprobs: { content: [{ token, top_logprobs: top }] } }],
  });

  test('the spellings of one label add up', () => {
    const top = [
      ['1', 0.4],
      [' 1', 0.2],
      ['▁2', 0.1],
      ['Ġ2', 0.1],
      ['2.', 0.1],
      ['the', 0.1],
    ] as const;
    const [{ probabilities }] = read('logprobs', bodyOf('logprobs', top)) as [Reading];
    expect(probabilities[0]).toBeCloseTo(0.6, 6);
    expect(probabilities[1]).toBeCloseTo(0.3, 6);
  });

  test.each([['<think>'], ['\n<think>'], ['</think>'], ['<|channel|>'], ['[THINK]']])(
    'a model that begins with %j can only be asked in words',
    (token) => {
      expect(codeOf('logprobs', bodyWith([{ token, logprob: -0.01 }], token))).toBe('ERR_MODEL_REJECTED');
      expect(codeOf('logprobs', bodyWith([{ token, logprob: -0.01 }]))).toBe('ERR_MODEL_REJECTED');
    },
  );

  test('the token that was written tells whether it thinks, wherever it stands among the alternatives', () => {
    const top = [
      { token: '1', logprob: -3 },
      { token: '<think>', logprob: -0.1 },
    ];
    expect(codeOf('logprobs', bodyWith(top, '<think>'))).toBe('ERR_MODEL_REJECTED');
    expect(codeOf('logprobs', bodyWith(top, '1'))).toBe('OK');
  });

  test.each([
    ['a server without them', { choices: [{ message: { content: '1' }, logprobs: null }] }],
    ['no token', { choices: [{ logprobs: { content: [] } }] }],
    ['content of null', { choices: [{ logprobs: { content: null } }] }],
    ['no alternatives', bodyWith([])],
    ['a positive one', bodyWith([{ token: '1', logprob: 0.5 }])],
    ['none that is a number', bodyWith([{ token: '1', logprob: null }])],
    ['the old form of completions', { choices: [{ logprobs: { tokens: ['1'], top_logprobs: [{ 1: -0.1 }] } }] }],
  ])('%s is malformed', (_, body) => {
    expect(codeOf('logprobs', body)).toBe('ERR_MODEL_MALFORMED');
  });

  test.each([[{ toString: 1, valueOf: 1 }], [['1']], [1], [null]])('a token that is %j is no label', (token) => {
    const [{ probabilities }] = read('logprobs', bodyWith([{ token, logprob: -0.1 }], token)) as [Reading];
    expect(probabilities).toEqual([0, 0]);
  });

  test('certainty that rounding took over 1 is 1', () => {
    expect(read('logprobs', bodyWith([{ token: '1', logprob: 1e-7 }]))[0]?.probabilities).toEqual([1, 0]);
  });
});

describe('readings together', () => {
  test('are their mean', () => {
    const readings = [
      { role: 'a', probabilities: [0.2, 0.8] },
      { role: 'b', probabilities: [0.6, 0] },
    ];
    expect(pooled(readings)).toEqual([0.4, 0.4]);
    expect(pooled([])).toEqual([]);
  });
});
