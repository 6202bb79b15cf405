import { messageOf, PlannerError } from '../../../shared/errors.ts';
import type { FunctionLibrary } from './function-library.ts';
import type { EngineLink } from './redis-link.ts';

/** What is known of an engine that was found fit. */
export interface EngineFacts {
  /** `redis 7.0.15`, or `valkey 8.1.0`. */
  readonly version: string;
  /** What it removes when its memory is full; undefined if it does not tell. Anything but `noeviction` may remove leases. */
  readonly memoryPolicy: string | undefined;
}

/** The shard that owns the cluster's keys is another one. */
export class MovedError extends Error {
  readonly address: string;
  constructor(address: string) {
    super(`the cluster's keys are at ${address}`);
    this.address = address;
  }

  /** The same URL at that address. */
  follow(url: string): string {
    const moved = new URL(url);
    const [, host = moved.hostname, port = moved.port] = /^(.*):(\d+)$/.exec(this.address) ?? [];
    moved.hostname = host.includes(':') ? `[${host}]` : host || moved.hostname;
    moved.port = port;
    return moved.href;
  }
}

const MAJOR_MIN = 7;
const PROBE_MS = 1_000;

/**
 * Checks that the engine can do what a cluster needs, and loads the functions that it lacks. Rejects with ERR_CLUSTER_REFUSED, which says what
 * is wrong and not where, or with the connection's error.
 */
export async function examineEngine(
  link: EngineLink,
  library: FunctionLibrary,
  probeKey: string,
): Promise<EngineFacts> {
  const info = await asked('INFO server', link.send(['INFO', 'server']));
  const version = versionOf(String(info));
  await asked('a write', link.send(['SET', probeKey, '1', 'PX', String(PROBE_MS)]));
  await loadFunctions(link, library);
  await asked('a function', link.send(['FCALL', library.named('probe'), '1', probeKey]));
  return { version, memoryPolicy: await memoryPolicyOf(link) };
}

function versionOf(info: string): string {
  if (/^(redis|server)_mode:sentinel/m.test(info)) {
    throw refused('it is a Sentinel: the URL needs the address of the primary, or of a proxy that follows it');
  }
  const field = (name: string): string | undefined => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
  const valkey = field('valkey_version');
  const redis = field('redis_version');
  const version = valkey ?? redis;
  if (version === undefined) throw refused('it does not tell its version: Redis 7, or Valkey, is needed');
  const name = `${valkey === undefined ? 'redis' : 'valkey'} ${version}`;
  if (Number.parseInt(version, 10) < MAJOR_MIN) throw refused(`it is ${name}: version ${MAJOR_MIN} or later is needed`);
  return name;
}

/** Loads the library, also in place of one that has its name and another text: then somebody has meddled with it. */
async function loadFunctions(link: EngineLink, { name, code }: FunctionLibrary): Promise<void> {
  const listed = await asked('FUNCTION LIST', link.send(['FUNCTION', 'LIST', 'LIBRARYNAME', name, 'WITHCODE']));
  if (hasText(listed, code)) return;
  await asked('FUNCTION LOAD', link.send(['FUNCTION', 'LOAD', 'REPLACE', code]));
}

/** Whether a reply of nested lists and maps has this text somewhere. */
function hasText(reply: unknown, text: string): boolean {
  if (typeof reply === 'string' || Buffer.isBuffer(reply)) return String(reply) === text;
  if (reply === null || typeof reply !== 'object') return false;
  const members = reply instanceof Map ? [...reply.values()] : Object.values(reply);
  return members.some((member) => hasText(member, text));
}

async function memoryPolicyOf(link: EngineLink): Promise<string | undefined> {
  try {
    const answer = await link.send(['CONFIG', 'GET', 'maxmemory-policy']);
    // A map, or a list of names and values.
    const values = Array.isArray(answer) ? answer : Object.values(answer ?? {});
    const last = values.at(-1);
    return last === undefined ? undefined : String(last);
  } catch {
    // Often forbidden where the engine is rented.
    return undefined;
  }
}

async function asked<T>(what: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw refusalOf(what, error);
  }
}

/** What an error reply means for whoever runs the engine. */
const MEANINGS: readonly (readonly [RegExp, string])[] = [
  [/^(NOAUTH|WRONGPASS)/, 'it refuses the name or password in the URL, or that it has none'],
  // The latter two are said of a function's commands: by Redis, and by Valkey.
  [
    /^(NOPERM|ERR The user executing the script can't|ERR ACL failure in script)/,
    "the URL's user may not use a command that is needed",
  ],
  [/^READONLY/, 'it is read-only: a replica, not the primary'],
  [/^OOM/, 'its memory is full'],
  [/^MISCONF/, 'it refuses writes because it cannot save to disk'],
  [/^ERR unknown (sub)?command/, 'it does not know a command of Redis 7'],
];

/** The error that an engine's error reply stands for. What is no reply (a lost connection) stays as it is. */
export function refusalOf(what: string, error: unknown): unknown {
  const message = messageOf(error);
  const moved = /^MOVED \d+ (\S+)/.exec(message)?.[1];
  if (moved !== undefined) return new MovedError(moved);
  const meaning = MEANINGS.find(([sign]) => sign.test(message))?.[1];
  if (meaning !== undefined) return refused(`${meaning} (${what}: ${message})`);
  return /^[A-Z]{3,} /.test(message) ? refused(`${what} failed: ${message}`) : error;
}

function refused(what: string): PlannerError {
  return new PlannerError('ERR_CLUSTER_REFUSED', what);
}

/** What may have to be done about a connection that failed, to be added to the message. */
export function connectionHint(url: string, message: string): string {
  if (/^Unknown RESP type|not the protocol/.test(message))
    return '; what listens there speaks another protocol than Redis';
  const hints = url.startsWith('rediss:') ? WITH_TLS : WITHOUT_TLS;
  return hints.find(([sign]) => sign.test(message))?.[1] ?? '';
}

/** By the message's form, the first that matches. */
type Hints = readonly (readonly [RegExp, string])[];

const WITHOUT_TLS: Hints = [
  [/^(Socket closed|the connection ended)|ECONNRESET|EPIPE/, '; with TLS there, the URL begins with rediss://'],
];

const WITH_TLS: Hints = [
  [
    /alert certificate required/,
    '; it asks each client for a certificate, and nodes have none: set tls-auth-clients no there',
  ],
  [
    /self-signed|unable to (get|verify)/,
    "; the environment variable NODE_EXTRA_CA_CERTS names a file with its authority's certificate",
  ],
  [/ECONNREFUSED|ENOTFOUND|altnames|expired/, ''],
  [/./, '; without TLS there, the URL begins with redis://'],
];
