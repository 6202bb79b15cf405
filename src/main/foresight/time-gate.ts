import type { AskingTimes } from './asking-times.ts';

/** Opens where an answer can be there before the agent asks again. */
export class TimeGate {
  readonly #times: AskingTimes;

  constructor(times: AskingTimes) {
    this.#times = times;
  }

  /** True if the usual time until the agent's request `steps` ahead is at least what the wait and the model's answer take. */
  opens(agent: string, scene: string, waitMs: number, modelMs: number, steps = 1): boolean {
    const usualMs = this.#times.usualMs(agent, scene);
    return usualMs !== undefined && waitMs + modelMs <= steps * usualMs;
  }

  /** Returns the first of ascending horizons at which it opens: the nearer a future, the better the guess. Undefined if none. */
  horizon(
    agent: string,
    scene: string,
    waitMs: number,
    modelMs: number,
    horizons: readonly number[],
  ): number | undefined {
    return horizons.find((steps) => this.opens(agent, scene, waitMs, modelMs, steps));
  }
}
