/**
 * A service that shares the planner's model servers and lifetime: the gateway for chats. The planner knows only this interface.
 */
export interface Companion<S = unknown> {
  /** Its figures, included in those of the planner. */
  stats(): S;
  /** Clears its cache. */
  clearCache(): void;
  /** Rejects new work from now on. */
  shut(): void;
  /** Resolves when none of its work is in progress. */
  idle(): Promise<void>;
  /** Ends the work in progress. */
  close(): Promise<void>;
}
