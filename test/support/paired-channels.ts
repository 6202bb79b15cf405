import type { Channel } from '../../src/main/faces/ipc/channel.ts';
import type { Peer, PeerEnd } from '../../src/main/faces/ipc/peer.ts';

/** A thread's two ends, in this thread: what is posted is cloned. */
export function pairedChannels(): [Peer, Channel] {
  const hears: ((message: unknown) => void)[] = [];
  const end = (own: 0 | 1): Channel => ({
    post: (message) => {
      const copy: unknown = structuredClone(message);
      setImmediate(() => hears[1 - own]?.(copy));
    },
    listen: (hear) => {
      hears[own] = hear;
    },
  });
  const ended = Promise.withResolvers<PeerEnd>();
  const leave = (): void => ended.resolve({ code: 0, signal: null });
  const host = { ...end(0), name: 'thread', sharesClock: true, ended: ended.promise, hold: () => {} } as const;
  return [{ ...host, leave, kill: leave }, end(1)];
}
