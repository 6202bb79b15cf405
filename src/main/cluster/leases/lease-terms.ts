import type { EngineReply } from '../engine/engine.ts';

/** The times of the protocol of leases, in milliseconds. The engine's function is made from the same figures. */
export const LEASE = {
  /** How long a lease lasts. A killed node's slots are free after that; a node renews three times as often. */
  lifeMs: 1_200,
  /** A node counts its leases as lapsed this much sooner than the engine does, in order to have stopped by then. */
  safetyMs: 100,
  /** A node that needs nothing still reports itself this often. */
  beatMs: 2_000,
  /** A holder keeps what it has until another has had this much less of the slots: slots times milliseconds. */
  turnMs: 100,
  /** Longest time for which leases of a silent but connected node are kept. */
  keptMs: 60_000,
  /**
   * A node without an answer works alone after this time. Longer than a life by what all nodes need to connect again: if the engine was away
   * for less than a life, nobody works alone while others get leases.
   */
  aloneMs: 1_800,
  /** The engine grants nothing new for this long after it was away: all nodes connect again, and say what they keep. */
  returnMs: 600,
  /** The engine was probably away if it heard nothing for this long, and then a node that had no answer. */
  gapMs: 300,
  /** A node that holds nothing is forgotten if it has been silent for this long and has no connection. Longer than a beat. */
  goneMs: 2_400,
  /** If nobody held a lease and nothing was heard for this long, nodes may have been working alone. */
  quietMs: 4_000,
} as const;

/** What a node reports about one model server. */
export interface LeaseReport {
  /** Increases with each report of this node, so that one that arrives late is ignored. */
  readonly seq: number;
  /** Number of leases that the node uses whatever the reply is; at least the calls at work. */
  readonly keep: number;
  /** Calls at work, including those whose aborted calls are probably still being worked on. */
  readonly busy: number;
  /** Waiting calls that need further leases, and those of background work. */
  readonly want: number;
  readonly later: number;
  /** In how many milliseconds the last of its calls, including those that it may still start, ends at the latest. */
  readonly endsMs: number;
  /** The number of slots as this node knows it; while it probes a learned number, half of that. */
  readonly limit: number;
  /** For how many milliseconds its breaker is still open; 0 if it is closed. */
  readonly restMs: number;
  /** Whether the engine had not answered this node when it sent the report. */
  readonly wasAway: boolean;
  /** The number of slots that this node has learned; 0 if it is known. */
  readonly learned: number;
  /** Whether that has changed since the nodes agreed on one: then they follow. */
  readonly hasMoved: boolean;
  /** Whether the node closes: it is not counted any more. */
  readonly isLast?: boolean;
}

/** What the engine answers. */
export interface LeaseGrant {
  /** Number of leases that the node has now. Fewer than it keeps only if it kept what others have by now. */
  readonly leases: number;
  /** Number that it should have while others wait. */
  readonly target: number;
  /** Slots that nobody holds; negative if more are in use than there are. */
  readonly free: number;
  /** Number of calls for which other nodes wait. */
  readonly othersWant: number;
  readonly nodes: number;
  /** The slots of the server, as the nodes agree. */
  readonly limit: number;
  /** Calls of other nodes at work. */
  readonly othersBusy: number;
  /** Number of nodes that hold or want leases, this one included. */
  readonly active: number;
  /** The longest time for which another node's breaker is still open. */
  readonly restMs: number;
  /** For how long nothing new is granted, because the engine may have lost its memory. */
  readonly frozenMs: number;
  /** The learned number of slots on which the nodes agree; 0 if none has learned it. */
  readonly learned: number;
}

export function reportArgs(report: LeaseReport): string[] {
  const { seq, keep, busy, want, later, limit, learned } = report;
  const times = [Math.ceil(report.endsMs), Math.ceil(report.restMs)];
  const flags = [report.wasAway, report.hasMoved, report.isLast === true].map(Number);
  return [seq, keep, busy, want, later, limit, learned, ...times, ...flags].map(String);
}

/** Undefined if the engine ignored the report because a newer one had arrived, or if the reply has figures that the function would not return. */
export function readGrant(reply: EngineReply): LeaseGrant | undefined {
  if (!Array.isArray(reply) || reply.length !== FIGURES.length || !reply.every(isFigure)) return undefined;
  const grant = Object.fromEntries(FIGURES.map((name, nth) => [name, reply[nth]])) as unknown as LeaseGrant;
  const isSound = FIGURES.every((name) => name === 'free' || grant[name] >= 0) && grant.active > 0;
  return isSound ? { ...grant, restMs: Math.min(grant.restMs, LEASE.keptMs) } : undefined;
}

function isFigure(figure: unknown): boolean {
  return Number.isSafeInteger(figure);
}

/** In the order of the reply. */
const FIGURES: readonly (keyof LeaseGrant)[] = [
  ...(['leases', 'target', 'free', 'othersWant', 'nodes', 'limit'] as const),
  ...(['othersBusy', 'active', 'restMs', 'frozenMs', 'learned'] as const),
];
