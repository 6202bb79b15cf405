import { situationFor } from '../../../shared/situation.ts';
import type { CallTerms, ExpertResult } from '../../../shared/tasks.ts';
import type { AttemptSubject } from '../../models/calls/attempt-log.ts';
import type { ModelQuery, QueryListeners } from '../../models/calls/call-maker.ts';
import type { ExpertListeners } from '../../models/pool/expert-pool.ts';
import type { ResolvedExpert } from '../../options/planner-options.ts';
import type { FlightCalls } from '../flights/flight-calls.ts';
import type { FlightParts } from '../flights/flight-parts.ts';
import type { ShownRequest } from '../flights/shown-request.ts';
import type { ExpertOutlook } from './expert-outlook.ts';
import type { PanelAsker } from './panel.ts';

/** Asks the experts of one flight, each by a call of the flight. */
export class ExpertCalls implements PanelAsker {
  readonly #planId: number;
  readonly #parts: FlightParts;
  readonly #shown: ShownRequest;
  readonly #outlook: ExpertOutlook;
  readonly #calls: FlightCalls;

  constructor(planId: number, parts: FlightParts, shown: ShownRequest, outlook: ExpertOutlook, calls: FlightCalls) {
    this.#planId = planId;
    this.#parts = parts;
    this.#shown = shown;
    this.#outlook = outlook;
    this.#calls = calls;
  }

  get hasRoom(): boolean {
    return this.#outlook.hasRoom(this.#calls.rankMs);
  }

  isTimely(expert: ResolvedExpert): boolean {
    const { panelFit } = this.#parts.options.features;
    return !panelFit || this.#calls.lane !== 'foreground' || this.#outlook.isTimely(expert);
  }

  seated(expert: ResolvedExpert): ResolvedExpert {
    return this.#outlook.seated(expert);
  }

  ask(expert: ResolvedExpert, listeners: ExpertListeners): Promise<ExpertResult> {
    const { role, model, endpoint, alternatives, timeoutMs } = expert;
    const kind = this.#outlook.kindOf(expert);
    return this.#calls.make({
      subject: { step: 'expert', role, model, endpoint },
      alternatives,
      kind,
      seat: this.#parts.seats.lateSeat(expert, kind, this.#calls.deadlineMs),
      ceilingMs: timeoutMs,
      endMs: this.#calls.lastMs(),
      query: new ExpertQuery(this.#planId, this.#parts, this.#shown, expert, listeners),
    });
  }
}

/** The task of one expert, run on a worker thread. */
class ExpertQuery implements ModelQuery {
  readonly #planId: number;
  readonly #parts: FlightParts;
  readonly #shown: ShownRequest;
  readonly #expert: ResolvedExpert;
  readonly #listeners: ExpertListeners;

  constructor(
    planId: number,
    parts: FlightParts,
    shown: ShownRequest,
    expert: ResolvedExpert,
    listeners: ExpertListeners,
  ) {
    this.#planId = planId;
    this.#parts = parts;
    this.#shown = shown;
    this.#expert = expert;
    this.#listeners = listeners;
  }

  async run(
    { endpoint, model }: AttemptSubject,
    terms: CallTerms,
    signal: AbortSignal,
    { onChoice, onSent, onTrimmed }: QueryListeners,
  ): Promise<ExpertResult> {
    const { role, maxTokens, temperature } = this.#expert;
    const { seats, prompts, pool } = this.#parts;
    const thinks = seats.thinks(endpoint, model, this.#expert.thinks);
    const seat = { endpoint, model };
    const preamble = prompts.preambles.written(seat, { answer: terms.answer, thinks }, role);
    const fit = prompts.fitted(seat, this.#situation(endpoint, model), preamble, [role], maxTokens);
    onTrimmed(fit.trimmed);
    const asked = {
      kind: 'expert',
      planId: this.#planId,
      role,
      model,
      endpoint,
      maxTokens,
      temperature,
      thinks,
      ...fit,
    } as const;
    const { onFirstToken, onChoice: chose } = this.#listeners;
    const listeners = { onFirstToken, onChoice: this.#shown.ownChoice(onChoice, chose), onSent };
    const result = await pool.run({ ...asked, ...terms }, signal, listeners);
    prompts.ended(seat, fit, result);
    return this.#shown.ownVote(result);
  }

  #situation(endpoint: string, model: string): ReturnType<typeof situationFor> {
    const { options, endpoints } = this.#parts;
    const isBlind = endpoints.get(endpoint)?.isBlind(model);
    const sees = !isBlind && options.domain.roles.find(({ name }) => name === this.#expert.role)?.vision === true;
    return situationFor(options.domain, this.#shown.situation, sees);
  }
}
