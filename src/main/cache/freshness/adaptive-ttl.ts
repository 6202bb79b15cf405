import assert from 'node:assert/strict';
import { recordOfScene } from '../false-hits.ts';

/*
 * A TTL per scene, from how fast its answers and its states change.
 *
 * Answers. Models asked twice about one state differ half of the time at once, so a single difference says nothing
 * about age; that old answers differ more often than young ones does. The model of an answer of age a:
 *
 *   P(same | a) = (1 - d0) * (r + (1 - r) * 2^(-k * a / life))      k such that half of the agreement is lost at a = life
 *
 * d0 is the noise at age 0. r is the chance agreement that remains at any age: there are few actions, so a
 * changed world often asks for the same one. With r = 0 this is d0 + (1 - d0)(1 - exp(-λa)) and life = ln 2 / λ. The
 * TTL is the posterior mean of ln life, on a grid over life, d0 and r, with a normal prior around the initial TTL: little
 * evidence leaves it there, and old answers that are no worse than young ones push it to the far end of the grid. Older
 * checks fade, so that a change of regime is followed. Rejected: λ from the disagreement of one young and one old class.
 * It uses none of the evidence within a class, needs separate smoothing, and ignores chance agreement.
 *
 * States. An answer outlives at most STATE_LIVES_MAX states of its scene: by then, what the observation does not show
 * has changed as well. This is a rule of thumb, so the bound is wide: it decides only where states change very fast.
 *
 * Limitations: checks that are all of one age cannot separate noise from change, and the TTL stays near the initial one;
 * checks of random hits have all ages up to the TTL. With half of the answers noise, it takes about 400 checks to be within
 * a factor of two; with two thirds noise, answers that do not age reach the upper bound late or not at all.
 */

export interface AdaptiveTtlOptions {
  readonly initialMs: number;
  readonly minMs: number;
  readonly maxMs: number;
}

export interface SceneTtl {
  readonly scene: string;
  readonly ttlMs: number;
  /** Mean time in a state. Null while too few were seen. */
  readonly stateLifeMs: number | null;
  /** Age at which half of the agreement is lost. Null while too little is known, or if it is beyond the upper bound. */
  readonly answerLifeMs: number | null;
  /** Number of answers that were asked again. */
  readonly checks: number;
  /** What decided the TTL. */
  readonly why: string;
}

/** Minimum number of checks that have any effect. */
const CHECKS_MIN = 20;
/** Number of later checks after which the weight of a check falls to 1/e. */
const CHECKS_MEMORY = 400;
/** Share of the prior's variance. If more is left, the checks have said little about age. */
const VARIANCE_LEFT_MAX = 0.75;
/** Share of checks that no model explains. Bounds the effect of a single check. */
const OUTLIERS = 0.01;

const LIVES = 32;
/** How far the grid reaches beyond the bounds of the TTL, as a factor. */
const GRID_MARGIN = 8;
/** Standard deviations of the prior from its middle to an end of the grid: how slowly the TTL leaves its initial value. */
const PRIOR_DEVIATIONS = 4;
const NOISE_LEVELS = Array.from({ length: 12 }, (_, i) => (i + 0.5) / 12);
const CHANCE_AGREEMENTS = [0, 1 / 3];
const CELLS_PER_LIFE = NOISE_LEVELS.length * CHANCE_AGREEMENTS.length;

const STATES_MIN = 20;
const STATES_MEMORY = 256;
const STATE_LIVES_MAX = 300;

interface Estimate {
  readonly lifeMs: number;
  /** Whether the checks decided it, more than the prior. */
  readonly isTelling: boolean;
}

/** The possible lives, evenly spaced in the logarithm and symmetric around the initial TTL. */
class LifeGrid {
  readonly logLives: readonly number[];
  readonly logPrior: readonly number[];
  readonly #priorVariance: number;

  constructor({ initialMs, minMs, maxMs }: AdaptiveTtlOptions) {
    const reach = Math.log(GRID_MARGIN * Math.max(initialMs / minMs, maxMs / initialMs));
    const offsets = Array.from({ length: LIVES }, (_, i) => reach * ((2 * i) / (LIVES - 1) - 1));
    this.logLives = offsets.map((offset) => Math.log(initialMs) + offset);
    this.logPrior = offsets.map((offset) => -0.5 * (PRIOR_DEVIATIONS * (offset / reach)) ** 2);
    this.#priorVariance = this.#moments(this.logPrior).variance;
  }

  /** Estimates the life from log weights, one for each life of the grid. */
  estimate(logWeights: readonly number[]): Estimate {
    const { mean, variance } = this.#moments(logWeights);
    return { lifeMs: Math.exp(mean), isTelling: variance <= VARIANCE_LEFT_MAX * this.#priorVariance };
  }

  /** Mean and variance of the logarithm of the life. */
  #moments(logWeights: readonly number[]): { mean: number; variance: number } {
    const top = Math.max(...logWeights);
    const weights = logWeights.map((logWeight) => Math.exp(logWeight - top));
    const total = sum(weights);
    const mean = sum(weights.map((weight, i) => weight * (this.logLives[i] as number))) / total;
    const variance = sum(weights.map((weight, i) => weight * ((this.logLives[i] as number) - mean) ** 2)) / total;
    return { mean, variance };
  }
}

/** Estimates how fast the answers of a scene lose their agreement, from 6 KB of fading log likelihoods. */
class AnswerAgeing {
  readonly #grid: LifeGrid;
  readonly #logLikelihoods = new Float64Array(LIVES * CELLS_PER_LIFE);
  #estimate: Estimate | undefined;
  checks = 0;

  constructor(grid: LifeGrid) {
    this.#grid = grid;
  }

  check(ageMs: number, changed: boolean): void {
    this.checks++;
    this.#estimate = undefined;
    let cell = 0;
    for (const logLife of this.#grid.logLives) {
      for (const chance of CHANCE_AGREEMENTS) {
        const agreement = agreementLeft(ageMs / Math.exp(logLife), chance);
        for (const noise of NOISE_LEVELS) {
          const same = OUTLIERS / 2 + (1 - OUTLIERS) * (1 - noise) * agreement;
          const faded = (this.#logLikelihoods[cell] as number) * (1 - 1 / CHECKS_MEMORY);
          this.#logLikelihoods[cell++] = faded + Math.log(changed ? 1 - same : same);
        }
      }
    }
  }

  /** Returns the life of an answer, once there are enough checks. */
  estimate(): Estimate | undefined {
    if (this.checks < CHECKS_MIN) return undefined;
    this.#estimate ??= this.#grid.estimate(
      this.#grid.logPrior.map((logPrior, life) => {
        const cells = this.#logLikelihoods.subarray(life * CELLS_PER_LIFE, (life + 1) * CELLS_PER_LIFE);
        return logPrior + logSumExp(cells);
      }),
    );
    return this.#estimate;
  }
}

/** Mean time in a state: a plain mean at first, a fading one later. */
class StateSpeed {
  #count = 0;
  #meanMs = 0;

  seen(dwellMs: number): void {
    this.#count = Math.min(this.#count + 1, STATES_MEMORY);
    this.#meanMs += (dwellMs - this.#meanMs) / this.#count;
  }

  lifeMs(): number | undefined {
    return this.#count < STATES_MIN ? undefined : this.#meanMs;
  }
}

interface SceneRecord {
  readonly answers: AnswerAgeing;
  readonly states: StateSpeed;
}

/** The TTL of `ttl: 'adaptive'`. Bounded: 64 scenes by name, later ones share the record `other`. */
export class AdaptiveTtl {
  readonly #options: AdaptiveTtlOptions;
  readonly #grid: LifeGrid;
  readonly #scenes = new Map<string, SceneRecord>();

  constructor(options: AdaptiveTtlOptions) {
    const { initialMs, minMs, maxMs } = options;
    const isOrdered = minMs > 0 && minMs <= initialMs && initialMs <= maxMs && maxMs < Number.POSITIVE_INFINITY;
    assert(isOrdered, `0 < minMs <= initialMs <= maxMs, got ${minMs}, ${initialMs}, ${maxMs}`);
    this.#options = options;
    this.#grid = new LifeGrid(options);
  }

  /** Records that the state of an agent in this scene changed after `dwellMs`. A longer pause than any TTL counts as `maxMs`. */
  stateSeen(scene: string, dwellMs: number): void {
    this.#scene(scene).states.seen(clamp(dwellMs, 0, this.#options.maxMs));
  }

  /** Records that a remembered answer of this age was asked again, and whether it changed. */
  answerSeen(scene: string, ageMs: number, changed: boolean): void {
    this.#scene(scene).answers.check(Math.max(0, ageMs), changed);
  }

  ttlMs(scene: string): number {
    return this.#explain(this.#scene(scene)).ttlMs;
  }

  /** TTLs by scene, the most checked scenes first. */
  stats(): readonly SceneTtl[] {
    return [...this.#scenes]
      .map(([scene, record]) => ({ scene, ...this.#explain(record) }))
      .sort((a, b) => b.checks - a.checks);
  }

  #explain({ answers, states }: SceneRecord): Omit<SceneTtl, 'scene'> {
    const { minMs, maxMs } = this.#options;
    const stateLifeMs = states.lifeMs() ?? null;
    const byAnswers = this.#byAnswers(answers);
    const byStatesMs = stateLifeMs === null ? maxMs : clamp(STATE_LIVES_MAX * stateLifeMs, minMs, maxMs);
    const isByStates = stateLifeMs !== null && byStatesMs < byAnswers.ttlMs;
    return {
      ttlMs: isByStates ? byStatesMs : byAnswers.ttlMs,
      stateLifeMs,
      answerLifeMs: byAnswers.lifeMs,
      checks: answers.checks,
      why: isByStates ? `states change every ${inWords(stateLifeMs)}` : byAnswers.why,
    };
  }

  #byAnswers(answers: AnswerAgeing): { ttlMs: number; lifeMs: number | null; why: string } {
    const { initialMs, minMs, maxMs } = this.#options;
    const estimate = answers.estimate();
    if (estimate === undefined) return { ttlMs: initialMs, lifeMs: null, why: 'little evidence yet: the initial TTL' };
    const { lifeMs, isTelling } = estimate;
    const ttlMs = clamp(lifeMs, minMs, maxMs);
    if (!isTelling) return { ttlMs, lifeMs: null, why: 'little evidence yet: near the initial TTL' };
    if (lifeMs >= maxMs) return { ttlMs, lifeMs: null, why: 'answers do not age: the upper bound' };
    const why = `answers change: half of them within ${inWords(lifeMs)}`;
    return { ttlMs, lifeMs, why: lifeMs < minMs ? `${why}: the lower bound` : why };
  }

  #scene(scene: string): SceneRecord {
    return recordOfScene(this.#scenes, scene, () => ({
      answers: new AnswerAgeing(this.#grid),
      states: new StateSpeed(),
    }));
  }
}

/** Agreement left at an age in lives: 1 at 0, a half at 1, `chance` in the end. */
function agreementLeft(ageInLives: number, chance: number): number {
  const halvings = Math.log2((1 - chance) / (0.5 - chance));
  return chance + (1 - chance) * 2 ** (-halvings * ageInLives);
}

function logSumExp(logs: Float64Array): number {
  const top = Math.max(...logs);
  return top + Math.log(logs.reduce((total, log) => total + Math.exp(log - top), 0));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** Formats a duration in one unit and two digits: 0.3 s, 40 s, 12 min. */
function inWords(ms: number): string {
  const [amount, unit] =
    ms < 120_000 ? [ms / 1000, 's'] : ms < 7_200_000 ? [ms / 60_000, 'min'] : [ms / 3_600_000, 'h'];
  return `${amount < 10 ? Number(amount.toPrecision(2)) : Math.round(amount)} ${unit}`;
}
