/** Number of ranges of probability in which reads are counted. */
export const BINS = 10;
/** Number of comparisons of a model that are remembered, by weight. */
const MEMORY = 400;
/** Weight of what was saved before a restart: the server may have another model under the same name now. */
const RESTORED_SHARE = 0.5;

export function binOf(probability: number): number {
  return Math.min(BINS - 1, Math.max(0, Math.floor(probability * BINS)));
}

/** Reduces the weight of older comparisons. */
export function fade(weights: Float64Array): void {
  for (const [bin, weight] of weights.entries()) weights[bin] = faded(weight);
}

export function faded(weight: number): number {
  return weight * (1 - 1 / MEMORY);
}

export function addTo(weights: Float64Array, bin: number, weight: number): void {
  weights[bin] = (weights[bin] as number) + weight;
}

export function sumOf(numbers: Float64Array): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}

/** Short numbers for a file. */
export function saved(numbers: Float64Array): number[] {
  return Array.from(numbers, savedNumber);
}

export function savedNumber(number: number): number {
  return Math.round(number * 1_000) / 1_000;
}

/** Weights as they count after a restart. */
export function restored(numbers: readonly number[]): Float64Array<ArrayBuffer> {
  return Float64Array.from(numbers, restoredNumber);
}

export function restoredNumber(number: number): number {
  return number * RESTORED_SHARE;
}
