import type { Timer } from '../../../shared/clock.ts';
import type { ErrorWire } from '../../../shared/errors.ts';
import { type LinkedAbort, linkedAbort } from '../../../shared/linked-abort.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import type { ExpertResult } from '../../../shared/tasks.ts';
import { UNWANTED } from '../../../shared/unwanted.ts';
import { AttemptLog, type AttemptSubject } from '../../models/calls/attempt-log.ts';
import { type CallHolder, type CallLane, type CallPlan, OUT_OF_TIME } from '../../models/calls/call-maker.ts';
import { RESERVED_RANK_MS, type Slot } from '../../models/slots/ask.ts';
import { lessSettling } from '../../models/time/time-budget.ts';
import type { ExpertOutlook } from '../panel/expert-outlook.ts';
import type { FlightParts, FlightPurpose } from './flight-parts.ts';

/** A read occupies a slot for about this share of the time of a written call. */
const READ_SHARE = 0.25;

/** The question of a call and the time by which it must end; the flight determines its rank. */
export type FlightCallPlan = Omit<CallPlan, 'lane' | 'isRaised' | 'rankMs' | 'deadlineMs' | 'holder'>;

/** The plan that a flight's calls are made for. */
export interface AwaitedPlan {
  readonly agent: string;
  readonly startedAtMs: number;
  readonly deadlineMs: number;
  readonly priority: number;
  /** How long its agent had waited for a model's decision by then. */
  readonly waitedMs: number;
}

/** A plan that joins work for later, and the time by which that work must be done from then on. */
export interface JoiningPlan extends Omit<AwaitedPlan, 'waitedMs'> {
  readonly settleMs: number;
}

/**
 * The calls of one flight: their rank, the slots that they were given, and what happens to them when no plan waits for the flight
 * any more.
 */
export class FlightCalls {
  readonly attempts = new AttemptLog();
  readonly startedAtMs: number;
  deadlineMs: number;
  lane: CallLane;
  /** Whether the deadline has passed while running calls continue. */
  isLate = false;
  /** Whether a call was given up for another. */
  isCutShort = false;
  /** Whether a call still waited for a slot when the flight's time was over. */
  isStarved = false;
  /** Called when the time of a flight is over that no plan waits for; the flights of plans are ended by their flight board. */
  onTimeOver: () => void = () => {};
  #endedWorkMs = 0;
  /** The part of `workedMs` in which its slots did not yield; undefined while they do not. */
  #reservedWorkMs: number | undefined;
  readonly #parts: FlightParts;
  /** Time from its first slot on until it gives way; 0 for all but reserved work. */
  readonly #reserveMs: number;
  readonly #outlook: ExpertOutlook;
  readonly #controller = new AbortController();
  /** What the rank of its calls is made from: the plan that they are made for. */
  #plan: AwaitedPlan;
  #isAwaited: boolean;
  /** Calls that are running or about to. */
  readonly #open = new Set<FlightCall>();
  /** The slots that all calls were given, including those that are already released. */
  readonly #slots: Slot[] = [];
  #made = 0;
  #isSpent = false;
  /** The end of the reserve of a flight in the lane `reserved`. */
  #reserve: Timer | undefined;
  #timeOver: Timer | undefined;
  /** Ends the agent's turn: called once no running call has a plan that waits for it. */
  #turnOver: (() => void) | undefined;

  constructor(
    parts: FlightParts,
    { agent }: PlanRequest,
    deadlineMs: number,
    purpose: FlightPurpose,
    outlook: ExpertOutlook,
  ) {
    this.#parts = parts;
    this.#outlook = outlook;
    this.deadlineMs = deadlineMs;
    this.startedAtMs = parts.clock.now();
    this.lane = purpose.lane ?? 'foreground';
    this.#reserveMs = purpose.reserveMs ?? 0;
    this.#isAwaited = this.lane === 'foreground';
    const waitedMs = this.#isAwaited ? parts.shares.waitedMs(agent) : 0;
    this.#plan = { agent, startedAtMs: this.startedAtMs, deadlineMs, priority: purpose.priority ?? 0, waitedMs };
  }

  /** Aborts when no plan waits any more. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get nowMs(): number {
    return this.#parts.clock.now();
  }

  /** Whether no call has been given a slot yet: the flight is only queued. */
  get isQueued(): boolean {
    return this.#slots.length === 0;
  }

  /** Whether it is for a plan, or only for later. */
  get isAwaited(): boolean {
    return this.#isAwaited;
  }

  /** Whether a model works on a call. */
  get isAtWork(): boolean {
    for (const call of this.#open) if (!call.isWaiting) return true;
    return false;
  }

  /** Time that its calls have had slots, in milliseconds. */
  get workedMs(): number {
    return [...this.#open].reduce((sum, call) => sum + call.workedMs, this.#endedWorkMs);
  }

  /** Time of these in which a flight in the lane `reserved` did not yield, in milliseconds. */
  get reservedMs(): number {
    return this.#reservedWorkMs ?? this.workedMs;
  }

  /** The rank of the next call: lower is served first. */
  get rankMs(): number {
    if (this.lane === 'reserved') return RESERVED_RANK_MS;
    const { agent, startedAtMs, deadlineMs, priority, waitedMs } = this.#plan;
    const rankMs = this.#parts.shares.rankMs(agent, priority, startedAtMs, deadlineMs, waitedMs);
    // If a server is given fewer calls than it has slots, other plans get their first vote before this one gets its second.
    const isBehind = this.#made > 0 && this.#outlook.isNarrowed;
    return isBehind ? rankMs + (deadlineMs - startedAtMs) : rankMs;
  }

  /** The time by which the last calls must have ended: slightly before the deadline, or after it if late work is kept. */
  lastMs(endMs = Number.POSITIVE_INFINITY): number {
    const { options, clock } = this.#parts;
    if (options.keepsLate) return this.#endMs;
    const nowMs = clock.now();
    return Math.min(endMs, nowMs + lessSettling(this.deadlineMs - nowMs));
  }

  /** The time by which everything must have ended. */
  get #endMs(): number {
    const { keepsLate, lateMs } = this.#parts.options;
    return this.deadlineMs + (keepsLate ? lateMs : 0);
  }

  async make(plan: FlightCallPlan, signal: AbortSignal = this.signal): Promise<ExpertResult> {
    if (this.#isSpent) {
      this.isCutShort = true;
      return this.skip(plan.subject);
    }
    const { lane, rankMs } = this;
    const { deadlineMs } = this.#plan;
    const { clock, maker } = this.#parts;
    if (!this.#isAwaited) this.#timeOver ??= clock.setTimer(this.#endMs - this.nowMs, () => this.onTimeOver());
    const holder = new FlightCall(this, linkedAbort(signal), plan.kind === 'read' ? READ_SHARE : 1);
    this.#made++;
    this.#open.add(holder);
    try {
      const isRaised = this.#plan.priority > 0;
      const whole = { ...plan, lane, isRaised, rankMs, deadlineMs, holder };
      return await maker.make(whole, this.attempts, holder.signal);
    } finally {
      holder.end();
      this.#endedWorkMs += holder.workedMs;
      this.#open.delete(holder);
    }
  }

  /** Records a call that is not made because too little time is left. */
  skip(subject: AttemptSubject): ExpertResult {
    const nowMs = this.#parts.clock.now();
    const error: ErrorWire = { code: 'ERR_STEP_SKIPPED', message: 'too little time was left', retryable: false };
    this.attempts.begin(subject, nowMs).failed(error, undefined, nowMs);
    return { ok: false, error, report: { totalMs: 0 } };
  }

  /** A call has a slot. */
  served(slot: Slot, share: number): void {
    const { shares, clock } = this.#parts;
    const { agent } = this.#plan;
    if (this.#isAwaited) shares.served(agent, share);
    if (this.lane === 'reserved') this.#reserve ??= clock.setTimer(this.#reserveMs, () => this.#leaveReserve());
    if (this.lane === 'foreground') this.#turnOver ??= shares.working(agent);
    this.#slots.push(slot);
    // A plan may have joined, or left, since the call was given the slot.
    if (this.lane === 'background') slot.toBackground();
    else slot.toForeground();
  }

  /** A plan waits from now on for these calls, which were for later. */
  promote({ settleMs, ...plan }: JoiningPlan): void {
    const { shares, endpoints } = this.#parts;
    const { agent, deadlineMs } = plan;
    this.#plan = { ...plan, waitedMs: shares.waitedMs(agent) };
    this.deadlineMs = settleMs;
    this.#outlook.deadlineMs = settleMs;
    this.#isAwaited = true;
    this.#timeOver?.cancel();
    this.lane = 'foreground';
    for (const slot of this.#slots) slot.toForeground();
    if (this.isAtWork) this.#turnOver ??= shares.working(agent);
    for (const { signal, isWaiting } of this.#open) {
      if (isWaiting) for (const { gate } of endpoints.values()) gate.advance(signal, this.rankMs, deadlineMs);
    }
  }

  /** The deadline has come: calls that wait for a slot are cancelled, and running ones continue behind all others. */
  goOnLate(): void {
    this.isLate = true;
    this.#turnOver?.();
    this.#noteStarved();
    for (const call of [...this.#open]) if (call.isWaiting) call.cancel(OUT_OF_TIME);
    this.#yield();
  }

  /** The reserve is used up: running calls continue as background work, but no other call would find a slot. */
  #leaveReserve(): void {
    this.#isSpent = true;
    for (const call of [...this.#open]) if (call.isWaiting) call.giveUp();
    this.#yield();
  }

  /** From now on the calls give way to those of plans. */
  #yield(): void {
    this.#reservedWorkMs ??= this.workedMs;
    this.lane = 'background';
    for (const slot of this.#slots) slot.toBackground();
  }

  /** Cancels all calls, which notifies the model servers. */
  cancel(isOutOfTime: boolean): void {
    this.#noteStarved();
    this.#controller.abort(isOutOfTime ? OUT_OF_TIME : UNWANTED);
  }

  /** The flight has ended: calls that are still open are no longer needed. */
  end(isOutOfTime: boolean): void {
    this.#turnOver?.();
    this.#reserve?.cancel();
    this.#timeOver?.cancel();
    this.cancel(isOutOfTime);
  }

  #noteStarved(): void {
    this.isStarved ||= [...this.#open].some((call) => call.isWaiting);
  }
}

/** One call of a flight, with all its tries. */
class FlightCall implements CallHolder {
  isWaiting = false;
  readonly #calls: FlightCalls;
  readonly #abort: LinkedAbort;
  #worksSinceMs: number | undefined;
  readonly #share: number;

  /** `share`: time that it occupies a slot, relative to a written call. */
  constructor(calls: FlightCalls, abort: LinkedAbort, share: number) {
    this.#calls = calls;
    this.#abort = abort;
    this.#share = share;
  }

  get isLate(): boolean {
    return this.#calls.isLate;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  waits(): void {
    this.isWaiting = true;
  }

  works(slot: Slot): void {
    this.#calls.served(slot, this.#share);
    this.isWaiting = false;
    this.#worksSinceMs ??= this.#calls.nowMs;
  }

  giveUp(): void {
    this.#calls.isCutShort = true;
    this.cancel(UNWANTED);
  }

  cancel(reason: Error): void {
    this.#abort.abort(reason);
  }

  /** Time since it has had a slot, in milliseconds. */
  get workedMs(): number {
    return this.#worksSinceMs === undefined ? 0 : this.#calls.nowMs - this.#worksSinceMs;
  }

  end(): void {
    this.#abort.unlink();
  }
}
