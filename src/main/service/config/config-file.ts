import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse as parseYaml } from 'yaml';
import type { z } from 'zod';
import { checkOptions, failOptions } from '../../../shared/check-options.ts';
import { type Domain, type DomainDefinition, defineDomain } from '../../../shared/domain.ts';
import { skyrim } from '../../../shared/domains/skyrim.ts';
import { describeValue, PlannerError } from '../../../shared/errors.ts';
import { inFileTime, kindOf, readRegular } from '../../../shared/regular-file.ts';
import { readText as textOf } from '../../../shared/untrusted-json.ts';
import type { DomainOptions, PlannerOptions } from '../../options/planner-options.ts';
import { plannerOptionsSchema } from '../../options/resolve-options.ts';
import { type LogConfig, logSchema, type ServeConfig, serveSchema } from './serve-config.ts';

/** Names of configuration files, in the order in which they are looked up in the current folder. */
const CONFIG_NAMES = [
  'conclave.config.ts',
  'conclave.config.js',
  'conclave.config.yaml',
  'conclave.config.json',
] as const;

/** `PlannerOptions` in which everything is optional and the domain may be given by name. */
export interface Config extends Partial<Omit<PlannerOptions, 'domain'>> {
  readonly domain?: Domain;
  readonly domains?: Readonly<Record<string, ConfiguredDomain>>;
}

/** One of several domains, with options of its own if it has any. */
export type ConfiguredDomain = Domain | DomainOptions<Domain>;

/** A domain in a configuration file: the built-in one, the path of a file that defines one, or a definition. */
type DomainEntry = 'skyrim' | (string & {}) | Domain | DomainDefinition;

export interface LoadedConfig {
  /** Name of the file in messages. */
  readonly file: string;
  readonly config: Config;
  /** Settings of `conclave serve`: its faces and its log. */
  readonly serve: ServeConfig | undefined;
  readonly log: LogConfig | undefined;
}

/** The type of a configuration file: `PlannerOptions`, in which `'skyrim'` may stand for the built-in domain. */
export interface ConfigDefinition extends Partial<Omit<PlannerOptions, 'domain'>> {
  readonly domain?: 'skyrim' | Domain | DomainDefinition;
  /** Several kinds of agents by name, each with options of its own if it has any. */
  readonly domains?: Readonly<
    Record<string, DomainEntry | (Omit<DomainOptions, 'domain'> & { readonly domain: DomainEntry })>
  >;
  readonly serve?: ServeConfig;
  readonly log?: LogConfig;
}

const configSchema = plannerOptionsSchema
  .partial()
  .extend({ serve: serveSchema.optional(), log: logSchema.optional() });

/**
 * The configuration named by `given`, else the one in `cwd`, else undefined. Throws ERR_OPTIONS_INVALID with the file, the key, the rule and the
 * value. Loading again reads the file again, but not the modules that it imports.
 */
export async function loadConfig(cwd: string, given?: string): Promise<LoadedConfig | undefined> {
  const name = given ?? findConfig(cwd);
  if (name === undefined) return undefined;
  const path = resolve(cwd, name);
  return { file: name, ...(await checkConfig({ name, path }, await readData(name, path))) };
}

/** Loads a domain by its name (`skyrim`) or from a file that defines it. Throws ERR_DOMAIN_INVALID or ERR_OPTIONS_INVALID. */
export async function loadDomain(cwd: string, given: string): Promise<Domain> {
  if (given === skyrim.name) return skyrim;
  if (extname(given) === '') {
    const message = `domain must be "${skyrim.name}" or a file with a definition, got ${describeValue(given)}`;
    throw new PlannerError('ERR_DOMAIN_INVALID', message);
  }
  const path = resolve(cwd, given);
  const data = await readData(given, path);
  return domainOf({ name: given, path }, (data as { domain?: unknown } | null)?.domain ?? data);
}

function findConfig(cwd: string): string | undefined {
  const found = CONFIG_NAMES.filter((name) => existsSync(join(cwd, name)));
  if (found.length > 1) failIn(found.join(', '), 'one configuration is enough; keep one, or name it with --config');
  return found[0];
}

function failIn(file: string, message: string, cause?: unknown): never {
  failOptions(`${file}: ${message}`, cause);
}

async function readData(name: string, path: string): Promise<unknown> {
  await checkIsFile(name, path);
  switch (extname(path)) {
    case '.ts':
    case '.mts':
    case '.js':
    case '.mjs':
      return readModule(name, path);
    case '.yaml':
    case '.yml':
      return readText(name, path, (text) => parseYaml(text, { prettyErrors: true }), 'YAML');
    case '.json':
      return readText(name, path, JSON.parse, 'JSON');
    default:
      return failIn(name, `must end in .ts, .js, .yaml or .json, got ${describeValue(basename(path))}`);
  }
}

/** Maximum size of a configuration or domain file, as text. */
const TEXT_BYTES_MAX = 16 * 1_048_576;

/** Checked before loading, because the module loader opens whatever it is given. */
async function checkIsFile(name: string, path: string): Promise<void> {
  let kind: string;
  try {
    kind = kindOf(await inFileTime(path, () => stat(path)));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') failIn(name, 'there is no such file', cause);
    return failIn(name, `cannot be read: ${(cause as Error).message}`, cause);
  }
  if (kind !== 'a file') failIn(name, `must be a file, and is ${kind}`);
}

/** When each module file had last changed before it was first loaded. One map per process, like its modules. */
const loadedAtMs = new Map<string, number>();

/** A module is loaded once for each URL, so a changed one needs another URL. */
async function moduleURL(path: string): Promise<string> {
  const { mtimeMs } = await stat(path);
  const { href } = pathToFileURL(path);
  const firstMs = loadedAtMs.get(path) ?? mtimeMs;
  loadedAtMs.set(path, firstMs);
  return firstMs === mtimeMs ? href : `${href}?changed=${mtimeMs}`;
}

async function readModule(name: string, path: string): Promise<unknown> {
  let module: { readonly default?: unknown };
  try {
    module = await import(await moduleURL(path));
  } catch (cause) {
    return failIn(name, `cannot be loaded: ${(cause as Error).message}`, cause);
  }
  if (module.default === undefined) failIn(name, 'must have a default export');
  return module.default;
}

async function readText(
  name: string,
  path: string,
  parse: (text: string) => unknown,
  format: string,
): Promise<unknown> {
  let bytes: Buffer;
  try {
    bytes = await readRegular(path, TEXT_BYTES_MAX);
  } catch (cause) {
    return failIn(name, `cannot be read: ${(cause as Error).message}`, cause);
  }
  const read = textOf(bytes);
  if ('rule' in read) failIn(name, read.rule);
  try {
    return parse(read.text);
  } catch (cause) {
    const [first = ''] = (cause as Error).message.split('\n');
    return failIn(name, `is not ${format} (${first.replace(/:$/, '')})`, cause);
  }
}

/** A file as it is named in messages, and where it is. */
interface NamedFile {
  readonly name: string;
  readonly path: string;
}

async function checkConfig(file: NamedFile, data: unknown): Promise<Omit<LoadedConfig, 'file'>> {
  if (data === null || typeof data !== 'object' || Array.isArray(data)) {
    failIn(file.name, `must hold an object of options, got ${describeValue(data)}`);
  }
  const { serve, log, ...planner } = checkOptions(configSchema, data, `${file.name}: `);
  // The schemas match these types; only their optional members are typed `| undefined`.
  const sections = { serve, log } as Pick<LoadedConfig, 'serve' | 'log'>;
  return { config: await withDomain(file, planner), ...sections };
}

async function withDomain(
  file: NamedFile,
  parsed: Omit<z.infer<typeof configSchema>, 'serve' | 'log'>,
): Promise<Config> {
  const { domain, domains, ...rest } = parsed;
  if (domain !== undefined && domains !== undefined)
    failIn(file.name, 'domains must not be given together with domain');
  const config: Config = rest as Config;
  if (domain !== undefined) return { ...config, domain: domainOf(file, domain) };
  if (domains === undefined) return config;
  const entries = Object.entries(domains).map(
    async ([name, entry]) => [name, await entryOf(file, name, entry)] as const,
  );
  return { ...config, domains: Object.fromEntries(await Promise.all(entries)) };
}

/** The options of its own are checked with those of the planner. */
async function entryOf(file: NamedFile, name: string, entry: unknown): Promise<ConfiguredDomain> {
  const hasOwn = entry !== null && typeof entry === 'object' && 'domain' in entry && !('features' in entry);
  if (!hasOwn) return namedDomain(file, `domains.${name}`, entry);
  return { ...entry, domain: await namedDomain(file, `domains.${name}.domain`, entry.domain) };
}

async function namedDomain(file: NamedFile, key: string, domain: unknown): Promise<Domain> {
  if (typeof domain !== 'string') return domainOf(file, domain, key);
  try {
    return await loadDomain(dirname(file.path), domain);
  } catch (error) {
    if (!(error instanceof PlannerError)) throw error;
    throw new PlannerError(error.code, `${file.name}: ${key}: ${error.message}`, { cause: error });
  }
}

function domainOf({ name, path }: NamedFile, domain: unknown, key = 'domain'): Domain {
  if (domain === skyrim.name) return skyrim;
  if (domain === null || typeof domain !== 'object') {
    failIn(name, `${key} must be "${skyrim.name}" or a definition, got ${describeValue(domain)}`);
  }
  try {
    return defineDomain(withPath(domain as DomainDefinition, dirname(path)));
  } catch (error) {
    if (!(error instanceof PlannerError)) throw error;
    const where = key === 'domain' ? name : `${name}: ${key}`;
    throw new PlannerError(error.code, `${where}: ${error.message}`, { cause: error });
  }
}

/** The path of its module is relative to the file. */
function withPath(domain: DomainDefinition, folder: string): DomainDefinition {
  const { next } = domain;
  if (typeof next !== 'string' || next === '' || next.startsWith('file:')) return domain;
  return { ...domain, next: resolve(folder, next) };
}
