import { connect } from 'node:net';
import type { Clock } from '../../shared/clock.ts';

/** Resolves to true if the address of a URL accepts connections, which a hung or stopped process still does. */
export function acceptsConnections(url: string, clock: Clock, timeoutMs: number): Promise<boolean> {
  const at = URL.parse(url);
  if (at === null) return Promise.resolve(false);
  const port = Number(at.port || (at.protocol === 'https:' ? 443 : 80));
  return new Promise((resolve) => {
    const end = (accepts: boolean): void => {
      timer.cancel();
      socket.destroy();
      resolve(accepts);
    };
    const timer = clock.setTimer(timeoutMs, () => end(false));
    // Without the brackets of an IPv6 address.
    const socket = connect({ port, host: at.hostname.replace(/^\[|\]$/g, '') }, () => end(true));
    socket.once('error', () => end(false));
  });
}
