import { describe, expect, test } from 'vitest';
import { TokenRatios } from '../../../../src/main/models/time/token-ratios.ts';

const CUT = { totalMs: 1, promptChars: 1_000, chunks: 7 };

describe('tokens that a server did not tell', () => {
  test('are those that came, and those that its prompt has by the ratio of its model', () => {
    const ratios = new TokenRatios();
    for (let nth = 0; nth < 5; nth++) {
      ratios.counted('m', { totalMs: 1, promptChars: 300, promptTokens: 100, completionTokens: 4 });
    }
    expect(ratios.counted('m', CUT)).toEqual({
      ...CUT,
      promptTokens: 333,
      completionTokens: 7,
      estimated: 'both',
    });
    expect(ratios.charsOf('m', 100)).toBeCloseTo(300);
    expect(ratios.charsOf('other', 100)).toBe(400);
    // Four characters a token, as long as nothing else is known.
    expect(ratios.counted('other', CUT)).toMatchObject({ promptTokens: 250, estimated: 'both' });
  });

  test('follow a model that is another one by now', () => {
    const ratios = new TokenRatios();
    const told = (promptTokens: number): unknown =>
      ratios.counted('m', { totalMs: 1, promptChars: 1_000, promptTokens });
    for (let nth = 0; nth < 50; nth++) told(500);
    expect(ratios.counted('m', CUT).promptTokens).toBe(500);
    for (let nth = 0; nth < 100; nth++) told(250);
    expect(ratios.counted('m', CUT).promptTokens).toBeLessThan(255);
  });

  test('are marked, each for itself', () => {
    const ratios = new TokenRatios();
    expect(ratios.counted('m', { totalMs: 1, promptTokens: 9, chunks: 2 })).toMatchObject({
      promptTokens: 9,
      completionTokens: 2,
      estimated: 'completion',
    });
    expect(ratios.counted('m', { totalMs: 1, promptChars: 8 })).toMatchObject({ promptTokens: 2, estimated: 'prompt' });
  });

  test('are none where nothing was read or written, and what is told stays as it is', () => {
    const ratios = new TokenRatios();
    for (const report of [
      { totalMs: 1 },
      { totalMs: 1, promptChars: 0, chunks: 0 },
      { totalMs: 1, promptChars: 10, promptTokens: 5, completionTokens: 0 },
    ]) {
      expect(ratios.counted('m', report)).toBe(report);
    }
  });
});
