import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PlannerError } from '../../../src/shared/errors.ts';
import { stripThinking } from '../../../src/shared/vote/thoughts.ts';
import { isVoteComplete, type ParsedVote, parseVote, requireVote } from '../../../src/shared/vote/vote-parser.ts';
import { readVote } from '../../../src/shared/vote-answer.ts';

const ACTIONS = ['attack', 'block', 'retreat', 'power_attack', 'search container'];

/** What a table row expects: the action; `none`, `illegal` or `ambiguous` in brackets where there is no vote. */
function outcome(parsed: ParsedVote): string {
  return parsed.kind === 'vote' ? parsed.vote.action : `[${parsed.kind}]`;
}

function expectRows(actions: readonly string[], rows: readonly (readonly [answer: string, expected: string])[]): void {
  for (const [answer, expected] of rows) {
    expect(outcome(parseVote(answer, actions)), JSON.stringify(answer)).toBe(expected);
  }
}

describe('the form that was asked for, and what small models make of it', () => {
  test('a number at the head chooses the action of that number', () => {
    expectRows(ACTIONS, [
      ['2\nThe enemy is about to strike.', 'block'],
      ['2', 'block'],
      ['2.', 'block'],
      ['2)', 'block'],
      ['(2)', 'block'],
      ['[2]', 'block'],
      ['#2', 'block'],
      ['"2"', 'block'],
      ['`2`', 'block'],
      ['**2**', 'block'],
      ['**2.**', 'block'],
      [' 2 \n', 'block'],
      ['2:', 'block'],
      ['2!', 'block'],
      ['02', 'block'],
      ['2  \n\n**Reason:** Health is low.', 'block'],
      ['2\r\nHealth is low.\r\n', 'block'],
      ['2. block', 'block'],
      ['2. Block.', 'block'],
      ['2) block: the enemy is strong', 'block'],
      ['2 - Block - health is low', 'block'],
      ['2 – block', 'block'],
      ['2, block', 'block'],
      ['2 (block)', 'block'],
      ['2 block', 'block'],
      ['2 block the next blow', 'block'],
      ['2 because health is low', 'block'],
      ['2 Blocking saves health.', 'block'],
      ['4. Power attack: the enemy is weak.', 'power_attack'],
      ['5 search container', 'search container'],
      ['**2. Block**\n\nThe enemy is strong.', 'block'],
      ['> 2\n> Health is low.', 'block'],
      ['2\n\n\n', 'block'],
      ['2 retreating is impossible here, so block', 'block'],
    ]);
  });

  test('a labelled choice is read', () => {
    expectRows(ACTIONS, [
      ['Action: 2', 'block'],
      ['Action 2', 'block'],
      ['Action 2: Block', 'block'],
      ['Option 2', 'block'],
      ['Option #2', 'block'],
      ['Number: 2', 'block'],
      ['No. 2', 'block'],
      ['ACTION: Block\nREASON: The enemy is strong.', 'block'],
      ['**Action:** 2\n**Reason:** Health is low.', 'block'],
      ['**Action: 2**', 'block'],
      ['**Action:**\n2', 'block'],
      ['### Action\n2\n\n### Reason\nHealth is low.', 'block'],
      ['ANSWER\n2\nHealth is low.', 'block'],
      ['Answer: 2\nHealth is low.', 'block'],
      ['Answer = block', 'block'],
      ['My final choice: 2. block', 'block'],
      ['The best action is: block', 'block'],
      ['Final Answer: \\boxed{2}', 'block'],
      ['Recommended action: Power Attack!', 'power_attack'],
      ['Action number: 5', 'search container'],
      ['Action taken: search_container', 'search container'],
      ['First line: 2\nSecond line: Health is low.', 'block'],
      ['- Action: 2\n- Reason: attack is too risky', 'block'],
      ['The situation looks bad.\nThe enemy may attack.\nDecision: retreat', 'retreat'],
      ['Let me think. attack is strong, block is safe.\n\nAction: 3\nReason: far away', 'retreat'],
      ['Action: block because an attack is coming', 'block'],
    ]);
  });

  test('JSON is read bare, fenced, cut short or with text around it', () => {
    expectRows(ACTIONS, [
      ['{"action": 2}', 'block'],
      ['{"action": "2"}', 'block'],
      ['{"action":"block"}', 'block'],
      ['{"action":"Block","reason":"Health is low."}', 'block'],
      ['{"choice":"2. block"}', 'block'],
      ['{"choice":"Block - it is safe"}', 'block'],
      ['{"answer": 2, "explanation": "attack is risky"}', 'block'],
      ['{"action_number": 4, "confidence": 0.8}', 'power_attack'],
      ['```json\n{"action": 2, "reason": "Health is low."}\n```', 'block'],
      ['```\n{\n  "action": "block"\n}\n```\nI hope this helps!', 'block'],
      ['Here is my answer: {"action": 2}', 'block'],
      ['Set {braces} aside: {"action": 2}', 'block'],
      ['{"action": 2}\nBecause {x} is near.', 'block'],
      ['[{"action": 2}]', 'block'],
      ['{"action": 2, "reason": "The enemy is abo', 'block'],
      ['{\n  "action": "block",\n  "reason": "The enemy', 'block'],
      ["{'action': 'block', 'reason': 'safe'}", 'block'],
      ['{action: 2, reason: "safe"}', 'block'],
      ['{"action": 9}', '[illegal]'],
      ['{"action": 0}', '[illegal]'],
      ['{"action": -2}', '[illegal]'],
      ['{"action": 1.5}', '[illegal]'],
      ['{"action": "dance"}', '[illegal]'],
      ['{"action": ""}', '[illegal]'],
      ['{"action": null}', '[illegal]'],
      ['{"result": "ok"}', '[illegal]'],
      ['{"__proto__": 2, "constructor": 3}', '[illegal]'],
    ]);
  });

  test('a name is read in any case, with underscores, quotes and punctuation', () => {
    expectRows(ACTIONS, [
      ['block', 'block'],
      ['BLOCK', 'block'],
      ['Block.', 'block'],
      ['"block"', 'block'],
      ['**Block**', 'block'],
      ['`power_attack`', 'power_attack'],
      ['Power Attack', 'power_attack'],
      ['power-attack!', 'power_attack'],
      ['Search_Container', 'search container'],
      ['Block - the enemy is strong', 'block'],
      ['Block: the enemy is strong', 'block'],
      ['Block, because the enemy is strong', 'block'],
      ['block\nThe enemy would attack first.', 'block'],
      ['attack', 'attack'],
    ]);
  });

  test('a sentence is read for what it names', () => {
    expectRows(ACTIONS, [
      ['I would choose option 2 because the enemy is strong.', 'block'],
      ['I choose 2.', 'block'],
      ["I'd go with 2 because it is safe.", 'block'],
      ['The best answer is 2', 'block'],
      ['The best action is to block.', 'block'],
      ['I think the character should power attack now.', 'power_attack'],
      ['I will not attack; block', 'block'],
      ["Don't attack, block.", 'block'],
      ['Don’t attack, block.', 'block'],
      ['The character cannot attack, so retreat.', 'retreat'],
      ['I would block instead of attack.', 'block'],
      ['Choose block over attack.', 'block'],
      ['I would retreat because an attack would fail.', 'retreat'],
      ['Because the enemy is weak, attack.', 'attack'],
      ['3.5 health is left, so retreat.', 'retreat'],
      ['20% chance of success: block.', 'block'],
      ['2 enemies are near. I would retreat.', 'retreat'],
      ['1,500 gold is enough. I retreat.', 'retreat'],
      ['Sure! Here is my answer.\n\nI recommend that you block.\n\nLet me know if you need more.', 'block'],
    ]);
  });

  test('thinking is not read', () => {
    expectRows(ACTIONS, [
      ['<think>attack? no, 3 is better</think>2', 'block'],
      ['<think>\nattack\n</think>\n\n2\nHealth is low.', 'block'],
      ['<thinking>1</thinking> 2', 'block'],
      ['The tag was in the prompt, attack </think>2', 'block'],
      ['<think>a</think><think>attack</think>block', 'block'],
      ['<think>I should attack', '[none]'],
      ['<think>', '[none]'],
      ['2\n<think>or attack?', 'block'],
      [`<think>${'attack or retreat? '.repeat(2_000)}</think>\n2\nHealth is low.`, 'block'],
    ]);
  });

  test('wrapping is taken off', () => {
    expectRows(ACTIONS, [
      ['$\\boxed{2}$', 'block'],
      ['\\boxed{\\text{block}}', 'block'],
      ['<answer>2</answer>', 'block'],
      ['<answer>\nblock\n</answer>', 'block'],
      ['2<|im_end|>', 'block'],
      ['2</s>', 'block'],
      ['2<end_of_turn>', 'block'],
    ]);
  });

  test('Chinese text is read', () => {
    expectRows(ACTIONS, [
      ['2\n因为敌人很强。', 'block'],
      ['我选择 block，因为敌人很强。', 'block'],
      ['我选择2。', 'block'],
      ['动作：2', 'block'],
      ['敌人很强，要小心。', '[illegal]'],
      [
        '敌人很强，所以我觉得现在最好的办法是先离开这里，然后再想办法对付它，不然会很危险，而且没有退路了，怎么办呢。',
        '[none]',
      ],
    ]);
    expectRows(
      ['攻击', '防御'],
      [
        ['防御', '防御'],
        ['我选择防御，因为敌人很强。', '防御'],
        ['攻击或防御', '[ambiguous]'],
      ],
    );
  });
});

describe('answers without a vote', () => {
  test('a number or name that was not offered is illegal', () => {
    expectRows(ACTIONS, [
      ['0', '[illegal]'],
      ['6', '[illegal]'],
      ['7\nThe reason is good.', '[illegal]'],
      ['99999', '[illegal]'],
      ['-2', '[illegal]'],
      ['dance', '[illegal]'],
      ['Action: dance wildly', '[illegal]'],
      ['Option 9', '[illegal]'],
      ['b', '[illegal]'],
    ]);
    expect(parseVote('ACTION: fly away', ACTIONS)).toEqual({ kind: 'illegal', named: 'fly away' });
  });

  test('nothing, white space and talk name no action', () => {
    expectRows(ACTIONS, [
      ['', '[none]'],
      [' \n\t ', '[none]'],
      ['The weather in Skyrim is cold and the mountains are high, as always.', '[none]'],
      ['I am sorry, but I cannot help with violent requests of that kind.', '[none]'],
    ]);
  });

  test('an explicit contradiction is ambiguous, never the first', () => {
    expectRows(ACTIONS, [
      ['2 or 3', '[ambiguous]'],
      ['2, 3', '[ambiguous]'],
      ['2/3', '[ambiguous]'],
      ['1-2', '[ambiguous]'],
      ['1 & 2', '[ambiguous]'],
      ['2 or 3 because both are safe', '[ambiguous]'],
      ['2 or 3, depending on the enemy', '[ambiguous]'],
      ['2\n3', '[ambiguous]'],
      ['2\nattack', '[ambiguous]'],
      ['2. attack', '[ambiguous]'],
      ['2. attack because the enemy is weak', '[ambiguous]'],
      ['2\nACTION: 3', '[ambiguous]'],
      ['attack and block', '[ambiguous]'],
      ['attack, block', '[ambiguous]'],
      ['attack/block', '[ambiguous]'],
      ['Attack. Block.', '[ambiguous]'],
      ['attack\nblock', '[ambiguous]'],
      ['block or retreat', '[ambiguous]'],
      ['Action: 2\nAction: 3', '[ambiguous]'],
      ['Action: attack or block', '[ambiguous]'],
      ['{"action": 2, "choice": 3}', '[ambiguous]'],
      ['{"action": 2}\n{"action": 3}', '[ambiguous]'],
      ['{"action": "attack or block"}', '[ambiguous]'],
      ['Option 2 or option 3 would be good.', '[ambiguous]'],
      ['I would go with 2 or 3.', '[ambiguous]'],
      ['I could attack. I could also retreat.', '[ambiguous]'],
      ['1. Attack: the enemy is weak.\n2. Block: it is safe.\n3. Retreat: it is far.', '[ambiguous]'],
      ['1. Attack the bandit because he is weak.\n2. Block if he strikes.', '[ambiguous]'],
    ]);
    expect(parseVote('3 or 1', ACTIONS)).toEqual({ kind: 'ambiguous', named: ['retreat', 'attack'] });
  });

  test('an answer that goes through the actions chooses what it concludes with', () => {
    expectRows(ACTIONS, [
      ['1. Attack: risky.\n2. Block: safe.\n3. Retreat: slow.\n\nAction: 3', 'retreat'],
      ['1. Attack: risky.\n2. Block: safe.\n\nI choose block.', 'block'],
      ['1. Attack: risky.\n2. Block: safe.\n\n2', 'block'],
      ['1. block\n2. because the enemy is strong.', 'block'],
      ['2. Block\nReasons:\n1. The enemy is strong.\n2. Health is low.', 'block'],
    ]);
  });
});

describe('unusual names', () => {
  test('a longer name does not also name the shorter one in it', () => {
    const actions = ['attack', 'power attack', 'attack with bow'];
    expectRows(actions, [
      ['I would power attack.', 'power attack'],
      ['I would attack.', 'attack'],
      ['I will attack with bow', 'attack with bow'],
      ['power attack', 'power attack'],
      ['I would power attack, then attack.', '[ambiguous]'],
    ]);
  });

  test('of two names that differ only in punctuation the exact text wins, and no text at all is ambiguous', () => {
    const actions = ['power attack', 'power_attack'];
    expectRows(actions, [
      ['power attack', 'power attack'],
      ['power_attack', 'power_attack'],
      ['"power_attack"', 'power_attack'],
      ['Action: power_attack', 'power_attack'],
      ['{"action": "power_attack"}', 'power_attack'],
      ['I choose power_attack.', 'power_attack'],
      ['I choose power attack.', 'power attack'],
      ['power-attack', '[ambiguous]'],
      ['I choose POWER ATTACK', '[ambiguous]'],
      ['2. power_attack', 'power_attack'],
      ['2. Power Attack', 'power_attack'],
      ['1', 'power attack'],
    ]);
    expectRows(
      ['Pass', '[Pass]'],
      [
        ['[Pass]', '[Pass]'],
        ['Pass', 'Pass'],
      ],
    );
  });

  test('bare numbers as names are names, not positions', () => {
    expectRows(
      ['0', '1', '2'],
      [
        ['0', '0'],
        ['1', '1'],
        ['2', '2'],
        ['1.', '1'],
        ['1\nThe pole leans to the right.', '1'],
        ['**1**', '1'],
        ['Action: 1', '1'],
        ['Action 1', '1'],
        ['{"action": 1}', '1'],
        ['{"action": "0"}', '0'],
        ['1 because the pole leans', '1'],
        ['I choose 1.', '1'],
        ['3', '[illegal]'],
        ['-1', '[illegal]'],
        ['1 or 2', '[ambiguous]'],
        ['2.5 degrees to the left, so 0', '0'],
        ['1% is too small, 2', '2'],
      ],
    );
    expectRows(
      ['-1', '0', '1'],
      [
        ['-1', '-1'],
        ['1', '1'],
        ['I choose 1 because the pole leans', '1'],
        ['I choose -1 because the pole leans', '-1'],
        ['Action: -1', '-1'],
      ],
    );
  });

  test('brackets in names, as on Magic cards, do not confuse the parser', () => {
    const actions = ['Sol Ring {1} [Cast]', 'Swamp [Land]', 'Pass', 'Fireball {X}{R} [Cast]'];
    expectRows(actions, [
      ['Sol Ring {1} [Cast]', 'Sol Ring {1} [Cast]'],
      ['1\nMana first.', 'Sol Ring {1} [Cast]'],
      ['Swamp [Land]', 'Swamp [Land]'],
      ['swamp land', 'Swamp [Land]'],
      ['2. Swamp [Land]', 'Swamp [Land]'],
      ['Action: Fireball {X}{R} [Cast]', 'Fireball {X}{R} [Cast]'],
      ['{"action": "Swamp [Land]"}', 'Swamp [Land]'],
      ['I cast Sol Ring {1} [Cast]. {"action": 1}', 'Sol Ring {1} [Cast]'],
    ]);
  });

  test('yes, no and pass are names like any other', () => {
    expectRows(
      ['yes', 'no', 'pass'],
      [
        ['yes', 'yes'],
        ['No.', 'no'],
        ['no', 'no'],
        ['Yes, because it is free.', 'yes'],
        ['Pass', 'pass'],
        ['2', 'no'],
        ['No. 3', 'pass'],
        ['yes or no', '[ambiguous]'],
      ],
    );
  });

  test('names that every object has are names like any other', () => {
    expectRows(
      ['constructor', '__proto__', 'toString'],
      [
        ['__proto__', '__proto__'],
        ['I choose constructor.', 'constructor'],
        ['{"action": "toString"}', 'toString'],
        ['hasOwnProperty', '[illegal]'],
      ],
    );
  });

  test('names of signs alone can be chosen by number and by themselves', () => {
    expectRows(
      ['←', '→', "Lydia's sword"],
      [
        ['→', '→'],
        ['2', '→'],
        ["I take Lydia's sword.", "Lydia's sword"],
      ],
    );
  });
});

describe('reason and confidence', () => {
  function vote(answer: string) {
    const parsed = parseVote(answer, ACTIONS);
    if (parsed.kind !== 'vote') throw new Error(`no vote: ${answer}`);
    return parsed.vote;
  }

  test('the reason is the sentence after the choice, on one line', () => {
    expect(vote('2\nThe enemy is strong.').reason).toBe('The enemy is strong.');
    expect(vote('2. block: the enemy\nis strong').reason).toBe('block: the enemy is strong');
    expect(vote('ACTION: block\nREASON: The enemy is strong.').reason).toBe('The enemy is strong.');
    expect(vote('{"action":2,"reason":"The enemy is strong."}').reason).toBe('The enemy is strong.');
    expect(vote('2').reason).toBe('');
  });

  test('a reason is cut at 400 characters', () => {
    expect(vote(`block: ${'x'.repeat(399)}`).reason).toHaveLength(399);
    expect(vote(`block: ${'x'.repeat(400)}`).reason).toHaveLength(400);
    expect(vote(`block: ${'x'.repeat(401)}`).reason).toBe(`${'x'.repeat(399)}…`);
  });

  test('confidence is read as a share, as a percentage, or not at all', () => {
    const confidenceOf = (value: unknown) => vote(JSON.stringify({ action: 2, confidence: value })).confidence;
    expect(confidenceOf(0.8)).toBe(0.8);
    expect(confidenceOf(0)).toBe(0);
    expect(confidenceOf(1)).toBe(1);
    expect(confidenceOf(80)).toBe(0.8);
    expect(confidenceOf('80%')).toBe(0.8);
    expect(confidenceOf('1%')).toBe(0.01);
    expect(confidenceOf(101)).toBeUndefined();
    expect(confidenceOf(-1)).toBeUndefined();
    expect(confidenceOf('high')).toBeUndefined();
    expect(confidenceOf(null)).toBeUndefined();
  });
});

describe('codes', () => {
  test('each kind of missing vote has its code', () => {
    const codeOf = (answer: string): string => {
      try {
        requireVote(answer, ACTIONS);
        return 'vote';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(codeOf('2')).toBe('vote');
    expect(codeOf('')).toBe('ERR_VOTE_NONE');
    expect(codeOf('7')).toBe('ERR_VOTE_ILLEGAL');
    expect(codeOf('2 or 3')).toBe('ERR_VOTE_AMBIGUOUS');
  });

  test('messages quote at most 80 characters of an answer, on one line', () => {
    const answer = `There is so very much\nto say. ${'to say. '.repeat(1_000)}`;
    expect(() => requireVote(answer, ACTIONS)).toThrow(
      /^the answer names no action: "There is so very much to say. [^\n]{0,80}…"$/,
    );
  });

  test('an answer that is all thinking is read from its reasoning, by its last lines', () => {
    const read = (content: string, reasoning: string, finishReason = 'stop') =>
      readVote({ content, reasoning, finishReason }, ACTIONS).action;
    expect(read('2\nIt is safe.', 'attack attack')).toBe('block');
    expect(read('', 'attack?\nretreat?\nno.\nlong thoughts\nAction: 2')).toBe('block');
    expect(read('', 'I should answer {"action": 1}? No: {"action": 2}')).toBe('block');
    expect(read('<think>attack</think>', 'Action: 2')).toBe('block');
    expect(() => read('', '')).toThrow(expect.objectContaining({ code: 'ERR_MODEL_EMPTY' }));
    expect(() => read('  ', 'attack', 'length')).toThrow(expect.objectContaining({ code: 'ERR_MODEL_EMPTY' }));
    expect(() => read('<think>attack', '')).toThrow(expect.objectContaining({ code: 'ERR_MODEL_EMPTY' }));
  });
});

/** Runs what may fail with a coded error, and only with one. */
function isCodedOrVote(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(PlannerError);
  }
}

describe('bounds', () => {
  // A quadratic step over these takes minutes; the time limit of the test is what fails then.
  const CHARS = 100_000;
  const fill = (unit: string): string => unit.repeat(Math.ceil(CHARS / unit.length));
  const FLOODS: readonly string[] = [
    ' ',
    '\n',
    '*',
    '_',
    '-',
    ':',
    '0',
    '2',
    '{',
    '}',
    '"',
    '<',
    '>',
    '(',
    ')',
    '.',
    '\t',
    '\u00a0',
    '<think>',
    '</think>',
    '<think></think>',
    '</',
    '{"action":',
    '{}',
    '{"a":',
    '}{',
    'not ',
    "n't ",
    'attack ',
    'action',
    'action ',
    'action:',
    'action:\n',
    'action is ',
    'my my my ',
    'option 2',
    'choose 2 or ',
    '1. a\n2. b\n',
    '2\n',
    '2 ',
    '2.',
    '2, ',
    '**2**\n',
    '> ',
    '\r\n',
    '\\boxed{',
    '<|im_end|>',
    '. ',
    '! ',
    '？',
    '选择2',
    'because ',
  ];

  test.each(FLOODS.map((unit) => [JSON.stringify(unit), unit]))(
    '100,000 characters of %s are read in bounded time',
    (_, unit) => {
      const flood = fill(unit);
      for (const text of [
        flood,
        `2${flood}x`,
        `x${flood}x`,
        `2\n${flood}x`,
        `Action:${flood}x`,
        `<think>${flood}`,
        `{"action": "${flood}`,
      ]) {
        parseVote(text, ACTIONS);
        stripThinking(text);
        isVoteComplete(text);
        isCodedOrVote(() => readVote({ content: '', reasoning: text, finishReason: 'stop' }, ACTIONS));
      }
    },
  );

  test('a choice at the head of a megabyte of text is found', () => {
    expect(outcome(parseVote(`2\nIt is safe. ${'And so on. '.repeat(100_000)}`, ACTIONS))).toBe('block');
    expect(outcome(parseVote('lorem ipsum '.repeat(100_000), ACTIONS))).toBe('[none]');
  });

  test('a long list of long names is searched in bounded time', () => {
    const many = Array.from(
      { length: 2_000 },
      (_, i) => `${'very '.repeat(50)}long name ${String.fromCharCode(97 + (i % 26))}${i}`,
    );
    expect(outcome(parseVote(`I choose ${many[1_999]} because it is the last`, many))).toBe(many[1_999]);
  });
});

const actionName = fc.oneof(
  fc.constantFrom(
    'attack',
    'block',
    'power attack',
    'power_attack',
    'Sol Ring {1} [Cast]',
    'yes',
    'no',
    '__proto__',
    '→',
  ),
  fc.string({ minLength: 1, maxLength: 20 }),
  fc.string({ minLength: 1, maxLength: 20, unit: 'binary' }),
  fc.integer({ min: -3, max: 12 }).map(String),
);
const actionList = fc.uniqueArray(
  actionName.filter((name) => name.trim() !== ''),
  { minLength: 1, maxLength: 12 },
);
const fragment = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.constantFrom(
    '2',
    '1',
    '\n',
    'Action: ',
    'attack',
    'block',
    ' or ',
    '{"action": ',
    '}',
    '"',
    '<think>',
    '</think>',
    '**',
    '. ',
    'because ',
    'not ',
    '2\nA reason. ',
    '#',
    '\\boxed{',
  ),
);
const modelText = fc.array(fragment, { maxLength: 25 }).map((parts) => parts.join(''));
const word = fc.constantFrom('the', 'enemy', 'is', 'strong', 'health', 'low', 'near', 'way', 'out', 'safe', '3', '20%');
const sentence = fc
  .tuple(
    fc.constantFrom('The', 'An', 'Here', 'Health'),
    fc.array(word, { minLength: 2, maxLength: 12 }),
    fc.constantFrom('.', '!', '?'),
  )
  .map(([first, words, end]) => `${first} ${words.join(' ')} now${end}`);

describe('properties', () => {
  test('the asked form with a number yields exactly that action, for any list', () => {
    fc.assert(
      fc.property(actionList, fc.nat(), sentence, (actions, at, reason) => {
        const index = at % actions.length;
        const isNumeric = actions.some((action) => /^\s*\p{Nd}+\s*$/u.test(action));
        fc.pre(!isNumeric);
        const parsed = parseVote(`${index + 1}\n${reason}`, actions);
        expect(parsed).toEqual({ kind: 'vote', vote: { action: actions[index], reason } });
      }),
      { numRuns: 2_000 },
    );
  });

  test('the asked form with a name yields exactly that action where names are numbers', () => {
    const numbers = fc.uniqueArray(fc.integer({ min: 0, max: 30 }).map(String), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(numbers, fc.nat(), sentence, (actions, at, reason) => {
        const action = actions[at % actions.length] as string;
        expect(parseVote(`${action}\n${reason}`, actions)).toEqual({ kind: 'vote', vote: { action, reason } });
      }),
    );
  });

  test('a name said alone yields exactly that action, for any list', () => {
    fc.assert(
      fc.property(actionList, fc.nat(), (actions, at) => {
        const action = actions[at % actions.length] as string;
        // A number alone is a position, and what is cut or wrapped is not said alone.
        fc.pre(action === action.trim() && !/\p{Nd}|\n|\r|[<\\{\u2028\u2029]/u.test(action));
        const parsed = parseVote(action, actions);
        expect(parsed).toEqual({ kind: 'vote', vote: { action, reason: '' } });
      }),
      { numRuns: 2_000 },
    );
  });

  test('whatever a model says, a vote is one of the actions byte for byte, and nothing throws', () => {
    fc.assert(
      fc.property(actionList, modelText, (actions, text) => {
        const parsed = parseVote(text, actions);
        if (parsed.kind === 'vote') {
          expect(actions).toContain(parsed.vote.action);
          expect(parsed.vote.reason.length).toBeLessThanOrEqual(400);
        }
        if (parsed.kind === 'ambiguous') {
          expect(new Set(parsed.named).size).toBeGreaterThan(1);
          for (const action of parsed.named) expect(actions).toContain(action);
        }
      }),
      { numRuns: 5_000 },
    );
  });

  test('thinking before the asked form leaves what follows the first sentence without a say', () => {
    // Found by the property below, seed -1793048092.
    const actions = ['0', '-1'];
    expect(outcome(parseVote('<think></think>2\nA reason. 1', actions))).toBe(
      outcome(parseVote('2\nA reason. 1', actions)),
    );
  });

  test('thinking of any content before an answer does not change its vote', () => {
    fc.assert(
      fc.property(actionList, modelText, fc.string({ maxLength: 200 }), (actions, text, thought) => {
        fc.pre(!/<|>/.test(thought) && !/<\/?think/.test(text));
        expect(outcome(parseVote(`<think>${thought}</think>${text}`, actions))).toBe(outcome(parseVote(text, actions)));
      }),
    );
  });
});

describe('isVoteComplete', () => {
  test('an answer is complete at the end of the sentence after the number, and not before', () => {
    for (const whole of [
      '2\nThe enemy is strong.',
      '2.\n\nThe enemy is strong!\n',
      ' 12)\r\nIs the enemy strong?',
      '2\n敌人很强所以我要防守。',
    ]) {
      const end = whole.trimEnd().length;
      for (let length = 0; length < end; length++) {
        expect(isVoteComplete(whole.slice(0, length)), JSON.stringify(whole.slice(0, length))).toBe(false);
      }
      expect(isVoteComplete(whole.slice(0, end)), whole).toBe(true);
    }
  });

  test('any other form is read to its end', () => {
    for (const answer of [
      '2',
      '2\n',
      '2.',
      '2 block. The enemy is strong.',
      '2. Block. ',
      '1. Attack: the enemy is weak.\n2. Block: it is safe.\n',
      '3.5 health is left. ',
      '2 enemies are near. ',
      'block\nThe enemy is strong.',
      '<think>\n2\nThe enemy is strong.',
      '{"action": 2, "reason": "The enemy is strong."}',
      '2\n{"reason": "The enemy is strong."}',
      '2\n<think>The enemy is strong.',
      '2\nShort.',
      '2\n3\nThe enemy is strong',
      'Action: 2\nThe enemy is strong.',
    ]) {
      expect(isVoteComplete(answer), JSON.stringify(answer)).toBe(false);
    }
  });

  test('a number inside the sentence does not end it', () => {
    expect(isVoteComplete('2\nOnly 3.5 health is')).toBe(false);
    expect(isVoteComplete('2\nOnly 3.5 health is left.')).toBe(true);
  });

  test('an answer cut where it is complete has the vote of the whole, whatever would have followed', () => {
    fc.assert(
      fc.property(actionList, fc.integer({ min: 0, max: 15 }), sentence, modelText, (actions, number, reason, more) => {
        const whole = `${number}\n${reason} ${more}`;
        for (let length = 1; length <= whole.length; length++) {
          const cut = whole.slice(0, length);
          if (!isVoteComplete(cut)) continue;
          expect(outcome(parseVote(cut, actions))).toBe(outcome(parseVote(whole, actions)));
          return;
        }
        throw new Error('never complete');
      }),
      { numRuns: 2_000 },
    );
  });
});
