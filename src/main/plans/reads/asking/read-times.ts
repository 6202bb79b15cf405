import type { ModelEndpoint } from '../../../models/model-endpoint.ts';
import { lessSettling } from '../../../models/time/time-budget.ts';
import type { ResolvedExpert } from '../../../options/planner-options.ts';
import type { FlightCalls } from '../../flights/flight-calls.ts';
import type { FlightParts } from '../../flights/flight-parts.ts';
import type { ExpertOutlook } from '../../panel/expert-outlook.ts';
import type { Reads } from '../reads.ts';
import { timeKey } from './further-requests.ts';

/** A read is waited for until it takes this many times its usual time. */
const PATIENCE = 2.5;
/** Share of the remaining time for which a read of unknown time is waited for. */
const UNKNOWN_SHARE = 0.5;
/** Margin on the time until a written vote is expected. */
const WRITING_MARGIN = 1.2;
/** A read that usually takes this many times the remaining time is hardly ever in time. */
const LATE_FACTOR = 1.5;
/** Then it is not asked for if it takes more than this share of an expert's time. */
const LATE_SHARE = 0.4;
/** Reads ask one role if those that wait would take more than this share of the plan's time. */
const PRESSED_SHARE = 0.2;

export interface ReadTimesParts {
  readonly parts: FlightParts;
  readonly reads: Reads;
  readonly outlook: ExpertOutlook;
  readonly calls: FlightCalls;
}

/** How much time a flight has for its read, next to what experts need to answer in words. */
export class ReadTimes {
  readonly #given: ReadTimesParts;

  constructor(given: ReadTimesParts) {
    this.#given = given;
  }

  get leftMs(): number {
    const { parts, calls } = this.#given;
    return lessSettling(calls.deadlineMs - parts.clock.now());
  }

  /** Whether those that wait for its slots take so long that further roles would make some of them late. */
  isPressed(best: ResolvedExpert): boolean {
    const { gate, forecast } = this.#at(best);
    const { startedAtMs, deadlineMs } = this.#given.calls;
    const behindMs = (gate.waiting / gate.width) * (forecast.workMs(best.model, 'read') ?? 0);
    return behindMs > PRESSED_SHARE * (deadlineMs - startedAtMs);
  }

  /** How long a written vote may wait for the read, in milliseconds. */
  waitMs(best: ResolvedExpert): number {
    const { leftMs, untilWritingMs: untilMs } = this;
    const { forecast, gate } = this.#at(best);
    const { isQueued, rankMs } = this.#given.calls;
    const readMs = isQueued ? forecast.expectedMs(best.model, 'read', rankMs) : forecast.workMs(best.model, 'read');
    if (untilMs === undefined) return leftMs;
    // Words are only for models that cannot be read.
    if (this.#given.parts.options.reads.answers === 'read') return Math.max(untilMs, leftMs * UNKNOWN_SHARE);
    if (readMs === undefined) return Math.min(untilMs, leftMs * UNKNOWN_SHARE);
    // In a queue, what an expert writes costs others their reads.
    if (gate.waiting > 0 && !isQueued) return leftMs;
    // There is no time for both: a written vote is asked for alongside the read, unless reads decide more often than not.
    if (untilMs < readMs) return this.#given.reads.isMostlySure ? leftMs : 0;
    return Math.min(untilMs, readMs * PATIENCE);
  }

  /** Time until a written vote must be asked for to be in time, in milliseconds; undefined if none can be. */
  get untilWritingMs(): number | undefined {
    const { leftMs } = this;
    const writingMs = this.#writingMs();
    if (!this.isWritingTimely || (writingMs !== undefined && writingMs >= leftMs)) return undefined;
    return writingMs === undefined ? leftMs * UNKNOWN_SHARE : leftMs - writingMs * WRITING_MARGIN;
  }

  /** Whether no written vote is expected in time, and a read may be. */
  isOnlyHope(best: ResolvedExpert): boolean {
    if (!this.#given.reads.isBetterThanNone(best.model)) return false;
    const readMs = this.#at(best).forecast.workMs(best.model, 'read') ?? 0;
    return !this.isWritingTimely && readMs <= this.leftMs;
  }

  /**
   * Whether neither a written vote nor a read is expected in time, and a read is not much quicker: what all experts write late is then worth
   * more than what is read late.
   */
  isHopeless(best: ResolvedExpert): boolean {
    if (this.isWritingTimely || this.#given.parts.options.reads.answers === 'read') return false;
    const readMs = this.#given.reads.further.usualMs(timeKey(best, 'first')) ?? 0;
    return readMs > Math.max(LATE_FACTOR * this.leftMs, LATE_SHARE * (this.#writingMs() ?? Number.POSITIVE_INFINITY));
  }

  /** Whether any expert has a fair chance to answer in words in time. */
  get isWritingTimely(): boolean {
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
}
