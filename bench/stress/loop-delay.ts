import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Timings } from './timings.ts';

const RESOLUTION_MS = 5;

/**
 * How much later than they should timers fire, milliseconds: in the present second, and in all. A monitor that goes on after
 * a rest counts the rest as a delay, so it begins anew each time, and what it saw is added up here.
 */
export class LoopDelay {
  readonly #monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #all = new Timings();

  begin(): void {
    this.#monitor.reset();
    this.#monitor.enable();
  }

  /** What happens until the next beginning is not counted. */
  end(): void {
    this.#monitor.disable();
    const { count } = this.#monitor;
    for (let rank = 1; rank <= count; rank++) this.#all.record(this.secondAt((100 * rank) / count));
  }

  secondAt(percentile: number): number {
    // The monitor tells how long it was between two of its timers.
    return this.#monitor.count === 0 ? 0 : Math.max(0, this.#monitor.percentile(percentile) / 1e6 - RESOLUTION_MS);
  }

  allAt(percentile: number): number {
    return this.#all.at(percentile);
  }
}
