import { deadlineSignal } from '../../../shared/clock.ts';
import { linkedAbort } from '../../../shared/linked-abort.ts';
import type { CallTerms, ExpertResult } from '../../../shared/tasks.ts';
import { UNWANTED } from '../../../shared/unwanted.ts';
import { askForVote, type ChatCaller, phaseTelling, voteCall } from '../../../shared/vote-answer.ts';
import { takesBackChoice } from '../../models/calls/attempt.ts';
import type { AttemptSubject } from '../../models/calls/attempt-log.ts';
import { type ModelQuery, OUT_OF_TIME, type QueryListeners } from '../../models/calls/call-maker.ts';
import { rungEnd, SLICE_MS_MIN } from '../../models/time/time-budget.ts';
import type { FlightCalls } from '../flights/flight-calls.ts';
import type { FlightParts } from '../flights/flight-parts.ts';
import type { ShownRequest } from '../flights/shown-request.ts';
import type { Ballot } from '../panel/ballot.ts';
import type { ExpertOutlook, LadderSeat } from '../panel/expert-outlook.ts';
import type { DecisionInHand } from './decision-in-hand.ts';
import { synthesisMessages } from './synthesis-prompt.ts';

/** One model of the ladder, and its time. */
interface Rung {
  readonly step: 'synthesis' | 'fallback';
  /** The model as it is asked now. */
  readonly seat: LadderSeat;
  readonly endMs: number;
  /** Whether another rung follows. */
  readonly hasNext: boolean;
  /** The model as configured, for a rung that is asked of whatever model is in memory when its turn comes. */
  readonly late: LadderSeat | undefined;
  /** The action with most support when the rung started. */
  readonly leader: string | undefined;
}

/** The synthesis of one flight: model A, then model B, and so on, until one of them decides or the votes agree. */
export class SynthesisLadder {
  readonly #parts: FlightParts;
  readonly #shown: ShownRequest;
  readonly #outlook: ExpertOutlook;
  readonly #calls: FlightCalls;
  readonly #ballot: Ballot;
  readonly #inHand: DecisionInHand;
  #isHopeless = false;

  constructor(
    parts: FlightParts,
    shown: ShownRequest,
    outlook: ExpertOutlook,
    calls: FlightCalls,
    ballot: Ballot,
    inHand: DecisionInHand,
  ) {
    this.#parts = parts;
    this.#shown = shown;
    this.#outlook = outlook;
    this.#calls = calls;
    this.#ballot = ballot;
    this.#inHand = inHand;
  }

  /** Whether no model was asked because none is expected in time. */
  get isHopeless(): boolean {
    return this.#isHopeless;
  }

  /** Asks one model after the other. Returns true when one of them has decided. */
  async climb(): Promise<boolean> {
    const { features, synthesis } = this.#parts.options;
    const isChosen = features.chanceFit && synthesis.when !== 'always';
    this.#isHopeless = isChosen && !this.#outlook.isSynthesisTimely();
    if (this.#isHopeless) return false;
    const agreed = linkedAbort(this.#calls.signal);
    // Slow experts may still settle it, and then the synthesis is not needed.
    this.#ballot.onVote = () => void (this.#inHand.isOvertaken && agreed.abort(UNWANTED));
    try {
      for (const index of synthesis.models.keys()) {
        if (agreed.signal.aborted) break;
        const result = await this.#climbTo(index, agreed.signal);
        if (result !== 'failed') return result === 'decided';
      }
      return false;
    } finally {
      agreed.unlink();
    }
  }

  async #climbTo(index: number, signal: AbortSignal): Promise<'decided' | 'outvoted' | 'failed'> {
    const rung = this.#rung(index);
    const settled = await this.#ask(rung, signal);
    if (settled.ok) {
      const { leader } = this.#ballot;
      if (leader !== rung.leader && leader !== settled.vote.action) return 'outvoted';
      this.#inHand.decide(settled.vote, rung.step, settled.model ?? rung.seat.model);
      return 'decided';
    }
    if (takesBackChoice(settled.error.code)) this.#inHand.choice = undefined;
    // Counted only for plans: background work is not, and it may have been cancelled.
    if (index === 0 && !signal.aborted && this.#calls.lane === 'foreground') this.#parts.counters.fallbacks++;
    return 'failed';
  }

  #rung(index: number): Rung {
    const { options, clock, seats } = this.#parts;
    const { models, timeoutMs } = options.synthesis;
    const configured = models[index] as LadderSeat;
    const hasNext = index < models.length - 1;
    const rule = { timeSlices: options.timeSlices, hasNext, nextMs: undefined };
    const endMs = rungEnd(clock.now(), this.#calls.deadlineMs, timeoutMs, rule);
    const leftMs = endMs - clock.now();
    const seat = index === 0 ? seats.seated(configured, 'text', leftMs) : seats.rung(configured, leftMs);
    const late = seats.isWorthLoad(seat, index) ? undefined : configured;
    const step = index === 0 ? 'synthesis' : 'fallback';
    return { step, seat, endMs, hasNext, late, leader: this.#ballot.leader };
  }

  /** Asks one rung. It ends with its slice if another follows, and with the flight if it is the last. */
  async #ask(rung: Rung, signal: AbortSignal): Promise<ExpertResult> {
    const { clock, options, seats } = this.#parts;
    const { step, seat, endMs, hasNext, late } = rung;
    const { model, endpoint, alternatives } = seat;
    const subject = { step, model, endpoint };
    if (endMs - clock.now() < SLICE_MS_MIN) return this.#calls.skip(subject);
    const isLast = !hasNext && options.keepsLate;
    // Set after the call's own timeout, which names its phase: this is for a call that still waits for a slot.
    using over = isLast ? undefined : deadlineSignal(clock, endMs + 1, signal, OUT_OF_TIME);
    return await this.#calls.make(
      {
        subject,
        alternatives,
        kind: 'text',
        seat: late && seats.lateSeat(late, 'text', endMs),
        ceilingMs: options.synthesis.timeoutMs,
        endMs: hasNext ? endMs : this.#calls.lastMs(endMs),
        query: new SynthesisQuery(this.#parts, this.#shown, this.#ballot, this.#inHand, rung),
      },
      over?.signal ?? signal,
    );
  }
}

/** The chat in which one model of the ladder merges the votes, on the coordinator. */
class SynthesisQuery implements ModelQuery {
  readonly #parts: FlightParts;
  readonly #shown: ShownRequest;
  readonly #ballot: Ballot;
  readonly #inHand: DecisionInHand;
  readonly #rung: Rung;

  constructor(parts: FlightParts, shown: ShownRequest, ballot: Ballot, inHand: DecisionInHand, rung: Rung) {
    this.#parts = parts;
    this.#shown = shown;
    this.#ballot = ballot;
    this.#inHand = inHand;
    this.#rung = rung;
  }

  async run(
    { endpoint, model }: AttemptSubject,
    terms: CallTerms,
    signal: AbortSignal,
    { onChoice, onSent, onTrimmed }: QueryListeners,
  ): Promise<ExpertResult> {
    const { callers, options, seats, prompts } = this.#parts;
    const caller = phaseTelling(callers.get(endpoint) as ChatCaller, onSent);
    const thinks = seats.thinks(endpoint, model, this.#rung.seat.thinks);
    const { maxTokens, temperature } = options.synthesis;
    const seat = { endpoint, model };
    const begins = prompts.preambles.written(seat, { answer: terms.answer, thinks });
    const fit = prompts.fitted(seat, this.#shown.situation, begins, [], maxTokens);
    const { preamble, situation, trimmed } = fit;
    onTrimmed(trimmed);
    const { standing } = this.#ballot;
    const messages = synthesisMessages(options.domain, situation, standing, terms.answer, preamble);
    const asked = { ...terms, model, maxTokens, temperature, thinks };
    const chose = this.#shown.ownChoice(onChoice, (action) => this.#chose(action));
    const call = voteCall(asked, messages, situation.actions, chose);
    // A rung that answers without a legal action has failed; the next one is tried.
    const result = await askForVote(caller, call, situation.actions, signal);
    prompts.ended(seat, fit, result);
    return this.#shown.ownVote(result);
  }

  #chose(action: string | undefined): void {
    const { step, seat, leader } = this.#rung;
    this.#inHand.choice = action === undefined ? undefined : { action, step, model: seat.model, leader };
  }
}
