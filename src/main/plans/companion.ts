/**
 * What lives beside the plans on the same model servers, and as long as they do: the gateway for chats. The planner knows no
 * more of it than this.
 */
export interface Companion<S = unknown> {
  /** What the planner tells of it among its own figures. */
  stats(): S;
  /** Forgets what it has cached. */
  clearCache(): void;
  /** From now on it refuses what is new. */
  shut(): void;
  /** Resolves when nothing of it is under way. */
  idle(): Promise<void>;
  /** Ends what is under way. */
  close(): Promise<void>;
}
