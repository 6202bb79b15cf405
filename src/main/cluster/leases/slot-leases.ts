import type { Clock, Timer } from '../../../shared/clock.ts';
import type { Random } from '../../../shared/random.ts';
import type { ClusterNames, Engine } from '../engine/engine.ts';
import { LEASE, type LeaseGrant, type LeaseReport, readGrant, reportArgs } from './lease-terms.ts';

/** The calls of this node to one model server, as its leases see them. */
export interface SlotDemand {
  /** Slots in use, including those whose aborted calls are probably still being worked on. */
  readonly busy: number;
  /** Slots in use only for the latter. */
  readonly held: number;
  readonly waiting: number;
  readonly waitingInBackground: number;
  /** The number of slots as this node alone knows it. */
  readonly limit: number;
  /** The number of slots that it has learned from times; undefined if it is known. */
  readonly learned: number | undefined;
  /** Whether the learned number has changed since the nodes agreed on one. */
  readonly hasMoved: boolean;
  /** The nodes agree on this number of slots, where it is learned. */
  agree(slots: number): void;
  /** For how many milliseconds the server is not called because it has failed; 0 if it is. */
  readonly restMs: number;
  /** In how many milliseconds the last call that is at work, or may still start, ends at the latest. */
  readonly endsMs: number;
  /** There may be more slots than before. */
  wake(): void;
  /** Cancels calls until at most this many are at work. */
  shed(count: number): void;
  /** Another node has stopped calling the server for this long because it failed. */
  doubt(restMs: number): void;
}

export interface LeaseParts {
  readonly engine: Engine;
  readonly names: ClusterNames;
  /** The server's name in the cluster (`serverKey`). */
  readonly server: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly demand: SlotDemand;
}

/** What `stats()` reports about the leases for one server. */
export interface LeaseStats {
  readonly server: string;
  /** Whether the slots are shared through the engine, or this node works with its share alone. */
  readonly mode: 'shared' | 'alone';
  /** Number of calls that may be at work now. */
  readonly leases: number;
  /** Waiting calls of this node that need further leases. */
  readonly wanted: number;
  /** Slots of this node's equal share that others use. */
  readonly lent: number;
  /** Number of calls for which other nodes wait. */
  readonly othersWaiting: number;
  readonly nodes: number;
  /** The server's slots, as the nodes agree. */
  readonly slots: number;
  /** Slots whose aborted calls are probably still being worked on. */
  readonly ghosts: number;
  readonly syncs: number;
  /** Reports that were not answered. */
  readonly unanswered: number;
  /** Times that calls were cancelled because leases lapsed. */
  readonly sheds: number;
}

/** Change it when the engine's state changes its form. Nodes of two protocols do not share slots. */
const PROTOCOL = '1';
/** Intervals between reports, in milliseconds: of a holder, of one for whose slots others wait, and of one that waits. */
const RENEW_MS = LEASE.lifeMs / 3;
const CONTESTED_MS = LEASE.lifeMs / 6;
const POLL_MS = 300;
/** A report that was not answered is repeated after up to this long. */
const AGAIN_MS = 200;
/** After the engine is back, nodes report spread over this time. */
const SPREAD_MS = 200;

/** How long an answer may take, in milliseconds. */
const ANSWER_MS = 400;
/** A report that fails later than this has waited for its own process. */
const STILL_MS = 2 * ANSWER_MS;

/** What is known before the engine has answered: nothing is shared. */
const NOTHING: LeaseGrant = {
  leases: 0,
  target: 0,
  free: 0,
  othersWant: 0,
  nodes: 0,
  limit: 0,
  othersBusy: 0,
  active: 1,
  restMs: 0,
  frozenMs: 0,
  learned: 0,
};

/**
 * This node's leases for the slots of one model server. A call starts only on a lease that is valid by this node's own clock, counted
 * from the moment at which the report was sent: so nothing starts on a lapsed lease, however long the process stood still. The protocol
 * is described in docs/concurrency.md, "Slots of a cluster".
 *
 * While the engine does not answer, the node keeps what it has until that lapses. When the leases of all others have lapsed too, it works
 * alone with its share of the slots.
 */
export class SlotLeases {
  readonly server: string;
  readonly #parts: LeaseParts;
  readonly #key: string;
  readonly #channel: string;
  readonly #ends: (() => void)[] = [];
  #grant = NOTHING;
  #leases = 0;
  #untilMs = Number.NEGATIVE_INFINITY;
  /** Since when the engine has not answered; undefined while it does. */
  #awaySinceMs: number | undefined;
  #seq = 0;
  /** Most calls at work since the last report: idle leases beyond that are given back. */
  #peak = 0;
  /** What the engine has refused, and only a message or time can change. */
  #refused: 'nothing' | 'background' | 'all' = 'nothing';
  #isSyncing = false;
  /** Whether a message arrived while a reply was awaited, which may be older. */
  #isOutdated = false;
  #isDue = false;
  #isClosed = false;
  #next: Timer | undefined;
  #lapse: Timer | undefined;
  #alone: Timer | undefined;
  #unanswered = 0;
  #sheds = 0;

  constructor(parts: LeaseParts) {
    this.#parts = parts;
    this.server = parts.server;
    const { engine, names, clock } = parts;
    this.#key = names.key('slots', PROTOCOL, parts.server);
    this.#channel = names.key('slots', PROTOCOL, parts.server, 'told');
    if (!engine.isUp) this.#went(clock.now());
    this.#ends.push(
      engine.listen(this.#channel, (message) => this.#told(message)),
      engine.onChange((isUp) => (isUp ? this.#later(parts.random.next() * SPREAD_MS) : this.#went(clock.now()))),
    );
    this.#later(parts.random.next() * SPREAD_MS);
  }

  /** Number of calls that may be at work now; none starts while as many are. */
  get held(): number {
    const nowMs = this.#parts.clock.now();
    const valid = nowMs < this.#untilMs ? this.#leases : 0;
    const own = this.#isContested ? Math.min(valid, this.#grant.target) : valid;
    return this.#isAlone(nowMs) ? Math.max(own, this.#share) : own;
  }

  /** Number of slots that this node could have at once if it wanted them: held, or held by nobody. */
  get reach(): number {
    return this.held + (this.#isAlone(this.#parts.clock.now()) || this.#isContested ? 0 : this.#grant.free);
  }

  /** Number of slots that this node can count on as soon as calls end: its fair share, or more if others leave it. */
  get share(): number {
    if (this.#isAlone(this.#parts.clock.now())) return this.#share;
    const { target, free, limit, active } = this.#grant;
    return Math.max(1, this.held, target, this.#leases + free, Math.floor(limit / active));
  }

  /** Calls of other nodes at work, as last known. */
  get othersBusy(): number {
    return this.#grant.othersBusy;
  }

  /** Call when a call starts to wait, or stops waiting, starts or ends. */
  changed(): void {
    this.#peak = Math.max(this.#peak, this.#parts.demand.busy);
    if (this.#isDue || this.#isClosed) return;
    this.#isDue = true;
    this.#parts.clock.nextTurn(() => {
      this.#isDue = false;
      this.#consider();
    });
  }

  /** Gives back all leases if the engine answers, so that this node is not counted any more, and stops. Never rejects. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    for (const end of this.#ends) end();
    for (const timer of [this.#next, this.#lapse, this.#alone]) timer?.cancel();
    const report = { ...this.#report(), keep: 0, busy: 0, want: 0, later: 0, isLast: true };
    this.#isClosed = true;
    if (this.#parts.engine.isUp) await this.#send(report).catch(() => {});
  }

  stats(): LeaseStats {
    const { demand, clock } = this.#parts;
    const { limit, free, othersWant, nodes } = this.#grant;
    const equal = Math.floor(limit / Math.max(1, nodes));
    const borrowed = limit - free - this.#leases - equal * (nodes - 1);
    return {
      server: this.server,
      mode: this.#isAlone(clock.now()) ? 'alone' : 'shared',
      leases: this.held,
      wanted: this.#wanted(this.held),
      lent: Math.max(0, Math.min(equal - this.#leases, borrowed)),
      othersWaiting: othersWant,
      nodes,
      slots: limit,
      ghosts: demand.held,
      syncs: this.#seq,
      unanswered: this.#unanswered,
      sheds: this.#sheds,
    };
  }

  /** The part of the slots with which this node works alone. */
  get #share(): number {
    const { nodes, limit } = this.#grant;
    return nodes === 0 ? 1 : Math.max(1, Math.floor(Math.min(limit, this.#parts.demand.limit) / nodes));
  }

  /** By now the leases of all other nodes have lapsed. */
  #isAlone(nowMs: number): boolean {
    return this.#awaySinceMs !== undefined && nowMs >= this.#awaySinceMs + LEASE.aloneMs;
  }

  /** Whether this node is to use no more than its target: others wait, or more is in use than there is. */
  get #isContested(): boolean {
    return this.#grant.othersWant > 0 || this.#grant.free < 0;
  }

  #wanted(leases: number): number {
    const { busy, waiting, waitingInBackground } = this.#parts.demand;
    return Math.max(0, busy + waiting + waitingInBackground - leases);
  }

  /** Reports at once if calls need leases that were not refused, or if others wait for what this node does not need. */
  #consider(): void {
    if (this.#isClosed) return;
    if (this.#lacks() || (this.#isContested && this.#keep() < this.#validLeases())) this.#sync();
  }

  #lacks(): boolean {
    const { busy, waiting, waitingInBackground } = this.#parts.demand;
    if (busy < this.held) return false;
    return waiting > 0 ? this.#refused !== 'all' : waitingInBackground > 0 && this.#refused === 'nothing';
  }

  #validLeases(): number {
    return this.#parts.clock.now() < this.#untilMs ? this.#leases : 0;
  }

  /** What this node goes on to use, whatever the reply is. */
  #keep(): number {
    const { busy, waiting, waitingInBackground } = this.#parts.demand;
    if (this.#isAlone(this.#parts.clock.now())) return Math.max(busy, this.#share);
    const used = busy + waiting + waitingInBackground;
    const needed = this.#isContested ? Math.min(used, this.#grant.target) : Math.max(this.#peak, used);
    return Math.max(busy, Math.min(this.#validLeases(), needed));
  }

  #report(): LeaseReport {
    const { busy, waiting, waitingInBackground, limit, learned = 0, hasMoved, endsMs, restMs } = this.#parts.demand;
    const keep = this.#keep();
    const want = Math.max(0, busy + waiting - keep);
    const later = Math.max(0, busy + waiting + waitingInBackground - keep - want);
    const wasAway = this.#awaySinceMs !== undefined && (this.#grant.nodes > 0 || keep > 0);
    return { seq: ++this.#seq, keep, busy, want, later, endsMs, limit, restMs, wasAway, learned, hasMoved };
  }

  #sync(): void {
    const { engine, clock } = this.#parts;
    if (this.#isSyncing || this.#isClosed) return;
    if (!engine.isUp) return this.#went(clock.now());
    const sentMs = clock.now();
    const report = this.#report();
    // From here on they may be another node's.
    this.#leases = Math.min(this.#validLeases(), report.keep);
    this.#peak = report.busy;
    this.#isSyncing = true;
    this.#isOutdated = false;
    this.#next?.cancel();
    this.#send(report).then(
      (grant) => this.#settled(() => this.#granted(grant, report, sentMs)),
      () => this.#settled(() => this.#failed(sentMs)),
    );
  }

  async #send(report: LeaseReport): Promise<LeaseGrant> {
    const { engine, names } = this.#parts;
    const args = [engine.node, names.presence(''), this.#channel, ...reportArgs(report)];
    const grant = readGrant(await engine.call('sync_slots', [this.#key], args, { timeoutMs: ANSWER_MS }));
    if (grant === undefined) throw new Error('a newer report has arrived');
    return grant;
  }

  #settled(then: () => void): void {
    this.#isSyncing = false;
    if (this.#isClosed) return;
    then();
    if (this.#isOutdated) this.#sync();
    else this.#consider();
  }

  #granted(grant: LeaseGrant, { want, later }: LeaseReport, sentMs: number): void {
    const { demand, clock } = this.#parts;
    const more = grant.leases - this.#leases;
    // An engine that has just lost its memory does not know all nodes yet.
    const nodes = grant.frozenMs > 0 ? Math.max(grant.nodes, this.#grant.nodes) : grant.nodes;
    this.#grant = { ...grant, nodes };
    this.#leases = grant.leases;
    this.#untilMs = sentMs + LEASE.lifeMs - LEASE.safetyMs;
    this.#awaySinceMs = undefined;
    this.#refused = 'nothing';
    if (more < want) this.#refused = 'all';
    else if (more < want + later) this.#refused = 'background';
    this.#lapse?.cancel();
    this.#lapse = clock.setTimer(this.#untilMs - clock.now(), () => this.#lapsed());
    this.#later(this.#pauseMs());
    if (grant.restMs > 0) demand.doubt(grant.restMs);
    if (grant.learned > 0) demand.agree(grant.learned);
    if (this.#running > grant.leases) this.#shed(grant.leases);
    if (more > 0) demand.wake();
  }

  #failed(sentMs: number): void {
    this.#unanswered++;
    this.#went(sentMs);
    this.#later(AGAIN_MS * (0.5 + 0.5 * this.#parts.random.next()));
  }

  /** Time until the next report if nothing happens. */
  #pauseMs(): number {
    const { busy } = this.#parts.demand;
    const { frozenMs } = this.#grant;
    const isHolder = this.#leases + busy > 0;
    const isWaiting = this.#refused !== 'nothing';
    const renewMs = isHolder ? (this.#isContested ? CONTESTED_MS : RENEW_MS) : LEASE.beatMs;
    const pollMs = isWaiting ? (frozenMs > 0 ? Math.min(frozenMs, POLL_MS) : POLL_MS) : renewMs;
    return Math.min(renewMs, pollMs) * (0.8 + 0.2 * this.#parts.random.next()) + 1;
  }

  #later(delayMs: number): void {
    this.#next?.cancel();
    if (!this.#isClosed) this.#next = this.#parts.clock.setTimer(delayMs, () => this.#sync());
  }

  /** The engine does not answer, since this moment. A process that stood still meanwhile has learnt that only now. */
  #went(sinceMs: number): void {
    if (this.#awaySinceMs !== undefined) return;
    const { clock, demand } = this.#parts;
    const nowMs = clock.now();
    this.#awaySinceMs = nowMs - sinceMs > STILL_MS ? nowMs : sinceMs;
    this.#alone?.cancel();
    this.#alone = clock.setTimer(this.#awaySinceMs + LEASE.aloneMs - nowMs, () => demand.wake());
  }

  /** What goes beyond the share is cancelled before the engine gives it to others. */
  #lapsed(): void {
    if (this.#parts.clock.now() >= this.#untilMs && this.#running > this.#share) this.#shed(this.#share);
  }

  get #running(): number {
    return this.#parts.demand.busy - this.#parts.demand.held;
  }

  #shed(count: number): void {
    this.#sheds++;
    this.#parts.demand.shed(count);
  }

  /** The engine published how many slots some nodes should have. */
  #told(message: Buffer): void {
    const target = targetOf(this.#parts.engine.node, message);
    if (target === undefined) return;
    this.#isOutdated = this.#isSyncing;
    if (target > this.#leases) {
      this.#refused = 'nothing';
      if (this.#parts.demand.waiting + this.#parts.demand.waitingInBackground > 0) this.#sync();
      return;
    }
    this.#grant = { ...this.#grant, target, othersWant: Math.max(1, this.#grant.othersWant) };
    this.#consider();
  }
}

/** Undefined if the message does not concern the node, or is not from the function of leases. */
function targetOf(node: string, message: Buffer): number | undefined {
  try {
    const target: unknown = (JSON.parse(message.toString()) as Record<string, unknown>)[node];
    return Number.isSafeInteger(target) && (target as number) >= 0 ? (target as number) : undefined;
  } catch {
    return undefined;
  }
}
