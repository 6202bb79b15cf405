import type { Clock, Timer } from '../../../shared/clock.ts';
import {
  type Ask,
  type GateTurns,
  IN_ORDER,
  type Lane,
  RESERVED_RANK_MS,
  type Slot,
  type SlotNeed,
  unreserved,
} from './ask.ts';
import type { Machine, MachineGate } from './machine.ts';
import { Pressure } from './pressure.ts';
import type { RankedQueue } from './ranked-queue.ts';
import type { SlotBudget } from './slot-budget.ts';
import { SlotHolds } from './slot-holds.ts';
import { type SlotOwner, TakenSlot } from './taken-slot.ts';
import { type WaitingCall, WaitingCalls } from './waiting-calls.ts';
import { WorkedTime } from './worked-time.ts';

const ANY: Ask = {};

/**
 * The slots of one endpoint, shared by all experts and synthesis on it, with an optional pause between two starts.
 *
 * Foreground calls are served by rank, that is mostly by deadline, then in the order of arrival (earliest deadline first: Liu and
 * Layland 1973); background work is served in its order when no other call waits. Whether it makes room for a waiting call is
 * decided by the endpoint, which knows how long calls take (`onPressure`, `room.ts`). The pause applies between foreground
 * starts, and after any start for the background. A waiter that gives up leaves the queue immediately. Bounded by the plans in
 * flight: a plan waits with at most its experts, and no plan outlives its deadline.
 *
 * The number of slots may change at any moment; if more calls are running than there are slots now, none starts until enough have
 * ended. A slot whose call was aborted stays taken while the server is believed to work on: an abort is only a request.
 */
export class EndpointGate implements MachineGate {
  readonly #clock: Clock;
  readonly #limit: () => number;
  readonly #staggerMs: number;
  readonly #machine: Machine | undefined;
  readonly #calls: WaitingCalls;
  readonly #taken = new Set<TakenSlot>();
  /** Busy slots of calls that have a deadline. */
  readonly #hurried = new Set<Slot>();
  readonly #hurriedReads = new Set<Slot>();
  readonly #background = new Set<Slot>();
  readonly #holds: SlotHolds;
  readonly #owner: SlotOwner;
  readonly #pressure: Pressure;
  readonly #worked: WorkedTime;
  readonly #nextStartAt: Record<Lane, number> = {
    foreground: Number.NEGATIVE_INFINITY,
    background: Number.NEGATIVE_INFINITY,
  };
  #timer: Timer | undefined;
  #isClosed = false;
  /**
   * Called for waiting foreground calls while there is background work that could make room; in a separate turn of the event
   * loop, since many may start to wait at the same moment. Returns whether room is made.
   */
  onPressure: (ask: Ask) => boolean = () => false;
  /** Whether the server is known to continue with aborted calls: then their slots are held longer, within bounds. */
  isHeldOn: () => boolean = () => false;
  /** Called when a slot may have become free that no call waits for. */
  onIdle: () => void = () => {};
  /** Calls with a deadline start only while fewer of them than this are running: beyond it, they make one another late. */
  widthMax: (kind?: 'read') => number = () => Number.POSITIVE_INFINITY;
  /** Background work starts only while fewer calls than this are running: beyond it, calls only slow one another. */
  usefulCompany: () => number = () => Number.POSITIVE_INFINITY;
  /** Decides which waiting call starts. Default: the order of the queue. */
  turns: GateTurns = IN_ORDER;
  /** The part of the slots that this node has while several nodes share them. Default: all. */
  budget: SlotBudget | undefined;

  /**
   * `slots`: the number of slots, or a function that returns the current number. On a shared machine, the figures about slots,
   * running calls and waiting calls are those of the whole machine.
   */
  constructor(clock: Clock, slots: number | (() => number), staggerMs: number, machine?: Machine) {
    this.#clock = clock;
    this.#limit = typeof slots === 'number' ? () => slots : slots;
    this.#staggerMs = staggerMs;
    this.#calls = new WaitingCalls(clock);
    this.#worked = new WorkedTime(clock, () => this.#taken.size);
    this.#machine = machine;
    this.#holds = new SlotHolds(
      clock,
      (slot) => this.#free(slot),
      () => this.isHeldOn(),
    );
    this.#owner = {
      now: () => clock.now(),
      worked: () => machine?.worked() ?? this.#worked.now(),
      released: (slot, holdMs) => this.#released(slot, holdMs),
      movedLane: (slot) => this.#movedLane(slot),
    };
    this.#pressure = new Pressure(clock, {
      hasBackground: () => this.#background.size > 0,
      waiting: () => this.#waiting.length,
      asks: (from, to) => this.#waiting.slice(from, to).map(({ ask }) => ask),
      makeRoom: (ask) => this.onPressure(ask),
    });
    machine?.join(this);
  }

  /** Slots in use, including those whose aborted calls are probably still being worked on. */
  get busy(): number {
    return this.#machine?.busy ?? this.#taken.size;
  }

  /** Those that are served by rank. */
  get #waiting(): RankedQueue<WaitingCall> {
    return this.#calls.foreground;
  }

  get ownBusy(): number {
    return this.#taken.size;
  }

  get ownSlots(): number {
    return this.#limit();
  }

  get ownWaiting(): number {
    return this.#waiting.length;
  }

  get ownInBackground(): number {
    return this.#background.size;
  }

  get firstRankMs(): number {
    return this.#waiting.first?.rankMs ?? Number.POSITIVE_INFINITY;
  }

  ownAhead(rankMs: number): number {
    return this.#waiting.before(rankMs);
  }

  ownWorked(): number {
    return this.#worked.now();
  }

  /** The slots of running calls. */
  get running(): readonly TakenSlot[] {
    return [...this.#taken].filter(({ isRunning }) => isRunning);
  }

  /** Busy slots that are only held. */
  get held(): number {
    return this.#holds.size;
  }

  /** Estimated time until each held slot is free, in milliseconds. */
  get heldLeftMs(): readonly number[] {
    return this.#holds.leftMs;
  }

  /** Releases all holds: the server has shown that it stopped. */
  endHolds(): void {
    this.#holds.freeAll();
  }

  /** Number of slots that calls of this planner can count on. */
  get slots(): number {
    return Math.min(this.limit, this.budget?.share ?? Number.POSITIVE_INFINITY);
  }

  /** All slots of the server. */
  get limit(): number {
    return this.#machine?.slots ?? this.#limit();
  }

  /** Number of its waiting calls that could start if other nodes left all slots. */
  get willing(): number {
    const hurried = Math.min(this.limit, this.#widthShare) - this.#hurried.size;
    return Math.min(this.#waiting.length, Math.max(0, hurried) + this.#calls.unhurried);
  }

  get waitingInBackground(): number {
    return this.#calls.background.length;
  }

  /** Maximum calls with a deadline at once: at most the slots. */
  get width(): number {
    return Math.max(1, Math.min(this.slots, this.#widthShare));
  }

  /** This planner's part of the width, which is that of the whole server. */
  get #widthShare(): number {
    return Math.max(1, Math.round((this.widthMax() * this.slots) / this.limit));
  }

  /** Number of slots that a call with a deadline could have now if no other waited. */
  get free(): number {
    return Math.min(this.slots - this.busy, this.width - this.#hurried.size);
  }

  get waiting(): number {
    return this.#machine?.waiting ?? this.#waiting.length;
  }

  /** Whether the waiting call whose turn is next, apart from checks, has raised priority. */
  get isRaisedNext(): boolean {
    return unreserved(this.#waiting).first?.ask.isRaised === true;
  }

  /** Busy slots of background work. */
  get inBackground(): number {
    return this.#machine?.inBackground ?? this.#background.size;
  }

  /** Number of slots that are free for calls with a deadline, and that no call waits for. */
  get idle(): number {
    const own = Math.min(this.#limit() - this.#taken.size, this.width - this.#hurried.size) - this.#waiting.length;
    if (this.#machine === undefined && this.budget === undefined) return Math.max(0, own);
    const inReach = Math.min(this.limit, this.budget?.reach ?? Number.POSITIVE_INFINITY);
    return Math.max(0, Math.min(own, inReach - this.busy - this.waiting));
  }

  /** Whether a slot is free that no call waits for. */
  get isIdle(): boolean {
    return this.idle > 0 && this.#calls.length === 0;
  }

  /** Number of waiting calls that are served before one of this rank. */
  ahead(rankMs: number): number {
    return this.#machine?.ahead(rankMs) ?? this.#waiting.before(rankMs);
  }

  /** Returns a slot, or undefined if `signal` aborts first. */
  acquire(signal: AbortSignal, ask: Ask = ANY): Promise<Slot | undefined> | Slot | undefined {
    if (signal.aborted) return undefined;
    const { lane = 'foreground' } = ask;
    const queue = lane === 'foreground' ? this.#waiting : this.#calls.background;
    const isFirst = this.#waiting.length === 0 && queue.length === 0;
    if (isFirst && this.#mayStart(lane, ask) && this.turns.mayBegin(ask)) return this.#start(lane, ask);
    return this.#calls.wait(signal, ask, {
      joined: (waiter) => {
        this.#joined(waiter);
        this.budget?.changed();
      },
      left: () => {
        this.#passOn();
        this.budget?.changed();
      },
    });
  }

  #joined(waiter: WaitingCall): void {
    this.#wake();
    if (this.#waiting.has(waiter)) this.#pressure.soon();
  }

  /** Takes a slot that is free at once and that no call waits for; undefined if there is none. */
  takeIdle(ask: Ask): Slot | undefined {
    if (!this.isIdle || !this.#mayStart('foreground', ask) || !this.turns.mayBegin(ask)) return undefined;
    return this.#start('foreground', ask);
  }

  /** A plan waits from now on for the background call with this signal: if it waits for a slot, it moves to the other queue. */
  advance(signal: AbortSignal, rankMs: number, deadlineMs: number): void {
    const waiter = this.#calls.advance(signal, rankMs, deadlineMs);
    if (waiter !== undefined) this.#joined(waiter);
  }

  /** Releases all holds and clears all timers, for good. */
  close(): void {
    this.#isClosed = true;
    this.#dropTimer();
    this.#pressure.close();
    this.#worked.now();
    for (const slot of this.#holds.drop()) {
      this.#forget(slot);
    }
  }

  #forget(slot: TakenSlot): void {
    for (const slots of [this.#taken, this.#hurried, this.#hurriedReads]) slots.delete(slot);
  }

  /** Call when there may be more slots than before. */
  wake(): void {
    this.#passOn();
  }

  /** The same for all endpoints of its machine, in their common order. */
  wakeAll(): void {
    (this.#machine ?? this).wake();
  }

  #dropTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  get #hasFree(): boolean {
    return this.#taken.size < this.#limit() && this.busy < Math.min(this.limit, this.budget?.held ?? this.limit);
  }

  #mayStart(lane: Lane, { need }: Ask): boolean {
    if (!this.#hasFree || this.#clock.now() < this.#nextStartAt[lane]) return false;
    if (need !== undefined && !this.#hasWidth(need)) return false;
    return lane === 'foreground' || this.busy < this.usefulCompany();
  }

  /**
   * Whether one more call with a deadline may run at once. Reads have a width of their own: they are short, and would only stand behind
   * written calls that continue after their deadline.
   */
  #hasWidth({ kind }: SlotNeed): boolean {
    if (kind !== 'read') return this.#hurried.size < this.width;
    return this.#hurriedReads.size < Math.max(1, this.widthMax('read'));
  }

  #start(lane: Lane, ask: Ask): TakenSlot {
    if (this.#staggerMs > 0) {
      const nextStartAt = this.#clock.now() + this.#staggerMs;
      this.#nextStartAt.background = nextStartAt;
      if (lane === 'foreground') this.#nextStartAt.foreground = nextStartAt;
    }
    const endsAtMs = ask.need?.deadlineMs ?? Number.POSITIVE_INFINITY;
    const others = this.budget?.othersBusy ?? 0;
    const slot = new TakenSlot(this.#owner, this.busy + 1, others, lane === 'background', endsAtMs);
    this.#taken.add(slot);
    if (ask.need !== undefined) this.#hurried.add(slot);
    if (ask.need?.kind === 'read') this.#hurriedReads.add(slot);
    this.turns.began(ask, slot);
    if (slot.isBackground) this.#background.add(slot);
    this.budget?.changed();
    return slot;
  }

  #released(slot: TakenSlot, holdMs: number): void {
    this.#background.delete(slot);
    this.turns.ended(slot);
    if (holdMs > 0 && !this.#isClosed) this.#holds.add(slot, holdMs);
    else this.#free(slot);
  }

  #movedLane(slot: TakenSlot): void {
    if (!slot.isBackground) return void this.#background.delete(slot);
    this.#background.add(slot);
    if (this.#waiting.length > 0) this.#pressure.soon();
  }

  #free(slot: TakenSlot): void {
    this.#worked.now();
    this.#forget(slot);
    this.wakeAll();
    this.budget?.changed();
  }

  /** Gives free slots to the calls that wait for them, or reports them as idle. */
  #passOn(): void {
    this.#wake();
    if (this.isIdle) this.onIdle();
  }

  #wake(): void {
    this.#serve('foreground', this.#waiting);
    if (this.#waiting.length === 0) this.#pressure.drop();
    if (this.#waiting.length === 0) this.#serve('background', this.#calls.background);
    this.#dropTimer();
    if (this.#isClosed || this.#calls.length === 0) return;
    if (!this.#hasFree) return;
    const next = this.#waiting.length > 0 ? this.#nextStartAt.foreground : this.#nextStartAt.background;
    // Waiting for anything else ends when a call ends.
    const delayMs = next - this.#clock.now();
    if (delayMs > 0) this.#timer = this.#clock.setTimer(delayMs, () => this.#passOn());
  }

  #serve(lane: Lane, queue: RankedQueue<WaitingCall>): void {
    for (let next = this.#nextOf(lane, queue); next !== undefined; next = this.#nextOf(lane, queue)) {
      this.#calls.serve(queue, next);
      next.grant(this.#start(lane, next.ask));
    }
  }

  /** The call that is served next; undefined if none can be. Calls without a deadline need not wait for those that have one. */
  #nextOf(lane: Lane, queue: RankedQueue<WaitingCall>): WaitingCall | undefined {
    const isReserved = queue.first?.rankMs === RESERVED_RANK_MS && this.isRaisedNext;
    const next = this.#hasFree ? this.turns.next(isReserved ? unreserved(queue) : queue) : undefined;
    if (next === undefined || this.#mayStart(lane, next.ask)) return next;
    if (this.#calls.unhurried === 0) return undefined;
    return queue.find(({ ask }) => ask.need === undefined && this.#mayStart(lane, ask) && this.turns.mayBegin(ask));
  }
}
