import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PlannerError } from '../../src/shared/errors.ts';
import { qValueOf } from '../../src/shared/owned-request.ts';
import { bestByQValue, checkRequest, type PlanRequest, valueScale } from '../../src/shared/plan-request.ts';
import { BAD_PLANS, domain, GOOD_PLANS, long, REQUEST, seeing, withValues } from '../support/rows/plan-rows.ts';

function messageOf(request: unknown): string {
  try {
    checkRequest(domain, request as PlanRequest);
    return 'accepted';
  } catch (error) {
    expect(error).toBeInstanceOf(PlannerError);
    expect((error as PlannerError).code).toBe('ERR_REQUEST_INVALID');
    expect((error as PlannerError).retryable).toBe(false);
    return (error as PlannerError).message;
  }
}

describe('bad input is one clear error', () => {
  test.each(BAD_PLANS)('%s', (_, request, message) => {
    expect(messageOf(request)).toBe(message);
  });

  test('a name of 10 MB does not come back in the message', () => {
    expect(messageOf(seeing({ [long(10_000_000)]: 1 })).length).toBeLessThan(300);
    expect(messageOf({ ...REQUEST, [long(10_000_000)]: 1 }).length).toBeLessThan(300);
    expect(messageOf(withValues({ [long(10_000_000)]: 'x' })).length).toBeLessThan(300);
  });
});

describe('good input is accepted', () => {
  test.each(GOOD_PLANS)('%s', (_, request) => {
    expect(messageOf(request)).toBe('accepted');
  });
});

describe('bestByQValue', () => {
  test('is the legal action of the highest value', () => {
    expect(bestByQValue({ actions: ['a', 'b', 'c'], qValues: { a: 0.1, b: 0.9, c: 0.5 } })).toBe('b');
    expect(bestByQValue({ actions: ['a', 'b'], qValues: { a: -3, b: -2 } })).toBe('b');
  });

  test('is the earlier action on a tie', () => {
    expect(bestByQValue({ actions: ['a', 'b', 'c'], qValues: { c: 0.5, b: 0.5, a: 0.1 } })).toBe('b');
    expect(bestByQValue({ actions: ['a', 'b'], qValues: { a: -0, b: 0 } })).toBe('a');
  });

  test('ignores values of actions that are not legal', () => {
    expect(bestByQValue({ actions: ['a', 'b'], qValues: { fly: 99, b: 0.1, a: 0 } })).toBe('b');
    expect(bestByQValue({ actions: ['a', 'b'], qValues: { fly: 99 } })).toBe('a');
  });

  test('prefers an action with any value to one without', () => {
    expect(bestByQValue({ actions: ['a', 'b'], qValues: { b: -5 } })).toBe('b');
  });

  test('is the first action where none has a value', () => {
    expect(bestByQValue({ actions: ['a', 'b'] })).toBe('a');
    expect(bestByQValue({ actions: ['a', 'b'], qValues: {} })).toBe('a');
  });

  test('does not take what every object has for a value', () => {
    const actions = ['constructor', '__proto__', 'block'];
    expect(bestByQValue({ actions, qValues: { block: 0.1 } })).toBe('block');
    expect(qValueOf({ qValues: {} }, 'constructor')).toBeUndefined();
    const qValues = JSON.parse('{"__proto__": 0.9, "block": 0.1}') as Record<string, number>;
    expect(bestByQValue({ actions, qValues })).toBe('__proto__');
  });
});

describe('valueScale', () => {
  const placesOf = (actions: readonly string[], qValues?: Readonly<Record<string, number>>) =>
    actions.map(valueScale(qValues === undefined ? { actions } : { actions, qValues }));

  test('puts the worst value at 0, the best at 1 and the others between them', () => {
    expect(placesOf(['a', 'b', 'c', 'd'], { a: -10, b: 10, c: 0, d: 5 })).toEqual([0, 1, 0.5, 0.75]);
  });

  test('says nothing of an action without a value', () => {
    expect(placesOf(['a', 'b', 'c'], { a: 1, c: 2 })).toEqual([0, undefined, 1]);
  });

  test('leaves values of actions that are not legal now out of the range', () => {
    expect(placesOf(['a', 'b'], { a: 1, b: 2, fly: 99, dig: -99 })).toEqual([0, 1]);
  });

  test('says nothing where there are no values, one, or only equal ones', () => {
    expect(placesOf(['a', 'b'])).toEqual([undefined, undefined]);
    expect(placesOf(['a', 'b'], {})).toEqual([undefined, undefined]);
    expect(placesOf(['a', 'b'], { a: 3 })).toEqual([undefined, undefined]);
    expect(placesOf(['a', 'b'], { a: 3, b: 3 })).toEqual([undefined, undefined]);
  });

  test('does not take inherited members for values', () => {
    expect(placesOf(['constructor', 'a', 'b'], { a: 0, b: 1 })).toEqual([undefined, 0, 1]);
  });

  test('of any finite values is from 0 to 1, and in their order', () => {
    const value = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer({ min: -3, max: 3 }));
    const property = fc.property(fc.array(value, { minLength: 1, maxLength: 6 }), (values) => {
      const actions = values.map((_, at) => `action ${at}`);
      const places = placesOf(actions, Object.fromEntries(actions.map((action, at) => [action, values[at] as number])));
      for (const [at, place] of places.entries()) {
        if (place === undefined) continue;
        expect(place).toBeGreaterThanOrEqual(0);
        expect(place).toBeLessThanOrEqual(1);
        for (const [other, value] of values.entries()) {
          if (value <= (values[at] as number)) expect(places[other]).toBeLessThanOrEqual(place);
        }
      }
    });
    fc.assert(property, { numRuns: 500 });
  });
});

describe('values in any order', () => {
  const actions = ['attack', 'block', 'flee', 'wait'];
  const scaled = (qValues: Record<string, number>): (number | undefined)[] => {
    const scale = valueScale({ actions, qValues });
    return actions.map(scale);
  };

  test('come to the same scale, also with those of actions that are not legal now', () => {
    const expected = [0.5, 0, undefined, 1];
    expect(scaled({ attack: 2, block: 1, wait: 3 })).toEqual(expected);
    expect(scaled({ wait: 3, block: 1, attack: 2 })).toEqual(expected);
    expect(scaled({ attack: 2, dance: 99, block: 1, wait: 3 })).toEqual(expected);
    expect(scaled({ dance: -99, wait: 3, attack: 2, block: 1 })).toEqual(expected);
    expect(scaled({ attack: 2, block: 1, wait: 3, dance: 99 })).toEqual(expected);
  });

  test('are those of the request only, whatever an action is called', () => {
    const odd = {
      actions: ['constructor', '__proto__', 'toString'],
      qValues: JSON.parse('{"__proto__":3,"toString":1}'),
    };
    expect(odd.actions.map((action) => qValueOf(odd, action))).toEqual([undefined, 3, 1]);
    expect(odd.actions.map(valueScale(odd))).toEqual([undefined, 1, 0]);
  });
});
