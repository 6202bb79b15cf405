import type { Plan, PlanRequest } from '../../src/main/index.ts';
import { PLAN_SOURCES } from '../../src/shared/decision.ts';
import { PlanTally } from '../faults/plan-tally.ts';
import type { ForcedCollections } from './forced-collection.ts';
import type { Asked, LoadWatcher } from './load.ts';
import { Timings } from './timings.ts';

const REJECTIONS_TOLD = 5;

/** What came of the plans: all of them, and those of the present second. */
export class Outcome implements LoadWatcher {
  readonly #collections: ForcedCollections;
  readonly #byTimeout = new Map<number, PlanTally>();
  readonly latency = new Timings();
  readonly secondLatency = new Timings();
  readonly secondLateness = new Timings();
  /** By source, since the second began. */
  readonly secondSources = new Map<string, number>();
  cancelledPlans = 0;

  constructor(collections: ForcedCollections) {
    this.#collections = collections;
    this.beginSecond();
  }

  settled(plan: Plan, request: PlanRequest, { atMs, timeoutMs }: Asked, nowMs: number): void {
    const deadlineMs = atMs + timeoutMs;
    const latenessMs = Math.max(0, nowMs - deadlineMs - this.#collections.within(deadlineMs, nowMs));
    this.#tally(timeoutMs).settled(plan, request, latenessMs);
    this.latency.record(nowMs - atMs);
    this.secondLatency.record(nowMs - atMs);
    this.secondLateness.record(latenessMs);
    this.secondSources.set(plan.source, (this.secondSources.get(plan.source) ?? 0) + 1);
  }

  cancelled(): void {
    this.cancelledPlans++;
  }

  rejected({ timeoutMs }: Asked, error: unknown): void {
    const tally = this.#tally(timeoutMs);
    tally.failed('rejected');
    if (tally.rejected <= REJECTIONS_TOLD) console.error('stress: a plan was rejected:', error);
  }

  unsettled({ timeoutMs }: Asked): void {
    this.#tally(timeoutMs).failed('unsettled');
  }

  beginSecond(): void {
    this.secondLatency.reset();
    this.secondLateness.reset();
    for (const source of PLAN_SOURCES) this.secondSources.set(source, 0);
  }

  /** By their time, the shortest first. */
  byTimeout(): [timeoutMs: number, tally: PlanTally][] {
    return [...this.#byTimeout].sort(([a], [b]) => a - b);
  }

  all(): PlanTally {
    const all = new PlanTally();
    for (const tally of this.#byTimeout.values()) all.add(tally);
    return all;
  }

  #tally(timeoutMs: number): PlanTally {
    let tally = this.#byTimeout.get(timeoutMs);
    if (tally === undefined) {
      tally = new PlanTally();
      this.#byTimeout.set(timeoutMs, tally);
    }
    return tally;
  }
}
