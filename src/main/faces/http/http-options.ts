import { BlockList, isIP } from 'node:net';
import { z } from 'zod';
import { checkOptions, failOptions } from '../../../shared/check-options.ts';
import { type Domain, imageFeaturesOf } from '../../../shared/domain.ts';
import { describeValue } from '../../../shared/errors.ts';
import { FACE_BYTES } from '../byte-budget.ts';

/** Options of the HTTP server. */
export interface HttpFaceOptions {
  /** Port to listen on; 0 chooses a free one. */
  readonly port: number;
  /** Address to listen on. One that other machines can reach requires a token. Default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Bearer token that clients must send as `Authorization: Bearer …`. Default: none is required. */
  readonly token?: string | undefined;
  /** File with the token, readable only by its owner. Replaces `token`. */
  readonly tokenFile?: string | undefined;
  /**
   * Host names, without ports, that requests may name in addition to those of this machine. Default: none if only this machine can
   * reach `host`, else any.
   */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Maximum number of requests per minute from one address. Default: false, or 6,000 if other machines can reach `host`. */
  readonly rateLimitPerMinute?: number | false | undefined;
  /** Maximum size of a request body. Default 2 MiB, or 24 MiB if the domain has images. */
  readonly bodyBytesMax?: number | undefined;
  /**
   * Maximum size of all bodies over 64 KiB together, from their first byte until they are answered. Beyond it, the slowest body that is
   * still arriving is dropped with ERR_PLANNER_OVERLOADED. At least `bodyBytesMax`. Default: 128 MiB, or four times `bodyBytesMax`.
   */
  readonly largeBodiesBytesMax?: number | undefined;
  /** Maximum size of all headers of a request. Default 16 KiB. */
  readonly headerBytesMax?: number | undefined;
  /** Time limit for receiving the headers of a request, in milliseconds. Default 10,000. */
  readonly headersTimeoutMs?: number | undefined;
  /** Time limit for receiving a whole request, in milliseconds. Default 30,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** How long an idle connection stays open, in milliseconds. Default 60,000. */
  readonly keepAliveTimeoutMs?: number | undefined;
  /** How long a client may read none of its response before it is disconnected, in milliseconds. Default 30,000. */
  readonly slowClientMs?: number | undefined;
  /** Maximum number of connections. Connections beyond this limit are closed immediately. Default 2,048. */
  readonly connectionsMax?: number | undefined;
}

const bytes = z.number().int().min(1_024).max(1_073_741_824);
const ms = z.number().int().min(1).max(86_400_000);

/** Schema of `HttpFaceOptions`, also used for configuration files. */
export const httpFaceSchema = z.strictObject({
  port: z.number().int().min(0).max(65_535),
  host: z.string().min(1).optional(),
  token: z.string().min(1).optional(),
  tokenFile: z.string().min(1).optional(),
  allowedHosts: z.array(z.string().min(1)).max(1_000).optional(),
  rateLimitPerMinute: z.union([z.literal(false), z.number().int().min(1).max(1_000_000_000)]).optional(),
  bodyBytesMax: bytes.optional(),
  largeBodiesBytesMax: z.number().int().min(65_536).max(68_719_476_736).optional(),
  headerBytesMax: bytes.optional(),
  headersTimeoutMs: ms.optional(),
  requestTimeoutMs: ms.optional(),
  keepAliveTimeoutMs: ms.optional(),
  slowClientMs: ms.optional(),
  connectionsMax: z.number().int().min(1).max(1_000_000).optional(),
});

type Given<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };

export interface ResolvedHttpOptions extends Given<Omit<HttpFaceOptions, 'token' | 'tokenFile' | 'allowedHosts'>> {
  /** True if only this machine can reach the server. */
  readonly isLocal: boolean;
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  /** Host names that requests may name. Undefined if any name is allowed. */
  readonly allowedHosts: readonly string[] | undefined;
}

/** Host names and addresses of this machine. */
export const LOCAL_NAMES: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** True if only this machine can reach `host`. A name other than localhost may resolve to any address, so it does not count. */
function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  const version = isIP(host);
  return version !== 0 && loopback.check(host, version === 4 ? 'ipv4' : 'ipv6');
}

/** The `Host` header of an unusual address of this machine, such as 127.0.0.2; empty for the usual ones. */
function otherNames(host: string): string[] {
  const name = isIP(host) === 6 ? new URL(`http://[${host}]`).hostname : host;
  return LOCAL_NAMES.includes(name) ? [] : [name];
}

const BODY_BYTES = 2 * 1_048_576;
const BODY_BYTES_WITH_IMAGES = 24 * 1_048_576;
const RATE_BEYOND = 6_000;

/** The domain whose requests are the largest: one with images, if there is one. */
export function largestDomain(domains: Readonly<Record<string, Domain>>): Domain {
  const all = Object.values(domains);
  return all.find((domain) => imageFeaturesOf(domain).length > 0) ?? (all[0] as Domain);
}

/** Checks options and fills in defaults. Throws ERR_OPTIONS_INVALID with the key, the rule and the value. */
export function resolveHttpOptions(options: HttpFaceOptions, domain: Domain): ResolvedHttpOptions {
  const given = checkOptions(httpFaceSchema, options, 'http.');
  const host = given.host ?? '127.0.0.1';
  const isLocal = isLoopback(host);
  const hasImages = imageFeaturesOf(domain).length > 0;
  const bodyBytesMax = given.bodyBytesMax ?? (hasImages ? BODY_BYTES_WITH_IMAGES : BODY_BYTES);
  const resolved: ResolvedHttpOptions = Object.freeze({
    port: given.port,
    // The name has two addresses, and two servers would have to close together.
    host: host === 'localhost' ? '127.0.0.1' : host,
    isLocal,
    token: given.token,
    tokenFile: given.tokenFile,
    allowedHosts: isLocal ? [...(given.allowedHosts ?? []), ...otherNames(host)] : given.allowedHosts,
    rateLimitPerMinute: given.rateLimitPerMinute ?? (isLocal ? false : RATE_BEYOND),
    bodyBytesMax,
    largeBodiesBytesMax: given.largeBodiesBytesMax ?? Math.max(FACE_BYTES, 4 * bodyBytesMax),
    headerBytesMax: given.headerBytesMax ?? 16_384,
    headersTimeoutMs: given.headersTimeoutMs ?? Math.min(10_000, given.requestTimeoutMs ?? 10_000),
    requestTimeoutMs: given.requestTimeoutMs ?? Math.max(30_000, given.headersTimeoutMs ?? 0),
    keepAliveTimeoutMs: given.keepAliveTimeoutMs ?? 60_000,
    slowClientMs: given.slowClientMs ?? 30_000,
    connectionsMax: given.connectionsMax ?? 2_048,
  });
  checkRelations(resolved, given.host);
  return resolved;
}

function checkRelations(resolved: ResolvedHttpOptions, givenHost: string | undefined): void {
  const { token, tokenFile, isLocal, headersTimeoutMs, requestTimeoutMs } = resolved;
  const { bodyBytesMax, largeBodiesBytesMax } = resolved;
  if (largeBodiesBytesMax < bodyBytesMax) {
    const rule = `must be at least http.bodyBytesMax (${bodyBytesMax})`;
    failOptions(`http.largeBodiesBytesMax ${rule}, got ${largeBodiesBytesMax}`);
  }
  if (token !== undefined && tokenFile !== undefined) {
    failOptions(`http.tokenFile must not be given beside http.token, got ${describeValue(tokenFile)}`);
  }
  if (!isLocal && token === undefined && tokenFile === undefined) {
    const why = `http.host ${describeValue(givenHost)} is reached from beyond this machine`;
    failOptions(`http.token or http.tokenFile must be given where ${why}, got nothing`);
  }
  if (headersTimeoutMs > requestTimeoutMs) {
    failOptions(
      `http.headersTimeoutMs must be at most http.requestTimeoutMs (${requestTimeoutMs}), got ${headersTimeoutMs}`,
    );
  }
}
