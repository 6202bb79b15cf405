import type { CallKind, LatencyProfile } from '../time/latency-profile.ts';

/**
 * How many calls with a deadline a server is given at once, at most its slots. Where its slots share one processor, calls that run
 * together are each as much slower as they are more: together they get nothing more done, and all of them are late where one after
 * the other would have been in time. From the times of calls, what company adds to them, and the time that calls have when they
 * begin, it follows how many calls in time each number gives. Where nearly none is in time and nothing is known of company, one
 * call at a time finds out.
 */
export class CallWidth {
  readonly #shown = new Map<string, Shown>();
  /** How long calls have until their deadlines as they begin, of late. */
  #leftMs: number | undefined;

  /** A call with a deadline begins. */
  began(leftMs: number): void {
    this.#leftMs = (this.#leftMs ?? leftMs) + LEFT_WEIGHT * (leftMs - (this.#leftMs ?? leftMs));
  }

  /** A call of the model ended or was cut. */
  learned(model: string, kind: CallKind, profile: LatencyProfile, slots: number, nowMs: number): void {
    if (this.#leftMs === undefined || slots === 1) return;
    const key = `${kind}\n${model}`;
    const { width, reckonedAtMs } = this.#shown.get(key) ?? NOTHING_SHOWN;
    if (this.#shown.size >= MODELS_MAX) this.#shown.clear();
    this.#shown.set(key, { profile, slots, width, reckonedAtMs, atMs: nowMs, isNew: true });
  }

  /** Infinite where more calls at once do no harm. */
  now(nowMs: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (const shown of this.#shown.values()) {
      if (nowMs - shown.atMs >= FORGOTTEN_MS) continue;
      this.#reckon(shown, nowMs);
      least = Math.min(least, shown.width);
    }
    return least;
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
  readonly profile: LatencyProfile;
  readonly slots: number;
  width: number;
  reckonedAtMs: number;
  /** When the latest of them ended. */
  readonly atMs: number;
  /** Whether that is not reckoned with yet. */
  isNew: boolean;
}

const NOTHING_SHOWN = { width: Number.POSITIVE_INFINITY, reckonedAtMs: Number.NEGATIVE_INFINITY };
/** Where calls are so quick that many end within this time, a single one of them changes nothing. */
const PAUSE_MS = 100;
const LEFT_WEIGHT = 0.1;
const MODELS_MAX = 256;
/** What was learned of a model that is not asked any more does not bound the others. */
const FORGOTTEN_MS = 60_000;
/** Fewer calls in time than this are nearly none. */
const NEARLY_NONE = 0.25;
/** A smaller number must give so many times as many calls in time. */
const GAIN_MIN = 1.1;

/** The number of calls at once that gives most calls in time; the largest of those that are about as good. */
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

/** All small ones, and of the larger ones each by a third more than the one before; downwards. */
function numbersBelow(slots: number): number[] {
  const numbers: number[] = [];
  for (let calls = 1; calls < slots; calls = Math.max(calls + 1, Math.floor(calls * 1.34))) numbers.push(calls);
  return numbers.reverse();
}
