import type { ModelEndpoint } from '../../../models/model-endpoint.ts';
import { lessSettling } from '../../../models/time/time-budget.ts';
import type { ResolvedExpert } from '../../../options/planner-options.ts';
import type { FlightCalls } from '../../flights/flight-calls.ts';
import type { FlightParts } from '../../flights/flight-parts.ts';
import { FIRST_SHARE } from '../../panel/calls-at-once.ts';
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
/** What waiting for a read may take from experts without a reason, as a share of what they are worth with all of the time. */
const PRICE_FREE = 0.05;
/** The plans that follow pay for a trial if a read that is as good as a vote gains this share of its price: there are more of them than trials. */
const GAIN_SHARE = 0.5;
/** A chance that is worth a call. */
const FAIR_CHANCE = 0.3;
/** Experts are worth this if one is in time, and with a fair chance a second one. */
const PAIR_WORTH = FIRST_SHARE + (1 - FIRST_SHARE) * FAIR_CHANCE;

/** Reads ask one role if those that wait would take more than this share of the plan's time. */
const PRESSED_SHARE = 0.2;

/** Where a read has its place. */
export type ReadPlace =
  /** Before experts write. */
  | 'first'
  /** Before them, although it leaves them too little time. */
  | 'instead'
  /** At the same time. */
  | 'beside'
  | 'none';

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
    // There is no time for both.
    return Math.min(untilMs < readMs ? leftMs : untilMs, readMs * PATIENCE);
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
   * The place where a read costs its plan least. Its price is what experts would be worth without it, less what they are worth if they wait for it,
   * or share the server with it. Reads that are as good as votes are worth it if they are likelier in time, and those of unknown worth if
   * good ones would gain enough. A read that can only be late has a place if it is much quicker than an expert: what all experts write late is
   * worth more.
   */
  placeOf(best: ResolvedExpert): ReadPlace {
    const { parts, reads, outlook } = this.#given;
    if (parts.options.reads.answers === 'read') return 'first';
    const { leftMs } = this;
    const inTime = this.#chanceOf(best);
    const written = inTime === undefined ? undefined : outlook.worthWithin(leftMs, 0);
    if (inTime === undefined || written === undefined) return 'first';
    if (!this.isWritingTimely) return this.#isForNobody(best) ? 'none' : 'first';
    const after = outlook.worthWithin(leftMs - this.#firstMs(best), 0) ?? 0;
    const price = written - after;
    if (price <= PRICE_FREE) return 'first';
    const gain = inTime + (1 - inTime) * after - written;
    const worth = reads.worthOf(best.model);
    if (worth !== 'unknown') return worth === 'equal' && gain > 0 ? 'instead' : 'none';
    const priceBeside = written - (outlook.worthWithin(leftMs - this.#delayMs(best), 1) ?? 0);
    if (gain < GAIN_SHARE * Math.min(price, priceBeside)) return 'none';
    return price <= priceBeside ? 'instead' : 'beside';
  }

  /** Whether two experts may have answered before the deadline if they start after the read, or beside it. */
  isPairTimely(best: ResolvedExpert, isBeside: boolean): boolean {
    const ms = this.leftMs - (isBeside ? this.#delayMs(best) : this.#firstMs(best));
    return (this.#given.outlook.worthWithin(ms, isBeside ? 1 : 0) ?? 1) >= PAIR_WORTH;
  }

  /** How much later experts answer because of a read beside them. */
  #delayMs(best: ResolvedExpert): number {
    return this.#firstMs(best) * (this.#given.outlook.besideAnother(best) - 1);
  }

  /** The chance that a read's first answer is in time, if known. */
  #chanceOf(best: ResolvedExpert): number | undefined {
    const { forecast, gate } = this.#at(best);
    const wholeMs = forecast.workMs(best.model, 'read');
    const firstMs = this.#firstMs(best);
    if (wholeMs === undefined || firstMs === 0) return undefined;
    return forecast.chanceWithin(best.model, 'read', (this.leftMs * wholeMs) / firstMs, gate.busy + 1);
  }

  #firstMs(best: ResolvedExpert): number {
    return this.#given.reads.further.usualMs(timeKey(best, 'first')) ?? 0;
  }

  /** Whether a read can only be late, and does not take much less time than an expert that has its server to itself. */
  #isForNobody(best: ResolvedExpert): boolean {
    const writingMs = this.#at(best).forecast.meanMs(best.model, 'text', 1) ?? Number.POSITIVE_INFINITY;
    return this.#firstMs(best) > Math.max(LATE_FACTOR * this.leftMs, LATE_SHARE * writingMs);
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
