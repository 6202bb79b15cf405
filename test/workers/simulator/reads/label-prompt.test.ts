import { describe, expect, test } from 'vitest';
import { readPrompt } from '../../../../src/workers/simulator/prompt-reader.ts';
import { chancesOfTokens, tokenLogprobs } from '../../../../src/workers/simulator/reads/token-chances.ts';

describe('a prompt that asks for a label', () => {
  test.each([
    ['numbers', 'ACTIONS\n1. attack\n2. block\n\nANSWER\nAnswer with only the number of one action.', ['1', '2']],
    ['letters', 'ACTIONS\nA. attack\nB. block\n\nANSWER\nOnly the letter of the best action.', ['A', 'B']],
    ['brackets', 'OPTIONS:\n(A) attack\n(B) block\n\nThe letter of one option only.', ['A', 'B']],
    [
      'our own words',
      'ACTIONS\n1. attack\n2. block\n\nANSWER\nThe number of one action from the list, and nothing else.\n\nYOUR ROLE: x\nSay why in a sentence.',
      ['1', '2'],
    ],
    ['no heading', 'You are hurt.\n\nA) attack\nB) block\n\nWhat now? Reply with only the letter.', ['A', 'B']],
  ])('by %s', (_, text, labels) => {
    expect(readPrompt(text)).toMatchObject({ labels, asksLabel: true, actions: ['attack', 'block'] });
  });

  test('is none where a reason is asked for as well, where the actions have names, or where the role says "only"', () => {
    const written =
      'ANSWER\nFirst line: the number of one action from the list, and nothing else.\nSecond line: one sentence.';
    expect(readPrompt(`ACTIONS\n1. attack\n2. block\n\n${written}`)).toMatchObject({
      asksLabel: false,
      isNumbered: true,
    });
    expect(readPrompt('ACTIONS\n- attack\n- block\n\nOnly the number.')).toMatchObject({
      asksLabel: false,
      labels: [],
    });
    expect(readPrompt(`ACTIONS\n1. attack\n\n${written}\n\nYOUR ROLE: x\nOnly the living count.`).asksLabel).toBe(
      false,
    );
  });

  test('has the labels of its last list, whatever stands numbered before it', () => {
    const text = 'Rules:\n1. be quick\n2. be kind\nA. run\nB. hide\nC. sing\n\nOnly the letter.';
    expect(readPrompt(text)).toMatchObject({ labels: ['A', 'B', 'C'], actions: ['run', 'hide', 'sing'] });
  });
});

describe('the first token', () => {
  test('is a label with the share of the labels, and the rest is on other words', () => {
    const { token, vocabulary } = chancesOfTokens(['A', 'B'], [0.3, 0.7], 0.9);
    expect(token).toBe('B');
    const of = (label: string): number | undefined => vocabulary.find((chance) => chance.token === label)?.probability;
    expect(of('A')).toBeCloseTo(0.27);
    expect(of('B')).toBeCloseTo(0.63);
    expect(vocabulary.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 6);
    expect(vocabulary).toHaveLength(600);
    expect(new Set(vocabulary.map((chance) => chance.token)).size).toBe(600);
  });

  test('is another word where little lies on the labels', () => {
    expect(chancesOfTokens(['A', 'B'], [0.5, 0.5], 0.1).token).toBe('The');
  });

  test('of numbers is their first digit', () => {
    const labels = Array.from({ length: 12 }, (_, index) => String(index + 1));
    const { vocabulary } = chancesOfTokens(
      labels,
      labels.map(() => 1 / 12),
      0.96,
    );
    expect(vocabulary.find(({ token }) => token === '1')?.probability).toBeCloseTo(4 * 0.08);
    expect(vocabulary.some(({ token }) => token === '10')).toBe(false);
  });

  test('is told with so many alternatives, most probable first, and with its bytes', () => {
    const [first, second] = tokenLogprobs(['B', ''], 3, chancesOfTokens(['A', 'B'], [0.3, 0.7], 0.9), false);
    expect(first).toMatchObject({ token: 'B', bytes: [66] });
    expect(first?.logprob).toBeCloseTo(Math.log(0.63));
    expect(first?.top_logprobs.map(({ token }) => token)).toEqual(['B', 'A', 'The']);
    expect(second?.top_logprobs).toHaveLength(3);
  });

  test('says nothing under a schema', () => {
    const [first] = tokenLogprobs(['{"a"'], 3, undefined, true);
    expect(first?.logprob).toBe(0);
    expect(first?.top_logprobs.map(({ logprob }) => Math.exp(logprob))).toEqual([1, 0, 0]);
  });
});
