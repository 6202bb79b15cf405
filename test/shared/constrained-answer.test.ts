import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answerSchema, keepsSchema } from '../../src/shared/constrained-answer.ts';
import { skyrim } from '../../src/shared/domains/skyrim.ts';
import { renderSituation, renderSystem, type Situation, situationOf } from '../../src/shared/situation.ts';

const ACTIONS = ['attack', 'block', 'retreat'];
const NUMERIC = ['0', '1', ' fire\n'];

function properties(actions: readonly string[], thinks: boolean): Record<string, unknown> {
  return answerSchema(actions, { thinks }).schema.properties as Record<string, unknown>;
}

describe('answerSchema', () => {
  test('asks for a number of the list, a confidence and a reason, in this order and nothing else', () => {
    const { name, schema } = answerSchema(ACTIONS, { thinks: false });
    expect(name).toBe('vote');
    expect(schema).toEqual({
      type: 'object',
      properties: {
        choice: { type: 'integer', minimum: 1, maximum: 3 },
        confidence: { type: 'number', minimum: 0, maximum: 1 },
        reason: { type: 'string', maxLength: 160 },
      },
      required: ['choice', 'confidence', 'reason'],
      additionalProperties: false,
    });
    // The order is what the text of the request says, not what an equality sees.
    expect(JSON.stringify(schema)).toMatch(/"choice":.*"confidence":.*"reason":.*"required"/);
  });

  test('asks for a thought before the choice, where there is to be one', () => {
    expect(Object.keys(properties(ACTIONS, true))).toEqual(['thought', 'choice', 'confidence', 'reason']);
    expect(answerSchema(ACTIONS, { thinks: true }).schema.required).toContain('thought');
    expect(properties(ACTIONS, true).thought).toEqual({ type: 'string', maxLength: 400 });
  });

  test('asks for a name, byte for byte, where names are numbers themselves', () => {
    expect(properties(NUMERIC, false).choice).toEqual({ type: 'string', enum: NUMERIC });
  });
});

const VOTE = { choice: 2, confidence: 0.8, reason: 'It is safe.' };

function kept(content: unknown, finishReason = 'stop', reasoning = ''): boolean | undefined {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  return keepsSchema({ content: text, reasoning, finishReason }, ACTIONS);
}

describe('keepsSchema', () => {
  test('holds of the object asked for, with any white space, after a thought, or among the reasoning', () => {
    expect(kept(VOTE)).toBe(true);
    expect(kept({ thought: 'Hm.', ...VOTE })).toBe(true);
    expect(kept(`\n\n ${JSON.stringify(VOTE, null, 40)}\n`)).toBe(true);
    expect(kept(`<think>1? no</think>${JSON.stringify(VOTE)}`)).toBe(true);
    expect(kept('', 'stop', JSON.stringify(VOTE))).toBe(true);
    expect(kept(VOTE, 'length')).toBe(true);
    // llama.cpp bounds integers and not other numbers.
    expect(kept({ ...VOTE, confidence: 95 })).toBe(true);
  });

  test.each<readonly [string, unknown]>([
    ['text', '2\nIt is safe.'],
    ['nothing', ''],
    ['a fence', '```json\n{"choice":2,"confidence":1,"reason":""}\n```'],
    ['text after it', `${JSON.stringify(VOTE)} That is all.`],
    ['a list', [VOTE]],
    ['null', 'null'],
    ['a number alone', '2'],
    ['another member', { ...VOTE, action: 'block' }],
    ['a member less', { choice: 2, reason: '' }],
    ['a choice of another type', { ...VOTE, choice: '2' }],
    ['a choice too high', { ...VOTE, choice: 4 }],
    ['a choice of 0', { ...VOTE, choice: 0 }],
    ['a fraction', { ...VOTE, choice: 1.5 }],
    ['a thought that is no text', { thought: 5, ...VOTE }],
    ['an object that ends open', '{"choice":2'],
  ])('does not hold of %s', (_, content) => {
    expect(kept(content)).toBe(false);
  });

  test('cannot be told where the tokens ran out inside the object or while it was thinking', () => {
    expect(kept('{"thought":"The ene', 'length')).toBeUndefined();
    expect(kept('', 'length', 'I wonder')).toBeUndefined();
    expect(kept('<think>I wonder', 'length')).toBeUndefined();
    expect(kept('The best action is', 'length')).toBe(false);
  });

  test('takes names from a list of numeric names, byte for byte', () => {
    const of = (choice: unknown) =>
      keepsSchema({ content: JSON.stringify({ ...VOTE, choice }), reasoning: '', finishReason: 'stop' }, NUMERIC);
    expect([of('1'), of(' fire\n'), of('fire'), of(1), of('2')]).toEqual([true, true, false, false, false]);
  });
});

describe('the JSON form of a prompt', () => {
  const shown = (actions: readonly string[], qValues: Record<string, number>, inVain?: string): Situation =>
    situationOf({ agent: 'a', observation: { scene: 'combat', health: 5 }, actions, qValues }, 64, inVain);

  test('differs from the text in its last block alone, which is one line', () => {
    const action = fc.string({ minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(
        fc.uniqueArray(action, { minLength: 1, maxLength: 8 }),
        fc.option(action, { nil: undefined }),
        (actions, inVain) => {
          const situation = shown(actions, { [actions[0] as string]: 1 }, inVain);
          const text = renderSituation(skyrim, situation);
          const json = renderSituation(skyrim, situation, 'json');
          const at = text.lastIndexOf('\n\nANSWER\n');
          expect(json.slice(0, at)).toBe(text.slice(0, at));
          expect(json.slice(at)).toMatch(/^\n\nANSWER\n[^\n]+$/);
        },
      ),
    );
  });

  test('names the members in the order of the schema, and what the choice is', () => {
    const block = (actions: readonly string[], thinks: boolean) => {
      const form = renderSystem(skyrim, { roles: [], json: { thinks } }).split('\n\nJSON: ')[1] ?? '';
      return `${form}\n${renderSituation(skyrim, shown(actions, {}), 'json').split('ANSWER\n')[1]}`;
    };
    for (const thinks of [true, false]) {
      const quoted = [...block(ACTIONS, thinks).matchAll(/"(\w+)"/g)].map(([, name]) => name);
      expect(quoted).toEqual(Object.keys(properties(ACTIONS, thinks)));
    }
    expect(block(ACTIONS, false)).toContain('"choice": the number of one action from the list');
    expect(block(NUMERIC, false)).toContain('"choice" is the name of one action from the list');
  });
});
