import { describe, expect, test } from 'vitest';
import { checkModels, type EndpointListing, listEndpoints } from '../../../../src/main/models/names/check-models.ts';
import type { PlannerOptions, ResolvedOptions } from '../../../../src/main/options/planner-options.ts';
import { resolveOptions } from '../../../../src/main/options/resolve-options.ts';
import { PlannerError } from '../../../../src/shared/errors.ts';
import { testDomain } from '../../../support/make-planner.ts';

const LISTED = ['google/gemma-3-4b', 'microsoft/phi-4', 'microsoft/phi-4:2', 'mistralai/mistral-nemo'];

function optionsWith(overrides: Partial<PlannerOptions> = {}): ResolvedOptions {
  return resolveOptions({
    domain: testDomain,
    endpoints: { local: { baseURL: 'http://localhost:1234/v1' } },
    experts: [
      { role: 'one', model: 'microsoft/phi-4:5' },
      { role: 'two', model: 'google/gemma-3-4b' },
    ],
    synthesis: { models: ['mistralai/mistral-nemo'] },
    ...overrides,
  });
}

function listed(options: ResolvedOptions, models: readonly string[] = LISTED): EndpointListing[] {
  return options.endpoints.map((endpoint) => ({ kind: 'listed', endpoint, models }));
}

function unreachable(options: ResolvedOptions): EndpointListing[] {
  const error = new PlannerError('ERR_MODEL_REFUSED', 'cannot connect (ECONNREFUSED)');
  return options.endpoints.map((endpoint) => ({ kind: 'unreachable', endpoint, error }));
}

function refusal(check: () => unknown): PlannerError {
  try {
    check();
  } catch (error) {
    return error as PlannerError;
  }
  throw new Error('nothing was thrown');
}

const MISSING =
  'model "microsoft/phi-4:5" is not on the list of endpoint local (http://localhost:1234/v1); nearest: microsoft/phi-4, microsoft/phi-4:2';

describe('models that are all listed', () => {
  test('pass unchanged and without a word', () => {
    const options = optionsWith({ experts: [{ role: 'one', model: 'microsoft/phi-4:2' }] });
    const checked = checkModels(options, listed(options));
    expect(checked).toEqual({ options, warnings: [] });
  });
});

describe('a model that is not listed', () => {
  test('fails the start, with the endpoint, the id and the nearest ones', () => {
    const options = optionsWith();
    expect(refusal(() => checkModels(options, listed(options)))).toMatchObject({
      code: 'ERR_MODEL_MISSING',
      message: expect.stringContaining(MISSING),
    });
  });

  test.each([
    ['names what is listed where nothing is near', ['whisper-large-v3'], 'it lists whisper-large-v3'],
    ['names five of many', ['v', 'w', 'x', 'y', 'z', 'zz'], 'it lists v, w, x, y, z, …'],
    ['says that nothing is listed', [], 'it lists no models; load one first'],
  ])('%s', (_claim, models, hint) => {
    const options = optionsWith();
    expect(refusal(() => checkModels(options, listed(options, models))).message).toContain(hint);
  });

  test('is checked for synthesis too', () => {
    const options = optionsWith({ experts: [], synthesis: { models: ['mistralai/mistral-nem'] } });
    expect(refusal(() => checkModels(options, listed(options)))).toMatchObject({
      code: 'ERR_MODEL_MISSING',
      message: expect.stringContaining('"mistralai/mistral-nem"'),
    });
  });

  test('is replaced by another instance of it, and that is told', () => {
    const options = optionsWith({ onMissingModel: 'substitute' });
    const checked = checkModels(options, listed(options));
    expect(checked.options.experts.map(({ model }) => model)).toEqual(['microsoft/phi-4', 'google/gemma-3-4b']);
    expect(checked.warnings).toEqual([`${MISSING}; using microsoft/phi-4`]);
  });

  test('is replaced by the nearest one where there is no other instance', () => {
    const options = optionsWith({ onMissingModel: 'substitute', experts: [{ role: 'one', model: 'microsoft/phi-5' }] });
    const checked = checkModels(options, listed(options));
    expect(checked.options.experts.map(({ model }) => model)).toEqual(['microsoft/phi-4']);
  });

  test('is left out where nothing is near enough to replace it', () => {
    const options = optionsWith({ onMissingModel: 'substitute' });
    const checked = checkModels(options, listed(options, ['google/gemma-3-4b', 'mistralai/mistral-nemo']));
    expect(checked.options.experts.map(({ role }) => role)).toEqual(['two']);
    expect(checked.warnings).toEqual([expect.stringMatching(/; left out$/)]);
  });

  test('is left out under skip, though there is another instance, and its other settings stay', () => {
    const options = optionsWith({ onMissingModel: 'skip', synthesis: { models: ['x', 'mistralai/mistral-nemo'] } });
    const checked = checkModels(options, listed(options));
    expect(checked.options.experts).toEqual(options.experts.slice(1));
    expect(checked.options.synthesis).toEqual({ ...options.synthesis, models: options.synthesis.models.slice(1) });
    expect(checked.warnings).toEqual([`${MISSING}; left out`, expect.stringMatching(/^model "x" .*; left out$/)]);
  });

  test('that several experts share is told once', () => {
    const experts = ['one', 'two'].map((role) => ({ role, model: 'microsoft/phi-4:5' }));
    const options = optionsWith({ experts, onMissingModel: 'skip' });
    expect(checkModels(options, listed(options)).warnings).toEqual([`${MISSING}; left out`]);
  });

  test('is held against the list of its own endpoint only', () => {
    const options = optionsWith({
      endpoints: { a: { baseURL: 'http://a/v1' }, b: { baseURL: 'http://b/v1' } },
      experts: [{ role: 'one', model: 'only-on-b', endpoint: 'a' }],
      synthesis: { models: [{ model: 'only-on-b', endpoint: 'b' }] },
      onMissingModel: 'skip',
    });
    const listings = options.endpoints.map(
      (endpoint): EndpointListing => ({ kind: 'listed', endpoint, models: endpoint.name === 'b' ? ['only-on-b'] : [] }),
    );
    const checked = checkModels(options, listings);
    expect(checked.options.experts).toEqual([]);
    expect(checked.options.synthesis.models).toEqual([
      { model: 'only-on-b', endpoint: 'b', alternatives: [], thinks: false },
    ]);
  });
});

describe('a model that names no endpoint', () => {
  const several = (
    lists: Readonly<Record<string, readonly string[] | undefined>>,
    more: Partial<PlannerOptions> = {},
  ) => {
    const options = optionsWith({
      endpoints: Object.fromEntries(Object.keys(lists).map((name) => [name, { baseURL: `http://${name}/v1` }])),
      experts: [{ role: 'one', model: 'm' }],
      synthesis: { models: ['m'] },
      ...more,
    });
    const listings = options.endpoints.map((endpoint): EndpointListing => {
      const models = lists[endpoint.name];
      if (models !== undefined) return { kind: 'listed', endpoint, models };
      return { kind: 'unreachable', endpoint, error: new PlannerError('ERR_MODEL_REFUSED', 'nothing there') };
    });
    return { options, listings };
  };
  const placesIn = ({ options }: { options: ResolvedOptions }) =>
    [...options.experts, ...options.synthesis.models].map(({ endpoint, alternatives }) => [endpoint, ...alternatives]);

  test('is asked at each endpoint that lists it, in the order of the configuration', () => {
    const { options, listings } = several({ a: ['x'], b: ['m'], c: ['m', 'x'] });
    const checked = checkModels(options, listings);
    expect([placesIn(checked), checked.warnings]).toEqual([
      [
        ['b', 'c'],
        ['b', 'c'],
      ],
      [],
    ]);
  });

  test('that no endpoint lists is held against the first one: refused, or replaced there alone', () => {
    const lists = { a: ['m:2'], b: ['m:3'] };
    const failing = several(lists);
    expect(refusal(() => checkModels(failing.options, failing.listings))).toMatchObject({
      code: 'ERR_MODEL_MISSING',
      message: expect.stringContaining('endpoint a (http://a/v1)'),
    });
    const { options, listings } = several(lists, { onMissingModel: 'substitute' });
    const checked = checkModels(options, listings);
    expect(checked.options.experts).toMatchObject([{ model: 'm:2', endpoint: 'a', alternatives: [] }]);
  });

  test('is not asked at an endpoint that could not be reached where another one lists it', () => {
    const { options, listings } = several({ a: undefined, b: ['m'] }, { allowOffline: true });
    expect(placesIn(checkModels(options, listings))).toEqual([['b'], ['b']]);
  });
});

describe('an endpoint that cannot be reached', () => {
  test('fails the start and says what to do', () => {
    const options = optionsWith();
    expect(refusal(() => checkModels(options, unreachable(options)))).toMatchObject({
      code: 'ERR_ENDPOINT_UNREACHABLE',
      message:
        'endpoint local (http://localhost:1234/v1) cannot be reached: cannot connect (ECONNREFUSED); start the model server, or allow a start without it (allowOffline)',
      cause: { code: 'ERR_MODEL_REFUSED' },
    });
  });

  test('is a warning with allowOffline, and its models stay as they are', () => {
    const options = optionsWith({ allowOffline: true });
    const checked = checkModels(options, unreachable(options));
    expect(checked.options).toEqual(options);
    expect(checked.warnings).toEqual([
      'endpoint local (http://localhost:1234/v1) cannot be reached: cannot connect (ECONNREFUSED); its models are not checked',
    ]);
  });
});

describe('asking the endpoints', () => {
  const options = optionsWith({
    endpoints: { a: { baseURL: 'http://a/v1' }, b: { baseURL: 'http://b/v1' } },
    experts: [],
    synthesis: { models: [] },
    startTimeoutMs: 123,
  });

  test('gives each its list or its failure, and all the configured time', async () => {
    const asked: [string, number][] = [];
    const listings = await listEndpoints(options, async ({ name }, timeoutMs) => {
      asked.push([name, timeoutMs]);
      if (name === 'a') throw new PlannerError('ERR_MODEL_REFUSED', 'nothing there');
      return ['m'];
    });
    expect(listings).toMatchObject([
      { kind: 'unreachable', endpoint: { name: 'a' }, error: { code: 'ERR_MODEL_REFUSED' } },
      { kind: 'listed', endpoint: { name: 'b' }, models: ['m'] },
    ]);
    expect(asked).toEqual([
      ['a', 123],
      ['b', 123],
    ]);
  });

  test('lets a bug pass', async () => {
    const bug = listEndpoints(options, () => Promise.reject(new TypeError('a bug')));
    await expect(bug).rejects.toThrow(new TypeError('a bug'));
  });
});
