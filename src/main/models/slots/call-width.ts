import type { CallKind, LatencyProfile } from '../time/latency-profile.ts';

/**
 * How many calls with a deadline a server is given at once, at most its slots. If its slots share one processor, calls that run
 * together slow one another in proportion: they get no more done in total, and all of them are late where one after the other
 * would have been in time. The number of calls in time is computed for each width from the times of calls, the effect of company
 * on them, and the time until the deadline when calls start. If hardly any call is in time and the effect of company is unknown,
 * one call at a time finds out.
 */
export class CallWidth {
  readonly #shown = new Map<string, Shown>();
  /** Recent time until the deadline when calls start, in milliseconds. */
  #leftMs: number | undefined;

  /** A call with a deadline starts. */
  began(leftMs: number): void {
    this.#leftMs = (this.#leftMs ?? leftMs) + LEFT_WEIGHT * (leftMs - (this.#leftMs ?? leftMs));
  }

  /** A call of the model ended or was cut. */
  learned(model: string, kind: CallKind, profile: LatencyProfile, slots: number, nowMs: number): void {
    if (this.#leftMs === undefined || slots === 1) return;
    const key = `${kind}\n${model}`;
    const { width, reckonedAtMs } = this.#shown.get(key) ?? NOTHING_SHOWN;
    if (this.#shown.size >= MODELS_MAX) this.#shown.clear();
    this.#shown.set(key, { kind, profile, slots, width, reckonedAtMs, atMs: nowMs, isNew: true });
  }

  /** The width of all calls, or of one kind; infinite if more calls at once do no harm. */
  now(nowMs: number, kind?: CallKind): number {
    let least = Number.POSITIVE_INFINITY;
    let leastOfUnknown = Number.POSITIVE_INFINITY;
    let isKnown = false;
    for (const shown of this.#shown.values()) {
      if (nowMs - shown.atMs >= FORGOTTEN_MS || (kind !== undefined && shown.kind !== kind)) continue;
      this.#reckon(shown, nowMs);
      if (shown.profile.knowsCompany) {
        isKnown = true;
        least = Math.min(least, shown.width);
      }
      // A few late reads do not show that written calls would be late, too.
      else if (shown.kind !== 'read' || kind === 'read') leastOfUnknown = Math.min(leastOfUnknown, shown.width);
    }
    // What calls of one kind have shown of company, rare ones of another need not find out one at a time.
    return isKnown ? least : leastOfUnknown;
  }

  #reckon(shown: Shown, nowMs: number): void {
    if (this.#leftMs === undefined || !shown.isNew || nowMs - shown.reckonedAtMs < PAUSE_MS) return;
    shown.width = bestWidth(shown.profile, this.#leftMs, shown.slots);
    shown.reckonedAtMs = nowMs;
    shown.isNew = false;
  }
}

/** What the calls of a model have shown. */
interface Shown {
  readonly kind: CallKind;
  readonly profile: LatencyProfile;
  readonly slots: number;
  width: number;
  reckonedAtMs: number;
  /** When the latest of them ended. */
  readonly atMs: number;
  /** Whether this has not been evaluated yet. */
  isNew: boolean;
}

const NOTHING_SHOWN = { width: Number.POSITIVE_INFINITY, reckonedAtMs: Number.NEGATIVE_INFINITY };
/** Pause between evaluations: if many calls end within this time, a single one changes nothing. */
const PAUSE_MS = 100;
const LEFT_WEIGHT = 0.1;
const MODELS_MAX = 256;
/** Results for a model that was not called for this long no longer limit the others. */
const FORGOTTEN_MS = 60_000;
/** An expected number of calls in time below this counts as hardly any. */
const NEARLY_NONE = 0.25;
/** A smaller width must give this many times as many calls in time. */
const GAIN_MIN = 1.1;

/** The number of calls at once with most calls in time; the largest of those that are about as good. */
function bestWidth(profile: LatencyProfile, leftMs: number, slots: number): number {
  const inTime = (calls: number): number | undefined => profile.chanceAmong(leftMs, calls);
  const all = inTime(slots);
  if (all === undefined) return Number.POSITIVE_INFINITY;
  if (!profile.knowsCompany) return all < NEARLY_NONE ? 1 : Number.POSITIVE_INFINITY;
  const worth = (calls: number): number => (calls / profile.besides(calls)) * (inTime(calls) ?? 0);
  let best = Number.POSITIVE_INFINITY;
  let bestWorth = worth(slots);
  for (const calls of numbersBelow(slots)) {
    const each = worth(calls);
    if (each <= bestWorth * (best === Number.POSITIVE_INFINITY ? GAIN_MIN : 1)) continue;
    best = calls;
    bestWorth = each;
  }
  return best;
}

/** The widths to try, in descending order: all small ones, and of the larger ones each a third more than the one before. */
function numbersBelow(slots: number): number[] {
  const numbers: number[] = [];
  for (let calls = 1; calls < slots; calls = Math.max(calls + 1, Math.floor(calls * 1.34))) numbers.push(calls);
  return numbers.reverse();
}
