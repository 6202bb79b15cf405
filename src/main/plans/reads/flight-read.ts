import type { Timer } from '../../../shared/clock.ts';
import { defined } from '../../../shared/defined.ts';
import { type LinkedAbort, linkedAbort } from '../../../shared/linked-abort.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import { indexOfBest, pooled } from '../../../shared/reads/reading.ts';
import type { PromptOrder } from '../../../shared/situation.ts';
import type { ExpertResult } from '../../../shared/tasks.ts';
import { UNWANTED } from '../../../shared/unwanted.ts';
import { VOTE_MIN } from '../../models/calls/attempt-log.ts';
import { OUT_OF_TIME } from '../../models/calls/call-maker.ts';
import type { ModelEndpoint } from '../../models/model-endpoint.ts';
import type { EndpointGate } from '../../models/slots/endpoint-gate.ts';
import type { ResolvedExpert } from '../../options/planner-options.ts';
import type { FlightCallPlan, FlightCalls } from '../flights/flight-calls.ts';
import type { FlightParts } from '../flights/flight-parts.ts';
import type { ExpertOutlook } from '../panel/expert-outlook.ts';
import { VALUES_WEIGHT, worthByValues } from '../panel/quorum.ts';
import { type ReadInHand, type ReadPace, ReadQuery } from './asking/read-query.ts';
import { type ReadPlace, ReadTimes } from './asking/read-times.ts';
import { ShownGroups } from './asking/shown-groups.ts';
import type { ReadChoice, ReadCounts, Reads, ReadTrial } from './reads.ts';

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
  /** What would be done without a model, if that is known. */
  readonly below: (() => string) | undefined;
  readonly outlook: ExpertOutlook;
  readonly calls: FlightCalls;
}

/** What a read amounts to. */
export interface ReadSummary {
  /** The model's choice, whatever its probability. */
  readonly choice: ReadChoice | undefined;
  /** The probability of each offered action; what is missing of 1 is doubt. */
  readonly probabilities: Readonly<Record<string, number>> | undefined;
}

/** The read with which a flight starts, at the seat of the best record. Until it has ended, or its time is over, there is no choice. */
export class FlightRead implements ReadSummary {
  choice: ReadSummary['choice'];
  probabilities: ReadSummary['probabilities'];
  /** Whether no expert could write in time when it started, and nobody waited for its slot. */
  isLone = false;
  /** Whether experts write meanwhile. */
  isBeside = false;
  /** What it is compared with if it is a trial. */
  trial: ReadTrial = 'pair';
  #model = '';
  readonly #given: FlightReadParts;
  readonly #shown: ShownGroups;
  readonly #times: ReadTimes;
  readonly #over = Promise.withResolvers<void>();
  #abort: LinkedAbort | undefined;
  #gate: EndpointGate | undefined;
  /** Number of roles of the whole panel. */
  #roles = 0;
  #timer: Timer | undefined;
  #isStarted = false;
  /** Whether its time was over in the queue, where a written vote would only wait behind it. */
  #isHeld = false;
  /** Whether an expert waits for it before it is asked. */
  #isWaited = true;
  /** Whether others waited for the slot, so that fewer roles were asked. */
  #isShortened = false;
  /** What counts if its further requests are not answered in time. */
  #inHand: ReadInHand | undefined;
  #isTaken = false;

  constructor(given: FlightReadParts) {
    this.#given = given;
    const { parts, request, inVain, order } = given;
    this.#shown = new ShownGroups(request, parts.options, inVain, order);
    this.#times = new ReadTimes(given);
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
    const isFree = isCrowded || !this.#given.calls.isAwaited;
    const place = isFree ? 'first' : this.#times.placeOf(best);
    if (place === 'none' && !reads.isTriedAgain()) {
      reads.lone.notAlone();
      return [];
    }
    this.isLone = !isCrowded && (place === 'instead' || !this.#times.isWritingTimely);
    if (this.isLone && reads.wouldRepeat(this.#given.state, this.#given.inVain)) return [];
    if (!this.#times.isOnlyHope(best) && !reads.isWorthwhile(best.model, isCrowded)) return [];
    this.#putAt(place, best);
    return [best, ...able.filter((each) => each !== best)];
  }

  #putAt(place: ReadPlace, best: ResolvedExpert): void {
    this.isBeside = place === 'beside';
    if (place !== 'beside' && place !== 'instead') return;
    this.trial = this.#given.reads.trialOf(best.model, this.#times.isPairTimely(best, this.isBeside));
  }

  /**
   * Starts the read, if any, and waits for it as long as a vote in words may still follow. `onLate` is
   * called if it ends after that.
   */
  async first(onLate: () => void): Promise<void> {
    const experts = this.#experts();
    const [best] = experts;
    if (best === undefined) return;
    const { counts, calls } = this.#given;
    counts.asked++;
    this.#model = best.model;
    this.#roles = experts.length;
    this.#gate = this.#at(best).gate;
    const abort = linkedAbort(calls.signal);
    this.#abort = abort;
    const ended = this.#ask(best, experts, abort.signal).then((result) => {
      abort.unlink();
      this.#end(best.model, result.ok ? this.#inHand : undefined);
      if (!this.#isWaited) onLate();
    });
    if (this.isBeside) this.#over.resolve();
    else this.#wait(best);
    calls.signal.addEventListener('abort', () => this.#over.resolve(), { once: true });
    await Promise.race([ended, this.#over.promise]);
    this.#timer?.cancel();
    this.#isWaited = false;
  }

  /** Waits for the read from now on. If no written vote can follow in time, it continues past the deadline as any late call does. */
  #wait(best: ResolvedExpert): void {
    const waitMs = this.#times.waitMs(best);
    this.#timer?.cancel();
    if (waitMs < this.#times.leftMs) this.#waitFor(waitMs, best.model);
  }

  #waitFor(waitMs: number, model: string): void {
    this.#timer?.cancel();
    this.#timer = this.#given.parts.clock.setTimer(waitMs, () => this.#onOver(model));
  }

  #onOver(model: string): void {
    const { calls, outlook } = this.#given;
    this.#isHeld = calls.isQueued && !outlook.hasRoom(calls.rankMs);
    if (this.#isHeld) return;
    if (this.#inHand !== undefined) {
      this.#end(model, this.#inHand);
      this.#abort?.abort(UNWANTED);
    }
    // A written vote would have to wait for its slot.
    else if (this.#gate?.free === 0) this.#abort?.abort(OUT_OF_TIME);
    this.#over.resolve();
  }

  #ask(best: ResolvedExpert, experts: readonly ResolvedExpert[], signal: AbortSignal): Promise<ExpertResult> {
    const { parts, reads, planId, calls, state } = this.#given;
    const { role, model, endpoint, alternatives, timeoutMs } = best;
    const isReadable = (name: string): boolean => reads.forms.formFor(name, model) !== undefined;
    const isAlone = experts.length === 1;
    const call: FlightCallPlan = {
      subject: { step: 'read', ...defined({ role: isAlone ? role : undefined }), model, endpoint },
      alternatives: alternatives.filter(isReadable),
      kind: 'read',
      ceilingMs: timeoutMs,
      endMs: calls.lastMs(),
      query: new ReadQuery({ planId, parts, reads, shown: this.#shown, experts, state, pace: this.#paceOf(best) }),
    };
    return calls.make(call, signal);
  }

  #paceOf(best: ResolvedExpert): ReadPace {
    const furtherMs = (): number => this.#furtherMs(best);
    const { calls } = this.#given;
    return {
      started: () => this.#started(best),
      inHand: (read, mayGoOn) => {
        this.#inHand = read;
        if (mayGoOn && this.#isWaited) this.#waitFor(Math.max(0, furtherMs()), best.model);
      },
      get leftMs() {
        return furtherMs();
      },
      get isAwaited() {
        return calls.isAwaited;
      },
      choiceOf: (read) => this.#choiceOf(read),
    };
  }

  /** It has a slot: the wait starts again with the first one, if its time is known or was over in the queue. Returns how many roles to ask. */
  #started(best: ResolvedExpert): number {
    const isKnown = this.#at(best).forecast.workMs(best.model, 'read') !== undefined;
    if (this.#isWaited && !this.#isStarted && (this.#isHeld || isKnown)) this.#wait(best);
    this.#isStarted = true;
    const isPressed = this.#times.isPressed(best);
    const roles = this.#given.reads.gains.rolesFor(best.model, this.#roles, isPressed);
    this.#isShortened = isPressed && roles < this.#roles;
    return roles;
  }

  /** Time for further requests, in milliseconds: none if others wait, or if experts are asked already. */
  #furtherMs(best: ResolvedExpert): number {
    if (!this.#isWaited || this.#isTaken || this.#given.calls.isLate) return 0;
    this.#isShortened ||= this.#times.isPressed(best);
    if (this.#isShortened) return 0;
    const { leftMs, untilWritingMs } = this.#times;
    // What is in hand decides: nothing is written after it.
    return this.#given.parts.options.reads.answers === 'read' ? leftMs : (untilWritingMs ?? leftMs);
  }

  #at({ endpoint }: ResolvedExpert): ModelEndpoint {
    return this.#given.parts.endpoints.get(endpoint) as ModelEndpoint;
  }

  /** Takes what was read, once: all of it at its end, or what is in hand when its time is over. */
  #end(model: string, read: ReadInHand | undefined): void {
    if (this.#isTaken) return;
    this.#isTaken = true;
    this.#take(model, read);
  }

  #take(model: string, read: ReadInHand | undefined): void {
    const { reads, counts, state } = this.#given;
    if (read === undefined) {
      counts.failed++;
      if (this.#given.calls.isQueued) counts.unserved++;
      return;
    }
    counts.answered++;
    const { choice, probabilities } = this.#told(model, read);
    this.#compareRoles(model, read);
    this.probabilities = probabilities;
    this.choice = choice;
    // What fewer roles say is another figure than what is learned of all of them.
    if (choice !== undefined && !this.#isShortened) reads.read(state, choice);
  }

  /** What has been read by now, also by a read that has not ended. */
  get soFar(): ReadSummary {
    return this.#isTaken || this.#inHand === undefined ? this : this.#told(this.#model, this.#inHand);
  }

  #told(model: string, read: ReadInHand): ReadSummary {
    const { request, below } = this.#given;
    const shares = this.#sharesOf(read);
    const probabilities = Object.fromEntries(read.actions.map((action, index) => [action, shares[index] as number]));
    const { action: best, probability } = this.#choiceOf(read);
    if (probability < VOTE_MIN) return { probabilities, choice: undefined };
    const action = request.actions.find((each) => each === best) as string;
    const { scene = '' } = request.observation;
    const actions = read.actions.length;
    const choice = {
      model,
      scene: typeof scene === 'string' ? scene : '',
      action,
      probability,
      actions,
      below: below?.(),
    };
    return { probabilities, choice };
  }

  /** Compares what all roles chose with what fewer of them would have, and the first two with each other. */
  #compareRoles(model: string, { actions, readings }: ReadInHand): void {
    const [first, second] = readings;
    if (first === undefined || second === undefined) return;
    const { parts, reads } = this.#given;
    parts.records.agreement.read(indexOfBest(first.probabilities) === indexOfBest(second.probabilities));
    if (readings.length < this.#roles) return;
    const chosen = this.#choiceOf({ actions, readings }).action;
    for (let roles = 1; roles < readings.length; roles++) {
      const { action, probability } = this.#choiceOf({ actions, readings: readings.slice(0, roles) });
      if (roles === 1) reads.gains.compared(model, action !== chosen);
      reads.further.compared(`${model} ${roles}`, probability, action !== chosen);
    }
  }

  /** What a read chooses, with experience. */
  #choiceOf(read: ReadInHand): { readonly action: string; readonly probability: number } {
    const shares = this.#sharesOf(read);
    const place = indexOfBest(shares);
    return { action: read.actions[place] as string, probability: shares[place] as number };
  }

  #sharesOf({ actions, readings }: ReadInHand): readonly number[] {
    return this.#withValues(actions, pooled(readings));
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

  /** Whether the read has answered and no written vote can be in time: another call would only keep the next read from its slot. */
  get isLastWord(): boolean {
    const { model = '' } = this.choice ?? {};
    return (
      this.probabilities !== undefined && !this.#times.isWritingTimely && this.#given.reads.isBetterThanNone(model)
    );
  }
}
