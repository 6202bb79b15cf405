import { expect, test } from 'vitest';
import { decisionForm, readQuestionnaire } from '../../../../src/main/chat/decisions/decision-forms.ts';
import { optionNames, questionChat } from '../../../../src/main/chat/decisions/question-chat.ts';
import type { DecisionForm } from '../../../../src/main/chat/decisions/questionnaire.ts';
import { PlannerError } from '../../../../src/shared/errors.ts';
import { forkRandom } from '../../../../src/shared/random.ts';
import { mutate } from '../../../support/mutate.ts';

const DECISION = {
  model: 'm',
  input: [
    { role: 'user', content: [{ type: 'input_text', text: 'A wolf.' }] },
    { type: 'function_call', name: 'x' },
  ],
  questions: [
    {
      type: 'choice',
      name: 'é',
      instructions: 'Which?',
      choices: [{ value: '1' }, { value: true }, { value: 'true' }],
    },
    { type: 'predicate', instructions: [{ type: 'input_json', data: { a: [1] } }] },
    { type: 'score', instructions: 'x', levels: [{ label: 'a' }, { label: 'b', description: '\u2028' }] },
  ],
};
const SYSTEM_ONE = {
  model: 'm',
  state: { messages: [{ role: 'system', content: 'x' }] },
  images: ['data:x'],
  questions: {
    __proto__x: { type: 'choice', instructions: { any: 1 }, criteria: { a: null, b: { c: 1 } } },
    n: { type: 'noul', criteria: { true: 'yes' } },
    s: { type: 'score', criteria: [1, 'two'] },
  },
};

test.each<[string, object]>([
  ['decisions', DECISION],
  ['systemone', SYSTEM_ONE],
])('whatever is done to a request of %s, it is asked or refused', (route, request) => {
  const form = decisionForm(route) as DecisionForm;
  const bytes = Buffer.from(JSON.stringify(request));
  expect(readQuestionnaire(form, bytes).questions).toHaveLength(3);
  const random = forkRandom(2_026, route);
  let refused = 0;
  for (let nth = 0; nth < 3_000; nth++) {
    try {
      const { state, questions } = readQuestionnaire(form, mutate(random, bytes));
      for (const question of questions) {
        const { options } = question;
        expect(questionChat(state, question, options.slice(0, 26)).at(-1)?.role).toBe('user');
        expect(new Set(optionNames(question, options)).size).toBeGreaterThan(0);
        const told = form.answer('m', [{ question, probabilities: options.map(() => 0) }], NO_USAGE);
        expect(JSON.stringify(told)).not.toContain('null,null');
      }
    } catch (error) {
      refused++;
      if (!(error instanceof PlannerError)) throw error;
      expect(error.code).toBe('ERR_REQUEST_INVALID');
      expect(error.message.length).toBeLessThan(1_000);
    }
  }
  expect(refused).toBeGreaterThan(100);
});

const NO_USAGE = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 };
