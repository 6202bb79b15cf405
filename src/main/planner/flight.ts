import type { Clock, Timer } from '../../shared/clock.ts';
import { answerSchema } from '../../shared/constrained-answer.ts';
import type { Decision, ModelSource } from '../../shared/decision.ts';
import type { ErrorWire } from '../../shared/errors.ts';
import type { ChatCall } from '../../shared/model-client/model-client.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import { type Situation, situationFor, situationOf } from '../../shared/situation.ts';
import type { ExpertResult } from '../../shared/tasks.ts';
import { UNWANTED } from '../../shared/unwanted.ts';
import { isVoteComplete, type Vote } from '../../shared/vote/vote-parser.ts';
import { askForVote, type ChatCaller } from '../../shared/vote-answer.ts';
import type { AnswerForms } from '../endpoints/answer-form.ts';
import type { ModelEndpoint } from '../endpoints/model-endpoint.ts';
import type { Lane, Slot } from '../endpoints/slots/endpoint-gate.ts';
import type { CallKind } from '../endpoints/time/latency-profile.ts';
import type { ExpertRunner } from '../experts/expert-pool.ts';
import type { ResolvedExpert, ResolvedOptions } from '../options/planner-options.ts';
import { thinksByName } from '../options/resolve-options.ts';
import type { Attempt } from '../plan.ts';
import { synthesisMessages } from '../synthesis/synthesis-prompt.ts';
import { type ExpertVote, tallyVotes, withWinner } from '../synthesis/tally.ts';
import { AttemptLog, type AttemptSubject } from './attempt-log.ts';
import { answerFromVotes } from './best-in-hand.ts';
import { type CallMaker, type CallPlan, type CallTerms, OUT_OF_TIME, type PinnedSlot } from './calls/call-maker.ts';
import type { PlannerCounters } from './counters.ts';
import type { FairShare } from './fair-share.ts';
import type { LoopTurns } from './loop-turns.ts';
import type { ExpertRecords } from './panel/expert-records.ts';
import { Panel } from './panel/panel.ts';
import { type PanelFit, panelThatFits } from './panel/panel-size.ts';
import { isAgreed, type QuorumSettings, supportOf, VALUES_WEIGHT } from './panel/quorum.ts';
import { lessSettling, panelEnd, rungEnd, SLICE_MS_MIN } from './time-budget.ts';

export interface FlightParts {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly pool: ExpertRunner;
  readonly callers: ReadonlyMap<string, ChatCaller>;
  readonly endpoints: ReadonlyMap<string, ModelEndpoint>;
  readonly forms: AnswerForms;
  readonly maker: CallMaker;
  readonly records: ExpertRecords;
  readonly shares: FairShare;
  readonly counters: PlannerCounters;
  readonly turns: LoopTurns;
}

export interface FlightPurpose {
  /** Background work takes only slots that nobody waits for. Default `foreground`. */
  readonly lane?: Lane;
  /** Higher is served first. Default 0. */
  readonly priority?: number;
  /** An action that the agent has tried in this state without effect: the models are told. */
  readonly inVain?: string | undefined;
}

/** One model of the ladder, and its time. */
interface Rung {
  readonly subject: AttemptSubject;
  readonly alternatives: readonly string[];
  readonly endMs: number;
  /** Whether another one follows. */
  readonly hasNext: boolean;
}

/** How long a slow expert is waited for before another one is asked: so many of its calls are done then. */
const PATIENCE_QUANTILE = 0.75;
/**
 * Once there is a vote, the others are waited for until so many of the calls of the slowest of them are done, and a margin:
 * what is learned is short of the slowest calls, which are cancelled as soon as two others agree.
 */
const ENOUGH_QUANTILE = 0.95;
const ENOUGH_MARGIN = 1.2;
/** Where its times are not known. */
const PATIENCE_MS = 2_000;
/** Of the time a model takes to its first token, at most so much more is waited for one that primes. */
const PRIME_QUANTILE = 0.9;
/** What is kept for a synthesis: its time at this quantile. */
const SYNTHESIS_QUANTILE = 0.9;

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
  readonly #quorum: QuorumSettings;
  readonly #isVisual: boolean;
  #panel: Panel | undefined;
  #fit: PanelFit = { members: [], isCrowded: false };
  #shown: Situation | undefined;
  #pinned: PinnedSlot | undefined;
  #lane: Lane;
  /** Of all its calls; those that have ended are given back. */
  readonly #slots: Slot[] = [];
  /** Calls at work or on their way to it. */
  #calls = 0;
  #begun = 0;
  /** The time of the panel was over before it was settled. */
  #isPanelLate = false;

  constructor(parts: FlightParts, id: number, request: PlanRequest, deadlineMs: number, purpose: FlightPurpose = {}) {
    const { options, records, clock } = parts;
    this.#parts = parts;
    this.id = id;
    this.#request = request;
    this.deadlineMs = deadlineMs;
    this.#purpose = purpose;
    this.#lane = purpose.lane ?? 'foreground';
    this.#startedAtMs = clock.now();
    const isWeighted = options.features.weightedVotes;
    const given = new Map(options.experts.map(({ role, model, weight }) => [`${role}\n${model}`, weight]));
    this.#quorum = {
      rule: options.quorum,
      weightOf: (voice) =>
        (given.get(`${voice.role}\n${voice.model}`) ?? 1) * (isWeighted ? records.weightOf(voice) : 1),
      valuesWeight: isWeighted ? VALUES_WEIGHT : 0,
      inVain: purpose.inVain,
    };
    this.#isVisual = Object.entries(options.domain.features).some(
      ([name, feature]) => feature.kind === 'image' && request.observation[name] !== undefined,
    );
  }

  get votes(): readonly ExpertVote[] {
    return this.#panel?.votes ?? [];
  }

  /** What most speaks for, of what was voted so far. */
  get leader(): string | undefined {
    return supportOf(this.votes, this.#request, this.#quorum)[0]?.action;
  }

  /** Whether no call of it has been let in yet: all that it has is a place in a queue. */
  get isQueued(): boolean {
    return this.#begun === 0;
  }

  /** Nobody waits any more: the model servers are told. What was voted so far may still decide. */
  cancel(isOutOfTime = false): void {
    this.#panel?.close();
    this.#controller.abort(isOutOfTime ? OUT_OF_TIME : UNWANTED);
  }

  /**
   * Its deadline has come and nobody waits. True when it goes on behind everyone else, because a model is at work for it
   * and nobody needs the slots.
   */
  goOnLate(): boolean {
    const { options, endpoints } = this.#parts;
    if (!options.features.lateAnswers || this.#calls === 0 || this.#begun === 0) return false;
    for (const { gate } of endpoints.values()) if (gate.waiting > 0) return false;
    this.#lane = 'background';
    for (const slot of this.#slots) slot.toBackground();
    return true;
  }

  attemptsAt(nowMs: number): Attempt[] {
    return this.attempts.snapshot(nowMs);
  }

  /** Runs to the end. Never rejects for anything a model, a server or a worker does. */
  async run(): Promise<void> {
    await this.#parts.turns.next();
    const panel = this.#convene();
    try {
      if (panel !== undefined) await this.#hear(panel);
      if (this.#controller.signal.aborted) this.#decideByVotes('vote');
      else if (!this.#needsSynthesis()) this.#decideByVotes(this.#isAgreed() ? 'quorum' : 'vote');
      else if (!(await this.#synthesize())) {
        await this.#hearTheRest(panel);
        this.#decideByVotes(this.#isOvertaken() ? 'quorum' : 'vote');
      }
      if (this.decision !== undefined) this.#parts.records.decided(this.votes, this.decision.action);
    } finally {
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
    this.#fit = this.#panelThatFits();
    const { members } = this.#fit;
    const first = members[0];
    const panel = new Panel(clock, {
      request: this.#request,
      members,
      quorum: this.#quorum,
      isStaged: options.features.panelFit && options.quorum !== 'all',
      patienceMs: this.#patienceMs(first),
      isTimely: (expert) => this.#isTimely(expert),
      hasRoom: () => this.#hasRoom(),
      primeMs: this.#primeMs(first),
      ask: (expert, onFirstToken) => this.#askExpert(expert, onFirstToken),
    });
    this.#panel = panel;
    panel.begin();
    return panel;
  }

  #panelThatFits(): PanelFit {
    const { options, clock, endpoints } = this.#parts;
    const { weightOf } = this.#quorum;
    if (!options.features.panelFit) return { members: options.experts, isCrowded: false };
    const leftMs = this.deadlineMs - clock.now();
    // Who is heard more and who answers sooner comes first; those whose endpoint rests come last.
    const rank = (expert: ResolvedExpert): number =>
      this.#isReachable(expert) ? weightOf(expert) / (1 + this.#lengthOf(expert, leftMs) / leftMs) : 0;
    const ordered = options.experts.toSorted((a, b) => rank(b) - rank(a));
    if (this.#lane === 'background') return { members: ordered, isCrowded: false };
    // What nobody waits for makes room before it is said that there is none.
    for (const { gate } of endpoints.values()) if (gate.idle === 0) gate.onPressure();
    return panelThatFits(ordered, {
      placesOf: ({ endpoint, alternatives }) =>
        [endpoint, ...alternatives].map((name) => endpoints.get(name) as ModelEndpoint),
      kindOf: (expert) => this.#kindOf(expert),
      rankMs: this.#rankMs(),
      nowMs: clock.now(),
      deadlineMs: this.deadlineMs,
    });
  }

  /** How long an expert takes to answer; of those whose times are not known, one that looks at pictures takes longer. */
  #lengthOf(expert: ResolvedExpert, leftMs: number): number {
    const kind = this.#kindOf(expert);
    const at = this.#parts.endpoints.get(expert.endpoint) as ModelEndpoint;
    return at.workMs(expert.model, kind) ?? (kind === 'vision' ? leftMs : 0);
  }

  #isReachable({ endpoint, alternatives }: ResolvedExpert): boolean {
    return this.#parts.maker.isReachable({ subject: { step: 'expert', model: '', endpoint }, alternatives });
  }

  #kindOf({ role }: ResolvedExpert): CallKind {
    return this.#isVisual && this.#parts.options.domain.roles.some((each) => each.name === role && each.vision)
      ? 'vision'
      : 'text';
  }

  #patienceMs(first: ResolvedExpert | undefined): number | undefined {
    if (first === undefined || this.#fit.isCrowded) return undefined;
    const at = this.#parts.endpoints.get(first.endpoint) as ModelEndpoint;
    const usualMs = at.profileOf(first.model, this.#kindOf(first)).quantile('total', PATIENCE_QUANTILE);
    // What is told of quantiles may be 5 % short.
    return usualMs === undefined ? PATIENCE_MS : usualMs * 1.05;
  }

  #isTimely(expert: ResolvedExpert): boolean {
    const { options, clock } = this.#parts;
    const leftMs = this.deadlineMs - clock.now();
    return !options.features.panelFit || this.#lane === 'background' || this.#lengthOf(expert, 0) <= leftMs;
  }

  #hasRoom(): boolean {
    for (const { gate } of this.#parts.endpoints.values()) if (gate.idle > 0) return true;
    return false;
  }

  /** Where a server reuses what it has read for any slot, one expert reads first what all of them share. */
  #primeMs(first: ResolvedExpert | undefined): number | undefined {
    const { options, endpoints } = this.#parts;
    if (!options.features.priming || first === undefined) return undefined;
    const at = endpoints.get(first.endpoint) as ModelEndpoint;
    if (at.facts.reusesPrefixes !== true || at.facts.pinsSlots) return undefined;
    return at.profileOf(first.model, this.#kindOf(first)).quantile('firstToken', PRIME_QUANTILE);
  }

  /** Waits until the panel is done, its time is over, or nobody waits any more. */
  async #hear(panel: Panel): Promise<void> {
    const { options, clock } = this.#parts;
    const ceilingMs = Math.max(...options.experts.map((expert) => expert.timeoutMs));
    const nextMs = this.#synthesisMs();
    const hasNext = options.synthesis.models.length > 0 && this.#isRoomForBoth(nextMs);
    const rule = { timeSlices: options.timeSlices, hasNext, nextMs };
    const isLast = !hasNext && options.features.lateAnswers;
    const endMs = isLast ? this.#lastMs() : panelEnd(clock.now(), this.deadlineMs, ceilingMs, rule);
    const over = Promise.withResolvers<void>();
    const timer = clock.setTimer(endMs - clock.now(), () => {
      this.#isPanelLate = true;
      over.resolve();
    });
    let isEnough = false;
    const looksEnough = (): void => void (isEnough && panel.votes.length > 0 && over.resolve());
    const enough = this.#startEnough(() => {
      // Who waits for a slot is not slow; and where there is none, a synthesis would have to wait for one as well.
      isEnough = this.#hasRoom();
      looksEnough();
    });
    panel.onVote = looksEnough;
    const onAbort = (): void => over.resolve();
    this.#controller.signal.addEventListener('abort', onAbort, { once: true });
    if (this.#controller.signal.aborted) onAbort();
    try {
      await Promise.race([panel.done, over.promise]);
      // Those who are asked may still answer while a synthesis runs; nobody else is asked.
      panel.stopAsking();
    } finally {
      timer.cancel();
      enough?.cancel();
      panel.onVote = () => {};
      this.#controller.signal.removeEventListener('abort', onAbort);
    }
  }

  /** The ladder gave nothing: with no vote either, those who are still asked are waited for as long as there is time. */
  async #hearTheRest(panel: Panel | undefined): Promise<void> {
    if (panel === undefined || panel.votes.length > 0 || panel.open === 0) return;
    const { clock } = this.#parts;
    const heard = Promise.withResolvers<void>();
    panel.onVote = () => heard.resolve();
    const onAbort = (): void => heard.resolve();
    const timer = clock.setTimer(this.#lastMs() - clock.now(), onAbort);
    this.#controller.signal.addEventListener('abort', onAbort, { once: true });
    if (this.#controller.signal.aborted) onAbort();
    await Promise.race([panel.done, heard.promise]);
    timer.cancel();
    this.#controller.signal.removeEventListener('abort', onAbort);
  }

  /** Fires when an expert that has not answered is slower than nearly all calls. Never where times are not known. */
  #startEnough(fire: () => void): Timer | undefined {
    const { options, clock, endpoints } = this.#parts;
    if (!options.features.panelFit || options.quorum !== 'firstAgree') return undefined;
    let longestMs = 0;
    for (const expert of this.#fit.members) {
      const at = endpoints.get(expert.endpoint) as ModelEndpoint;
      const ms = at.profileOf(expert.model, this.#kindOf(expert)).quantile('total', ENOUGH_QUANTILE);
      if (ms === undefined) return undefined;
      longestMs = Math.max(longestMs, ms);
    }
    return clock.setTimer(longestMs * ENOUGH_MARGIN, fire);
  }

  /** Whether a synthesis fits behind the experts at all; where it does not, they have all of the time. */
  #isRoomForBoth(synthesisMs: number | undefined): boolean {
    if (synthesisMs === undefined || this.#parts.options.synthesis.when === 'always') return true;
    const lengths = this.#fit.members.map((expert) => this.#lengthOf(expert, 0));
    const panelMs = lengths.length === 0 ? 0 : Math.min(...lengths);
    return panelMs + synthesisMs <= this.deadlineMs - this.#parts.clock.now();
  }

  /** How long the first rung of the ladder takes, where that is known. */
  #synthesisMs(): number | undefined {
    const { options, endpoints } = this.#parts;
    const [first] = options.synthesis.models;
    if (first === undefined || !options.features.learnedTimeouts) return undefined;
    return endpoints.get(first.endpoint)?.profileOf(first.model, 'text').quantile('total', SYNTHESIS_QUANTILE);
  }

  #askExpert(expert: ResolvedExpert, onFirstToken: (() => void) | undefined): Promise<ExpertResult> {
    const { role, model, endpoint } = expert;
    return this.#call({
      subject: { step: 'expert', role, model, endpoint },
      alternatives: expert.alternatives,
      kind: this.#kindOf(expert),
      ceilingMs: expert.timeoutMs,
      endMs: this.#lastMs(),
      run: (subject, terms, signal) => this.#runExpert(expert, subject, terms, signal, onFirstToken),
    });
  }

  async #runExpert(
    expert: ResolvedExpert,
    { endpoint }: AttemptSubject,
    terms: CallTerms,
    signal: AbortSignal,
    onFirstToken: (() => void) | undefined,
  ): Promise<ExpertResult> {
    const { role, model, maxTokens, temperature, thinks } = expert;
    const task = { kind: 'expert', planId: this.id, role, model, endpoint, maxTokens, temperature, thinks } as const;
    const { domain } = this.#parts.options;
    const sees = domain.roles.find(({ name }) => name === role)?.vision === true;
    const situation = situationFor(domain, this.#situation(), sees);
    return this.#ownVote(await this.#parts.pool.run({ ...task, ...terms, situation }, signal, onFirstToken));
  }

  // The synthesis ladder --------------------------------------------------------------------------------------------

  #needsSynthesis(): boolean {
    const { synthesis } = this.#parts.options;
    if (synthesis.models.length === 0) return false;
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
    const agreed = new AbortController();
    const onAbort = (): void => agreed.abort(this.#controller.signal.reason);
    this.#controller.signal.addEventListener('abort', onAbort, { once: true });
    // Experts that were slow may settle it after all, and then nobody waits for the synthesis.
    if (this.#panel !== undefined) this.#panel.onVote = () => void (this.#isOvertaken() && agreed.abort(UNWANTED));
    try {
      for (const [index, { model, endpoint, alternatives }] of models.entries()) {
        if (agreed.signal.aborted) break;
        const { leader } = this;
        const step = index === 0 ? 'synthesis' : 'fallback';
        const hasNext = index < models.length - 1;
        const rule = { timeSlices: options.timeSlices, hasNext, nextMs: undefined };
        const endMs = rungEnd(clock.now(), this.deadlineMs, timeoutMs, rule);
        const rung = { subject: { step, model, endpoint } as const, alternatives, endMs, hasNext };
        const settled = await this.#synthesizeWith(rung, agreed.signal);
        if (settled.ok) {
          const isKept = this.leader === leader || this.leader === settled.vote.action;
          if (isKept) this.#decide(settled.vote, step, model);
          return isKept;
        }
        // Counted by plans: nobody waits for what is asked in the background, and it may have been cancelled.
        if (index === 0 && !agreed.signal.aborted && this.#lane !== 'background') counters.fallbacks++;
      }
      return false;
    } finally {
      this.#controller.signal.removeEventListener('abort', onAbort);
    }
  }

  #isOvertaken(): boolean {
    const { when } = this.#parts.options.synthesis;
    return when === 'onDisagreement' && this.#isAgreed();
  }

  /** One rung. It ends with its slice where another follows, and with the flight where it is the last. */
  async #synthesizeWith({ subject, alternatives, endMs, hasNext }: Rung, signal: AbortSignal): Promise<ExpertResult> {
    const { clock, callers, options } = this.#parts;
    if (endMs - clock.now() < SLICE_MS_MIN) return this.#skip(subject);
    const over = new AbortController();
    const isLast = !hasNext && options.features.lateAnswers;
    // After the call's own timeout, which tells its phase: this is for one that still waits for a slot.
    const timer = isLast ? undefined : clock.setTimer(endMs - clock.now() + 1, () => over.abort(OUT_OF_TIME));
    const onAbort = (): void => over.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return await this.#call(
        {
          subject,
          alternatives,
          kind: 'text',
          ceilingMs: options.synthesis.timeoutMs,
          endMs: hasNext ? endMs : this.#lastMs(endMs),
          run: (at, terms, calling) => this.#chat(callers.get(at.endpoint) as ChatCaller, at.model, terms, calling),
        },
        over.signal,
      );
    } finally {
      timer?.cancel();
      signal.removeEventListener('abort', onAbort);
    }
  }

  async #chat(caller: ChatCaller, model: string, terms: CallTerms, signal: AbortSignal): Promise<ExpertResult> {
    const { options } = this.#parts;
    const { maxTokens, temperature } = options.synthesis;
    const { answer, timeoutMs, phases, stream, slot } = terms;
    const { actions } = this.#situation();
    const thinks = thinksByName(model);
    const call: ChatCall = {
      model,
      messages: synthesisMessages(options.domain, this.#situation(), this.votes, answer, thinks),
      maxTokens,
      temperature,
      timeoutMs,
      stream,
      isComplete: isVoteComplete,
      ...(phases === undefined ? {} : { phases }),
      ...(answer === 'json' ? { schema: answerSchema(actions, { thinks }) } : {}),
      ...(slot === undefined ? {} : { slot }),
    };
    // A rung that answers without a legal action has failed; the next one is tried.
    return this.#ownVote(await askForVote(caller, call, actions, signal));
  }

  #skip(subject: AttemptSubject): ExpertResult {
    const nowMs = this.#parts.clock.now();
    const error: ErrorWire = { code: 'ERR_STEP_SKIPPED', message: 'too little time was left', retryable: false };
    this.attempts.begin(subject, nowMs).failed(error, undefined, nowMs);
    return { ok: false, error, report: { totalMs: 0 } };
  }

  // Calls -----------------------------------------------------------------------------------------------------------

  async #call(
    plan: Omit<CallPlan, 'lane' | 'rankMs' | 'deadlineMs' | 'slot'>,
    signal: AbortSignal = this.#controller.signal,
  ): Promise<ExpertResult> {
    this.#calls++;
    const whole = {
      ...plan,
      lane: this.#lane,
      rankMs: this.#rankMs(),
      deadlineMs: this.deadlineMs,
      slot: this.#pinned,
    };
    const result = await this.#parts.maker.make(whole, this.attempts, signal, (pinned, slot) => {
      this.#begun++;
      this.#parts.shares.served(this.#request.agent);
      this.#pinned = pinned;
      this.#slots.push(slot);
    });
    this.#calls--;
    return result;
  }

  #rankMs(): number {
    const { priority = 0 } = this.#purpose;
    return this.#parts.shares.rankMs(this.#request.agent, priority, this.#startedAtMs, this.deadlineMs);
  }

  /** When the last calls must have ended: a little before the deadline, or after it where late work is kept. */
  #lastMs(endMs = Number.POSITIVE_INFINITY): number {
    const { options, clock } = this.#parts;
    if (options.features.lateAnswers) return this.deadlineMs + options.lateMs;
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
    const tally = withWinner(tallyVotes(this.votes, this.#request), vote.action);
    this.decision = { ...this.#stamp(), action: vote.action, reason: vote.reason, source, model, tally };
  }

  #decideByVotes(source: 'quorum' | 'vote'): void {
    const answer = answerFromVotes(this.#request, this.votes, this.leader);
    if (answer === undefined) return;
    const { action, reason, model, tally } = answer;
    this.decision = { ...this.#stamp(), action, reason, source, model: model ?? '', tally };
  }

  #stamp(): { decidedAtMs: number; latencyMs: number } {
    const { clock } = this.#parts;
    return { decidedAtMs: clock.wallNow(), latencyMs: clock.now() - this.#startedAtMs };
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
