import { describe, expect, test } from 'vitest';
import { checkCrossing } from '../../../../src/main/faces/ipc/peer-options.ts';
import type { PlannerOptions } from '../../../../src/main/index.ts';
import { skyrim } from '../../../../src/main/index.ts';
import { testOptions } from '../../../support/make-planner.ts';

function refused(more: object): string {
  try {
    checkCrossing({ ...testOptions, ...more } as PlannerOptions);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_OPTIONS_INVALID' });
    return (error as Error).message;
  }
  throw new Error('it was accepted');
}

describe('options that cross', () => {
  test('are plain data: a domain that was made here too', () => {
    const options = { ...testOptions, domain: skyrim, experts: [] };
    expect(checkCrossing(options).domain.name).toBe('skyrim');
    expect(checkCrossing(structuredClone(options)).domain.name).toBe('skyrim');
  });

  test('what does not is named with its place', () => {
    class Address {
      baseURL = 'http://127.0.0.1:9/v1';
    }
    const rule = 'must be plain data, to cross to another thread or process, got';
    expect(refused({ endpoints: { far: new Address() } })).toBe(`endpoints.far ${rule} an instance of Address`);
    expect(refused({ domain: { ...skyrim, description: () => '' }, experts: [] })).toBe(
      `domain.description ${rule} a function`,
    );
    const features = { place: { kind: 'category', values: ['a'], label: 'Place' } };
    const roles = [{ name: 'one', prompt: 'One.', vision: false }];
    const description = Object.assign([], { inner: {} }) as { inner: object }[];
    description.push({ inner: Symbol('s') as unknown as object });
    expect(refused({ domain: { name: 'd', description, features, roles }, experts: [] })).toBe(
      `domain.description[0].inner ${rule} Symbol(s)`,
    );
  });

  test('may hold the same object twice, but none inside itself', () => {
    const endpoint = { baseURL: 'http://127.0.0.1:9/v1' };
    expect(
      checkCrossing({
        ...testOptions,
        endpoints: { a: endpoint, b: endpoint },
        experts: [],
        synthesis: { models: [] },
      }),
    ).toBeDefined();
    const inside: { description?: unknown } = {};
    inside.description = inside;
    expect(refused({ domain: { ...skyrim, description: inside }, experts: [] })).toContain('an object inside itself');
  });

  test('are checked as createPlanner checks them, first', () => {
    expect(refused({ timeoutMs: () => 5 })).toContain('timeoutMs must be');
  });
});
