import { isIP } from 'node:net';

export interface EngineHost {
  /** A name, or an IP address without brackets. */
  readonly host: string;
  /**
   * The name that a TLS connection asks for (SNI), by which a router tells apart the engines behind one address. Absent for an IP address,
   * which the protocol does not allow there.
   */
  readonly servername?: string;
}

/** The host of an engine's URL, as both connections give it to their sockets. */
export function engineHost(url: string): EngineHost {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  // The dot at the end of an absolute name is not part of the name that is asked for.
  return isIP(host) === 0 ? { host, servername: host.replace(/\.$/, '') } : { host };
}
