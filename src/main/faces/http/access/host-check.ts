import { PlannerError } from '../../../../shared/errors.ts';
import { LOCAL_NAMES } from '../http-options.ts';

/**
 * Keeps pages of other origins out. A browser sends any page's requests to this machine: from another origin with that
 * origin in `Origin`, and from a name that was made to point here (DNS rebinding) with that name in `Host`. Programs send no
 * `Origin`, and the name they were given.
 */
export class HostCheck {
  /** Undefined: any. */
  readonly #names: ReadonlySet<string> | undefined;
  /** The last `Host` that passed: nearly always the next one too. */
  #passed: string | undefined;

  constructor(allowed: readonly string[] | undefined) {
    if (allowed !== undefined) this.#names = new Set([...LOCAL_NAMES, ...allowed.map((name) => name.toLowerCase())]);
  }

  /** What is wrong with a request's headers, if anything. */
  refusal(host: string | undefined, origin: string | undefined): PlannerError | undefined {
    if (host !== this.#passed && !this.#isAllowed(host)) {
      return new PlannerError('ERR_ORIGIN', `Host must be a name of this server (allowedHosts), got ${clip(host)}`);
    }
    this.#passed = host;
    if (origin === undefined || origin === `http://${host}` || origin === `https://${host}`) return undefined;
    return new PlannerError(
      'ERR_ORIGIN',
      `Origin must be this server: pages of others may not call, got ${clip(origin)}`,
    );
  }

  /** Only HTTP/1.0 leaves the name out, which no browser speaks. */
  #isAllowed(host: string | undefined): boolean {
    return host === undefined || this.#names === undefined || this.#names.has(nameOf(host));
  }
}

/** Without the port. */
function nameOf(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, '');
}

function clip(value: string | undefined): string {
  return JSON.stringify((value ?? '').slice(0, 100));
}
