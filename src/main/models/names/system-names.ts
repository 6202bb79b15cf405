import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import type { Clock } from '../../../shared/clock.ts';
import type { NameService } from './same-place.ts';

/** This machine's name service; a host that does not resolve in time has no address. */
export function systemNames(clock: Clock, timeoutMs: number): NameService {
  return {
    own: Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)),
    lookup: async (host) => {
      const late = Promise.withResolvers<readonly string[]>();
      const timer = clock.setTimer(timeoutMs, () => late.resolve([]));
      try {
        const found = lookup(host, { all: true }).then((all) => all.map(({ address }) => address));
        return await Promise.race([found.catch(() => []), late.promise]);
      } finally {
        timer.cancel();
      }
    },
  };
}
