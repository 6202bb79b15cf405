import { deadlineSignal, stampNow } from '../../../shared/clock.ts';
import type { Decision, ModelSource } from '../../../shared/decision.ts';
import type { ErrorWire } from '../../../shared/errors.ts';
import { type LinkedAbort, linkedAbort } from '../../../shared/linked-abort.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import { type Situation, situationFor, situationOf } from '../../../shared/situation.ts';
import type { CallTerms, ExpertResult } from '../../../shared/tasks.ts';
import { UNWANTED } from '../../../shared/unwanted.ts';
import type { Vote } from '../../../shared/vote/vote-parser.ts';
import { askForVote, type ChatCaller, type OnChoice, phaseTelling, voteCall } from '../../../shared/vote-answer.ts';
import { type Attempt, takesBackChoice } from '../../models/calls/attempt.ts';
import { AttemptLog, type AttemptSubject } from '../../models/calls/attempt-log.ts';
import { type CallPlan, OUT_OF_TIME } from '../../models/calls/call-maker.ts';
import type { ExpertListeners } from '../../models/pool/expert-pool.ts';
import type { Lane, Slot } from '../../models/slots/endpoint-gate.ts';
import type { UsualTimes } from '../../models/time/latency-profile.ts';
import { lessSettling, panelEnd, rungEnd, SLICE_MS_MIN } from '../../models/time/time-budget.ts';
import type { ResolvedExpert, ResolvedSynthesis } from '../../options/planner-options.ts';
import { answerFromVotes, CHOICE_REASON } from '../ladder/best-in-hand.ts';
import { synthesisMessages } from '../ladder/synthesis-prompt.ts';
import type { WhyCode } from '../ladder/why.ts';
import { ExpertOutlook } from '../panel/expert-outlook.ts';
import { Panel } from '../panel/panel.ts';
import type { PanelFit } from '../panel/panel-size.ts';
import { isAgreed, type QuorumSettings, supportOf, VALUES_WEIGHT } from '../panel/quorum.ts';
import { type ExpertVote, tallyVotes, withWinner } from '../panel/tally.ts';
import type { FlightParts, FlightPurpose } from './flight-parts.ts';

/** One model of the ladder, and its time. */
interface Rung {
  readonly subject: AttemptSubject;
  readonly alternatives: readonly string[];
  readonly thinks: boolean;
  readonly endMs: number;
  /** Whether another one follows. */
  readonly hasNext: boolean;
  /** As it is configured, where it is asked of whatever is in memory when its turn comes. */
  readonly late: LadderSeat | undefined;
}

/** After so long another expert is asked where nothing is known of their times. */
const PATIENCE_MS = 2_000;
type LadderSeat = ResolvedSynthesis['models'][number];

/** Settled by choices alone, a panel waits for a reason for this share of the plan's time. */
const REASON_SHARE = 0.1;

/** What a model of the ladder has chosen, in an answer that has not ended. */
interface LadderChoice {
  readonly action: string;
  readonly step: 'synthesis' | 'fallback';
  readonly model: string;
  /** What most spoke for when it was asked. */
  readonly leader: string | undefined;
}

/**
 * The model work for one state: a panel of experts, then the synthesis ladder where they do not agree. Every plan that
 * waits for the same state shares one flight. A flight never fails: it ends with a decision or without one, and until then
 * its votes and attempts can be read at any moment.
 */
export class Flight {
  readonly id: number;
  readonly attempts = new AttemptLog();
  /** What the models decided, once they did. */
  decision: Decision | undefined;
  /** When its model work must be done: that of the plan it was begun for. */
  readonly deadlineMs: number;
  readonly #parts: FlightParts;
  readonly #request: PlanRequest;
  readonly #purpose: FlightPurpose;
  readonly #controller = new AbortController();
  readonly #startedAtMs: number;
  /** How long its agent had waited for a decision of a model when it began. */
  readonly #waitedMs: number;
  readonly #quorum: QuorumSettings;
  readonly #outlook: ExpertOutlook;
  #panel: Panel | undefined;
  #fit: PanelFit = { members: [], isCrowded: false, atOnce: undefined, isForLater: false };
  #shown: Situation | undefined;
  #lane: Lane;
  /** Of all its calls that were let in; those that have ended are given back. */
  readonly #slots: Slot[] = [];
  /** Calls at work or on their way to it. */
  #calls = 0;
  #callsMade = 0;
  /** Of these, those that wait for a slot. */
  readonly #queued = new Set<LinkedAbort>();
  /** Its deadline has passed, and what is at work for it goes on. */
  #isLate = false;
  /** The time of the panel was over before it was settled. */
  #isPanelLate = false;
  /** No synthesis is begun: it is not expected in time. */
  #isSynthesisHopeless = false;
  /** Its turn of the event loop has come. */
  #hasBegun = false;
  #ladderChoice: LadderChoice | undefined;
  #isLadderCounted = false;
  #isCutShort = false;
  /** Of its agent's turn: called once nothing is at work any more that somebody waits for. */
  #turnOver: (() => void) | undefined;

  constructor(parts: FlightParts, id: number, request: PlanRequest, deadlineMs: number, purpose: FlightPurpose = {}) {
    const { options, records, clock, shares } = parts;
    this.#parts = parts;
    this.id = id;
    this.#request = request;
    this.deadlineMs = deadlineMs;
    this.#purpose = purpose;
    this.#lane = purpose.lane ?? 'foreground';
    this.#startedAtMs = clock.now();
    this.#waitedMs = this.#lane === 'foreground' ? shares.waitedMs(request.agent) : 0;
    const isWeighted = options.features.weightedVotes;
    this.#quorum = {
      rule: options.quorum,
      weightOf: (voice) => records.givenWeightOf(voice) * (isWeighted ? records.weightOf(voice) : 1),
      valuesWeight: isWeighted ? VALUES_WEIGHT : 0,
      inVain: purpose.inVain,
    };
    this.#outlook = new ExpertOutlook(parts, request, deadlineMs);
  }

  /** Those that count now, with the choices that stand. */
  get votes(): readonly ExpertVote[] {
    return this.#panel?.standing ?? [];
  }

  /** What most speaks for, of what was voted so far. */
  get leader(): string | undefined {
    return supportOf(this.votes, this.#request, this.#quorum)[0]?.action;
  }

  /** Whether no call of it has been let in yet: all that it has is a place in a queue. */
  get isQueued(): boolean {
    return this.#slots.length === 0;
  }

  /** Whether its turn to begin has come. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Whether a model works on it. */
  get isAtWork(): boolean {
    return this.#calls > this.#queued.size;
  }

  /** Whether a call of it was given up for somebody else: what the others voted is less than was asked for. */
  get isCutShort(): boolean {
    return this.#isCutShort;
  }

  /** Nobody waits any more: the model servers are told. What was voted so far may still decide. */
  cancel(isOutOfTime = false): void {
    this.#panel?.close();
    this.#controller.abort(isOutOfTime ? OUT_OF_TIME : UNWANTED);
  }

  /**
   * Its deadline has come and nobody waits. True when it goes on behind everyone else, because a model is at work for it: what
   * that says is remembered. Nobody further is asked, and each call gives way to somebody who can make a deadline with its slot.
   */
  goOnLate(): boolean {
    if (!this.#parts.options.keepsLate || !this.isAtWork) return false;
    this.#isLate = true;
    this.#lane = 'background';
    this.#turnOver?.();
    this.#panel?.stopAsking();
    for (const queued of [...this.#queued]) queued.abort(OUT_OF_TIME);
    for (const slot of this.#slots) slot.toBackground();
    return true;
  }

  /** Why nobody was asked, as far as nobody was; undefined where a bug is the cause. */
  get unasked(): WhyCode | undefined {
    const { experts, synthesis } = this.#parts.options;
    if (experts.length + synthesis.models.length === 0) return 'no-models';
    if (!this.#hasBegun) return 'no-turn';
    if (this.#isSynthesisHopeless) return 'too-short';
    return this.#fit.members.length === 0 && experts.length > 0 ? 'no-slot' : undefined;
  }

  /** How long answers of an attempt's model usually take at its endpoint. */
  usual({ role, model, endpoint }: Attempt): UsualTimes {
    const kind = role === undefined ? 'text' : this.#outlook.kindOf({ role });
    return this.#parts.endpoints.get(endpoint)?.profileOf(model, kind).usual ?? {};
  }

  /** As they stand now, seen from a plan that began at `originMs`. */
  attemptsFor(originMs: number): Attempt[] {
    return this.attempts.snapshot(this.#parts.clock.now(), originMs);
  }

  /** Runs to the end. Never rejects for anything a model, a server or a worker does. */
  async run(): Promise<void> {
    await this.#parts.turns.next();
    this.#hasBegun = true;
    if (this.#controller.signal.aborted) return;
    const panel = this.#convene();
    try {
      if (panel !== undefined) await this.#hear(panel);
      if (this.#controller.signal.aborted) this.#decideInHand('vote');
      else if (!this.#needsSynthesis()) this.#decideByVotes(this.#isAgreed() ? 'quorum' : 'vote');
      else if (!(await this.#synthesize())) {
        await this.#hearTheRest(panel);
        this.#decideInHand(this.#isOvertaken() ? 'quorum' : 'vote');
      }
      if (this.decision !== undefined) this.#parts.records.decided(this.votes, this.decision.action);
    } finally {
      this.#turnOver?.();
      panel?.close();
      // Who is still asked is not needed any more. Whoever had all of the panel's time has run out of it: a server that is
      // silent must be known as such, though its experts are never waited for to the end.
      this.#controller.abort(this.#isPanelLate ? OUT_OF_TIME : UNWANTED);
    }
  }

  // The panel -------------------------------------------------------------------------------------------------------

  #convene(): Panel | undefined {
    const { options, clock } = this.#parts;
    if (options.experts.length === 0) return undefined;
    const outlook = this.#outlook;
    this.#fit = outlook.panel(this.#lane, () => this.#rankMs(), this.#quorum.weightOf, this.#purpose.oneExpert);
    const { members, isCrowded, atOnce, isForLater } = this.#fit;
    if (isForLater) this.#lane = 'background';
    const first = members[0];
    const knownMs = first === undefined ? undefined : outlook.patienceMs(first);
    const panel = new Panel(clock, {
      request: this.#request,
      members,
      quorum: this.#quorum,
      isStaged: options.features.panelFit && options.quorum !== 'all',
      atOnce,
      patienceMs: first === undefined || isCrowded ? undefined : (knownMs ?? PATIENCE_MS),
      isPatienceGuessed: knownMs === undefined,
      isTimely: (expert) => !options.features.panelFit || this.#lane === 'background' || outlook.isTimely(expert),
      seated: (expert) => outlook.seated(expert),
      hasRoom: () => this.#hasRoom(),
      primeMs: first === undefined || !options.features.priming ? undefined : outlook.primeMs(first),
      reasonMs: (this.deadlineMs - this.#startedAtMs) * REASON_SHARE,
      ask: (expert, listeners) => this.#askExpert(expert, listeners),
    });
    this.#panel = panel;
    panel.begin();
    return panel;
  }

  #hasRoom(): boolean {
    return this.#outlook.hasRoom(this.#rankMs());
  }

  /** Waits until the panel is done, its time is over, or nobody waits any more. */
  async #hear(panel: Panel): Promise<void> {
    const { options, clock } = this.#parts;
    const nextMs = this.#outlook.synthesisMs();
    const { members, isForLater } = this.#fit;
    const hasNext = options.synthesis.models.length > 0 && !isForLater && this.#outlook.isRoomForBoth(members, nextMs);
    const rule = { timeSlices: options.timeSlices, hasNext, nextMs };
    const ceilingMs = Math.max(...options.experts.map((expert) => expert.timeoutMs));
    const isLast = !hasNext && options.keepsLate;
    const endMs = isLast ? this.#lastMs() : panelEnd(clock.now(), this.deadlineMs, ceilingMs, rule);
    const over = Promise.withResolvers<void>();
    const voted = Promise.withResolvers<void>();
    let isEnough = false;
    const looksEnough = (): void => void (isEnough && panel.standing.length > 0 && over.resolve());
    const enoughMs = this.#enoughMs();
    const onEnough = (): void => {
      // Who waits for a slot is not slow; and where there is none, a synthesis would have to wait for one as well.
      isEnough = this.#hasRoom();
      looksEnough();
    };
    const enough = enoughMs === undefined ? undefined : clock.setTimer(enoughMs, onEnough);
    panel.onVote = () => {
      voted.resolve();
      looksEnough();
    };
    const onEnd = (): void => {
      this.#isPanelLate = true;
    };
    try {
      await this.#waitFor(Promise.race([panel.done, over.promise]), endMs, onEnd);
      await this.#hearFirst(panel, voted.promise);
      // Those who are asked may still answer while a synthesis runs; nobody else is asked.
      panel.stopAsking();
    } finally {
      enough?.cancel();
      panel.onVote = () => {};
    }
  }

  /** An expert that has not answered until then is slower than nearly all calls. */
  #enoughMs(): number | undefined {
    const { features, quorum } = this.#parts.options;
    return features.panelFit && quorum === 'firstAgree' ? this.#outlook.enoughMs(this.#fit.members) : undefined;
  }

  /**
   * Without a vote there is nothing to merge: no synthesis begins while it is no likelier to answer in time than the experts
   * who are still asked.
   */
  async #hearFirst(panel: Panel, voted: Promise<void>): Promise<void> {
    const { clock, options } = this.#parts;
    if (!options.features.chanceFit || panel.standing.length > 0 || panel.open === 0) return;
    if (this.#outlook.isSynthesisLikelier(panel.openExperts, clock.now() - this.#startedAtMs)) return;
    await this.#waitFor(Promise.race([panel.done, voted]), this.#lastMs());
  }

  /**
   * Where the ladder gave nothing and there is no vote either, or where no synthesis can be in time, those who are still asked
   * are waited for as long as there is time.
   */
  async #hearTheRest(panel: Panel | undefined): Promise<void> {
    if (panel === undefined || panel.open === 0) return;
    const heard = Promise.withResolvers<void>();
    if (panel.standing.length > 0) {
      if (!this.#isSynthesisHopeless) return;
      panel.onVote = () => void (this.#isAgreed() && heard.resolve());
    } else panel.onVote = () => heard.resolve();
    await this.#waitFor(Promise.race([panel.done, heard.promise]), this.#lastMs());
  }

  /** Waits for something until `endMs`, and no longer than anybody waits for the flight. */
  async #waitFor(promise: Promise<void>, endMs: number, onEnd: () => void = () => {}): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#controller;
    const over = Promise.withResolvers<void>();
    const onAbort = (): void => over.resolve();
    const timer = clock.setTimer(endMs - clock.now(), () => {
      onEnd();
      over.resolve();
    });
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      await Promise.race([promise, over.promise]);
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
    }
  }

  #askExpert(expert: ResolvedExpert, { onFirstToken, onChoice }: ExpertListeners): Promise<ExpertResult> {
    const { role, model, endpoint } = expert;
    const kind = this.#outlook.kindOf(expert);
    return this.#call({
      subject: { step: 'expert', role, model, endpoint },
      alternatives: expert.alternatives,
      kind,
      seat: this.#parts.seats.lateSeat(expert, kind, this.deadlineMs),
      ceilingMs: expert.timeoutMs,
      endMs: this.#lastMs(),
      run: (subject, terms, signal, log, onSent) => {
        const listeners = { onFirstToken, onChoice: this.#ownChoice(log, onChoice), onSent };
        return this.#runExpert(expert, subject, terms, signal, listeners);
      },
    });
  }

  async #runExpert(
    expert: ResolvedExpert,
    { endpoint, model }: AttemptSubject,
    terms: CallTerms,
    signal: AbortSignal,
    listeners: ExpertListeners,
  ): Promise<ExpertResult> {
    const { role, maxTokens, temperature } = expert;
    const thinks = this.#parts.seats.thinks(endpoint, model, expert.thinks);
    const task = { kind: 'expert', planId: this.id, role, model, endpoint, maxTokens, temperature, thinks } as const;
    const { domain } = this.#parts.options;
    const isBlind = this.#parts.endpoints.get(endpoint)?.isBlind(model);
    const sees = !isBlind && domain.roles.find(({ name }) => name === role)?.vision === true;
    const situation = situationFor(domain, this.#situation(), sees);
    return this.#ownVote(await this.#parts.pool.run({ ...task, ...terms, situation }, signal, listeners));
  }

  // The synthesis ladder --------------------------------------------------------------------------------------------

  #needsSynthesis(): boolean {
    const { synthesis } = this.#parts.options;
    if (synthesis.models.length === 0 || this.#controller.signal.aborted || this.#isLate) return false;
    if (this.#purpose.oneExpert !== undefined || this.#fit.isForLater) return false;
    if (synthesis.when === 'always') return true;
    // Where others wait, what the few experts said has to do.
    if (this.#fit.isCrowded && this.votes.length > 0) return false;
    if (this.#fit.members.length === 0 && this.#parts.options.experts.length > 0) return false;
    return !this.#isAgreed();
  }

  #isAgreed(): boolean {
    return isAgreed(this.votes, this.#request, this.#quorum);
  }

  /** Model A, then model B, and so on. True when there is a decision: one of them made it, or votes that came meanwhile. */
  async #synthesize(): Promise<boolean> {
    const { options, clock, counters } = this.#parts;
    const { models, timeoutMs } = options.synthesis;
    const isChosen = options.features.chanceFit && options.synthesis.when !== 'always';
    this.#isSynthesisHopeless = isChosen && !this.#outlook.isSynthesisTimely();
    if (this.#isSynthesisHopeless) return false;
    const agreed = new AbortController();
    const onAbort = (): void => agreed.abort(this.#controller.signal.reason);
    this.#controller.signal.addEventListener('abort', onAbort, { once: true });
    // Experts that were slow may settle it after all, and then nobody waits for the synthesis.
    if (this.#panel !== undefined) this.#panel.onVote = () => void (this.#isOvertaken() && agreed.abort(UNWANTED));
    try {
      for (const [index, configured] of models.entries()) {
        if (agreed.signal.aborted) break;
        const { leader } = this;
        const step = index === 0 ? 'synthesis' : 'fallback';
        const hasNext = index < models.length - 1;
        const rule = { timeSlices: options.timeSlices, hasNext, nextMs: undefined };
        const endMs = rungEnd(clock.now(), this.deadlineMs, timeoutMs, rule);
        const seat = this.#rungSeat(configured, index, endMs - clock.now());
        const { model, endpoint, alternatives, thinks } = seat;
        const late = this.#parts.seats.isWorthLoad(seat, index) ? undefined : configured;
        const rung = { subject: { step, model, endpoint } as const, alternatives, thinks, endMs, hasNext, late };
        const chose = (action: string | undefined): void => {
          this.#ladderChoice = action === undefined ? undefined : { action, step, model, leader };
        };
        const settled = await this.#synthesizeWith(rung, agreed.signal, chose);
        if (settled.ok) {
          const isKept = this.leader === leader || this.leader === settled.vote.action;
          if (isKept) this.#decide(settled.vote, step, settled.model ?? model);
          return isKept;
        }
        if (takesBackChoice(settled.error.code)) this.#ladderChoice = undefined;
        // Counted by plans: nobody waits for what is asked in the background, and it may have been cancelled.
        if (index === 0 && !agreed.signal.aborted && this.#lane !== 'background') counters.fallbacks++;
      }
      return false;
    } finally {
      this.#controller.signal.removeEventListener('abort', onAbort);
    }
  }

  /** Where a rung is asked now: of its own model, or of one that its server has in memory. */
  #rungSeat(configured: LadderSeat, index: number, leftMs: number): LadderSeat {
    const { seats } = this.#parts;
    return index === 0 ? seats.seated(configured, 'text', leftMs) : seats.rung(configured, leftMs);
  }

  #isOvertaken(): boolean {
    const { when } = this.#parts.options.synthesis;
    return when === 'onDisagreement' && this.#isAgreed();
  }

  /** One rung. It ends with its slice where another follows, and with the flight where it is the last. */
  async #synthesizeWith(
    { subject, alternatives, thinks, endMs, hasNext, late }: Rung,
    signal: AbortSignal,
    onChoice: OnChoice,
  ): Promise<ExpertResult> {
    const { clock, callers, options, seats } = this.#parts;
    if (endMs - clock.now() < SLICE_MS_MIN) return this.#skip(subject);
    const isLast = !hasNext && options.keepsLate;
    // After the call's own timeout, which tells its phase: this is for one that still waits for a slot.
    using over = isLast ? undefined : deadlineSignal(clock, endMs + 1, signal, OUT_OF_TIME);
    return await this.#call(
      {
        subject,
        alternatives,
        kind: 'text',
        seat: late && seats.lateSeat(late, 'text', endMs),
        ceilingMs: options.synthesis.timeoutMs,
        endMs: hasNext ? endMs : this.#lastMs(endMs),
        run: (at, terms, calling, log, onSent) => {
          const caller = phaseTelling(callers.get(at.endpoint) as ChatCaller, onSent);
          return this.#chat(
            caller,
            at.model,
            seats.thinks(at.endpoint, at.model, thinks),
            terms,
            calling,
            this.#ownChoice(log, onChoice),
          );
        },
      },
      over?.signal ?? signal,
    );
  }

  async #chat(
    caller: ChatCaller,
    model: string,
    thinks: boolean,
    terms: CallTerms,
    signal: AbortSignal,
    onChoice: OnChoice | undefined,
  ): Promise<ExpertResult> {
    const { domain, synthesis } = this.#parts.options;
    const { maxTokens, temperature } = synthesis;
    const situation = this.#situation();
    const messages = synthesisMessages(domain, situation, this.votes, terms.answer, thinks);
    const call = voteCall({ ...terms, model, maxTokens, temperature, thinks }, messages, situation.actions, onChoice);
    // A rung that answers without a legal action has failed; the next one is tried.
    return this.#ownVote(await askForVote(caller, call, situation.actions, signal));
  }

  #skip(subject: AttemptSubject): ExpertResult {
    const nowMs = this.#parts.clock.now();
    const error: ErrorWire = { code: 'ERR_STEP_SKIPPED', message: 'too little time was left', retryable: false };
    this.attempts.begin(subject, nowMs).failed(error, undefined, nowMs);
    return { ok: false, error, report: { totalMs: 0 } };
  }

  // Calls -----------------------------------------------------------------------------------------------------------

  async #call(
    plan: Omit<CallPlan, 'lane' | 'rankMs' | 'deadlineMs' | 'giveUp' | 'onWaiting' | 'isLate'>,
    signal: AbortSignal = this.#controller.signal,
  ): Promise<ExpertResult> {
    this.#calls++;
    const rankMs = this.#rankMs();
    this.#callsMade++;
    const own = linkedAbort(signal);
    const whole = {
      ...plan,
      lane: this.#lane,
      rankMs,
      deadlineMs: this.deadlineMs,
      giveUp: () => {
        this.#isCutShort = true;
        own.abort(UNWANTED);
      },
      onWaiting: () => void this.#queued.add(own),
      isLate: () => this.#isLate,
    };
    try {
      return await this.#parts.maker.make(whole, this.attempts, own.signal, (slot) => {
        this.#served();
        this.#queued.delete(own);
        this.#slots.push(slot);
        if (this.#isLate) slot.toBackground();
      });
    } finally {
      own.unlink();
      this.#queued.delete(own);
      this.#calls--;
    }
  }

  /** A call of it is at work. */
  #served(): void {
    const { shares } = this.#parts;
    const { agent } = this.#request;
    if (this.#purpose.lane !== 'background') shares.served(agent);
    if (this.#lane === 'foreground') this.#turnOver ??= shares.working(agent);
  }

  #rankMs(): number {
    const { priority = 0 } = this.#purpose;
    const { agent } = this.#request;
    const rankMs = this.#parts.shares.rankMs(agent, priority, this.#startedAtMs, this.deadlineMs, this.#waitedMs);
    // Where a server is given fewer calls than it has slots, others have their first vote before this plan has its second.
    const isBehind = this.#callsMade > 0 && this.#outlook.isNarrowed;
    return isBehind ? rankMs + (this.deadlineMs - this.#startedAtMs) : rankMs;
  }

  /** When the last calls must have ended: a little before the deadline, or after it where late work is kept. */
  #lastMs(endMs = Number.POSITIVE_INFINITY): number {
    const { options, clock } = this.#parts;
    if (options.keepsLate) return this.deadlineMs + options.lateMs;
    const nowMs = clock.now();
    return Math.min(endMs, nowMs + lessSettling(this.deadlineMs - nowMs));
  }

  /** What models are shown. Made when the first of them is asked, in a turn of its own. */
  #situation(): Situation {
    this.#shown ??= situationOf(this.#request, this.#parts.options.promptActionsMax, this.#purpose.inVain);
    return this.#shown;
  }

  // The decision ----------------------------------------------------------------------------------------------------

  #decide(vote: Vote, source: ModelSource, model: string): void {
    this.#countChoices();
    const tally = withWinner(tallyVotes(this.votes, this.#request), vote.action);
    this.decision = { ...this.#stamp(), action: vote.action, reason: vote.reason, source, model, tally };
  }

  #decideByVotes(source: 'quorum' | 'vote'): void {
    this.#countChoices();
    this.decision = this.#decisionOfVotes(source);
  }

  /** Out of time, or with no synthesis: choices that agree decide, else that of a synthesis, else the votes there are. */
  #decideInHand(source: 'quorum' | 'vote'): void {
    this.decision = this.standing();
    if (this.decision === undefined) this.#decideByVotes(source);
  }

  /**
   * What the choices that stand come to, for a plan that is settled now: an agreement, or the choice of a synthesis. Undefined
   * where votes have to do.
   */
  standing(): Decision | undefined {
    if (!this.#parts.options.features.earlyChoices) return undefined;
    this.#countChoices();
    if (this.#isOvertaken()) return this.#decisionOfVotes('quorum');
    const choice = this.#ladderChoice;
    if (choice === undefined || (this.leader !== choice.leader && this.leader !== choice.action)) return undefined;
    const { action, step, model } = choice;
    if (!this.#isLadderCounted) this.#parts.counters.earlyChoices++;
    this.#isLadderCounted = true;
    const tally = withWinner(tallyVotes(this.votes, this.#request), action);
    return { ...this.#stamp(), action, reason: CHOICE_REASON, source: step, model, tally };
  }

  #decisionOfVotes(source: 'quorum' | 'vote'): Decision | undefined {
    const answer = answerFromVotes(this.#request, this.votes, this.leader);
    if (answer === undefined) return undefined;
    const { action, reason, model, tally } = answer;
    return { ...this.#stamp(), action, reason, source, model: model ?? '', tally };
  }

  #countChoices(): void {
    this.#parts.counters.earlyChoices += this.#panel?.choices.count() ?? 0;
  }

  /** Tells of choices by the request's own strings. Undefined where they do not count before their answers have ended. */
  #ownChoice(...listeners: readonly (OnChoice | undefined)[]): OnChoice | undefined {
    if (!this.#parts.options.features.earlyChoices) return undefined;
    return (action) => {
      const own = action === undefined ? undefined : this.#own(action);
      for (const listener of listeners) listener?.(own);
    };
  }

  #stamp(): { decidedAtMs: number; latencyMs: number } {
    const { clock } = this.#parts;
    return { decidedAtMs: stampNow(clock), latencyMs: clock.now() - this.#startedAtMs };
  }

  /** A vote comes back through messages and parsers: what counts is the request's own string. */
  #ownVote(result: ExpertResult): ExpertResult {
    return result.ok ? { ...result, vote: { ...result.vote, action: this.#own(result.vote.action) } } : result;
  }

  /** The request's own string of an action that was offered. */
  #own(action: string): string {
    const index = this.#request.actions.indexOf(action);
    if (index < 0) throw new Error(`an action that was not offered passed the parser: ${action}`);
    return this.#request.actions[index] as string;
  }
}
