import { type EventLoopUtilization, monitorEventLoopDelay, performance } from 'node:perf_hooks';

/** Resources that the process uses. */
export interface ProcessUse {
  readonly userCpuSeconds: number;
  readonly systemCpuSeconds: number;
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
  readonly uptimeSeconds: number;
  /** How long this event loop has worked and waited since it started. */
  readonly loopActiveSeconds: number;
  readonly loopIdleSeconds: number;
  /** How late this event loop's timers were since the last reading, by quantile; empty if nothing was measured. */
  readonly loopDelaySeconds: readonly { readonly quantile: string; readonly value: number }[];
}

const QUANTILES = [50, 99, 100];
const RESOLUTION_MS = 10;

/** Measures until it is disposed. prom-client's own collectors cannot be stopped. */
export class ProcessMeter implements Disposable {
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #since: EventLoopUtilization = performance.eventLoopUtilization();

  constructor() {
    this.#delay.enable();
  }

  read(): ProcessUse {
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
    const { active, idle } = performance.eventLoopUtilization(this.#since);
    return {
      userCpuSeconds: user / 1e6,
      systemCpuSeconds: system / 1e6,
      residentBytes: rss,
      heapUsedBytes: heapUsed,
      heapTotalBytes: heapTotal,
      externalBytes: external,
      uptimeSeconds: process.uptime(),
      loopActiveSeconds: active / 1000,
      loopIdleSeconds: idle / 1000,
      loopDelaySeconds: this.#delays(),
    };
  }

  [Symbol.dispose](): void {
    this.#delay.disable();
  }

  #delays(): ProcessUse['loopDelaySeconds'] {
    if (this.#delay.count === 0) return [];
    const delays = QUANTILES.map((percentile) => ({
      quantile: String(percentile / 100),
      // The measured value includes its own interval.
      value: Math.max(0, this.#delay.percentile(percentile) / 1e9 - RESOLUTION_MS / 1000),
    }));
    this.#delay.reset();
    return delays;
  }
}
