import type { Timer } from '../../../shared/clock.ts';
import { defined } from '../../../shared/defined.ts';
import { linkedAbort } from '../../../shared/linked-abort.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import { READ_ACTIONS_MAX } from '../../../shared/reads/labels.ts';
import { indexOfBest, pooled, type Reading } from '../../../shared/reads/reading.ts';
import type { PromptOrder } from '../../../shared/situation.ts';
import type { ExpertResult } from '../../../shared/tasks.ts';
import { VOTE_MIN } from '../../models/calls/attempt-log.ts';
import { OUT_OF_TIME } from '../../models/calls/call-maker.ts';
import type { ModelEndpoint } from '../../models/model-endpoint.ts';
import type { EndpointGate } from '../../models/slots/endpoint-gate.ts';
import { lessSettling } from '../../models/time/time-budget.ts';
import type { ResolvedExpert } from '../../options/planner-options.ts';
import type { FlightCallPlan, FlightCalls } from '../flights/flight-calls.ts';
import type { FlightParts } from '../flights/flight-parts.ts';
import { ShownRequest } from '../flights/shown-request.ts';
import type { ExpertOutlook } from '../panel/expert-outlook.ts';
import { VALUES_WEIGHT, worthByValues } from '../panel/quorum.ts';
import { ReadQuery } from './read-query.ts';
import type { ReadChoice, ReadCounts, Reads } from './reads.ts';

/** A read is waited for until it takes this many times its usual time. */
const PATIENCE = 2.5;
/** Share of the remaining time for which a read of unknown time is waited for. */
const UNKNOWN_SHARE = 0.5;
/** Margin on the time until a written vote is expected. */
const WRITING_MARGIN = 1.2;
/** Reads ask one role if those that wait would take more than this share of the plan's time. */
const PRESSED_SHARE = 0.2;
/** Weight of a read of all roles together, relative to the values. */
const READ_WEIGHT = 2;

export interface FlightReadParts {
  readonly parts: FlightParts;
  readonly reads: Reads;
  /** Where it is counted. */
  readonly counts: ReadCounts;
  readonly planId: number;
  readonly request: PlanRequest;
  readonly inVain: string | undefined;
  readonly order: PromptOrder | undefined;
  /** The text of the request's signature. */
  readonly state: string;
  readonly outlook: ExpertOutlook;
  readonly calls: FlightCalls;
}

/** The read with which a flight starts: one request to the seat of the best record. Until it has ended there is no choice. */
export class FlightRead {
  /** The model's choice, whatever its probability. */
  choice: ReadChoice | undefined;
  /** The probability of each offered action; what is missing of 1 is doubt. */
  probabilities: Readonly<Record<string, number>> | undefined;
  readonly #given: FlightReadParts;
  readonly #shown: ShownRequest;
  #gate: EndpointGate | undefined;
  /** Whether others waited for the slot, so that fewer roles were asked. */
  #isShortened = false;

  constructor(given: FlightReadParts) {
    this.#given = given;
    const { options } = given.parts;
    const promptActionsMax = Math.min(options.promptActionsMax, READ_ACTIONS_MAX);
    this.#shown = new ShownRequest(given.request, { ...options, promptActionsMax }, given.inVain, given.order);
  }

  /** The experts to read, all at the seat of the best record, which is the first one's. Empty if none can be read, or no read is worth its time. */
  #experts(): readonly ResolvedExpert[] {
    const { parts, reads, outlook } = this.#given;
    const { records, endpoints, options } = parts;
    const able = options.experts.filter((expert) => {
      if (expert.answers === 'write' || outlook.kindOf(expert) === 'vision') return false;
      const { endpoint, model } = expert;
      return endpoints.get(endpoint)?.isResting === false && reads.forms.formFor(endpoint, model) !== undefined;
    });
    // Knowledge about reads belongs to a model, so a model is not left for a small difference.
    const rankOf = (expert: ResolvedExpert): number => records.weightOf(expert) * reads.standingOf(expert.model);
    const best = able.toSorted((a, b) => rankOf(b) - rankOf(a))[0];
    if (best === undefined) return [];
    const isCrowded = this.#at(best).gate.waiting > 0;
    const isForLater = !isCrowded && !this.#isWritingTimely;
    if (isForLater && reads.wouldRepeat(this.#given.state, this.#given.inVain)) return [];
    if (!this.#isOnlyHope(best) && !reads.isWorthwhile(best.model, isCrowded)) return [];
    return [best, ...able.filter((each) => each !== best)];
  }

  /**
   * Starts the read, if any, and waits for it as long as a vote in words may still follow. `onLate` is
   * called if it ends after that.
   */
  async first(onLate: () => void): Promise<void> {
    const experts = this.#experts();
    const [best] = experts;
    if (best === undefined) return;
    const { reads, counts, calls, parts } = this.#given;
    counts.asked++;
    this.#gate = this.#at(best).gate;
    let isWaited = true;
    const read = linkedAbort(calls.signal);
    const over = Promise.withResolvers<void>();
    let timer: Timer | undefined;
    let isStarted = false;
    let isHeld = false;
    const wait = (): void => {
      timer?.cancel();
      const waitMs = this.#waitMs(best);
      // If no written vote can follow in time, the read continues past the deadline as any late call does.
      timer = waitMs < this.#leftMs() ? parts.clock.setTimer(waitMs, onOver) : undefined;
    };
    const onOver = (): void => {
      // A written vote would only wait behind the read.
      isHeld = calls.isQueued && !this.#given.outlook.hasRoom(calls.rankMs);
      if (isHeld) return;
      // Its time is over, and a written vote would have to wait for its slot.
      if (this.#gate?.free === 0) read.abort(OUT_OF_TIME);
      over.resolve();
    };
    const ended = this.#ask(best, experts, read.signal, () => {
      // The wait starts again when the read has its first slot, if its time is known or was over in the queue.
      const isKnown = this.#at(best).forecast.workMs(best.model, 'read') !== undefined;
      if (isWaited && !isStarted && (isHeld || isKnown)) wait();
      isStarted = true;
      const isPressed = this.#isPressed(best);
      const roles = reads.gains.rolesFor(best.model, experts.length, isPressed);
      this.#isShortened = isPressed && roles < experts.length;
      return roles;
    }).then((result) => {
      read.unlink();
      this.#take(best.model, result);
      if (!isWaited) onLate();
    });
    wait();
    calls.signal.addEventListener('abort', () => over.resolve(), { once: true });
    await Promise.race([ended, over.promise]);
    timer?.cancel();
    isWaited = false;
  }

  #ask(
    best: ResolvedExpert,
    experts: readonly ResolvedExpert[],
    signal: AbortSignal,
    onStart: () => number,
  ): Promise<ExpertResult> {
    const { parts, reads, planId, calls } = this.#given;
    const { role, model, endpoint, alternatives, timeoutMs } = best;
    const isReadable = (name: string): boolean => reads.forms.formFor(name, model) !== undefined;
    const isAlone = experts.length === 1;
    const call: FlightCallPlan = {
      subject: { step: 'read', ...defined({ role: isAlone ? role : undefined }), model, endpoint },
      alternatives: alternatives.filter(isReadable),
      kind: 'read',
      ceilingMs: timeoutMs,
      endMs: calls.lastMs(),
      query: new ReadQuery(planId, parts, reads, this.#shown, experts, onStart),
    };
    return calls.make(call, signal);
  }

  #take(model: string, result: ExpertResult): void {
    const { reads, counts, request, state } = this.#given;
    if (!result.ok || result.readings === undefined) {
      counts.failed++;
      if (this.#given.calls.isQueued) counts.unserved++;
      return;
    }
    counts.answered++;
    const { actions } = this.#shown.situation;
    const shares = this.#withValues(actions, pooled(result.readings));
    this.#compareRoles(model, actions, result.readings, shares);
    this.probabilities = Object.fromEntries(actions.map((action, index) => [action, shares[index] as number]));
    const probability = Math.max(...shares);
    if (probability < VOTE_MIN) return;
    const action = request.actions.find((each) => each === actions[shares.indexOf(probability)]) as string;
    const { scene } = request.observation;
    this.choice = { model, scene: typeof scene === 'string' ? scene : '', action, probability };
    // What fewer roles say is another figure than what is learned of all of them.
    if (!this.#isShortened) reads.read(state, this.choice);
  }

  /** Compares what all roles chose with what the first one would have, and the first two with each other. */
  #compareRoles(
    model: string,
    actions: readonly string[],
    readings: readonly Reading[],
    shares: readonly number[],
  ): void {
    const [first, second] = readings;
    if (first === undefined || second === undefined) return;
    const { parts, reads } = this.#given;
    const alone = this.#withValues(actions, first.probabilities);
    reads.gains.compared(model, indexOfBest(alone) !== indexOfBest(shares));
    parts.records.agreement.read(indexOfBest(first.probabilities) === indexOfBest(second.probabilities));
  }

  /**
   * Combines the read with experience, in a linear pool (Stone 1961) with their weights as votes: a read of all roles equals a
   * quorum of two. Doubt stays doubt.
   */
  #withValues(actions: readonly string[], shares: readonly number[]): readonly number[] {
    const { parts, request, inVain } = this.#given;
    if (!parts.options.features.weightedVotes || request.qValues === undefined) return shares;
    const worthOf = worthByValues(request, { valuesWeight: VALUES_WEIGHT, inVain });
    const mass = shares.reduce((sum, share) => sum + share, 0);
    const support = shares.map((share, index) => READ_WEIGHT * share + worthOf(actions[index] as string) * mass);
    const whole = support.reduce((sum, each) => sum + each, 0);
    return whole === 0 ? shares : support.map((each) => (each / whole) * mass);
  }

  /** Whether other calls wait for its slots: then the read must be enough. */
  get isCrowded(): boolean {
    return (this.#gate?.waiting ?? 0) > 0;
  }

  /** Whether those that wait for its slots take so long that further roles would make some of them late. */
  #isPressed(best: ResolvedExpert): boolean {
    const { gate, forecast } = this.#at(best);
    const { startedAtMs, deadlineMs } = this.#given.calls;
    const behindMs = (gate.waiting / gate.width) * (forecast.workMs(best.model, 'read') ?? 0);
    return behindMs > PRESSED_SHARE * (deadlineMs - startedAtMs);
  }

  /** How long a written vote may wait for the read, in milliseconds. */
  #waitMs(best: ResolvedExpert): number {
    const leftMs = this.#leftMs();
    const writingMs = this.#writingMs();
    const { forecast } = this.#at(best);
    const { isQueued, rankMs } = this.#given.calls;
    const readMs = isQueued ? forecast.expectedMs(best.model, 'read', rankMs) : forecast.workMs(best.model, 'read');
    if (!this.#isWritingTimely || (writingMs !== undefined && writingMs >= leftMs)) return leftMs;
    const untilMs = writingMs === undefined ? leftMs * UNKNOWN_SHARE : leftMs - writingMs * WRITING_MARGIN;
    // Words are only for models that cannot be read.
    if (this.#given.parts.options.reads.answers === 'read') return Math.max(untilMs, leftMs * UNKNOWN_SHARE);
    if (readMs === undefined) return Math.min(untilMs, leftMs * UNKNOWN_SHARE);
    // In a queue, what an expert writes costs others their reads.
    if (this.isCrowded && !isQueued) return leftMs;
    // There is no time for both: a written vote is asked for alongside the read, unless reads decide more often than not.
    if (untilMs < readMs) return this.#given.reads.isMostlySure ? leftMs : 0;
    return Math.min(untilMs, readMs * PATIENCE);
  }

  /** Whether no written vote is expected in time, and a read may be. */
  #isOnlyHope(best: ResolvedExpert): boolean {
    if (!this.#given.reads.isBetterThanNone(best.model)) return false;
    const readMs = this.#at(best).forecast.workMs(best.model, 'read') ?? 0;
    return !this.#isWritingTimely && readMs <= this.#leftMs();
  }

  /** Whether the read has answered and no written vote can be in time: another call would only keep the next read from its slot. */
  get isLastWord(): boolean {
    return this.probabilities !== undefined && !this.#isWritingTimely;
  }

  /** Whether any expert has a fair chance to answer in words in time. */
  get #isWritingTimely(): boolean {
    const { parts, outlook } = this.#given;
    return parts.options.experts.some((expert) => outlook.isTimely(expert));
  }

  /** Time of the quickest expert's answer in words, if known. */
  #writingMs(): number | undefined {
    const { parts, outlook } = this.#given;
    const known = parts.options.experts.flatMap((expert) => {
      const ms = parts.endpoints.get(expert.endpoint)?.forecast.workMs(expert.model, outlook.kindOf(expert));
      return ms === undefined ? [] : [ms];
    });
    return known.length === 0 ? undefined : Math.min(...known);
  }

  #at({ endpoint }: ResolvedExpert): ModelEndpoint {
    return this.#given.parts.endpoints.get(endpoint) as ModelEndpoint;
  }

  #leftMs(): number {
    const { parts, calls } = this.#given;
    return lessSettling(calls.deadlineMs - parts.clock.now());
  }
}
