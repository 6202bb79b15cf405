import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { questionId, READ_PATHS, readBody } from '../../../src/shared/reads/read-body.ts';
import { READ_FORMS, type ReadCall, type ReadForm } from '../../../src/shared/reads/reading.ts';

function callOf(form: ReadForm, more: Partial<ReadCall> = {}): ReadCall {
  return {
    form,
    model: 'm',
    system: 'You choose.',
    state: 'SITUATION',
    roles: ['scout', 'guard'],
    actions: ['attack', 'block'],
    timeoutMs: 1_000,
    alternativesMax: 20,
    ...more,
  };
}

function sent(form: ReadForm, more: Partial<ReadCall> = {}): Record<string, unknown> {
  return JSON.parse(readBody(callOf(form, more)).toString('utf8'));
}

describe('the request', () => {
  test('decisions: one question for each role', () => {
    const choices = [
      { value: '1', description: 'attack' },
      { value: '2', description: 'block' },
    ];
    expect(sent('decisions')).toMatchObject({
      model: 'm',
      questions: [
        { type: 'choice', name: 'scout', choices },
        { type: 'choice', name: 'guard', choices },
      ],
    });
  });

  test('systemone: ids are our own, whatever the roles are called', () => {
    const roles = ['__proto__', '', 'q2', '\ud800'];
    const { questions } = sent('systemone', { roles }) as { questions: Record<string, object> };
    expect(Object.keys(questions)).toEqual(['q1', 'q2', 'q3', 'q4']);
    expect(questions[questionId(0)]).toMatchObject({ type: 'choice', criteria: { 1: 'attack', 2: 'block' } });
  });

  test('logprobs: one token, no sampling, no stream', () => {
    expect(sent('logprobs')).toMatchObject({
      max_tokens: 1,
      temperature: 0,
      stream: false,
      logprobs: true,
      top_logprobs: 20,
    });
    expect(sent('logprobs')).not.toHaveProperty('chat_template_kwargs');
    expect(sent('logprobs', { thinkingSwitch: 'template' }).chat_template_kwargs).toEqual({ enable_thinking: false });
    expect(sent('logprobs', { thinkingSwitch: 'effort' }).reasoning_effort).toBe('none');
  });

  test('its route is below the base URL', () => {
    expect(READ_PATHS).toEqual({ decisions: '/decisions', systemone: '/systemone', logprobs: '/chat/completions' });
  });

  test.each(READ_FORMS)('%s takes names of any shape and length', (form) => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('__proto__', 'constructor', '', '1', 'a'.repeat(2_000), '\udc00 \ud800', 'Wait', 'wait', ' wait'),
    );
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 26 }), text, (actions, name) => {
        const bytes = readBody(callOf(form, { actions, roles: [name] }));
        expect(bytes.toString('utf8').isWellFormed()).toBe(true);
        expect(bytes.toString('utf8')).not.toMatch(/\\ud[89a-f]/i);
        expect(typeof JSON.parse(bytes.toString('utf8'))).toBe('object');
      }),
      { numRuns: 40 },
    );
  });

  test.each(['decisions', 'systemone'] as const)('%s cannot ask about 27 actions', (form) => {
    const actions = Array.from({ length: 27 }, (_, index) => `act ${index}`);
    expect(() => readBody(callOf(form, { actions }))).toThrow(RangeError);
  });
});
