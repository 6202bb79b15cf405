import { createHistogram } from 'node:perf_hooks';
import type { Plan, PlanRequest } from '../../src/main/index.ts';

/** The project's rule for a plan that is on time. */
const ON_TIME_MS = 15;
/** What the cache has here was foreseen: no state comes back. */
const MODEL_SOURCES: readonly string[] = ['cache', 'quorum', 'synthesis', 'fallback'];

/** What came of a number of plans. */
export class PlanTally {
  /** Microseconds, and 1 for none. Of fixed size, so that it is no part of what the plans leave behind. */
  readonly #lateness = createHistogram();
  readonly codes = new Map<string, number>();
  plans = 0;
  legal = 0;
  onTime = 0;
  decided = 0;
  /** Neither settled nor rejected after all patience. */
  unsettled = 0;
  rejected = 0;

  settled(plan: Plan, request: PlanRequest, latenessMs: number): void {
    this.plans++;
    this.#lateness.record(Math.max(1, Math.round(latenessMs * 1000)));
    if (request.actions.includes(plan.action)) this.legal++;
    if (latenessMs <= ON_TIME_MS) this.onTime++;
    if (MODEL_SOURCES.includes(plan.source)) this.decided++;
    for (const { code } of plan.attempts) this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
  }

  failed(how: 'unsettled' | 'rejected'): void {
    this.plans++;
    this[how]++;
  }

  add(other: PlanTally): void {
    this.#lateness.add(other.#lateness);
    for (const [code, count] of other.codes) this.codes.set(code, (this.codes.get(code) ?? 0) + count);
    for (const key of ['plans', 'legal', 'onTime', 'decided', 'unsettled', 'rejected'] as const)
      this[key] += other[key];
  }

  share(of: 'legal' | 'onTime' | 'decided'): number {
    return this.plans === 0 ? 1 : this[of] / this.plans;
  }

  /** Milliseconds; `percentile` above 0 and up to 100. */
  latenessAt(percentile: number): number {
    const { count } = this.#lateness;
    const micros = count === 0 ? 1 : this.#lateness.percentile(percentile);
    return micros <= 1 ? 0 : micros / 1000;
  }

  /** The codes of attempts, the most frequent first. */
  topCodes(count: number): string {
    const sorted = [...this.codes].sort(([, a], [, b]) => b - a).slice(0, count);
    return sorted.map(([code, times]) => `${code.replace(/^ERR_/, '')} ${times}`).join(', ');
  }
}
