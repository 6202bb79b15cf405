import { describe, expect, test } from 'vitest';
import { AnswerForms } from '../../../../src/main/models/forms/answer-form.ts';
import { ReadForms } from '../../../../src/main/models/forms/read-forms.ts';
import { resolveOptions } from '../../../../src/main/options/resolve-options.ts';
import { Preambles } from '../../../../src/main/plans/prompts/preambles.ts';
import { skyrim } from '../../../../src/shared/domains/skyrim.ts';
import type { ReadForm } from '../../../../src/shared/reads/reading.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const ROLES = skyrim.roles.map(({ name }) => name);
const [first, second, third, fourth] = ROLES as [string, string, string, string];
const WORDS = { answer: 'text', thinks: false } as const;
const AT = { endpoint: 'local', model: 'm' };

/** Two roles are asked of model `m`, the others of `n`. `m` is known to be readable in a form, if one is given. */
function make(form?: ReadForm): { preambles: Preambles; forms: AnswerForms } {
  const clock = new FakeClock();
  const options = resolveOptions({
    domain: skyrim,
    endpoints: { local: { baseURL: 'http://127.0.0.1:9/v1' } },
    experts: ROLES.map((role, index) => ({ role, model: index < 2 ? 'm' : 'n' })),
  });
  const forms = new AnswerForms(clock);
  const readForms = new ReadForms(clock);
  const shown = { shownFor: () => form } as unknown as ReadForms;
  const parts = { options, forms, readForms: form === undefined ? readForms : shown, thinks: () => true };
  return { preambles: new Preambles(parts), forms };
}

describe('what the prompts of a seat begin with', () => {
  test('describes the roles that are asked there, and no others', () => {
    const { preambles } = make();
    expect(preambles.written(AT, WORDS, second).roles).toEqual([first, second]);
    expect(preambles.written({ ...AT, model: 'n' }, WORDS).roles).toEqual([third, fourth]);
    expect(preambles.written({ ...AT, model: 'o' }, WORDS).roles).toEqual([]);
  });

  test('describes a role that is asked there in place of another model', () => {
    expect(make().preambles.written({ ...AT, model: 'o' }, WORDS, third).roles).toEqual([third]);
  });

  test('describes the JSON where that is asked for', () => {
    const { preambles } = make();
    expect(preambles.written(AT, { answer: 'json', thinks: true }, first).json).toEqual({ thinks: true });
    expect(preambles.written(AT, WORDS, first).json).toBeUndefined();
  });

  test.each(['logprobs', 'decisions'] as const)('is the same for words and for reads by %s', (form) => {
    const { preambles, forms } = make(form);
    forms.begin(AT.endpoint, AT.model, true);
    const read = preambles.read(AT, form, [first]);
    expect(read).toEqual({ roles: ROLES, json: { thinks: true } });
    expect(preambles.written(AT, { answer: 'json', thinks: true })).toEqual(read);
  });

  test('is that of the read alone where reads begin in another way than chats', () => {
    const { preambles } = make('systemone');
    expect(preambles.read(AT, 'systemone', [second, first])).toEqual({ roles: ROLES });
    expect(preambles.read(AT, 'systemone', [second])).toEqual({ roles: [second] });
    expect(preambles.written(AT, WORDS, first).roles).toEqual([first, second]);
  });
});
