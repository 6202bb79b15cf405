import { type Command, InvalidArgumentError, Option } from 'commander';
import { RATE_NAMES, type RateName } from '../../shared/simulator-rates.ts';
import type { ResolvedCache } from '../cache/cache-options.ts';
import { CLUSTER_VARIABLE, engineUrlFault } from '../cluster/cluster-options.ts';
import { PROFILE_NAMES, PROFILES, type ProfileName } from '../options/profiles.ts';
import type { TraceOptions } from '../session/trace-reader.ts';
import type { CliContext } from './cli-context.ts';

/** Default speed of the embedded simulated server, as a multiple of real time. */
const SIMULATED_SPEED = 100;

export type Rates = Readonly<Partial<Record<RateName, number>>>;

/** Flags about models and the planner, shared by `session`, `plan` and `serve`. */
export interface ServerFlags {
  readonly endpoint?: readonly string[];
  readonly model?: readonly string[];
  readonly apiKey?: readonly string[];
  readonly profile?: ProfileName;
  readonly config?: string;
  readonly timeoutMs?: number;
  readonly cache: boolean;
  readonly cacheEntries?: number;
  readonly cacheTtlMs?: number;
  readonly onMissingModel?: 'fail' | 'substitute' | 'skip';
  readonly cluster?: string;
  readonly allowOffline?: boolean;
  readonly threads?: number;
  readonly speed: number;
  readonly seed: number;
  readonly rate?: Rates;
}

/** Returns a parser for the numbers that are valid; `rule` describes them to the user. */
export function numberFlag(rule: string, isValid: (value: number) => boolean): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && isValid(value)) return value;
    throw new InvalidArgumentError(`It must be ${rule}.`);
  };
}

export function wholeNumber(low: number, high: number): (text: string) => number {
  const isValid = (value: number): boolean => Number.isInteger(value) && value >= low && value <= high;
  return numberFlag(`a whole number from ${low} to ${high}`, isValid);
}

export const positiveNumber = numberFlag('a number above 0', (value) => Number.isFinite(value) && value > 0);

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const DAYS_MAX = 7;

/** Parses a duration such as `90s` or `5m` to milliseconds. */
export function wallTime(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim()) ?? [];
  const ms = Number(digits) * (UNIT_MS[unit as keyof typeof UNIT_MS] ?? 0);
  if (ms > 0 && ms <= DAYS_MAX * 24 * UNIT_MS.h) return ms;
  throw new InvalidArgumentError(`It must be a time such as 90s, 5m or 1h, at most ${DAYS_MAX} days.`);
}

export function collect(text: string, before: readonly string[] = []): string[] {
  if (text.trim() === '') throw new InvalidArgumentError('It must not be empty.');
  return [...before, text];
}

/** Collects base URLs of servers. Adds `/v1` to a bare host, because every such server has it there. */
function collectURL(text: string, before: readonly string[] = []): string[] {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new InvalidArgumentError('It must be a URL such as http://localhost:1234/v1.');
  }
  return [...before, url.pathname === '/' ? `${url.origin}/v1` : text.replace(/\/+$/, '')];
}

function engineURL(text: string): string {
  const fault = engineUrlFault(text);
  if (fault !== undefined) throw new InvalidArgumentError(`It ${fault}.`);
  return text;
}

/** Collects rates such as `hang=0.05`: one request in twenty is never answered. The last value of a name counts. */
function collectRate(text: string, before: Rates = {}): Rates {
  const [, given, digits = ''] = /^([^=]*)=(.*)$/.exec(text) ?? [];
  const name = RATE_NAMES.find((known) => known === given);
  const share = Number(digits);
  if (name !== undefined && digits.trim() !== '' && share >= 0 && share <= 1) return { ...before, [name]: share };
  throw new InvalidArgumentError(
    `It must be NAME=SHARE, a share from 0 to 1 of one of ${RATE_NAMES.join(', ')}; such as hang=0.05.`,
  );
}

export function addRateFlag(command: Command): Command {
  const names = RATE_NAMES.join(', ');
  return command.option(
    '--rate <name=share>',
    `share of requests, from 0 to 1, for which the simulated server fails or answers oddly (repeatable): ${names}`,
    collectRate,
  );
}

const CACHE = PROFILES.default.cache as ResolvedCache;
const MS_MAX = 24 * 60 * 60 * 1000;
const SEED_MAX = 2 ** 32 - 1;

const SKIP_INVALID = '--skip-invalid';

/** Adds the flags of commands that read traces. */
export function addTraceFlags(command: Command): Command {
  return command.option(SKIP_INVALID, 'skip and count broken lines of the trace (default: the first one ends the run)');
}

export function traceOptions(
  { signal }: Pick<CliContext, 'signal'>,
  { skipInvalid = false }: { readonly skipInvalid?: boolean },
): TraceOptions {
  return { signal, skipsInvalid: skipInvalid };
}

export function addEndpointFlags(command: Command): Command {
  return command
    .option('--endpoint <url>', 'model server, such as http://localhost:1234/v1 (repeatable)', collectURL)
    .option(
      '--api-key <[endpoint=]key>',
      'key of a server, or localhost:1234=KEY for one of several (repeatable). Other users of this machine may be able to read it; the environment variables CONCLAVE_API_KEY and CONCLAVE_API_KEY_LOCALHOST_1234 are safer',
      collect,
    )
    .option('--model <id>', 'model to use (repeatable); the first ones are the experts', collect)
    .option('--config <file>', 'configuration file (default: conclave.config.{ts,js,yaml,json} in this folder)');
}

export function addClusterFlag(command: Command): Command {
  return command.option(
    '--cluster <url>',
    `join the nodes at this Redis or Valkey, such as redis://localhost:6379. For a URL with a password the environment variable ${CLUSTER_VARIABLE} is safer`,
    engineURL,
  );
}

export function addServerFlags(command: Command): Command {
  addEndpointFlags(addClusterFlag(command))
    .addOption(new Option('--profile <name>', 'set of defaults').choices(PROFILE_NAMES))
    .option(
      '--timeout-ms <ms>',
      `deadline of a plan (default: the profile's, ${PROFILES.default.timeoutMs})`,
      wholeNumber(1, MS_MAX),
    )
    .option('--no-cache', 'ask models for every plan')
    .option(
      '--cache-entries <n>',
      `maximum number of remembered decisions (default: the profile's, ${CACHE.entries})`,
      wholeNumber(1, 4_000_000),
    )
    .option(
      '--cache-ttl-ms <ms>',
      `how long a decision is served (default: the profile's, learned from ${CACHE.ttlMs} on)`,
      wholeNumber(1, MS_MAX),
    )
    .addOption(
      new Option('--on-missing-model <policy>', 'what to do about a model that its server does not list').choices([
        'fail',
        'substitute',
        'skip',
      ]),
    )
    .option('--allow-offline', 'start even if a server, or the engine of the cluster, cannot be reached')
    .option('--threads <n>', 'worker threads (default: one fewer than the processors, from 1 to 4)', wholeNumber(1, 64))
    .option('--speed <n>', 'speed of the simulated server, as a multiple of real time', positiveNumber, SIMULATED_SPEED)
    .option('--seed <n>', 'seed of the simulated server', wholeNumber(0, SEED_MAX), 1);
  return addRateFlag(command);
}
