import { PlannerError } from '../../../../shared/errors.ts';
import { LOCAL_NAMES } from '../http-options.ts';

/**
 * Rejects pages of other origins. A browser lets any page send requests to this machine: from another origin, `Origin` names that origin; through a
 * name made to point here (DNS rebinding), `Host` has that name. Programs send no `Origin`, and the name they were given.
 */
export class HostCheck {
  /** Undefined: any name. */
  readonly #names: ReadonlySet<string> | undefined;
  /** The last `Host` that passed: nearly always the next one too. */
  #passed: string | undefined;

  constructor(allowed: readonly string[] | undefined) {
    if (allowed !== undefined) this.#names = new Set([...LOCAL_NAMES, ...allowed.map((name) => name.toLowerCase())]);
  }

  /** The error in a request's headers, if any. */
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

  /** Only HTTP/1.0 omits the name, and no browser uses that. */
  #isAllowed(host: string | undefined): boolean {
    return host === undefined || this.#names === undefined || this.#names.has(nameOf(host));
  }
}

/** The host name without the port. */
function nameOf(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, '');
}

function clip(value: string | undefined): string {
  return JSON.stringify((value ?? '').slice(0, 100));
}
