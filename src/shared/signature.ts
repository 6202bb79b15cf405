import { type Domain, type Feature, type FeatureValue, isSoft, type Observation } from './domain.ts';

/**
 * The signature: a 128-bit fingerprint of the bucketed observation and the set of actions, the exact cache key. Equal
 * in every thread and process, for it depends on nothing but the domain and the request. Text and images do not enter.
 *
 * The hash is MurmurHash3_x86_128 (Austin Appleby, public domain), fed word by word: two UTF-16 units of a string make
 * a word, and its length closes it. Sets enter as the sum of the hashes of their members, so order does not matter.
 * It is no cryptographic hash: who can choose observations freely could make two collide.
 */
export type Signature = Int32Array;

export const SIGNATURE_WORDS = 4;

// The state of the running hash. Module variables, because an object would be allocated on every lookup. A set member is
// hashed while the outer hash waits, hence `Saved`.
let h1 = 0;
let h2 = 0;
let h3 = 0;
let h4 = 0;
let words = 0;

const C1 = 0x239b961b;
const C2 = 0xab0e9789 | 0;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93 | 0;

function begin(s1: number, s2: number, s3: number, s4: number): void {
  h1 = s1;
  h2 = s2;
  h3 = s3;
  h4 = s4;
  words = 0;
}

function pushWord(word: number): void {
  switch (words++ & 3) {
    case 0: {
      const k = Math.imul(word, C1);
      h1 ^= Math.imul((k << 15) | (k >>> 17), C2);
      h1 = (((h1 << 19) | (h1 >>> 13)) + h2) | 0;
      h1 = (Math.imul(h1, 5) + 0x561ccd1b) | 0;
      return;
    }
    case 1: {
      const k = Math.imul(word, C2);
      h2 ^= Math.imul((k << 16) | (k >>> 16), C3);
      h2 = (((h2 << 17) | (h2 >>> 15)) + h3) | 0;
      h2 = (Math.imul(h2, 5) + 0x0bcaa747) | 0;
      return;
    }
    case 2: {
      const k = Math.imul(word, C3);
      h3 ^= Math.imul((k << 17) | (k >>> 15), C4);
      h3 = (((h3 << 15) | (h3 >>> 17)) + h4) | 0;
      h3 = (Math.imul(h3, 5) + 0x96cd1c35) | 0;
      return;
    }
    default: {
      const k = Math.imul(word, C4);
      h4 ^= Math.imul((k << 18) | (k >>> 14), C1);
      h4 = (((h4 << 13) | (h4 >>> 19)) + h1) | 0;
      h4 = (Math.imul(h4, 5) + 0x32ac3b17) | 0;
    }
  }
}

function pushString(text: string): void {
  const { length } = text;
  let i = 0;
  for (; i + 1 < length; i += 2) pushWord(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16));
  if (i < length) pushWord(text.charCodeAt(i));
  pushWord(length);
}

function avalanche(h: number): number {
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function finish(): void {
  h1 ^= words;
  h2 ^= words;
  h3 ^= words;
  h4 ^= words;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = avalanche(h1);
  h2 = avalanche(h2);
  h3 = avalanche(h3);
  h4 = avalanche(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
}

/** The hash of one string, four words. */
interface StringHash {
  readonly h1: number;
  readonly h2: number;
  readonly h3: number;
  readonly h4: number;
}

/**
 * Hashes of members met before: the same few actions come again with every request, and looking one up takes a tenth of
 * hashing it. Bounded in number and, as long strings are left out, in bytes; when it is full it begins anew.
 */
const memberHashes = new Map<string, StringHash>();
const MEMBER_HASHES_MAX = 8_192;
const MEMBER_CHARS_MAX = 100;

function memberHash(member: string): StringHash {
  const known = memberHashes.get(member);
  if (known !== undefined) return known;
  begin(0, 0, 0, 0);
  pushString(member);
  finish();
  const hash = { h1, h2, h3, h4 };
  if (member.length > MEMBER_CHARS_MAX) return hash;
  if (memberHashes.size >= MEMBER_HASHES_MAX) memberHashes.clear();
  memberHashes.set(member, hash);
  return hash;
}

/** Enters a set: the sum of its members' own hashes, and their number. The members differ from one another. */
function pushSet(members: readonly string[]): void {
  const o1 = h1;
  const o2 = h2;
  const o3 = h3;
  const o4 = h4;
  const outerWords = words;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let s4 = 0;
  for (let i = 0; i < members.length; i++) {
    const hash = memberHash(members[i] as string);
    s1 = (s1 + hash.h1) | 0;
    s2 = (s2 + hash.h2) | 0;
    s3 = (s3 + hash.h3) | 0;
    s4 = (s4 + hash.h4) | 0;
  }
  begin(o1, o2, o3, o4);
  words = outerWords;
  pushWord(s1);
  pushWord(s2);
  pushWord(s3);
  pushWord(s4);
  pushWord(members.length);
}

/** The bucket of a number: how many of the ascending edges are at or below it. */
export function bucketOf(edges: readonly number[], value: number): number {
  let bucket = 0;
  while (bucket < edges.length && (edges[bucket] as number) <= value) bucket++;
  return bucket;
}

/** A tag before every value, so that an absent feature, an empty text and a zero are three states. */
const TAG = { ABSENT: 1, CATEGORY: 2, FLAG: 3, NUMBER: 4, SET: 5 } as const;

function isKeyed(feature: Feature): boolean {
  return feature.kind !== 'text' && feature.kind !== 'image';
}

function pushFeature(feature: Feature, value: FeatureValue | undefined): void {
  if (feature.kind === 'text' || feature.kind === 'image') return;
  if (value === undefined) return pushWord(TAG.ABSENT);
  switch (feature.kind) {
    case 'category':
      pushWord(TAG.CATEGORY);
      return pushString(value as string);
    case 'flag':
      pushWord(TAG.FLAG);
      return pushWord(value === true ? 1 : 0);
    case 'number':
      pushWord(TAG.NUMBER);
      return pushWord(bucketOf(feature.edges, value as number));
    case 'set':
      pushWord(TAG.SET);
      return pushSet([...new Set(value as readonly string[])]);
    default:
      return feature satisfies never;
  }
}

/** Everything of a domain that changes what a bucket means: what enters the seed of its signatures. */
export function domainIdentity(domain: Domain): string {
  const keyed = Object.entries(domain.features)
    .filter(([, feature]) => isKeyed(feature))
    .map(([name, feature]) => [name, feature.kind, feature.kind === 'number' ? feature.edges : 0]);
  return JSON.stringify([domain.name, keyed]);
}

/** Signs requests of one domain. Make one per domain and thread, and keep it. */
export class Signer {
  readonly #names: readonly string[];
  readonly #features: readonly Feature[];
  readonly #seed: Signature;

  constructor(domain: Domain) {
    this.#names = Object.keys(domain.features);
    this.#features = Object.values(domain.features);
    begin(0, 0, 0, 0);
    pushString(domainIdentity(domain));
    finish();
    this.#seed = Int32Array.of(h1, h2, h3, h4);
  }

  /** The signature of a request that passed `checkRequest`. Writes to `out`, so that a lookup allocates nothing. */
  sign(observation: Observation, actions: readonly string[], out: Signature): Signature {
    const seed = this.#seed;
    begin(seed[0] as number, seed[1] as number, seed[2] as number, seed[3] as number);
    for (let i = 0; i < this.#features.length; i++) {
      pushFeature(this.#features[i] as Feature, observation[this.#names[i] as string]);
    }
    pushSet(actions);
    finish();
    return finished(out);
  }

  /**
   * The fingerprint of what must be equal for two states to be similar: the action set, the categories, flags and sets
   * that are not `soft`, and which of the numbers are there at all.
   */
  signGates(observation: Observation, actions: readonly string[], out: Signature): Signature {
    const seed = this.#seed;
    begin(seed[1] as number, seed[2] as number, seed[3] as number, seed[0] as number);
    for (let i = 0; i < this.#features.length; i++) {
      const feature = this.#features[i] as Feature;
      const value = observation[this.#names[i] as string];
      if (isSoft(feature)) continue;
      if (feature.kind === 'number') pushWord(value === undefined ? TAG.ABSENT : TAG.NUMBER);
      else pushFeature(feature, value);
    }
    pushSet(actions);
    finish();
    return finished(out);
  }

  /** The fingerprint of the action set alone. */
  signActions(actions: readonly string[], out: Signature): Signature {
    const seed = this.#seed;
    begin(seed[2] as number, seed[3] as number, seed[0] as number, seed[1] as number);
    pushSet(actions);
    finish();
    return finished(out);
  }
}

function finished(out: Signature): Signature {
  out[0] = h1;
  out[1] = h2;
  out[2] = h3;
  out[3] = h4;
  return out;
}

/** Of a value of a category, flag or set: equal values have equal words. For comparing soft features. */
export function valueWord(feature: Feature, value: FeatureValue | undefined): number {
  begin(0, 0, 0, 0);
  pushFeature(feature, value);
  finish();
  return h1;
}

/** A signature as 32 hexadecimal digits: the key of maps, logs and files. */
export function signatureText(signature: Signature): string {
  let text = '';
  for (const word of signature) text += (word >>> 0).toString(16).padStart(8, '0');
  return text;
}
