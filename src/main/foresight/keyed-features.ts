import type { Domain, Feature, NumberFeature, Observation } from '../../shared/domain.ts';
import { valueWord } from '../../shared/signature.ts';

/** A number changes by whole steps of a quarter of its narrowest bucket, so that near equal changes are the same change. */
const STEPS_PER_BUCKET = 4;

export interface KeyedNumber {
  readonly index: number;
  readonly name: string;
  readonly range: readonly [low: number, high: number];
  /** Size of one step. */
  readonly step: number;
}

/** The features of a domain that are part of the signature. Text and images are not: their changes are not foreseen. */
export class KeyedFeatures {
  readonly names: readonly string[];
  readonly features: readonly Feature[];
  readonly numbers: readonly KeyedNumber[];
  /** Index of the scene; -1 if the domain has none. */
  readonly scene: number;

  constructor(domain: Domain) {
    const keyed = Object.entries(domain.features).filter(([, { kind }]) => kind !== 'text' && kind !== 'image');
    this.names = keyed.map(([name]) => name);
    this.features = keyed.map(([, feature]) => feature);
    this.numbers = keyed.flatMap(([name, feature], index) =>
      feature.kind === 'number' ? [{ index, name, range: feature.range, step: stepOf(feature) }] : [],
    );
    this.scene = domain.sceneFeature === undefined ? -1 : this.names.indexOf(domain.sceneFeature);
  }

  /** Returns one word for the bucket or value of each feature. */
  words(observation: Observation): Int32Array {
    return Int32Array.from(this.features, (feature, index) =>
      valueWord(feature, observation[this.names[index] as string]),
    );
  }

  /** Returns one word for all features but the numbers. */
  gates(words: Int32Array): number {
    let word = 0;
    for (let i = 0; i < words.length; i++) {
      if (this.features[i]?.kind !== 'number') word = mixed(word, words[i] as number);
    }
    return word;
  }
}

function stepOf({ edges, range: [low, high] }: NumberFeature): number {
  const bounds = [low, ...edges.filter((edge) => edge > low && edge < high), high];
  const widths = bounds.slice(1).map((bound, index) => bound - (bounds[index] as number));
  return Math.min(...widths) / STEPS_PER_BUCKET;
}

/** Mixes a word into a hash; the order counts. */
export function mixed(hash: number, word: number): number {
  const mix = Math.imul(hash ^ word, 0x9e3779b1) + 0x7f4a7c15;
  return Math.imul(mix ^ (mix >>> 15), 0x85ebca6b) ^ (mix >>> 13);
}

export function mixedAll(words: Iterable<number>): number {
  let hash = 0;
  for (const word of words) hash = mixed(hash, word);
  return hash;
}
