import { describe, expect, test } from 'vitest';
import { ModelDirectory } from '../../../../src/main/chat/seats/model-directory.ts';
import type { EndpointListing } from '../../../../src/main/models/names/check-models.ts';
import type { PlannerOptions } from '../../../../src/main/options/planner-options.ts';
import { resolveOptions } from '../../../../src/main/options/resolve-options.ts';
import { PlannerError } from '../../../../src/shared/errors.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { testDomain } from '../../../support/make-planner.ts';

type Lists = Record<string, readonly string[] | undefined>;

function makeDirectory(lists: Lists, options: Partial<PlannerOptions> = {}) {
  const endpoints = Object.fromEntries(Object.keys(lists).map((name) => [name, { baseURL: `http://${name}/v1` }]));
  const resolved = resolveOptions({ domain: testDomain, endpoints, experts: [], ...options });
  const listings = resolved.endpoints.map((endpoint): EndpointListing => {
    const models = lists[endpoint.name];
    if (models !== undefined) return { kind: 'listed', endpoint, models };
    return { kind: 'unreachable', endpoint, error: new PlannerError('ERR_MODEL_REFUSED', 'nobody') };
  });
  const clock = new FakeClock();
  const asked: string[] = [];
  const list = async (name: string): Promise<readonly string[]> => {
    asked.push(name);
    const models = lists[name];
    if (models === undefined) throw new Error('nobody');
    return models;
  };
  return { directory: new ModelDirectory(resolved, listings, list, clock), clock, asked, lists };
}

describe('a model is', () => {
  test('at every endpoint that lists the very id', () => {
    const { directory } = makeDirectory({ a: ['m', 'x'], b: ['m:2', 'm'] });
    expect(directory.seatsOf('m')).toEqual([
      { endpoint: 'a', model: 'm' },
      { endpoint: 'b', model: 'm' },
    ]);
  });

  test('else where it has another instance suffix, by its name there', () => {
    const { directory } = makeDirectory({ a: ['m@q4_k_m'], b: ['n'] });
    expect(directory.seatsOf('m:2')).toEqual([{ endpoint: 'a', model: 'm@q4_k_m' }]);
    expect(directory.seatsOf('o')).toEqual([]);
  });

  test('where it is configured, though its endpoint did not answer', () => {
    const { directory } = makeDirectory(
      { a: undefined, b: ['n'] },
      { experts: [{ role: 'one', model: 'm', endpoint: 'a' }] },
    );
    expect(directory.seatsOf('m')).toEqual([{ endpoint: 'a', model: 'm' }]);
  });
});

test('the list has each id once, with all its endpoints, and the alias first', () => {
  const { directory } = makeDirectory(
    { a: ['m', 'x'], b: ['m'] },
    { synthesis: { models: [{ model: 'x', endpoint: 'a' }] } },
  );
  expect(directory.models()).toEqual([
    { id: 'conclave', object: 'model', created: 0, owned_by: 'conclave', endpoints: ['conclave'] },
    { id: 'm', object: 'model', created: 0, owned_by: 'a', endpoints: ['a', 'b'] },
    { id: 'x', object: 'model', created: 0, owned_by: 'a', endpoints: ['a'] },
  ]);
});

test('a model that is called as the alias is itself', () => {
  const { directory } = makeDirectory({ a: ['conclave', 'x'] }, { synthesis: { models: ['x'] } });
  expect(directory.models().map(({ owned_by, id }) => `${owned_by} ${id}`)).toEqual(['a conclave', 'a x']);
  expect(directory.seatsOf('conclave')).toHaveLength(1);
});

test('the ladder is the synthesis, and without one the experts', () => {
  const experts = [
    { role: 'one', model: 'e' },
    { role: 'two', model: 'e' },
  ];
  expect(makeDirectory({ a: ['e'] }, { experts }).directory.ladder).toEqual(['e']);
  const both = makeDirectory({ a: ['e', 's'] }, { experts, synthesis: { models: ['s'] } }).directory;
  expect([both.ladder, both.fallbacks]).toEqual([['s'], ['s']]);
});

describe('lists are asked for again', () => {
  test('not sooner than ten seconds after the last time, once for all who look', async () => {
    const { directory, clock, asked, lists } = makeDirectory({ a: ['m'] });
    lists.a = ['m', 'new'];
    await directory.refresh();
    expect(asked).toEqual([]);
    clock.advance(10_000);
    await Promise.all([directory.refresh(), directory.refresh()]);
    expect(asked).toEqual(['a']);
    expect(directory.seatsOf('new')).toHaveLength(1);
  });

  test('and an endpoint that does not answer keeps its list', async () => {
    const { directory, clock, lists } = makeDirectory({ a: ['m'], b: ['n'] });
    lists.a = undefined;
    lists.b = ['n', 'o'];
    clock.advance(10_000);
    await directory.refresh();
    expect(directory.models().map(({ id }) => id)).toEqual(['m', 'n', 'o']);
  });
});
