import { defined } from '../../../shared/defined.ts';
import type { PlanRequest } from '../../../shared/plan-request.ts';
import { READ_ACTIONS_MAX } from '../../../shared/reads/labels.ts';
import { pooled } from '../../../shared/reads/reading.ts';
import type { ExpertResult } from '../../../shared/tasks.ts';
import { VOTE_MIN } from '../../models/calls/attempt-log.ts';
import type { ModelEndpoint } from '../../models/model-endpoint.ts';
import { lessSettling } from '../../models/time/time-budget.ts';
import type { ResolvedExpert } from '../../options/planner-options.ts';
import type { FlightCalls } from '../flights/flight-calls.ts';
import type { FlightParts } from '../flights/flight-parts.ts';
import { ShownRequest } from '../flights/shown-request.ts';
import type { ExpertOutlook } from '../panel/expert-outlook.ts';
import { ReadQuery } from './read-query.ts';
import type { ReadChoice, Reads } from './reads.ts';

/** A read is waited for until it has taken so many times as long as usual. */
const PATIENCE = 2.5;
/** Where nothing is known of its time, for this share of the time there is. */
const UNKNOWN_SHARE = 0.5;
/** Until a written vote is expected, and a margin. */
const WRITING_MARGIN = 1.2;

export interface FlightReadParts {
  readonly parts: FlightParts;
  readonly reads: Reads;
  readonly planId: number;
  readonly request: PlanRequest;
  readonly inVain: string | undefined;
  /** The text of the request's signature. */
  readonly state: string;
  readonly outlook: ExpertOutlook;
  readonly calls: FlightCalls;
}

/** The read with which a flight begins: one request to the seat of the best record. Until it has ended there is no choice. */
export class FlightRead {
  /** What the model chose, with any probability. */
  choice: ReadChoice | undefined;
  /** The probability of each action that was offered; what is missing of 1 is doubt. */
  probabilities: Readonly<Record<string, number>> | undefined;
  readonly #given: FlightReadParts;
  readonly #shown: ShownRequest;

  constructor(given: FlightReadParts) {
    this.#given = given;
    const { options } = given.parts;
    const promptActionsMax = Math.min(options.promptActionsMax, READ_ACTIONS_MAX);
    this.#shown = new ShownRequest(given.request, { ...options, promptActionsMax }, given.inVain);
  }

  /** The experts that are asked: all that share the seat of the best record. Empty where none can be read, or no read is worth its time. */
  #experts(): readonly ResolvedExpert[] {
    const { parts, reads, outlook } = this.#given;
    const { records, endpoints, options } = parts;
    const able = options.experts.filter((expert) => {
      if (expert.answers === 'write' || outlook.kindOf(expert) === 'vision') return false;
      const { endpoint, model } = expert;
      return endpoints.get(endpoint)?.isResting === false && reads.forms.formFor(endpoint, model) !== undefined;
    });
    const best = able.toSorted((a, b) => records.weightOf(b) - records.weightOf(a))[0];
    if (best === undefined || !(this.#isOnlyHope(best) || reads.isWorthwhile(best.model))) return [];
    const others = able.filter((each) => each !== best && isSameSeat(each, best));
    return [best, ...others];
  }

  /**
   * Begins the read, and waits for it as long as a vote in words may still follow. Undefined where nothing is read. `onLate` is called
   * where it ends after that.
   */
  async first(onLate: () => void): Promise<void> {
    const experts = this.#experts();
    const [best] = experts;
    if (best === undefined) return;
    const { reads, calls, parts } = this.#given;
    reads.asked++;
    let isWaited = true;
    const ended = this.#ask(best, experts).then((result) => {
      this.#take(best.model, result);
      if (!isWaited) onLate();
    });
    const over = Promise.withResolvers<void>();
    const timer = parts.clock.setTimer(this.#waitMs(best), over.resolve);
    calls.signal.addEventListener('abort', () => over.resolve(), { once: true });
    await Promise.race([ended, over.promise]);
    timer.cancel();
    isWaited = false;
  }

  #ask(best: ResolvedExpert, experts: readonly ResolvedExpert[]): Promise<ExpertResult> {
    const { parts, reads, planId, calls } = this.#given;
    const { role, model, endpoint, alternatives, timeoutMs } = best;
    const isReadable = (name: string): boolean => reads.forms.formFor(name, model) !== undefined;
    const isAlone = experts.length === 1;
    return calls.make({
      subject: { step: 'read', ...defined({ role: isAlone ? role : undefined }), model, endpoint },
      alternatives: alternatives.filter(isReadable),
      kind: 'read',
      ceilingMs: timeoutMs,
      endMs: calls.lastMs(),
      query: new ReadQuery(planId, parts, reads, this.#shown, experts),
    });
  }

  #take(model: string, result: ExpertResult): void {
    const { reads, request, state } = this.#given;
    if (!result.ok || result.readings === undefined) {
      reads.failed++;
      return;
    }
    reads.answered++;
    const { actions } = this.#shown.situation;
    const shares = pooled(result.readings);
    this.probabilities = Object.fromEntries(actions.map((action, index) => [action, shares[index] as number]));
    const { vote } = this.#shown.ownVote(result) as Extract<ExpertResult, { ok: true }>;
    const { action, confidence = 0 } = vote;
    if (confidence < VOTE_MIN) return;
    const { scene } = request.observation;
    this.choice = { model, scene: typeof scene === 'string' ? scene : '', action, probability: confidence };
    reads.read(state, this.choice);
  }

  /** How long a written vote may wait for the read, milliseconds. */
  #waitMs(best: ResolvedExpert): number {
    const leftMs = this.#leftMs();
    const writingMs = this.#writingMs();
    const readMs = this.#at(best).forecast.expectedMs(best.model, 'read', this.#given.calls.rankMs);
    if (writingMs === undefined || writingMs >= leftMs) return leftMs;
    const untilMs = leftMs - writingMs * WRITING_MARGIN;
    if (readMs === undefined) return Math.min(untilMs, leftMs * UNKNOWN_SHARE);
    // Both do not fit: words then go beside the read, unless it decides more often than not.
    if (untilMs < readMs) return this.#given.reads.isMostlySure ? leftMs : 0;
    return Math.min(untilMs, readMs * PATIENCE);
  }

  /** Whether no written vote is expected in time. */
  #isOnlyHope(best: ResolvedExpert): boolean {
    const readMs = this.#at(best).forecast.workMs(best.model, 'read') ?? 0;
    return (this.#writingMs() ?? 0) > this.#leftMs() && readMs <= this.#leftMs();
  }

  /** How long the quickest expert takes in words, where that is known. */
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

function isSameSeat(a: ResolvedExpert, b: ResolvedExpert): boolean {
  return a.endpoint === b.endpoint && a.model === b.model;
}
