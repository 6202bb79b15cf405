import { describe, expect, test } from 'vitest';
import { legalAction, rememberedAction } from '../../../src/main/cache/remembered-action.ts';
import { decision } from '../../support/decisions.ts';
import { seen } from '../../support/make-cache.ts';

test('an action is legal only when it is the same, byte for byte', () => {
  expect(legalAction(seen(), 'attack')).toBe('attack');
  for (const near of ['Attack', 'attack ', '', 'constructor', 'atta\u0441k']) {
    expect(legalAction(seen(), near)).toBeUndefined();
  }
});

describe('the action of a remembered decision', () => {
  const tally = [
    { action: 'dance', count: 5, weight: 5 },
    { action: 'attack', count: 1, weight: 0.5 },
    { action: 'flee', count: 1, weight: 0.9 },
    { action: 'block', count: 2, weight: 0.1 },
  ];
  const of = decision({ action: 'dance', tally });
  const among = (...actions: readonly string[]): string | undefined => rememberedAction({ actions }, of);

  test('is its winner where that is legal', () => {
    expect(among('attack', 'dance')).toBe('dance');
    // Also where others have more votes: a synthesizer may overrule them.
    expect(rememberedAction({ actions: ['attack', 'block'] }, decision({ action: 'attack', tally }))).toBe('attack');
  });

  test('is else the best legal one of its tally: by count, then by weight', () => {
    expect(among('attack', 'block', 'flee')).toBe('block');
    expect(among('attack', 'flee')).toBe('flee');
    expect(among('attack')).toBe('attack');
  });

  test('is none where none is legal', () => {
    expect(among('sing', 'Dance')).toBeUndefined();
    expect(rememberedAction({ actions: ['sing'] }, decision({ tally: [] }))).toBeUndefined();
  });

  test('is found without a change of its tally', () => {
    const before = structuredClone(tally);
    among('flee');
    expect(of.tally).toEqual(before);
  });
});
