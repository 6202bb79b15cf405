import { describe, expect, test } from 'vitest';
import { mergeSamePlaces, type NameService } from '../../../../src/main/models/names/same-place.ts';
import type { EndpointOptions } from '../../../../src/main/options/planner-options.ts';
import { resolveOptions } from '../../../../src/main/options/resolve-options.ts';
import { testDomain } from '../../../support/make-planner.ts';

const HOSTS: Readonly<Record<string, readonly string[]>> = {
  gpubox: ['192.168.1.20'],
  'gpubox.lan': ['fd00::20', '192.168.1.20'],
  'api.example': ['93.184.216.34'],
  'other.example': ['93.184.216.34'],
};
const names: NameService = { lookup: async (host) => HOSTS[host] ?? [], own: ['192.168.1.5'] };

function optionsFor(endpoints: Readonly<Record<string, string | EndpointOptions>>, oneMachine = true) {
  return resolveOptions({
    domain: testDomain,
    endpoints: Object.fromEntries(
      Object.entries(endpoints).map(([name, at]) => [name, typeof at === 'string' ? { baseURL: at } : at]),
    ),
    experts: [
      { role: 'one', model: 'e' },
      { role: 'two', model: 'e', endpoint: Object.keys(endpoints).at(-1) as string },
    ],
    synthesis: { models: ['e'] },
    features: { oneMachine },
  });
}

async function namesLeft(...urls: (string | EndpointOptions)[]): Promise<string[]> {
  const given = Object.fromEntries(urls.map((url, at) => [`e${at}`, url]));
  const { options } = await mergeSamePlaces(optionsFor(given), names);
  return options.endpoints.map(({ name }) => name);
}

describe('one server under several names', () => {
  test('is one endpoint, the first that names it; whoever named another one is moved, and a warning says so', async () => {
    const given = optionsFor({
      a: 'http://127.0.0.1:1234/v1',
      far: 'http://192.168.1.20:1234/v1',
      b: 'http://localhost:1234/v1/',
    });
    const { options, warnings } = await mergeSamePlaces(given, names);
    expect(options.endpoints.map(({ name }) => name)).toEqual(['a', 'far']);
    expect(options.experts.map(({ endpoint, alternatives }) => [endpoint, alternatives])).toEqual([
      ['a', ['far']],
      ['a', []],
    ]);
    expect(options.synthesis.models.map(({ endpoint, alternatives }) => [endpoint, alternatives])).toEqual([
      ['a', ['far']],
    ]);
    expect(warnings).toEqual([
      'endpoints a (http://127.0.0.1:1234/v1) and b (http://localhost:1234/v1) are one server: it is asked as a, with one budget of slots',
    ]);
  });

  test.each([
    ['http://localhost:1/v1', 'http://[::1]:1/v1'],
    ['http://127.0.0.1:1/v1', 'http://127.0.0.2:1/v1'],
    ['http://localhost:1/v1', 'http://192.168.1.5:1/v1'],
    ['http://gpubox:1/v1', 'http://192.168.1.20:1/v1'],
    ['http://gpubox:1/v1', 'http://gpubox.lan:1/v1'],
    ['http://unknown:1/v1', 'http://UNKNOWN:1/v1'],
  ])('%s is %s', async (a, b) => {
    expect(await namesLeft(a, b)).toEqual(['e0']);
  });

  test.each([
    ['http://localhost:1/v1', 'http://localhost:2/v1', 'another port'],
    ['http://localhost:1/a/v1', 'http://localhost:1/b/v1', 'another path'],
    ['http://localhost:1/v1', 'https://localhost:1/v1', 'another scheme'],
    ['http://api.example/v1', 'http://other.example/v1', 'many servers stand behind a public address'],
    ['http://unknown:1/v1', 'http://elsewhere:1/v1', 'what has no address is told by its name'],
    ['http://gpubox:1/v1', 'http://192.168.1.21:1/v1', 'another machine'],
  ])('%s is not %s: %s', async (a, b) => {
    expect(await namesLeft(a, b)).toEqual(['e0', 'e1']);
  });

  test('three names are one, and other credentials are another caller', async () => {
    const [a, b, c] = ['http://localhost:1/v1', 'http://127.0.0.1:1/v1', 'http://[::1]:1/v1'] as const;
    expect(await namesLeft(a, b, c)).toEqual(['e0']);
    expect(await namesLeft(a, { baseURL: b, apiKey: 'k' })).toEqual(['e0', 'e1']);
    expect(await namesLeft(a, { baseURL: b, headers: { x: '1' } })).toEqual(['e0', 'e1']);
  });

  test('stays several where that is switched off', async () => {
    const given = optionsFor({ a: 'http://127.0.0.1:1/v1', b: 'http://localhost:1/v1' }, false);
    expect(await mergeSamePlaces(given, names)).toEqual({ options: given, warnings: [] });
  });
});
