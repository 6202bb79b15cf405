import type { Channel } from './channel.ts';

/** How a peer exited. */
export interface PeerExit {
  /** Its exit code; null if a signal ended it. */
  readonly code: number | null;
  /** The signal that ended a process; else null. */
  readonly signal: string | null;
  /** True if `close` ended it. */
  readonly expected: boolean;
}

export interface PeerEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** Further details: the error that ended a thread. */
  readonly reason?: string;
}

/** The thread or process of a planner, as its host sees it. */
export interface Peer extends Channel {
  /** Its name in messages. */
  readonly name: 'thread' | 'process';
  /** True if `clock.now()` has the same meaning there. */
  readonly sharesClock: boolean;
  /** Resolves when it has exited and all its messages have been received. Never rejects. */
  readonly ended: Promise<PeerEnd>;
  /** Whether it keeps this process alive. */
  hold(isHeld: boolean): void;
  /** Lets it exit after its planner was closed. */
  leave(): void;
  kill(): void;
}

/** Returns, for example, `the planner's process has ended (signal SIGKILL)`. */
export function endText({ name }: Peer, { code, signal, reason }: PeerEnd): string {
  const how = [signal !== null && `signal ${signal}`, code !== null && `exit code ${code}`, reason];
  return `the planner's ${name} has ended (${how.filter(Boolean).join(', ')})`;
}
