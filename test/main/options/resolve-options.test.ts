import { describe, expect, test } from 'vitest';
import type { ResolvedCache } from '../../../src/main/cache/cache-options.ts';
import { allFeatures, FEATURE_NAMES } from '../../../src/main/options/features.ts';
import type { PlannerOptions, ResolvedOptions } from '../../../src/main/options/planner-options.ts';
import { PROFILE_NAMES, PROFILES } from '../../../src/main/options/profiles.ts';
import { resolveOptions } from '../../../src/main/options/resolve-options.ts';
import { skyrim } from '../../../src/shared/domains/skyrim.ts';
import type { PlannerError } from '../../../src/shared/errors.ts';
import { testDomain } from '../../support/make-planner.ts';

const URL_A = 'http://localhost:1234/v1';
const BASE: PlannerOptions = {
  domain: testDomain,
  endpoints: { local: { baseURL: URL_A } },
  experts: [{ role: 'one', model: 'm' }],
};

function resolve(overrides: Partial<PlannerOptions> = {}): ResolvedOptions {
  return resolveOptions({ ...BASE, ...overrides });
}

function refusal(options: unknown): Pick<PlannerError, 'code' | 'message'> {
  try {
    resolveOptions(options as PlannerOptions);
  } catch (error) {
    const { code, message } = error as PlannerError;
    return { code, message };
  }
  throw new Error('nothing was thrown');
}

const endpoint = (more: object) => ({ endpoints: { a: { baseURL: URL_A, ...more } } });
const expert = (more: object) => ({ experts: [{ role: 'one', model: 'm', ...more }] });
const adaptive = (more: object) => ({ cache: { ttl: 'adaptive', ...more } });
const outOfBounds = (bounds: string, got: number) =>
  `cache.ttlMs must be between cache.ttlMinMs and cache.ttlMaxMs (${bounds}) for an adaptive TTL, got ${got}`;
const disk = (more: object) => ({ cache: { disk: { path: 'cache.mdb', ...more } } });
const two = { a: { baseURL: 'http://a/v1' }, b: { baseURL: 'http://b/v1' } };

describe('bad input is refused with the key, the rule and the value', () => {
  test.each([
    [{ profile: 'fast' }, 'profile must be one of unoptimized, november, default, got "fast"'],
    [{ timeoutMs: 0 }, 'timeoutMs must be more than 0, got 0'],
    [{ timeoutMs: -1 }, 'timeoutMs must be more than 0, got -1'],
    [{ timeoutMs: 86_400_001 }, 'timeoutMs must be at most 86400000, got 86400001'],
    [{ timeoutMs: '5' }, 'timeoutMs must be a number, got "5"'],
    [{ timeoutMs: null }, 'timeoutMs must be a number, got null'],
    [{ timeoutMs: Number.NaN }, 'timeoutMs must be a number, got NaN'],
    [{ expertTimeoutMs: Number.POSITIVE_INFINITY }, 'expertTimeoutMs must be a number, got Infinity'],
    [{ singleFlight: 'yes' }, 'singleFlight must be true or false, got "yes"'],
    [{ callRetries: -1 }, 'callRetries must be at least 0, got -1'],
    [{ callRetries: 6 }, 'callRetries must be at most 5, got 6'],
    [{ maxInFlight: 0 }, 'maxInFlight must be more than 0, got 0'],
    [{ promptActionsMax: 10_001 }, 'promptActionsMax must be at most 10000, got 10001'],
    [{ foresight: { share: 2 } }, 'foresight.share must be at most 1, got 2'],
    [{ prompt: { tokensMax: 99 } }, 'prompt.tokensMax must be at least 100, got 99'],
    [{ prompt: { tokensMax: 1.5 } }, 'prompt.tokensMax must be a whole number, got 1.5'],
    [{ prompt: { tokens: 500 } }, 'prompt.tokens is not a known option'],
    [{ onMissingModel: 'guess' }, 'onMissingModel must be one of fail, substitute, skip, got "guess"'],
    [{ allowOffline: 1 }, 'allowOffline must be true or false, got 1'],
    [{ startTimeoutMs: 0 }, 'startTimeoutMs must be more than 0, got 0'],
    [{ cache: { entries: 0 } }, 'cache.entries must be more than 0, got 0'],
    [{ cache: { entries: 4_000_001 } }, 'cache.entries must be at most 4000000, got 4000001'],
    [{ cache: { ttlMs: -5 } }, 'cache.ttlMs must be more than 0, got -5'],
    [{ cache: { ttl: 'dynamic' } }, 'cache.ttl must be one of fixed, adaptive, got "dynamic"'],
    [{ cache: { ttlMinMs: 0 } }, 'cache.ttlMinMs must be more than 0, got 0'],
    [{ cache: { ttlMaxMs: 86_400_001 } }, 'cache.ttlMaxMs must be at most 86400000, got 86400001'],
    [adaptive({ ttlMs: 4_999 }), outOfBounds('5000 and 1800000', 4_999)],
    [adaptive({ ttlMs: 1_800_001 }), outOfBounds('5000 and 1800000', 1_800_001)],
    [adaptive({ ttlMinMs: 600_001 }), outOfBounds('600001 and 1800000', 600_000)],
    [adaptive({ ttlMaxMs: 599_999 }), outOfBounds('5000 and 599999', 600_000)],
    [{ cache: { similar: true } }, 'cache.similar must be false or an object, got true'],
    [{ cache: { similar: { distanceMax: 2 } } }, 'cache.similar.distanceMax must be at most 1, got 2'],
    [{ cache: { similar: { distanceMax: -0.1 } } }, 'cache.similar.distanceMax must be at least 0, got -0.1'],
    [{ cache: { similar: { distanceMax: '1' } } }, 'cache.similar.distanceMax must be a number, got "1"'],
    [{ cache: { checkShare: 1.01 } }, 'cache.checkShare must be at most 1, got 1.01'],
    [{ cache: { checkShare: -0.01 } }, 'cache.checkShare must be at least 0, got -0.01'],
    [{ cache: { checkReserve: 0.51 } }, 'cache.checkReserve must be at most 0.5, got 0.51'],
    [{ cache: { checkReserve: -0.01 } }, 'cache.checkReserve must be at least 0, got -0.01'],
    [{ cache: { checkShare: '2%' } }, 'cache.checkShare must be a number, got "2%"'],
    [{ cache: { errorBudget: 0 } }, 'cache.errorBudget must be more than 0, got 0'],
    [{ cache: { errorBudget: -1 } }, 'cache.errorBudget must be more than 0, got -1'],
    [{ cache: { errorBudget: 'x' } }, 'cache.errorBudget must be false or a number, got "x"'],
    [{ cache: { errorBudget: true } }, 'cache.errorBudget must be false or a number, got true'],
    [{ cache: { loopGuard: 'yes' } }, 'cache.loopGuard must be true or false, got "yes"'],
    [{ cache: { refreshAhead: 1 } }, 'cache.refreshAhead must be true or false, got 1'],
    [{ cache: { agentsMax: 0 } }, 'cache.agentsMax must be more than 0, got 0'],
    [{ cache: { agentsMax: 10_000_001 } }, 'cache.agentsMax must be at most 10000000, got 10000001'],
    [{ cache: { disk: true } }, 'cache.disk must be false or an object, got true'],
    [{ cache: { disk: 'cache.mdb' } }, 'cache.disk must be false or an object, got "cache.mdb"'],
    [{ cache: { disk: {} } }, 'cache.disk.path must be a text, got nothing'],
    [{ cache: { disk: { path: '' } } }, 'cache.disk.path must not be empty, got ""'],
    [disk({ bytesMax: 2 ** 20 - 1 }), 'cache.disk.bytesMax must be at least 1048576, got 1048575'],
    [disk({ bytesMax: 2 ** 21 + 0.5 }), 'cache.disk.bytesMax must be a whole number, got 2097152.5'],
    [{ workers: { threads: 0 } }, 'workers.threads must be more than 0, got 0'],
    [{ workers: { threads: 65 } }, 'workers.threads must be at most 64, got 65'],
    [{ workers: { stuckGraceMs: 0 } }, 'workers.stuckGraceMs must be more than 0, got 0'],
    [{ workers: 4 }, 'workers must be an object, got 4'],
    [{ endpoints: {} }, 'endpoints must name at least one endpoint, got an object'],
    [{ endpoints: { a: URL_A } }, `endpoints.a must be an object, got "${URL_A}"`],
    [{ endpoints: { a: {} } }, 'endpoints.a.baseURL must be a text, got nothing'],
    [endpoint({ baseURL: 'localhost:1234' }), 'endpoints.a.baseURL must be an http(s) URL, got "localhost:1234"'],
    [endpoint({ baseURL: 'ftp://host/v1' }), 'endpoints.a.baseURL must be an http(s) URL, got "ftp://host/v1"'],
    [endpoint({ apiKey: '' }), 'endpoints.a.apiKey must not be empty, got ""'],
    [endpoint({ headers: { 'x-a': 1 } }), 'endpoints.a.headers.x-a must be a text, got a number'],
    [endpoint({ maxConcurrent: 0 }), 'endpoints.a.maxConcurrent must be more than 0, got 0'],
    [endpoint({ staggerMs: -1 }), 'endpoints.a.staggerMs must be at least 0, got -1'],
    [endpoint({ staggerMs: 60_001 }), 'endpoints.a.staggerMs must be at most 60000, got 60001'],
    [{ experts: 'one' }, 'experts must be a list, got "one"'],
    [{ experts: ['one'] }, 'experts[0] must be an object, got "one"'],
    [{ experts: [{ role: 'one' }] }, 'experts[0].model must be a text, got nothing'],
    [{ experts: Array(33).fill(BASE.experts[0]) }, 'experts must be at most 32, got a list of 33'],
    [expert({ role: 'three' }), 'experts[0].role must be one of one, two, got "three"'],
    [expert({ model: '' }), 'experts[0].model must not be empty, got ""'],
    [expert({ endpoint: 'other' }), 'experts[0].endpoint must be one of the endpoints local, got "other"'],
    [expert({ temperature: 2.1 }), 'experts[0].temperature must be at most 2, got 2.1'],
    [expert({ timeoutMs: 0 }), 'experts[0].timeoutMs must be more than 0, got 0'],
    [{ experts: [BASE.experts[0], { role: 'one', model: 3 }] }, 'experts[1].model must be a text, got 3'],
    [{ synthesis: 'm' }, 'synthesis must be an object, got "m"'],
    [{ synthesis: {} }, 'synthesis.models must be a list, got nothing'],
    [{ synthesis: { models: [''] } }, 'synthesis.models[0] must not be empty, got ""'],
    [{ synthesis: { models: ['m', 3] } }, 'synthesis.models[1] must be a text or an object, got 3'],
    [{ synthesis: { models: [{ endpoint: 'local' }] } }, 'synthesis.models[0].model must be a text, got nothing'],
    [{ synthesis: { models: Array(9).fill('m') } }, 'synthesis.models must be at most 8, got a list of 9'],
    [
      { synthesis: { models: [{ model: 'm', endpoint: 'other' }] } },
      'synthesis.models[0].endpoint must be one of the endpoints local, got "other"',
    ],
    [
      { endpoints: two, features: { balancing: false } },
      'experts[0].endpoint must name one of the endpoints a, b, got nothing',
    ],
    [
      { endpoints: two, experts: [], synthesis: { models: ['m'] }, profile: 'november' },
      'synthesis.models[0].endpoint must name one of the endpoints a, b, got nothing',
    ],
    [{ quorum: 'most' }, 'quorum must be one of firstAgree, majority, all, got "most"'],
    [{ features: { hedging: 'on' } }, 'features.hedging must be true or false, got "on"'],
    [{ features: ['hedging'] }, 'features must be an object, got a list of 1'],
    [{ lateMs: -1 }, 'lateMs must be at least 0, got -1'],
    [{ lateMs: 0.5 }, 'lateMs must be a whole number, got 0.5'],
    [endpoint({ slots: 0 }), 'endpoints.a.slots must be more than 0, got 0'],
    [endpoint({ slots: 1_025 }), 'endpoints.a.slots must be at most 1024, got 1025'],
    [expert({ weight: 0 }), 'experts[0].weight must be more than 0, got 0'],
    [expert({ weight: 101 }), 'experts[0].weight must be at most 100, got 101'],
    [expert({ thinks: 1 }), 'experts[0].thinks must be true or false, got 1'],
    [{ synthesis: { models: [], when: 'never' } }, 'synthesis.when must be one of always, onDisagreement, got "never"'],
    [{ cache: { valuesMin: true } }, 'cache.valuesMin must be false or a number, got true'],
    [{ cache: { valuesMin: 1.1 } }, 'cache.valuesMin must be at most 1, got 1.1'],
    [{ cache: { similar: { confirmedMax: 2 } } }, 'cache.similar.confirmedMax must be at most 1, got 2'],
  ])('%j', (overrides, message) => {
    expect(refusal({ ...BASE, ...overrides })).toEqual({ code: 'ERR_OPTIONS_INVALID', message });
  });

  test('an error budget of 1 is refused', () => {
    expect(refusal({ ...BASE, cache: { errorBudget: 1 } }).message).toMatch(/^cache\.errorBudget must .*, got 1$/);
  });

  test.each([undefined, null, 'x', 3, []])('options that are no object: %j', (options) => {
    expect(refusal(options)).toMatchObject({
      code: 'ERR_OPTIONS_INVALID',
      message: expect.stringMatching(/^options must be an object, got /),
    });
  });

  test.each([
    [{ timeoutMs: 1.5 }, 'timeoutMs'],
    [{ cache: true }, 'cache'],
    [{ cache: 'off' }, 'cache'],
    [{ cache: null }, 'cache'],
    [{ endpoints: undefined }, 'endpoints'],
    [{ endpoints: [] }, 'endpoints'],
    [{ endpoints: { '': { baseURL: URL_A } } }, 'endpoints'],
    [{ domain: undefined }, 'domain'],
    [{ domain: 'skyrim' }, 'domain'],
    [{ domain: { name: 'x', features: {} } }, 'domain'],
  ])('%j names the key', (overrides, key) => {
    const { code, message } = refusal({ ...BASE, ...overrides });
    expect(code).toMatch(/^ERR_(?:OPTIONS|DOMAIN)_INVALID$/);
    expect(message.startsWith(key)).toBe(true);
  });

  test('a value of megabytes does not come back whole', () => {
    expect(refusal({ ...BASE, ...expert({ model: 'x'.repeat(5_000_000) }) }).message.length).toBeLessThan(200);
  });
});

describe('a key that is not known is refused', () => {
  test.each([
    [{ speed: 1 }, 'speed'],
    [{ cache: { size: 3 } }, 'cache.size'],
    [{ cache: { similar: { far: 1 } } }, 'cache.similar.far'],
    [{ features: { speed: true } }, 'features.speed'],
    [disk({ size: 1 }), 'cache.disk.size'],
    [{ workers: { pool: 1 } }, 'workers.pool'],
    [endpoint({ url: 'x' }), 'endpoints.a.url'],
    [expert({ name: 'x' }), 'experts[0].name'],
    [{ synthesis: { models: ['m'], retries: 1 } }, 'synthesis.retries'],
    [{ synthesis: { models: [{ model: 'm', end: 'x' }] } }, 'synthesis.models[0].end'],
  ])('%j', (overrides, key) => {
    expect(refusal({ ...BASE, ...overrides })).toEqual({
      code: 'ERR_OPTIONS_INVALID',
      message: `${key} is not a known option`,
    });
  });
});

describe('what is given', () => {
  test('has precedence over the profile, at every level', () => {
    const resolved = resolve({
      profile: 'november',
      timeoutMs: 1_000,
      expertTimeoutMs: 400,
      cache: { ttlMs: 5_000 },
      singleFlight: true,
      callRetries: 2,
      endpoints: { local: { baseURL: URL_A, staggerMs: 7 }, other: { baseURL: URL_A } },
      experts: [
        { role: 'one', model: 'm', endpoint: 'local', timeoutMs: 300 },
        { role: 'two', model: 'm', endpoint: 'local' },
      ],
      synthesis: { models: [{ model: 's', endpoint: 'other' }], timeoutMs: 200 },
    });
    expect(resolved).toMatchObject({
      profile: 'november',
      timeoutMs: 1_000,
      cache: { entries: 200, ttlMs: 5_000 },
      singleFlight: true,
      callRetries: 2,
      endpoints: [{ staggerMs: 7 }, { staggerMs: PROFILES.november.staggerMs }],
      experts: [{ timeoutMs: 300 }, { timeoutMs: 400 }],
      synthesis: { models: [{ model: 's', endpoint: 'other' }], timeoutMs: 200 },
    });
  });

  test('as undefined counts as not given', () => {
    const nothing = { timeoutMs: undefined, cache: { ttlMs: undefined }, workers: { threads: undefined } };
    expect(resolveOptions({ ...BASE, ...nothing } as unknown as PlannerOptions)).toEqual(resolve());
  });

  test('keeps its API key and headers, and loses the slashes at the end of its URL', () => {
    const { endpoints } = resolve(endpoint({ baseURL: `${URL_A}//`, apiKey: 'k', headers: { 'x-a': '1' } }));
    expect(endpoints).toEqual([
      { name: 'a', baseURL: URL_A, apiKey: 'k', headers: { 'x-a': '1' }, maxConcurrent: 64, staggerMs: 0 },
    ]);
  });

  test('as a definition of a domain becomes a domain', () => {
    const { domain } = resolve({ domain: { name: 'mine', features: { hot: { kind: 'flag' } } }, experts: [] });
    expect(domain.roles.length).toBeGreaterThan(0);
    expect(resolve({ domain: skyrim, experts: [] }).domain).toMatchObject({ name: 'skyrim' });
  });

  test.each([
    [{ timeoutMs: 1 }],
    [{ timeoutMs: 86_400_000 }],
    [{ callRetries: 0 }],
    [{ callRetries: 5 }],
    [{ cache: { entries: 1 } }],
    [{ cache: { entries: 4_000_000 } }],
    [adaptive({ ttlMs: 5_000 })],
    [adaptive({ ttlMs: 1_800_000 })],
    [adaptive({ ttlMs: 60_000, ttlMinMs: 60_000, ttlMaxMs: 60_000 })],
    [{ cache: { ttl: 'fixed', ttlMs: 1 } }],
    [{ cache: { similar: { distanceMax: 0 } } }],
    [{ cache: { similar: { distanceMax: 1 } } }],
    [{ cache: { checkReserve: 0 } }],
    [{ cache: { checkReserve: 0.5 } }],
    [{ cache: { checkShare: 0 } }],
    [{ cache: { checkShare: 1 } }],
    [{ cache: { errorBudget: 0.0001 } }],
    [{ cache: { errorBudget: 0.9999 } }],
    [{ cache: { agentsMax: 1 } }],
    [disk({ bytesMax: 2 ** 20 })],
    [{ workers: { threads: 1 } }],
    [{ workers: { threads: 64 } }],
    [endpoint({ staggerMs: 0 })],
    [endpoint({ staggerMs: 60_000 })],
    [expert({ temperature: 0 })],
    [expert({ temperature: 2 })],
    [{ experts: [] }],
    [{ experts: Array(32).fill(BASE.experts[0]) }],
    [{ lateMs: 0 }],
    [endpoint({ slots: 1_024 })],
    [expert({ weight: 100 })],
    [{ cache: { valuesMin: 0 } }],
    [{ cache: { valuesMin: 1 } }],
    [{ synthesis: { models: [] } }],
    [{ synthesis: { models: Array(8).fill('m') } }],
  ])('is taken at its limit: %j', (overrides) => {
    expect(() => resolve(overrides as Partial<PlannerOptions>)).not.toThrow();
  });

  test('is not changed by what is made of it, and the result is frozen', () => {
    const given = structuredClone({ ...BASE, domain: undefined });
    const options = { ...given, domain: testDomain };
    const before = JSON.stringify(options);
    const resolved = resolveOptions(options);
    expect(JSON.stringify(options)).toBe(before);
    expect(Object.isFrozen(resolved)).toBe(true);
  });
});

describe('a model that names no endpoint', () => {
  const placesIn = ({ experts, synthesis }: ResolvedOptions) =>
    [...experts, ...synthesis.models].map(({ endpoint: first, alternatives }) => [first, ...alternatives]);
  const models = { experts: [{ role: 'one', model: 'm' }], synthesis: { models: ['m', { model: 'n' }] } };

  test('is asked at the only one there is', () => {
    expect(placesIn(resolve(models))).toEqual([['local'], ['local'], ['local']]);
  });

  test('may be asked at any of several, in their order', () => {
    expect(placesIn(resolve({ ...models, endpoints: two }))).toEqual([
      ['a', 'b'],
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });

  test('is asked nowhere else once it names one', () => {
    const named = {
      experts: [{ role: 'one', model: 'm', endpoint: 'b' }],
      synthesis: { models: [{ model: 'n', endpoint: 'b' }] },
    };
    expect(placesIn(resolve({ ...named, endpoints: two }))).toEqual([['b'], ['b']]);
  });
});

describe('a model thinks before it answers', () => {
  const thinks = (model: string, more: object = {}) => resolve(expert({ model, ...more })).experts[0]?.thinks;

  test('when its name says so', () => {
    for (const model of ['microsoft/phi-4-mini-reasoning', 'qwen3-4b-thinking', 'qwq-32b', 'DeepSeek-R1-Distill']) {
      expect(thinks(model)).toBe(true);
    }
    for (const model of ['google/gemma-3-4b', 'mistral-nemo', 'deepseek-v3']) expect(thinks(model)).toBe(false);
  });

  test('or when the user does, whatever its name', () => {
    expect([thinks('gemma', { thinks: true }), thinks('phi-reasoning', { thinks: false })]).toEqual([true, false]);
  });
});

describe('a profile', () => {
  test.each(PROFILE_NAMES)('%s gives every value that is not given', (profile) => {
    const resolved = resolve({ profile, synthesis: { models: Array(8).fill('s') } });
    const expected = PROFILES[profile];
    expect(resolved).toMatchObject({
      profile,
      timeoutMs: expected.timeoutMs,
      cache: expected.cache,
      singleFlight: expected.singleFlight,
      callRetries: expected.callRetries,
      timeSlices: expected.timeSlices,
      quorum: expected.quorum,
      features: expected.features,
      endpoints: [{ staggerMs: expected.staggerMs }],
      experts: [{ timeoutMs: expected.expertTimeoutMs, maxTokens: expected.maxTokens }],
      synthesis: {
        timeoutMs: expected.synthesisTimeoutMs,
        when: expected.synthesisWhen,
        maxTokens: expected.maxTokens,
      },
    });
    expect(resolved.synthesis.models).toHaveLength(expected.synthesisModelsMax);
  });

  test('is the default one where none is named', () => {
    expect(resolve()).toEqual(resolve({ profile: 'default' }));
  });

  test('default has everything but an error budget and a disk', () => {
    expect(resolve({ synthesis: { models: ['a'] } })).toMatchObject({
      timeoutMs: 10_000,
      quorum: 'firstAgree',
      synthesis: { when: 'onDisagreement', maxTokens: 512 },
      features: allFeatures(true),
      callRetries: 1,
      lateMs: 10_000,
      cache: {
        entries: 2_000,
        ttl: 'adaptive',
        similar: { distanceMax: 0.1, confirmedMax: 0.6 },
        checkShare: 0.02,
        errorBudget: false,
        loopGuard: true,
        valuesMin: 0.85,
        refreshAhead: true,
        disk: false,
      },
    });
  });

  test('unoptimized is the agent as it was: no cache, one synthesizer, 15 s, 0.4 s between starts', () => {
    expect(resolve({ profile: 'unoptimized', synthesis: { models: ['a', 'b'] } })).toMatchObject({
      cache: false,
      synthesis: { models: [{ model: 'a' }], timeoutMs: 15_000, when: 'always', maxTokens: 100_000 },
      experts: [{ timeoutMs: 15_000, maxTokens: 100_000 }],
      endpoints: [{ staggerMs: 400 }],
      quorum: 'all',
      features: allFeatures(false),
      timeSlices: false,
      callRetries: 0,
    });
  });

  test('november is the published optimization: 200 for 120 s, two synthesizers, 20 s and 15 s, 0.3 s between starts', () => {
    expect(resolve({ profile: 'november', synthesis: { models: ['a', 'b', 'c'] } })).toMatchObject({
      cache: {
        entries: 200,
        ttl: 'fixed',
        ttlMs: 120_000,
        similar: { distanceMax: 0.1, confirmedMax: 0.1 },
        valuesMin: false,
        checkShare: 0,
        errorBudget: false,
        loopGuard: false,
        refreshAhead: false,
        disk: false,
      },
      synthesis: {
        models: [{ model: 'a' }, { model: 'b' }],
        timeoutMs: 15_000,
        when: 'always',
        maxTokens: 100_000,
      },
      experts: [{ timeoutMs: 20_000, maxTokens: 100_000 }],
      endpoints: [{ staggerMs: 300 }],
      timeoutMs: 25_000,
      visionTimeoutMs: 30_000,
      quorum: 'all',
      features: allFeatures(false),
      timeSlices: false,
      callRetries: 0,
    });
  });
});

describe('a feature is switched off alone', () => {
  const everything = resolve({ synthesis: { models: ['a', 'b'] } });

  test.each([
    ['the cache', { cache: false }, { cache: false }],
    ['single flight', { singleFlight: false }, { singleFlight: false }],
    ['retries', { callRetries: 0 }, { callRetries: 0 }],
  ] as const)('%s', (_feature, off, changed) => {
    expect(resolve({ ...off, synthesis: { models: ['a', 'b'] } })).toEqual({ ...everything, ...changed });
  });

  test.each(FEATURE_NAMES)('%s, and on alone', (name) => {
    const models = { synthesis: { models: ['a', 'b'] } };
    const { features, ...others } = everything;
    expect(resolve({ ...models, features: { [name]: false } })).toEqual({
      ...others,
      features: { ...features, [name]: false },
      keepsLate: name !== 'lateAnswers',
    });
    const off = resolve({ ...models, profile: 'unoptimized' });
    expect(resolve({ ...models, profile: 'unoptimized', features: { [name]: true } })).toEqual({
      ...off,
      features: { ...off.features, [name]: true },
    });
  });

  const cacheOn = everything.cache as ResolvedCache;

  test.each([
    ['similar states', { similar: false }],
    ['background checks', { checkShare: 0 }],
    ['the loop guard', { loopGuard: false }],
    ['the say of values', { valuesMin: false }],
    ['refresh ahead', { refreshAhead: false }],
    ['the error budget', { errorBudget: false }],
    ['the disk tier', { disk: false }],
    ['the adaptive TTL', { ttl: 'fixed' }],
  ] as const)('%s of the cache', (_feature, off) => {
    expect(resolve({ cache: off, synthesis: { models: ['a', 'b'] } })).toEqual({
      ...everything,
      cache: { ...cacheOn, ...off },
    });
  });

  test('and on alone: the cache of the unoptimized profile', () => {
    const off = resolve({ profile: 'unoptimized' });
    expect(resolve({ profile: 'unoptimized', cache: {} })).toEqual({ ...off, cache: cacheOn });
    expect(resolve({ profile: 'unoptimized', cache: { entries: 5 } }).cache).toEqual({ ...cacheOn, entries: 5 });
  });

  test.each([
    [
      'similar states, as near as they are by default',
      { similar: {} },
      { similar: { distanceMax: 0.1, confirmedMax: 0.6 } },
    ],
    [
      'similar states, as near as is said',
      { similar: { distanceMax: 0.3 } },
      { similar: { distanceMax: 0.3, confirmedMax: 0.6 } },
    ],
    [
      'similar states, never nearer where values confirm them than where they do not',
      { similar: { distanceMax: 0.7 } },
      { similar: { distanceMax: 0.7, confirmedMax: 0.7 } },
    ],
    ['a fixed TTL where it is given', { ttlMs: 5_000 }, { ttl: 'fixed', ttlMs: 5_000 }],
    ['an error budget', { errorBudget: 0.05 }, { errorBudget: 0.05 }],
    ['a disk of 256 MiB', { disk: { path: 'x' } }, { disk: { path: 'x', bytesMax: 256 * 2 ** 20 } }],
    ['a disk of a given size', disk({ bytesMax: 2 ** 21 }).cache, { disk: { path: 'cache.mdb', bytesMax: 2 ** 21 } }],
    ['an adaptive TTL', { ttl: 'adaptive' }, { ttl: 'adaptive' }],
  ] as const)('and on alone: %s', (_feature, on, changed) => {
    expect(resolve({ cache: on }).cache).toEqual({ ...cacheOn, ...changed });
  });

  test('and on alone: what november leaves out', () => {
    const on = { checkShare: 0.1, loopGuard: true, refreshAhead: true };
    const november = resolve({ profile: 'november' });
    expect(resolve({ profile: 'november', cache: on })).toEqual({
      ...november,
      cache: { ...(november.cache as ResolvedCache), ...on },
    });
  });
});
