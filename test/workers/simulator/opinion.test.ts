import { describe, expect, test } from 'vitest';
import { skyrim } from '../../../src/shared/domains/skyrim.ts';
import type { PlanRequest } from '../../../src/shared/plan-request.ts';
import { seededRandom } from '../../../src/shared/random.ts';
import { renderSituation, situationOf } from '../../../src/shared/situation.ts';
import { parseVote } from '../../../src/shared/vote/vote-parser.ts';
import { formOpinion } from '../../../src/workers/simulator/opinion.ts';
import { DEFAULT_RATES, NO_RATES } from '../../../src/workers/simulator/options.ts';
import { readPrompt } from '../../../src/workers/simulator/prompt-reader.ts';
import { ODD_FORMS, smallTalk, tokenize, wordAnswer, wordBySchema } from '../../../src/workers/simulator/wording.ts';

const ACTIONS = ['attack', 'power_attack', 'block', 'retreat', 'drink_potion'];

function promptFor(request: Partial<PlanRequest>, role = 'opportunity_detection'): string {
  const whole: PlanRequest = {
    agent: 'lydia',
    observation: { scene: 'combat', health: 80, inCombat: true, enemiesNearby: 1, location: 'Bleak Falls Barrow' },
    actions: ACTIONS,
    ...request,
  };
  const known = skyrim.roles.find(({ name }) => name === role);
  return `${renderSituation(skyrim, situationOf(whole, 40))}\n\nYOUR ROLE: ${role}\n${known?.prompt ?? ''}`;
}

function tally(prompt: string, skill = 0.75, times = 400): Record<string, number> {
  const reading = readPrompt(prompt);
  const random = seededRandom(5);
  const counts: Record<string, number> = {};
  for (let i = 0; i < times; i++) {
    const action = formOpinion(reading, skill, random)?.action ?? 'none';
    counts[action] = (counts[action] ?? 0) + 1 / times;
  }
  return counts;
}

describe('the prompt reader', () => {
  test('finds situation, actions, values and role in a real prompt', () => {
    const reading = readPrompt(promptFor({ qValues: { attack: 0.71, block: -0.2 } }, 'threat_assessment'));
    expect(reading.situation.get('health')).toBe('80');
    expect(reading.situation.get('in combat')).toBe('yes');
    expect(reading).toMatchObject({ actions: ACTIONS, isNumbered: true, role: { name: 'threat_assessment' } });
    expect([...reading.values]).toEqual([
      ['attack', 0.71],
      ['block', -0.2],
    ]);
  });

  test('finds actions that are listed by name because their names are numbers', () => {
    expect(readPrompt(promptFor({ actions: ['10', '20'] }))).toMatchObject({
      actions: ['10', '20'],
      isNumbered: false,
    });
  });

  test('keeps actions and values whose names have colons and dashes in them', () => {
    const actions = ['say: hello', 'go - north'];
    const reading = readPrompt(promptFor({ actions, qValues: { 'say: hello': 1 } }));
    expect(reading.actions).toEqual(actions);
    expect(reading.values.get('say: hello')).toBe(1);
  });

  test('reads what experts said, by name, by number, with and without a reason', () => {
    const lines = [
      '- threat_assessment: block — It is close.',
      '- a: 2. power_attack - Strong.',
      '- b: 1',
      '- c: dance — Why not.',
    ];
    const reading = readPrompt(`${promptFor({})}\n\nEXPERT OPINIONS\n${lines.join('\n')}\n\nYOUR TASK\nMerge them.`);
    expect(reading.opinions).toEqual([
      { role: 'threat_assessment', action: 'block', reason: 'It is close.' },
      { role: 'a', action: 'power_attack', reason: 'Strong.' },
      { role: 'b', action: 'attack', reason: '' },
    ]);
  });

  test('a prompt of another kind has no actions', () => {
    expect(readPrompt('Say hello.')).toMatchObject({ actions: [], opinions: [], role: undefined });
  });
});

describe('an opinion', () => {
  test('follows the values clearly more often than chance, and the more skilled the more', () => {
    const qValues = { attack: 0.2, power_attack: 0.3, block: 0.1, retreat: 0.1, drink_potion: 0.9 };
    const observation = { scene: 'indoor_dungeon', health: 80, inCombat: false };
    const prompt = promptFor({ qValues, observation });
    const skilled = tally(prompt, 0.9).drink_potion ?? 0;
    expect(skilled).toBeGreaterThan(0.6);
    expect(tally(prompt, 0.2).drink_potion ?? 0).toBeLessThan(skilled);
  });

  test('avoids what has just been tried without effect', () => {
    const prompt = promptFor({ qValues: { attack: 0.5, power_attack: 0.45, block: 0.1 } });
    const told = prompt.replace('\n\nANSWER', '\n\nTRIED WITHOUT EFFECT\nattack\n\nANSWER');
    expect(readPrompt(told).inVain).toEqual(new Set(['attack']));
    expect(tally(told).attack ?? 0).toBeLessThan((tally(prompt).attack ?? 0) / 2);
  });

  test('is defensive at low health in combat, and not at full health', () => {
    const observation = { scene: 'combat', inCombat: true, enemiesNearby: 2 };
    const defensive = (health: number): number => {
      const counts = tally(promptFor({ observation: { ...observation, health } }, 'threat_assessment'));
      return (counts.block ?? 0) + (counts.retreat ?? 0) + (counts.drink_potion ?? 0);
    };
    expect(defensive(15)).toBeGreaterThan(0.95);
    expect(defensive(95)).toBeLessThan(0.5);
  });

  test('weighs safety by role: the one who judges danger is more careful than the one who looks for gain', () => {
    const request = {
      qValues: { attack: 1, block: 0.2 },
      observation: { scene: 'combat', health: 25, inCombat: true },
    };
    const bold = (role: string): number => tally(promptFor(request, role)).attack ?? 0;
    expect(bold('opportunity_detection')).toBeGreaterThan(bold('threat_assessment'));
  });

  test('merges the opinions of others', () => {
    const votes = ['a', 'b', 'c'].map((role) => `- ${role}: retreat — Reason.`).join('\n');
    const prompt = `${promptFor({}, '')}\n\nEXPERT OPINIONS\n${votes}\n\nYOUR TASK\nChoose.`;
    expect(tally(prompt).retreat ?? 0).toBeGreaterThan(0.8);
  });

  test('of an unknown domain is the same for the same situation most of the time, and differs between situations', () => {
    const favourite = (hand: string): [string, number] => {
      const prompt = `SITUATION\nhand: ${hand}\nturn: 3\n\nACTIONS\n1. alpha\n2. beta\n3. gamma\n4. delta`;
      return Object.entries(tally(prompt, 0.8)).sort((a, b) => b[1] - a[1])[0] as [string, number];
    };
    const hands = Array.from({ length: 12 }, (_, i) => favourite(`card ${i}`));
    expect(hands.reduce((sum, [, share]) => sum + share, 0) / hands.length).toBeGreaterThan(0.6);
    expect(new Set(hands.map(([action]) => action)).size).toBeGreaterThan(1);
  });

  test('is missing where nothing is offered', () => {
    expect(formOpinion(readPrompt('Say hello.'), 1, seededRandom(1))).toBeUndefined();
  });
});

describe('wording', () => {
  const reading = readPrompt(promptFor({}));
  const opinion = { index: 2, action: 'block', reason: 'The draugr is close, and health is low.', confidence: 0.8 };

  test('as asked: the number, then the reason', () => {
    expect(wordAnswer(opinion, reading, NO_RATES, seededRandom(1))).toBe(`3\n${opinion.reason}`);
  });

  test.each(ODD_FORMS.map((form) => form(opinion, '3')))('is read as the same vote: %j', (answer) => {
    expect(parseVote(answer, ACTIONS)).toMatchObject({ kind: 'vote', vote: { action: 'block' } });
  });

  test.each(ODD_FORMS.map((form) => form({ ...opinion, action: '20' }, '20')))(
    'by name where numbers are names: %j',
    (answer) => {
      expect(parseVote(answer, ['10', '20', '30'])).toMatchObject({ kind: 'vote', vote: { action: '20' } });
    },
  );

  test.each([
    ['illegal', ['illegal']],
    ['ambiguous', ['ambiguous']],
    ['empty', ['none']],
    ['rambling', ['none']],
    ['oddFormat', ['vote']],
    ['think', ['vote']],
  ] as const)('a rate of 1 for %s is read as %j', (name, kinds) => {
    const random = seededRandom(3);
    for (let i = 0; i < 50; i++) {
      const answer = wordAnswer(opinion, reading, { ...NO_RATES, [name]: 1 }, random);
      expect(kinds).toContain(parseVote(answer, ACTIONS).kind);
    }
  });

  test('with the default rates a few per cent of the answers are useless', () => {
    const random = seededRandom(4);
    let useless = 0;
    for (let i = 0; i < 2_000; i++) {
      const own = formOpinion(reading, 0.75, random);
      const parsed = own && parseVote(wordAnswer(own, reading, DEFAULT_RATES, random), ACTIONS);
      if (parsed?.kind !== 'vote' || parsed.vote.action !== own?.action) useless++;
    }
    expect(useless / 2_000).toBeGreaterThan(0.015);
    expect(useless / 2_000).toBeLessThan(0.06);
  });

  test('a schema is filled in by the types of its properties', () => {
    const text = wordBySchema(opinion, {
      action: { type: 'integer' },
      reason: { type: 'string' },
      confidence: { type: 'number' },
    });
    expect(JSON.parse(text)).toEqual({ action: 3, reason: opinion.reason, confidence: 0.8 });
    expect(JSON.parse(wordBySchema(opinion, { choice: { enum: ['1', '2', '3'] } }))).toEqual({ choice: '3' });
  });

  test('tokens together are the text', () => {
    for (const text of ['3\nThe draugr is close.', ' a  b \n', '', '<think>\nlong-winded\n</think>\n\n2']) {
      expect(tokenize(text).join('')).toBe(text);
    }
  });

  test('small talk answers with the word that is wanted', () => {
    expect(smallTalk('Reply with the word OK.')).toBe('OK');
    expect(smallTalk('What is the weather?')).not.toBe('');
  });
});
