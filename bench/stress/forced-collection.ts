import { collectGarbage } from '../collect-garbage.ts';

/**
 * Collections that this bench forces, to see what the heap really holds. They stop the thread for some milliseconds, which
 * no planner is to blame for: of a plan's lateness, what lies within a pause is not counted.
 */
export class ForcedCollections {
  /** Of the latest pause. */
  #fromMs = 0;
  #toMs = 0;
  count = 0;
  pauseMsMax = 0;

  /** Bytes that are in use after a collection. */
  collect(): number {
    this.#fromMs = performance.now();
    collectGarbage();
    this.#toMs = performance.now();
    this.count++;
    this.pauseMsMax = Math.max(this.pauseMsMax, this.#toMs - this.#fromMs);
    return process.memoryUsage().heapUsed;
  }

  /** Milliseconds of the latest pause that lie between two moments. */
  within(fromMs: number, toMs: number): number {
    return Math.max(0, Math.min(toMs, this.#toMs) - Math.max(fromMs, this.#fromMs));
  }
}
