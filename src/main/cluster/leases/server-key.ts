import { isIP } from 'node:net';

/** What is known about a model server that several nodes may call. */
export interface SharedServer {
  readonly baseURL: string;
  /** The name of its machine, if configured: servers of one machine share its slots, under whatever addresses the nodes reach it. */
  readonly machine?: string | undefined;
}

/**
 * The name under which nodes share a model server's slots: that of its machine, or its base URL without user, trailing slashes and path of
 * the version. A loopback address means another server on each host.
 */
export function serverKey({ baseURL, machine }: SharedServer, thisHost: string): string {
  if (machine !== undefined) return `machine ${machine}`;
  const { protocol, hostname, port, pathname } = new URL(baseURL);
  const host = isLoopback(hostname) ? thisHost.toLowerCase() : hostname;
  const path = pathname.replace(/\/+$/, '').replace(/\/v\d+$/, '');
  return `${protocol}//${host}:${port || (protocol === 'https:' ? '443' : '80')}${path}`;
}

function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
