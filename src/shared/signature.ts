import { type Domain, type Feature, type FeatureValue, isSoft, type Observation } from './domain.ts';

/**
 * The signature: a 128-bit fingerprint of the bucketed observation and the set of actions, the exact cache key. Equal
 * in every thread and process, for it depends on nothing but the domain and the request. Text and images do not enter.
 *
 * The hash is MurmurHash3_x86_128 (Austin Appleby, public domain), fed word by word: two UTF-16 units of a string make
 * a word, and its length closes it. A long category enters by a hash of its own, which is looked up faster than it is made.
 * Sets enter as the sum of the hashes of their members, so order does not matter.
 * It is no cryptographic hash: who can choose observations freely could make two collide.
 */
export type Signature = Int32Array;

export const SIGNATURE_WORDS = 4;

// What is to be hashed, word by word. Module variables, because an object would be allocated on every lookup; hashed in
// one go at the end, with its state in local variables, which takes half the time of mixing each word as it comes.
let input = new Int32Array(1_024);
let length = 0;
// The result of the last hash.
let h1 = 0;
let h2 = 0;
let h3 = 0;
let h4 = 0;

const C1 = 0x239b961b;
const C2 = 0xab0e9789 | 0;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93 | 0;

/** Also throws away what a hash left behind that was broken off by a value of a wrong type. */
function begin(): void {
  length = 0;
}

function pushWord(word: number): void {
  if (length === input.length) grow();
  input[length++] = word;
}

function grow(): void {
  const larger = new Int32Array(input.length * 2);
  larger.set(input);
  input = larger;
}

function pushString(text: string): void {
  const chars = text.length;
  let i = 0;
  for (; i + 1 < chars; i += 2) pushWord(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16));
  if (i < chars) pushWord(text.charCodeAt(i));
  pushWord(chars);
}

function avalanche(h: number): number {
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Hashes the input from the word `from` on, and takes it out. `s1` to `s4` are the seed. */
function hashFrom(from: number, s1: number, s2: number, s3: number, s4: number): void {
  const words = length - from;
  let a = s1;
  let b = s2;
  let c = s3;
  let d = s4;
  const end = length;
  const whole = end - (words & 3);
  const source = input;
  let i = from;
  for (; i < whole; i += 4) {
    const k1 = Math.imul(source[i] as number, C1);
    a ^= Math.imul((k1 << 15) | (k1 >>> 17), C2);
    a = (((a << 19) | (a >>> 13)) + b) | 0;
    a = (Math.imul(a, 5) + 0x561ccd1b) | 0;
    const k2 = Math.imul(source[i + 1] as number, C2);
    b ^= Math.imul((k2 << 16) | (k2 >>> 16), C3);
    b = (((b << 17) | (b >>> 15)) + c) | 0;
    b = (Math.imul(b, 5) + 0x0bcaa747) | 0;
    const k3 = Math.imul(source[i + 2] as number, C3);
    c ^= Math.imul((k3 << 17) | (k3 >>> 15), C4);
    c = (((c << 15) | (c >>> 17)) + d) | 0;
    c = (Math.imul(c, 5) + 0x96cd1c35) | 0;
    const k4 = Math.imul(source[i + 3] as number, C4);
    d ^= Math.imul((k4 << 18) | (k4 >>> 14), C1);
    d = (((d << 13) | (d >>> 19)) + a) | 0;
    d = (Math.imul(d, 5) + 0x32ac3b17) | 0;
  }
  if (i < end) {
    const k1 = Math.imul(source[i] as number, C1);
    a ^= Math.imul((k1 << 15) | (k1 >>> 17), C2);
    a = (((a << 19) | (a >>> 13)) + b) | 0;
    a = (Math.imul(a, 5) + 0x561ccd1b) | 0;
  }
  if (i + 1 < end) {
    const k2 = Math.imul(source[i + 1] as number, C2);
    b ^= Math.imul((k2 << 16) | (k2 >>> 16), C3);
    b = (((b << 17) | (b >>> 15)) + c) | 0;
    b = (Math.imul(b, 5) + 0x0bcaa747) | 0;
  }
  if (i + 2 < end) {
    const k3 = Math.imul(source[i + 2] as number, C3);
    c ^= Math.imul((k3 << 17) | (k3 >>> 15), C4);
    c = (((c << 15) | (c >>> 17)) + d) | 0;
    c = (Math.imul(c, 5) + 0x96cd1c35) | 0;
  }
  length = from;
  a ^= words;
  b ^= words;
  c ^= words;
  d ^= words;
  a = (a + b + c + d) | 0;
  b = (b + a) | 0;
  c = (c + a) | 0;
  d = (d + a) | 0;
  a = avalanche(a);
  b = avalanche(b);
  c = avalanche(c);
  d = avalanche(d);
  a = (a + b + c + d) | 0;
  h1 = a;
  h2 = (b + a) | 0;
  h3 = (c + a) | 0;
  h4 = (d + a) | 0;
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
const SHORT_CHARS_MAX = 12;

function memberHash(member: string): StringHash {
  const known = memberHashes.get(member);
  if (known !== undefined) return known;
  const from = length;
  pushString(member);
  hashFrom(from, 0, 0, 0, 0);
  const hash = { h1, h2, h3, h4 };
  if (member.length > MEMBER_CHARS_MAX) return hash;
  if (memberHashes.size >= MEMBER_HASHES_MAX) memberHashes.clear();
  memberHashes.set(member, hash);
  return hash;
}

/** Enters a string: a long one by its hash, which is looked up faster than it is made. */
function pushName(name: string): void {
  if (name.length <= SHORT_CHARS_MAX) return pushString(name);
  const hash = memberHash(name);
  pushWord(TAG.HASHED);
  pushWord(hash.h1);
  pushWord(hash.h2);
  pushWord(hash.h3);
  pushWord(hash.h4);
}

/** The set hashed last and the sum of its members' hashes: agents are offered the same actions over and over. */
let lastMembers: readonly string[] = [];
let lastSum: StringHash = { h1: 0, h2: 0, h3: 0, h4: 0 };
/** A longer set is not kept. */
const LAST_MEMBERS_MAX = 100;

function isLastSet(members: readonly string[]): boolean {
  if (members.length !== lastMembers.length) return false;
  for (let i = 0; i < members.length; i++) if (members[i] !== lastMembers[i]) return false;
  return true;
}

function sumOfHashes(members: readonly string[]): StringHash {
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
  return { h1: s1, h2: s2, h3: s3, h4: s4 };
}

/** Enters a set: the sum of its members' own hashes, and their number. The members differ from one another. */
function pushSet(members: readonly string[]): void {
  let sum = lastSum;
  if (!isLastSet(members)) {
    sum = sumOfHashes(members);
    if (members.length <= LAST_MEMBERS_MAX) {
      lastMembers = [...members];
      lastSum = sum;
    }
  }
  pushWord(sum.h1);
  pushWord(sum.h2);
  pushWord(sum.h3);
  pushWord(sum.h4);
  pushWord(members.length);
}

/** The bucket of a number: how many of the ascending edges are at or below it. */
export function bucketOf(edges: readonly number[], value: number): number {
  let bucket = 0;
  while (bucket < edges.length && (edges[bucket] as number) <= value) bucket++;
  return bucket;
}

/** A tag before every value, so that an absent feature, an empty text and a zero are three states. */
const TAG = { ABSENT: 1, CATEGORY: 2, FLAG: 3, NUMBER: 4, SET: 5, HASHED: 6 } as const;

function isKeyed(feature: Feature): boolean {
  return feature.kind !== 'text' && feature.kind !== 'image';
}

function pushFeature(feature: Feature, value: FeatureValue | undefined): void {
  if (feature.kind === 'text' || feature.kind === 'image') return;
  if (value === undefined) return pushWord(TAG.ABSENT);
  switch (feature.kind) {
    case 'category':
      pushWord(TAG.CATEGORY);
      return pushName(value as string);
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
    begin();
    pushString(domainIdentity(domain));
    hashFrom(0, 0, 0, 0, 0);
    this.#seed = Int32Array.of(h1, h2, h3, h4);
  }

  /** The signature of a request that passed `checkRequest`. Writes to `out`, so that a lookup allocates nothing. */
  sign(observation: Observation, actions: readonly string[], out: Signature): Signature {
    const seed = this.#seed;
    begin();
    for (let i = 0; i < this.#features.length; i++) {
      pushFeature(this.#features[i] as Feature, observation[this.#names[i] as string]);
    }
    pushSet(actions);
    hashFrom(0, seed[0] as number, seed[1] as number, seed[2] as number, seed[3] as number);
    return finished(out);
  }

  /**
   * The fingerprint of what must be equal for two states to be similar: the action set, the categories, flags and sets
   * that are not `soft`, and which of the numbers are there at all.
   */
  signGates(observation: Observation, actions: readonly string[], out: Signature): Signature {
    const seed = this.#seed;
    begin();
    for (let i = 0; i < this.#features.length; i++) {
      const feature = this.#features[i] as Feature;
      const value = observation[this.#names[i] as string];
      if (isSoft(feature)) continue;
      if (feature.kind === 'number') pushWord(value === undefined ? TAG.ABSENT : TAG.NUMBER);
      else pushFeature(feature, value);
    }
    pushSet(actions);
    hashFrom(0, seed[1] as number, seed[2] as number, seed[3] as number, seed[0] as number);
    return finished(out);
  }

  /** The fingerprint of the action set alone. */
  signActions(actions: readonly string[], out: Signature): Signature {
    const seed = this.#seed;
    begin();
    pushSet(actions);
    hashFrom(0, seed[2] as number, seed[3] as number, seed[0] as number, seed[1] as number);
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
  begin();
  pushFeature(feature, value);
  hashFrom(0, 0, 0, 0, 0);
  return h1;
}

/** A signature as 32 hexadecimal digits: the key of maps, logs and files. */
export function signatureText(signature: Signature): string {
  let text = '';
  for (const word of signature) text += (word >>> 0).toString(16).padStart(8, '0');
  return text;
}
