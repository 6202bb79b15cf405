import type { Clock } from '../../shared/clock.ts';
import type { Decision, ModelSource } from '../../shared/decision.ts';
import { type ErrorWire, encodeError } from '../../shared/errors.ts';
import type { ChatCall } from '../../shared/model-client/model-client.ts';
import type { PlanRequest } from '../../shared/plan-request.ts';
import { type Situation, situationFor, situationOf } from '../../shared/situation.ts';
import type { ExpertResult } from '../../shared/tasks.ts';
import { UNWANTED } from '../../shared/unwanted.ts';
import { isVoteComplete, type Vote } from '../../shared/vote/vote-parser.ts';
import { askForVote, type ChatCaller } from '../../shared/vote-answer.ts';
import type { EndpointGate, Lane, Slot } from '../endpoints/slots/endpoint-gate.ts';
import type { ExpertRunner } from '../experts/expert-pool.ts';
import type { ResolvedExpert, ResolvedOptions } from '../options/planner-options.ts';
import type { Attempt } from '../plan.ts';
import { synthesisMessages } from '../synthesis/synthesis-prompt.ts';
import { type ExpertVote, tallyVotes, withWinner } from '../synthesis/tally.ts';
import { AttemptLog, type AttemptSubject } from './attempt-log.ts';
import { answerFromVotes } from './best-in-hand.ts';
import type { PlannerCounters } from './counters.ts';
import type { LoopTurns } from './loop-turns.ts';
import { lessSettling, panelEnd, rungEnd, SLICE_MS_MIN } from './time-budget.ts';

export interface FlightParts {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly pool: ExpertRunner;
  readonly callers: ReadonlyMap<string, ChatCaller>;
  readonly gates: ReadonlyMap<string, EndpointGate>;
  readonly counters: PlannerCounters;
  readonly turns: LoopTurns;
}

export interface FlightPurpose {
  /** Background work takes only slots that nobody waits for. Default `foreground`. */
  readonly lane?: Lane;
  /** An action that the agent has tried in this state without effect: the models are told. */
  readonly inVain?: string | undefined;
}

/**
 * The model work for one state: a panel of experts, then the synthesis ladder. Every plan that waits for the same state
 * shares one flight. A flight never fails: it ends with a decision or without one, and until then its votes and attempts
 * can be read at any moment.
 */
export class Flight {
  readonly id: number;
  readonly attempts = new AttemptLog();
  readonly votes: ExpertVote[] = [];
  /** What the models decided, once they did. */
  decision: Decision | undefined;
  readonly #parts: FlightParts;
  readonly #request: PlanRequest;
  readonly #controller = new AbortController();
  #shown: Situation | undefined;
  readonly #startedAtMs: number;
  /** When its model work must be done: that of the plan it was begun for. */
  readonly deadlineMs: number;

  readonly #purpose: FlightPurpose;

  constructor(parts: FlightParts, id: number, request: PlanRequest, deadlineMs: number, purpose: FlightPurpose = {}) {
    this.#parts = parts;
    this.id = id;
    this.#request = request;
    this.deadlineMs = deadlineMs;
    this.#purpose = purpose;
    this.#startedAtMs = parts.clock.now();
  }

  /** Nobody waits any more: the model servers are told. What was voted so far may still decide. */
  cancel(): void {
    this.#controller.abort(UNWANTED);
  }

  attemptsAt(nowMs: number): Attempt[] {
    return this.attempts.snapshot(nowMs);
  }

  /** Runs to the end. Never rejects for anything a model, a server or a worker does. */
  async run(): Promise<void> {
    await this.#parts.turns.next();
    if (this.#parts.options.experts.length > 0) await this.#askPanel();
    if (!(await this.#synthesize())) this.#decideByVotes();
  }

  // The panel -------------------------------------------------------------------------------------------------------

  async #askPanel(): Promise<void> {
    const { options, clock } = this.#parts;
    const ceilingMs = Math.max(...options.experts.map((expert) => expert.timeoutMs));
    const rule = { timeSlices: options.timeSlices, hasNext: options.synthesis.models.length > 0 };
    const endMs = panelEnd(clock.now(), this.deadlineMs, ceilingMs, rule);
    const over = new AbortController();
    const ended = Promise.withResolvers<void>();
    const end = (): void => {
      over.abort(UNWANTED);
      ended.resolve();
    };
    // The panel's own end, for workers that are stuck: theirs comes a little earlier.
    const timer = clock.setTimer(endMs - clock.now(), end);
    this.#controller.signal.addEventListener('abort', end, { once: true });
    if (this.#controller.signal.aborted) end();
    const asked = options.experts.map((expert) => this.#askExpert(expert, endMs, over.signal));
    Promise.all(asked).then(() => ended.resolve(), ended.reject);
    await ended.promise;
    timer.cancel();
    this.#controller.signal.removeEventListener('abort', end);
    over.abort(UNWANTED);
  }

  async #askExpert(expert: ResolvedExpert, endMs: number, signal: AbortSignal): Promise<void> {
    const subject: AttemptSubject = {
      step: 'expert',
      role: expert.role,
      model: expert.model,
      endpoint: expert.endpoint,
    };
    const settled = await this.#attempt(subject, signal, () => {
      const leftMs = endMs - this.#parts.clock.now();
      return this.#runExpert(expert, Math.min(expert.timeoutMs, lessSettling(leftMs)), signal);
    });
    if (settled.ok) this.votes.push({ role: expert.role, model: expert.model, vote: settled.vote });
  }

  async #runExpert(expert: ResolvedExpert, timeoutMs: number, signal: AbortSignal): Promise<ExpertResult> {
    const { role, model, endpoint, maxTokens, temperature } = expert;
    const asked = { answer: 'text', thinks: false, stream: true } as const;
    const task = { kind: 'expert', planId: this.id, role, model, endpoint, maxTokens, temperature, ...asked } as const;
    const { domain } = this.#parts.options;
    const sees = domain.roles.find(({ name }) => name === role)?.vision === true;
    const situation = situationFor(domain, this.#situation(), sees);
    return this.#ownVote(await this.#parts.pool.run({ ...task, situation, timeoutMs }, signal));
  }

  // The synthesis ladder --------------------------------------------------------------------------------------------

  /** Model A, then model B, and so on. True when one of them decided. */
  async #synthesize(): Promise<boolean> {
    const { models, timeoutMs } = this.#parts.options.synthesis;
    for (const [index, { model, endpoint }] of models.entries()) {
      if (this.#controller.signal.aborted) return false;
      const step = index === 0 ? 'synthesis' : 'fallback';
      const nowMs = this.#parts.clock.now();
      const rule = { timeSlices: this.#parts.options.timeSlices, hasNext: index < models.length - 1 };
      const endMs = rungEnd(nowMs, this.deadlineMs, timeoutMs, rule);
      const settled = await this.#synthesizeWith({ step, model, endpoint }, endMs);
      if (settled.ok) {
        this.#decide(settled.vote, step, model);
        return true;
      }
      // Counted by plans: nobody waits for what is asked in the background, and it may have been cancelled.
      if (index === 0 && this.#purpose.lane !== 'background') this.#parts.counters.fallbacks++;
    }
    return false;
  }

  async #synthesizeWith(subject: AttemptSubject, endMs: number): Promise<ExpertResult> {
    const { clock, callers } = this.#parts;
    if (endMs - clock.now() < SLICE_MS_MIN) return this.#skip(subject);
    const over = new AbortController();
    const end = (): void => over.abort(UNWANTED);
    const timer = clock.setTimer(endMs - clock.now(), end);
    this.#controller.signal.addEventListener('abort', end, { once: true });
    try {
      return await this.#attempt(subject, over.signal, () =>
        this.#chat(callers.get(subject.endpoint) as ChatCaller, subject.model, endMs, this.#controller.signal),
      );
    } finally {
      timer.cancel();
      this.#controller.signal.removeEventListener('abort', end);
    }
  }

  async #chat(caller: ChatCaller, model: string, endMs: number, signal: AbortSignal): Promise<ExpertResult> {
    const { options, clock } = this.#parts;
    const { maxTokens, temperature } = options.synthesis;
    const messages = synthesisMessages(options.domain, this.#situation(), this.votes);
    const timeoutMs = endMs - clock.now();
    const call: ChatCall = { model, messages, maxTokens, temperature, timeoutMs, isComplete: isVoteComplete };
    // A rung that answers without a legal action has failed; the next one is tried.
    return this.#ownVote(await askForVote(caller, call, this.#situation().actions, signal));
  }

  #skip(subject: AttemptSubject): ExpertResult {
    const nowMs = this.#parts.clock.now();
    const error: ErrorWire = { code: 'ERR_STEP_SKIPPED', message: 'too little time was left', retryable: false };
    this.attempts.begin(subject, nowMs).failed(error, undefined, nowMs);
    return { ok: false, error, report: { totalMs: 0 } };
  }

  /** What models are shown. Made when the first of them is asked, in a turn of its own. */
  #situation(): Situation {
    this.#shown ??= situationOf(this.#request, this.#parts.options.promptActionsMax, this.#purpose.inVain);
    return this.#shown;
  }

  // Attempts --------------------------------------------------------------------------------------------------------

  /** Waits for a slot of the endpoint, makes the call, and makes it again where nothing was answered yet. */
  async #attempt(
    subject: AttemptSubject,
    signal: AbortSignal,
    call: () => Promise<ExpertResult>,
  ): Promise<ExpertResult> {
    for (let retries = 0; ; retries++) {
      const settled = await this.#attemptOnce(subject, signal, call);
      if (settled.ok || !settled.error.retryable || signal.aborted) return settled;
      if (retries >= this.#parts.options.callRetries) return settled;
      this.#parts.counters.callRetries++;
    }
  }

  async #attemptOnce(
    subject: AttemptSubject,
    signal: AbortSignal,
    call: () => Promise<ExpertResult>,
  ): Promise<ExpertResult> {
    const { clock, gates, turns, counters } = this.#parts;
    const attempt = this.attempts.begin(subject, clock.now());
    const slot: Slot | undefined = await (gates.get(subject.endpoint) as EndpointGate).acquire(signal, {
      lane: this.#purpose.lane ?? 'foreground',
    });
    if (slot !== undefined) await turns.next();
    if (slot === undefined || signal.aborted) {
      slot?.release();
      const error: ErrorWire = { code: 'ERR_ENDPOINT_BUSY', message: 'no slot became free in time', retryable: false };
      attempt.failed(error, undefined, clock.now());
      return { ok: false, error, report: { totalMs: 0 } };
    }
    counters.callStarted(subject);
    const startedAtMs = clock.now();
    try {
      const settled = await call().catch((error: unknown): ExpertResult => {
        // A bug: told as such, counted like any other end, and not made again.
        return { ok: false, error: encodeError(error), report: { totalMs: clock.now() - startedAtMs } };
      });
      counters.callEnded(subject, settled.ok ? 'OK' : settled.error.code, settled.report);
      if (settled.ok) attempt.voted(settled.vote, settled.report, clock.now());
      else attempt.failed(settled.error, settled.report, clock.now());
      return settled;
    } finally {
      slot.release();
    }
  }

  // The decision ----------------------------------------------------------------------------------------------------

  #decide(vote: Vote, source: ModelSource, model: string): void {
    const tally = withWinner(tallyVotes(this.votes, this.#request), vote.action);
    this.decision = { ...this.#stamp(), action: vote.action, reason: vote.reason, source, model, tally };
  }

  #decideByVotes(): void {
    const answer = answerFromVotes(this.#request, this.votes);
    if (answer === undefined) return;
    const { action, reason, model, tally } = answer;
    this.decision = { ...this.#stamp(), action, reason, source: 'vote', model: model ?? '', tally };
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
