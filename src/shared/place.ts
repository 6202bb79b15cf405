import { type Domain, type Feature, isSoft, type NumberFeature, type Observation } from './domain.ts';
import { SIGNATURE_WORDS, type Signature, type Signer, valueWord } from './signature.ts';

/**
 * The place of a state among similar ones: its gates, which must be equal, and its coordinates, which measure distance. A
 * number's coordinate is its share of the feature's range times the root of its share of all weights, so that places with equal
 * gates have the Euclidean distance: 0 for equal states, 1 for opposite ones.
 */
export interface StatePoint {
  /** The gates as one number: 53 bits of their fingerprint. */
  readonly gate: number;
  readonly coordinates: Float64Array;
  /** One word for each soft feature: equal words mean equal values. */
  readonly soft: Int32Array;
}

/** Maximum number of actions for similar states: hashing more a second time would take longer than a millisecond. */
export const PLACE_ACTIONS_MAX = 1_000;

/** Returns 53 bits of a fingerprint as one number, for use as a key of maps. */
export function fingerprintNumber(signature: Signature): number {
  return ((signature[0] as number) >>> 0) * 2 ** 21 + ((signature[1] as number) >>> 11);
}

/** Computes the places of observations of one domain. Make one per domain and thread, and keep it. */
export class Placer {
  readonly #signer: Signer;
  readonly #numbers: readonly (readonly [name: string, feature: NumberFeature, scale: number])[];
  readonly #soft: readonly (readonly [name: string, feature: Feature])[];
  /** What a difference in each soft feature adds to the squared distance. */
  readonly softWeights: Float64Array;
  readonly #words: Signature = new Int32Array(SIGNATURE_WORDS);

  constructor(domain: Domain, signer: Signer) {
    this.#signer = signer;
    const features = Object.entries(domain.features);
    const measured = features.filter(([, feature]) => feature.kind === 'number' || isSoft(feature));
    const weightOf = (feature: Feature): number => ('weight' in feature ? (feature.weight ?? 1) : 1);
    const sum = measured.reduce((total, [, feature]) => total + weightOf(feature), 0) || 1;
    this.#numbers = features.flatMap(([name, feature]) =>
      feature.kind === 'number' ? [[name, feature, Math.sqrt(weightOf(feature) / sum)] as const] : [],
    );
    this.#soft = features.filter(([, feature]) => isSoft(feature));
    this.softWeights = Float64Array.from(this.#soft, ([, feature]) => weightOf(feature) / sum);
  }

  /** Number of coordinates of a place. */
  get dimensions(): number {
    return this.#numbers.length;
  }

  /** Returns the place of a request that passed `checkRequest`; undefined if it has too many actions. */
  place(observation: Observation, actions: readonly string[]): StatePoint | undefined {
    if (actions.length > PLACE_ACTIONS_MAX) return undefined;
    const gate = fingerprintNumber(this.#signer.signGates(observation, actions, this.#words));
    const coordinates = Float64Array.from(this.#numbers, ([name, feature, scale]) => {
      const value = observation[name];
      // Whether a number is present at all is part of the gates.
      return typeof value === 'number' ? scale * shareOf(feature, value) : 0;
    });
    const soft = Int32Array.from(this.#soft, ([name, feature]) => valueWord(feature, observation[name]));
    return { gate, coordinates, soft };
  }
}

/** Returns the position of a value in its range, 0 to 1. Beyond the ends it counts as the end. */
function shareOf({ range: [low, high] }: NumberFeature, value: number): number {
  return Math.min(1, Math.max(0, (value - low) / (high - low)));
}
