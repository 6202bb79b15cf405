import { fadeOf } from './class-outcomes.ts';

/**
 * The share of served answers that is really wrong, from probes and checks. It only ever shrinks what is served, in three ways.
 * The *bias* says how many times more often served predictions are wrong than asked ones of their classes. The *debt* is what was
 * wrong beyond the budget so far, and is to be paid back. The *alarm* is a sequential test (CUSUM: Page, Biometrika 41, 1954) for
 * a world that has changed: it comes after a few wrong samples in a row, long before averages show anything.
 */
/** Number of samples after which one counts for 1/e in the recent share, and samples of the expected share in it. */
const RECENT_SAMPLES = 150;
const EXPECTED_SAMPLES = 20;
/** Number of wrong answers, as many as expected, that count for the bias at the start. */
const BIAS_PRIOR = 3;
const BIAS_MAX = 4;
/** Number of judged requests after which what is known of the bias, or a suspicion, counts for 1/e. */
const BIAS_MEMORY = 4_000;
const SUSPICION_MEMORY = 500;
/** Log likelihood ratio of a changed world at which there is an alarm, and at which more is probed. */
const ALARM_AT = 3;
const WARY_AT = 1.2;
/** Number of servable requests that are probed more often, at first and after an alarm. */
const WARY_FOR = 400;

export class ServedShare {
  readonly #budget: number;
  /** What a wrong and a right sample add to the suspicion. */
  readonly #stepWrong: number;
  readonly #stepRight: number;
  #recent = 0;
  #recentWrong = 0;
  #biasWrong = 0;
  #biasExpected = 0;
  /** Samples since suspicion arose. They count for the bias unless it ends in an alarm. */
  #pendingWrong = 0;
  #pendingExpected = 0;
  #suspicion = 0;
  #debt = 0;
  #servableSinceAlarm = 0;

  constructor(budget: number) {
    this.#budget = budget;
    const changed = Math.min(0.9, Math.max(3 * budget, budget + 0.15));
    this.#stepWrong = Math.log(changed / budget);
    this.#stepRight = Math.log((1 - changed) / (1 - budget));
  }

  get bias(): number {
    const wrong = this.#biasWrong + this.#pendingWrong + BIAS_PRIOR;
    const expected = this.#biasExpected + this.#pendingExpected + BIAS_PRIOR;
    return Math.min(BIAS_MAX, Math.max(1, wrong / expected));
  }

  /** Number of wrong answers beyond the budget, at least 0. */
  get debt(): number {
    return Math.max(0, this.#debt);
  }

  /** Whether more than usual should be probed. */
  get isWary(): boolean {
    return this.#servableSinceAlarm < WARY_FOR || this.#suspicion > WARY_AT || this.#debt > 0;
  }

  /** Records that predictions were judged: what is known fades. */
  judged(count = 1): void {
    const kept = fadeOf(BIAS_MEMORY, count);
    this.#biasWrong *= kept;
    this.#biasExpected *= kept;
    const suspected = fadeOf(SUSPICION_MEMORY, count);
    this.#pendingWrong *= suspected;
    this.#pendingExpected *= suspected;
    this.#suspicion *= suspected;
  }

  /** Records that requests could be served. */
  servable(count = 1): void {
    this.#servableSinceAlarm += count;
  }

  /** Records that answers were served whose kind is believed to be wrong in this share. */
  served(risk: number, count = 1): void {
    const wrong = this.#recentWrong + EXPECTED_SAMPLES * risk;
    this.#debt += count * (wrong / (this.#recent + EXPECTED_SAMPLES) - this.#budget);
  }

  /** Records a probe or check of a prediction whose asked kind is wrong in a share `expected`. Returns true if it raises the alarm. */
  sampled(isWrong: boolean, expected: number): boolean {
    const kept = 1 - 1 / RECENT_SAMPLES;
    this.#recent = this.#recent * kept + 1;
    this.#recentWrong = this.#recentWrong * kept + (isWrong ? 1 : 0);
    this.#pendingWrong += isWrong ? 1 : 0;
    this.#pendingExpected += expected;
    this.#suspicion += isWrong ? this.#stepWrong : this.#stepRight;
    if (this.#suspicion <= 0.01) this.#allay();
    if (this.#suspicion < ALARM_AT) return false;
    this.#suspicion = 0;
    this.#pendingWrong = 0;
    this.#pendingExpected = 0;
    this.#servableSinceAlarm = 0;
    return true;
  }

  saved(): number[] {
    return [
      this.#recent,
      this.#recentWrong,
      this.#biasWrong,
      this.#biasExpected,
      this.#pendingWrong,
      this.#pendingExpected,
      this.#suspicion,
      this.#debt,
      this.#servableSinceAlarm,
    ];
  }

  /** Takes over what `saved` returned for the same budget. Without numbers, nothing is known. */
  restore(saved: readonly number[]): void {
    [
      this.#recent = 0,
      this.#recentWrong = 0,
      this.#biasWrong = 0,
      this.#biasExpected = 0,
      this.#pendingWrong = 0,
      this.#pendingExpected = 0,
      this.#suspicion = 0,
      this.#debt = 0,
      this.#servableSinceAlarm = 0,
    ] = saved;
  }

  clear(): void {
    this.restore([]);
  }

  #allay(): void {
    this.#biasWrong += this.#pendingWrong;
    this.#biasExpected += this.#pendingExpected;
    this.#pendingWrong = 0;
    this.#pendingExpected = 0;
    this.#suspicion = 0;
  }
}
