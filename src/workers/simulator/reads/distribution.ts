import { forkRandom, type Random, randomNormal } from '../../../shared/random.ts';
import { judgedWorths } from '../opinion.ts';
import type { ResolvedRates, SimulatedModel } from '../options.ts';
import type { PromptReading } from '../prompt-reader.ts';

/**
 * The result of a read: a probability for each action of the prompt, in order, with a sum of 1. Pure: the same prompt, model and luck give the same
 * probabilities.
 *
 * The most probable action is the one that the model would write without a thought, with the same errors, so that reads are as good as such votes.
 * Its probability is the chance that another answer, with errors of its own, is the same, given no other knowledge of the actions: this overrates
 * actions that are much alike, as uncalibrated models do. With a `readSkill` below 1, noise of the same spread replaces judgement: reads stay as
 * sure, and are wrong more often. With a `labelBias`, the model prefers some labels whatever they stand for, in all roles and at all times.
 */
export function readDistribution(
  reading: PromptReading,
  { id, hastySkill, readSkill, labelBias }: ReadingModel,
  random: Random,
): number[] {
  const judged = withNoise(judgedWorths(reading, hastySkill, random), readSkill, random);
  const temperature = Math.max(TEMPERATURE_MIN, (1 - hastySkill) * TEMPERATURE_OF_ERROR);
  return softmax(judged.map((worth, place) => worth / temperature + labelBias * preferenceOf(id, place)));
}

/** The part of a simulated model that says how it reads. */
export type ReadingModel = Pick<SimulatedModel, 'id' | 'hastySkill' | 'readSkill' | 'labelBias'>;

/** How much a model prefers the label at a place of the list, drawn once for each model: a standard normal number. */
export function preferenceOf(model: string, place: number): number {
  const random = forkRandom(place, `label ${model}`);
  random.next();
  return randomNormal(random);
}

/**
 * The error of the difference between two judgements is the square root of two times the error of each. A softmax is the chance of each to be the
 * highest under Gumbel errors; its temperature is that of errors with the same variance.
 */
const TEMPERATURE_OF_ERROR = (Math.SQRT2 * Math.sqrt(6)) / Math.PI;
/** Even a model that never errs is not quite certain. */
const TEMPERATURE_MIN = 0.05;

function withNoise(judged: readonly number[], readSkill: number, random: Random): readonly number[] {
  if (readSkill === 1) return judged;
  const mean = judged.reduce((sum, worth) => sum + worth, 0) / judged.length;
  const spread = Math.sqrt(judged.reduce((sum, worth) => sum + (worth - mean) ** 2, 0) / judged.length);
  const noise = Math.sqrt(1 - readSkill ** 2) * spread;
  return judged.map((worth) => mean + readSkill * (worth - mean) + noise * randomNormal(random));
}

function softmax(logits: readonly number[]): number[] {
  const top = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - top));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** How often a model's answer is not a choice: then little of its probability lies on the labels. */
export function strayRate({ illegal, ambiguous, empty, rambling }: ResolvedRates): number {
  return illegal + ambiguous + empty + rambling;
}

/**
 * The share of the model's probability that lies on the labels: most of it, unless the model wanted to say something else. That is as likely as
 * written answers without a choice.
 */
export function labelMass(strayRate: number, random: Random): number {
  const isStray = random.next() < strayRate;
  return isStray ? 0.02 + 0.4 * random.next() : 0.9 + 0.099 * random.next();
}
