import type { Channel } from './channel.ts';

/** How a peer ended. */
export interface PeerExit {
  /** Its exit code; null where a signal ended it. */
  readonly code: number | null;
  /** The signal that ended a process; else null. */
  readonly signal: string | null;
  /** Whether `close` had told it to end. */
  readonly expected: boolean;
}

export interface PeerEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** What is known beside them: the error that a thread died of. */
  readonly reason?: string;
}

/** The thread or process of a planner, as its host holds it. */
export interface Peer extends Channel {
  /** As messages call it. */
  readonly name: 'thread' | 'process';
  /** Whether `clock.now()` means the same there. */
  readonly sharesClock: boolean;
  /** Resolves when it has ended and everything it sent has been heard. Never rejects. */
  readonly ended: Promise<PeerEnd>;
  /** Whether it keeps this process alive. */
  hold(isHeld: boolean): void;
  /** Lets it end, its planner being closed. */
  leave(): void;
  /** Ends it at once, whatever it does. */
  kill(): void;
}

/** `the planner's process has ended (signal SIGKILL)`. */
export function endText({ name }: Peer, { code, signal, reason }: PeerEnd): string {
  const how = [signal !== null && `signal ${signal}`, code !== null && `exit code ${code}`, reason];
  return `the planner's ${name} has ended (${how.filter(Boolean).join(', ')})`;
}
