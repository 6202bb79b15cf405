/** The part of a server's slots that this node has, while several nodes share them (`cluster/leases`). */
export interface SlotBudget {
  /** Number of calls that may be at work now: none starts while as many are. */
  readonly held: number;
  /** Number of slots that could be had at once: held, or held by nobody. */
  readonly reach: number;
  /** Number of slots that this node can count on as soon as calls end; at least 1. */
  readonly share: number;
  /** Calls of other nodes at work, as last known. */
  readonly othersBusy: number;
  /** Called when a call starts to wait, stops waiting, starts or ends. */
  changed(): void;
}
