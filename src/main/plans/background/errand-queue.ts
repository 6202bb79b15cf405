import { signatureText } from '../../../shared/signature.ts';
import type { SharedHits } from '../../cache/false-hits.ts';
import type { Hit } from '../../cache/look.ts';
import { charsOf } from '../kept-request.ts';
import type { Errand } from '../lessons.ts';

/** Why an errand ended without an answer. */
export const LOST_REASONS = ['full', 'gone', 'old', 'failed', 'ended'] as const;
export type LostReason = (typeof LOST_REASONS)[number];

/** An errand that waits or runs, and the other hits of its state that share its answer. */
export interface ErrandJob {
  readonly key: string;
  readonly errand: Errand;
  readonly sinceMs: number;
  readonly others: SharedHits[];
  /** Length of its request, in characters. */
  readonly chars: number;
  /** It waits at least until then, because models have failed. */
  readonly notBeforeMs?: number;
}

export interface ErrandQueueParts {
  /** Whether the entry that was served is still remembered. */
  readonly holds: (errand: Errand) => boolean;
  /** Called for hits that will not be compared with any answer. */
  readonly onLost: (hits: readonly SharedHits[], reason: LostReason) => void;
}

/** What becomes due in two minutes where a hundred plans a second are served from memory. */
const QUEUE_MAX = 256;
/** Maximum length of all waiting requests together, in characters: a request may have pictures. */
const CHARS_MAX = 32_000_000;
/** Maximum further hits of a state that are kept one by one; those that served the same remembered decision are only counted. */
const OTHERS_MAX = 64;
/** An answer to a question that has waited for longer says little about what was served. */
const AGE_MS_MAX = 600_000;
/** A check made by then tells how often hits are wrong now. */
const TIMELY_MS = 120_000;
const PAUSE_MS_MIN = 1_000;

/**
 * Waiting errands, one for each state. The one that has waited longest comes first, also if it has had its turn and gave way, but those
 * that are late come after all others: while more is due than can be done, what is done is done in time. Beyond `QUEUE_MAX` of them, or
 * `CHARS_MAX`, the one that has waited longest is dropped, checks last.
 */
export class ErrandQueue {
  readonly #parts: ErrandQueueParts;
  readonly #jobs = new Map<string, ErrandJob>();
  #chars = 0;

  constructor(parts: ErrandQueueParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#jobs.size;
  }

  /** Adds an errand, or its hit to `running` or to the waiting job of the same state. */
  add(errand: Errand, nowMs: number, running: ReadonlyMap<string, ErrandJob>): void {
    const key = signatureText(errand.signature);
    const known = this.#jobs.get(key) ?? running.get(key);
    if (known === undefined) this.put({ key, errand, sinceMs: nowMs, others: [], chars: charsOf(errand.request) });
    else if (!isShared(known, errand.hit)) this.#parts.onLost([{ hit: errand.hit, count: 1 }], 'full');
  }

  /** Adds a job. */
  put(job: ErrandJob): void {
    this.#jobs.set(job.key, job);
    this.#chars += job.chars;
    if (job.chars > CHARS_MAX) this.#drop(job, 'full');
    while (this.#jobs.size > QUEUE_MAX || this.#chars > CHARS_MAX) {
      const jobs = [...this.#jobs.values()].toSorted((a, b) => a.sinceMs - b.sinceMs);
      this.#drop(jobs.find((each) => !isCheckJob(each)) ?? (jobs[0] as ErrandJob), 'full');
    }
  }

  /** Adds a job about which models have failed: it waits for as long again as it has, at least a second. */
  putLater(job: ErrandJob, nowMs: number): void {
    this.put({ ...job, notBeforeMs: nowMs + Math.max(PAUSE_MS_MIN, nowMs - job.sinceMs) });
  }

  /** The next job that still means something, among those that `mayStart` accepts. Those before it that mean nothing are dropped. */
  next(nowMs: number, mayStart: (job: ErrandJob) => boolean = () => true): ErrandJob | undefined {
    for (;;) {
      const job = this.#first(nowMs, mayStart);
      if (job === undefined) return undefined;
      if (nowMs - job.sinceMs > AGE_MS_MAX) this.#drop(job, 'old');
      else if (!this.#parts.holds(job.errand)) this.#drop(job, 'gone');
      else return job;
    }
  }

  #first(nowMs: number, mayStart: (job: ErrandJob) => boolean): ErrandJob | undefined {
    const isTimely = ({ sinceMs }: ErrandJob): boolean => nowMs - sinceMs < TIMELY_MS;
    const isBefore = (a: ErrandJob, b: ErrandJob): boolean =>
      isTimely(a) === isTimely(b) ? a.sinceMs < b.sinceMs : isTimely(a);
    let first: ErrandJob | undefined;
    for (const job of this.#jobs.values()) {
      if (job.notBeforeMs !== undefined && nowMs < job.notBeforeMs) continue;
      if (!mayStart(job)) continue;
      if (first === undefined || isBefore(job, first)) first = job;
    }
    return first;
  }

  remove({ key, chars }: ErrandJob): void {
    if (this.#jobs.delete(key)) this.#chars -= chars;
  }

  clear(): void {
    for (const job of [...this.#jobs.values()]) this.#drop(job, 'ended');
  }

  #drop(job: ErrandJob, reason: LostReason): void {
    this.remove(job);
    this.#parts.onLost(hitsOf(job), reason);
  }
}

/** All hits that share the answer to a job. */
export function hitsOf({ errand, others }: ErrandJob): readonly SharedHits[] {
  return [{ hit: errand.hit, count: 1 }, ...others];
}

export function isCheckJob(job: ErrandJob): boolean {
  return hitsOf(job).some(({ hit }) => hit.again === 'check');
}

/** Whether none of its hits needs the answer before its entry expires. */
export function isOnlyCheck(job: ErrandJob): boolean {
  return hitsOf(job).every(({ hit }) => hit.again === 'check');
}

/** The action that a job checks; undefined if there is none, or several. */
export function servedBy(job: ErrandJob): string | undefined {
  const checks = hitsOf(job).filter(({ hit }) => hit.again === 'check');
  const actions = new Set(checks.map(({ hit }) => hit.action));
  return actions.size === 1 ? [...actions][0] : undefined;
}

/** Adds a further hit to a job, unless that is full. */
function isShared({ others }: ErrandJob, hit: Hit): boolean {
  const same = others.find((each) => isSameAnswer(each.hit, hit));
  if (same !== undefined) same.count++;
  else if (others.length < OTHERS_MAX) others.push({ hit, count: 1 });
  else return false;
  return true;
}

/** With an error budget, each hit has its own judgement to learn from. */
function isSameAnswer(a: Hit, b: Hit): boolean {
  const isSame = a.decision === b.decision && a.action === b.action && a.tier === b.tier && a.again === b.again;
  return isSame && a.judgement === undefined && b.judgement === undefined;
}
