import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fitted } from '../../../../src/main/plans/prompts/prompt-fit.ts';
import { defineDomain } from '../../../../src/shared/domain.ts';
import { renderSituation, type Situation, situationOf } from '../../../../src/shared/situation.ts';

const domain = defineDomain({
  name: 'world',
  features: {
    scene: { kind: 'category' },
    health: { kind: 'number', edges: [30], range: [0, 100] },
    story: { kind: 'text' },
    view: { kind: 'text', optional: true },
    mood: { kind: 'category', optional: true },
    items: { kind: 'set', optional: true },
  },
});

function situation(actions: readonly string[] = ['attack', 'block'], chars = 1_000): Situation {
  const observation = {
    scene: 'combat',
    health: 41,
    story: 's'.repeat(chars),
    view: 'v'.repeat(chars / 2),
    mood: 'm'.repeat(200),
    items: ['sword'],
  };
  return situationOf({ agent: 'a', observation, actions, qValues: { block: 2, attack: 1 } }, 64);
}

const many = Array.from({ length: 40 }, (_, index) => `open the door number ${index}`);

describe('a situation', () => {
  test('that fits is left as it is', () => {
    const whole = situation();
    expect(fitted(domain, whole, 10_000)).toEqual({ situation: whole });
  });

  test('loses no actions for what a prompt does not show of long names', () => {
    const long = situation(
      Array.from({ length: 8 }, (_, index) => `${index} ${'x'.repeat(2_000)}`),
      10,
    );
    const chars = renderSituation(domain, long).length;
    expect(fitted(domain, long, chars + 200)).toEqual({ situation: long });
  });

  test('loses the ends of its longest texts first', () => {
    const { situation: fit, trimmed } = fitted(domain, situation(), 1_600);
    expect(fit.actions).toEqual(['attack', 'block']);
    expect(fit.observation).toMatchObject({ view: 'v'.repeat(500), mood: 'm'.repeat(200) });
    expect(String(fit.observation.story)).toMatch(/^s+…$/);
    expect(trimmed).toMatch(/^story cut to \d+ characters$/);
  });

  test('then actions of low value, and keeps those of the highest', () => {
    const whole = situation(['attack', ...many, 'block'], 200);
    const { situation: fit, trimmed } = fitted(domain, whole, 1_400);
    expect(fit.actions[0]).toBe('attack');
    expect(fit.actions.at(-1)).toBe('block');
    expect(fit.actions.length).toBeLessThan(42);
    expect(fit.observation.mood).toBeDefined();
    expect(trimmed).toMatch(/^story cut to 160 characters; \d+ of 42 actions left out$/);
  });

  test('then optional features, the last first; what every request has stays', () => {
    const { situation: fit, trimmed } = fitted(domain, situation(), 400);
    expect(Object.keys(fit.observation)).toEqual(expect.arrayContaining(['scene', 'health', 'story']));
    expect(fit.observation).not.toHaveProperty('view');
    expect(trimmed).toBe('story cut to 160 characters; view left out; items left out; mood left out');
  });

  test('keeps four actions and every action it offers is one of its own, whatever is allowed', () => {
    const action = fc.string({ minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(
        fc.uniqueArray(action, { minLength: 1, maxLength: 50 }),
        fc.integer({ max: 3_000 }),
        (actions, max) => {
          const { situation: fit } = fitted(domain, situation(actions), max);
          expect(fit.actions.length).toBeGreaterThanOrEqual(Math.min(4, actions.length));
          expect(fit.actions).toEqual(actions.filter((each) => fit.actions.includes(each)));
          for (const [valued] of fit.topValues) expect(fit.actions).toContain(valued);
        },
      ),
    );
  });

  test('is about as long as it may be, or as short as it can be', () => {
    for (const max of [700, 1_000, 1_500, 2_000, 3_000]) {
      const whole = situation(['attack', ...many, 'block']);
      expect(renderSituation(domain, fitted(domain, whole, max).situation).length, String(max)).toBeLessThanOrEqual(
        max,
      );
    }
  });
});
