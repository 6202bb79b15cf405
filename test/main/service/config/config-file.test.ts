import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig, loadDomain } from '../../../../src/main/service/config/config-file.ts';
import { withLoadedDomains } from '../../../../src/main/service/config/loaded-domains.ts';
import { skyrim } from '../../../../src/shared/domains/skyrim.ts';
import { type TempFolder, tempFolder } from '../../../support/trace-files.ts';

let folder: TempFolder;
beforeEach(() => {
  folder = tempFolder();
});
afterEach(() => folder[Symbol.dispose]());

const YAML = `
domain: skyrim
endpoints:
  local: { baseURL: http://localhost:1234/v1 }
cache: { entries: 50 }
`;
const CONFIG = {
  domain: skyrim,
  endpoints: { local: { baseURL: 'http://localhost:1234/v1' } },
  cache: { entries: 50 },
};
const OBJECT = JSON.stringify({ ...CONFIG, domain: 'skyrim' });

describe('a configuration', () => {
  test.each([
    ['conclave.config.yaml', YAML],
    ['conclave.config.json', OBJECT],
    ['conclave.config.js', `export default ${OBJECT};`],
    ['conclave.config.ts', `const config: object = ${OBJECT};\nexport default config;`],
  ])('is found in the folder and read: %s', async (name, content) => {
    folder.file('package.json', '{"type":"module"}');
    folder.file(name, content);
    expect(await loadConfig(folder.path)).toEqual({ file: name, config: CONFIG });
  });

  test.each([
    [
      'endpoints: { a: { baseURL: "http://h/v1", apiKey: 1234567890 } }',
      'endpoints.a.apiKey must be a text, got a number',
    ],
    ['endpoints: { a: { baseURL: "http://joe:1234567890@h/v1" } }', 'got "http://[hidden]@h/v1"'],
    [
      'endpoints: { a: { baseURL: "http://h/v1", headers: { x-key: 1234567890 } } }',
      'endpoints.a.headers.x-key must be a text, got a number',
    ],
  ])('is not quoted where a secret stands: %s', async (content, message) => {
    folder.file('conclave.config.yaml', content);
    const told: Error = await loadConfig(folder.path).then(
      () => expect.unreachable(),
      (error) => error,
    );
    expect(told.message).toContain(message);
    expect(told.message).not.toContain('1234567890');
  });

  test('that is a module is what its file says now, when it is read again', async () => {
    const write = (timeoutMs: number): string =>
      folder.file('conclave.config.mjs', `export default { timeoutMs: ${timeoutMs} };`);
    const path = write(100);
    utimesSync(path, 1_000, 1_000);
    const read = async (): Promise<unknown> => (await loadConfig(folder.path, path))?.config.timeoutMs;
    expect(await read()).toBe(100);
    write(200);
    expect(await read()).toBe(200);
    expect(await read()).toBe(200);
  });

  test('may have sections for serve and log, which are no options of the planner', async () => {
    const sections = { serve: { socket: { path: 'a.sock' }, http: { port: 1 }, drainMs: 5 }, log: { level: 'info' } };
    folder.file('conclave.config.json', JSON.stringify({ timeoutMs: 100, ...sections }));
    expect(await loadConfig(folder.path)).toEqual({
      file: 'conclave.config.json',
      config: { timeoutMs: 100 },
      ...sections,
    });
  });

  test.each([
    [{ serve: { http: { prt: 1 } } }, 'serve.http.prt is not a known option'],
    [{ serve: { socket: { path: '' } } }, 'serve.socket.path must not be empty, got ""'],
    [{ serve: { drainMs: 0.5 } }, 'serve.drainMs must be a whole number, got 0.5'],
    [{ log: { level: 'loud' } }, 'log.level must be one of silent, error, warn, info, debug, got "loud"'],
  ])('%j is refused', async (config, message) => {
    folder.file('conclave.config.json', JSON.stringify(config));
    await expect(loadConfig(folder.path)).rejects.toThrow(`conclave.config.json: ${message}`);
  });

  test('is not needed', async () => {
    expect(await loadConfig(folder.path)).toBeUndefined();
  });

  test('may be named, and is then the only one', async () => {
    folder.file('conclave.config.json', '{"nonsense":1}');
    folder.file('other.yml', 'timeoutMs: 500');
    expect(await loadConfig(folder.path, 'other.yml')).toEqual({ file: 'other.yml', config: { timeoutMs: 500 } });
  });

  test('may define its domain', async () => {
    const features = { place: { kind: 'category' } };
    folder.file('conclave.config.json', JSON.stringify({ domain: { name: 'cave', features } }));
    const loaded = await loadConfig(folder.path);
    expect(loaded?.config.domain).toMatchObject({ name: 'cave', features });
    expect(loaded?.config.domain?.roles).toHaveLength(4);
  });
});

describe('several domains', () => {
  const features = { place: { kind: 'category' } };
  test('are built in, files beside the configuration, or definitions, each with options of its own', async () => {
    folder.file('cave.yaml', 'name: cave\nfeatures: { place: { kind: category } }');
    const domains = { hero: 'skyrim', bat: './cave.yaml', rat: { domain: { name: 'den', features }, cache: false } };
    folder.file('conclave.config.json', JSON.stringify({ domains }));
    const loaded = await loadConfig(folder.path);
    expect(loaded?.config.domains).toMatchObject({
      hero: { name: 'skyrim' },
      bat: { name: 'cave', features },
      rat: { cache: false, domain: { name: 'den', features } },
    });
  });

  test.each([
    [{ domain: 'skyrim', domains: {} }, 'domains must not be given together with domain'],
    [{ domains: { bat: 5 } }, 'domains.bat must be "skyrim" or a definition, got 5'],
    [{ domains: { bat: { domain: null } } }, 'domains.bat.domain must be "skyrim" or a definition, got null'],
    [{ domains: { bat: 'missing.yaml' } }, 'conclave.config.json: domains.bat: missing.yaml: there is no such file'],
    [{ domains: { bat: 'skyrimm' } }, 'conclave.config.json: domains.bat: domain must be "skyrim" or a file'],
    [{ domains: { bat: { name: '', features } } }, 'conclave.config.json: domains.bat: domain.name must be a name'],
  ])('are refused with the key, the rule and the value: %#', async (config, message) => {
    folder.file('conclave.config.json', JSON.stringify(config));
    await expect(loadConfig(folder.path)).rejects.toThrow(message);
  });
});

describe('a bad configuration', () => {
  test.each([
    ['an unknown key', '{"cach":{}}', 'cach is not a known option'],
    ['an unknown key inside', '{"cache":{"size":1}}', 'cache.size is not a known option'],
    ['a wrong value', '{"cache":{"entries":0}}', 'cache.entries must be more than 0, got 0'],
    ['a wrong type', '{"timeoutMs":"soon"}', 'timeoutMs must be a number, got "soon"'],
    ['a wrong choice', '{"profile":"fast"}', 'profile must be one of unoptimized, november, default, got "fast"'],
    [
      'a URL that is none',
      '{"endpoints":{"a":{"baseURL":"x"}}}',
      'endpoints.a.baseURL must be an http(s) URL, got "x"',
    ],
    ['no endpoint', '{"endpoints":{}}', 'endpoints must name at least one endpoint, got an object'],
    ['an expert without a model', '{"experts":[{"role":"a"}]}', 'experts[0].model must be a text, got nothing'],
    ['an unknown domain', '{"domain":"oblivion"}', 'domain must be "skyrim" or a definition, got "oblivion"'],
    ['a list', '[]', 'must hold an object of options, got an empty list'],
    ['no JSON', '{"a":', 'is not JSON'],
  ])('is refused with its file, its key, the rule and the value: %s', async (_, content, message) => {
    folder.file('conclave.config.json', content);
    await expect(loadConfig(folder.path)).rejects.toMatchObject({
      code: 'ERR_OPTIONS_INVALID',
      message: expect.stringContaining(`conclave.config.json: ${message}`),
    });
  });

  test('is refused where its domain breaks a rule', async () => {
    folder.file('conclave.config.json', '{"domain":{"name":"cave","features":{}}}');
    await expect(loadConfig(folder.path)).rejects.toMatchObject({
      code: 'ERR_DOMAIN_INVALID',
      message: expect.stringContaining('conclave.config.json: domain.features must name at least one feature'),
    });
  });

  test.each([
    ['empty.yaml', '', 'must hold an object of options, got null'],
    ['broken.yaml', 'a: [1', 'is not YAML'],
    ['twice.yaml', 'timeoutMs: 1\ntimeoutMs: 2', 'is not YAML (Map keys must be unique'],
    ['nothing.mjs', 'export const a = 1;', 'must have a default export'],
    ['throws.mjs', 'throw new Error("oh no");', 'cannot be loaded: oh no'],
    ['config.toml', '', 'must end in .ts, .js, .yaml or .json'],
  ])('is refused with its file: %s', async (name, content, message) => {
    folder.file(name, content);
    await expect(loadConfig(folder.path, name)).rejects.toThrow(`${name}: ${message}`);
  });

  test('is refused where it does not exist', async () => {
    await expect(loadConfig(folder.path, 'none.yaml')).rejects.toThrow('none.yaml: there is no such file');
  });

  test('is refused where there are two', async () => {
    folder.file('conclave.config.json', '{}');
    folder.file('conclave.config.yaml', '{}');
    await expect(loadConfig(folder.path)).rejects.toThrow('conclave.config.yaml, conclave.config.json: one');
  });
});

describe('a domain', () => {
  test('is known by its name, or read from a file', async () => {
    folder.file('cave.json', '{"name":"cave","features":{"dark":{"kind":"flag"}}}');
    expect(await loadDomain(folder.path, 'skyrim')).toBe(skyrim);
    expect((await loadDomain(folder.path, 'cave.json')).name).toBe('cave');
  });

  test('from a file names its module for next states relative to that file', async () => {
    const features = { dark: { kind: 'flag' } };
    const at = (next: string): string => folder.file('cave.json', JSON.stringify({ name: 'cave', features, next }));
    const nextOf = async (next: string) => (await loadDomain('/', at(next))).next;
    expect(await nextOf('./world.js')).toBe(join(folder.path, 'world.js'));
    expect(await nextOf('/srv/world.js')).toBe('/srv/world.js');
    expect(await nextOf('file:///srv/world.js')).toBe('file:///srv/world.js');
    await expect(nextOf('')).rejects.toThrow('cave.json: domain.next must be the path or file URL of a module');
  });

  test('of another name is refused', async () => {
    await expect(loadDomain(folder.path, 'oblivion')).rejects.toThrow('domain must be "skyrim" or a file');
  });
});

test('domains of options may be the paths of files; what is none is left as it is', async () => {
  const path = folder.file('cave.yaml', 'name: cave\nfeatures: { place: { kind: category } }');
  const options = { domains: { a: path, b: { domain: path, cache: false }, c: skyrim }, endpoints: {} } as const;
  expect(await withLoadedDomains(options)).toMatchObject({
    domains: { a: { name: 'cave' }, b: { domain: { name: 'cave' }, cache: false }, c: skyrim },
  });
  for (const other of [null, 5, { domains: 7 }, { domain: skyrim }]) {
    expect(await withLoadedDomains(other as never)).toBe(other);
  }
  await expect(withLoadedDomains({ domains: { a: 'nope' }, endpoints: {} })).rejects.toThrow('got "nope"');
});
