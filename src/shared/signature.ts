import { type Domain, type Feature, type FeatureValue, isSoft, type Observation } from './domain.ts';
import { type InParts, inOneGo, PART_MEMBERS } from './in-parts.ts';
import { areEqual } from './owned-request.ts';

/**
 * The signature: a 128-bit fingerprint of the bucketed observation and the set of actions, which is the exact cache key. Equal
 * in every thread and process, because it depends only on the domain and the request. Text and images are not included.
 *
 * The hash is MurmurHash3_x86_128 (Austin Appleby, public domain), fed word by word: two UTF-16 units of a string make a word,
 * and its length closes it. A long category is included by its own hash, which is faster to look up than to compute. Sets are
 * included as the sum of their members' hashes, so order does not matter. This is not a cryptographic hash: anyone who can
 * choose observations freely could make two collide.
 */
export type Signature = Int32Array;

export const SIGNATURE_WORDS = 4;

// The words to be hashed. Module variables, because an object would be allocated on every lookup; hashed in one pass at the end,
// with its state in local variables.
let input = new Int32Array(1_024);
let length = 0;
// Result of the last hash.
let h1 = 0;
let h2 = 0;
let h3 = 0;
let h4 = 0;

const C1 = 0x239b961b;
const C2 = 0xab0e9789 | 0;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93 | 0;

/** Starts a new hash. Also discards what an unfinished hash left behind after a value of a wrong type. */
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

// The four lanes of the hash: each mixes in a word and the next lane.

function mixA(h: number, next: number, word: number): number {
  const k = Math.imul(word, C1);
  const mixed = h ^ Math.imul((k << 15) | (k >>> 17), C2);
  return (Math.imul(((mixed << 19) | (mixed >>> 13)) + next, 5) + 0x561ccd1b) | 0;
}

function mixB(h: number, next: number, word: number): number {
  const k = Math.imul(word, C2);
  const mixed = h ^ Math.imul((k << 16) | (k >>> 16), C3);
  return (Math.imul(((mixed << 17) | (mixed >>> 15)) + next, 5) + 0x0bcaa747) | 0;
}

function mixC(h: number, next: number, word: number): number {
  const k = Math.imul(word, C3);
  const mixed = h ^ Math.imul((k << 17) | (k >>> 15), C4);
  return (Math.imul(((mixed << 15) | (mixed >>> 17)) + next, 5) + 0x96cd1c35) | 0;
}

function mixD(h: number, next: number, word: number): number {
  const k = Math.imul(word, C4);
  const mixed = h ^ Math.imul((k << 18) | (k >>> 14), C1);
  return (Math.imul(((mixed << 13) | (mixed >>> 19)) + next, 5) + 0x32ac3b17) | 0;
}

/** Hashes the input from the word `from` on, and removes it. `s1` to `s4` are the seed. */
function hashFrom(from: number, s1: number, s2: number, s3: number, s4: number): void {
  const source = input;
  const end = length;
  const words = end - from;
  const whole = end - (words & 3);
  let a = s1;
  let b = s2;
  let c = s3;
  let d = s4;
  let i = from;
  for (; i < whole; i += 4) {
    a = mixA(a, b, source[i] as number);
    b = mixB(b, c, source[i + 1] as number);
    c = mixC(c, d, source[i + 2] as number);
    d = mixD(d, a, source[i + 3] as number);
  }
  if (i < end) a = mixA(a, b, source[i] as number);
  if (i + 1 < end) b = mixB(b, c, source[i + 1] as number);
  if (i + 2 < end) c = mixC(c, d, source[i + 2] as number);
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

/** The hash of one string, or the sum of several hashes, as four words. */
export interface StringHash {
  readonly h1: number;
  readonly h2: number;
  readonly h3: number;
  readonly h4: number;
}

/**
 * Hashes of members met before: the same few actions come with every request, and looking one up is faster than hashing it.
 * Bounded in number and, because long strings are left out, in bytes; cleared when full.
 */
const memberHashes = new Map<string, StringHash>();
const MEMBER_HASHES_MAX = 8_192;
const MEMBER_CHARS_MAX = 100;
const SHORT_CHARS_MAX = 12;
/** Maximum size of a set whose members are looked up; those of larger sets are hashed again. */
const MEMBERS_LOOKED_UP_MAX = MEMBER_HASHES_MAX / 8;

function hashMember(member: string): void {
  const from = length;
  pushString(member);
  hashFrom(from, 0, 0, 0, 0);
}

function memberHash(member: string): StringHash {
  const known = memberHashes.get(member);
  if (known !== undefined) return known;
  hashMember(member);
  const hash = { h1, h2, h3, h4 };
  if (member.length > MEMBER_CHARS_MAX) return hash;
  if (memberHashes.size >= MEMBER_HASHES_MAX) memberHashes.clear();
  memberHashes.set(member, hash);
  return hash;
}

/** Adds a string to the input. A long one is added by its hash, which is faster to look up than to compute. */
function pushName(name: string): void {
  if (name.length <= SHORT_CHARS_MAX) return pushString(name);
  const hash = memberHash(name);
  pushWord(TAG.HASHED);
  pushWord(hash.h1);
  pushWord(hash.h2);
  pushWord(hash.h3);
  pushWord(hash.h4);
}

function sumOfHashes(members: readonly string[]): StringHash {
  if (members.length > MEMBERS_LOOKED_UP_MAX) return inOneGo(sumOfHashesInParts(members));
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

/** Returns the sum of hashes for many members. None of them is looked up, because they would displace all others in the map. */
export function* sumOfHashesInParts(members: readonly string[]): InParts<StringHash> {
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let s4 = 0;
  for (let i = 0; i < members.length; i++) {
    hashMember(members[i] as string);
    s1 = (s1 + h1) | 0;
    s2 = (s2 + h2) | 0;
    s3 = (s3 + h3) | 0;
    s4 = (s4 + h4) | 0;
    if ((i + 1) % PART_MEMBERS === 0) yield;
  }
  return { h1: s1, h2: s2, h3: s3, h4: s4 };
}

/** Adds a set to the input: the sum of its members' hashes, and their number. The members differ from one another. */
function pushSet(members: readonly string[], sum = sumOfHashes(members)): void {
  pushWord(sum.h1);
  pushWord(sum.h2);
  pushWord(sum.h3);
  pushWord(sum.h4);
  pushWord(members.length);
}

/** The actions hashed last and their sum: agents are offered the same ones repeatedly. */
let lastActions: readonly string[] = [];
let lastSum: StringHash = { h1: 0, h2: 0, h3: 0, h4: 0 };
/** Maximum length of a list that is kept. */
const LAST_ACTIONS_MAX = 100;

function pushActions(actions: readonly string[], known?: StringHash): void {
  if (known !== undefined) return pushSet(actions, known);
  if (areEqual(actions, lastActions)) return pushSet(actions, lastSum);
  const sum = sumOfHashes(actions);
  if (actions.length <= LAST_ACTIONS_MAX) {
    lastActions = [...actions];
    lastSum = sum;
  }
  pushSet(actions, sum);
}

/** Returns the bucket of a number: how many of the ascending edges are at or below it. */
export function bucketOf(edges: readonly number[], value: number): number {
  let bucket = 0;
  while (bucket < edges.length && (edges[bucket] as number) <= value) bucket++;
  return bucket;
}

/** Tags before every value, so that an absent feature, an empty text and a zero are three states. */
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

/** Everything in a domain that changes the meaning of a bucket; part of the seed of its signatures. */
export function domainIdentity(domain: Domain): string {
  const keyed = Object.entries(domain.features)
    .filter(([, feature]) => isKeyed(feature))
    .map(([name, feature]) => [name, feature.kind, feature.kind === 'number' ? feature.edges : 0]);
  return JSON.stringify(domain.scope === undefined ? [domain.name, keyed] : [domain.name, keyed, domain.scope]);
}

/** Computes the signatures of requests of one domain. Make one per domain and thread, and keep it. */
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

  /**
   * Computes the signature of a request that passed `checkRequest`. Writes to `out`, so that a lookup allocates nothing. `sum`
   * is the sum of the hashes of the actions, if known.
   */
  sign(observation: Observation, actions: readonly string[], out: Signature, sum?: StringHash): Signature {
    const seed = this.#seed;
    begin();
    for (let i = 0; i < this.#features.length; i++) {
      pushFeature(this.#features[i] as Feature, observation[this.#names[i] as string]);
    }
    pushActions(actions, sum);
    hashFrom(0, seed[0] as number, seed[1] as number, seed[2] as number, seed[3] as number);
    return finished(out);
  }

  /**
   * Computes the fingerprint of what must be equal for two states to be similar: the action set, the categories, flags and sets
   * that are not `soft`, and which numbers are present.
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
    pushActions(actions);
    hashFrom(0, seed[1] as number, seed[2] as number, seed[3] as number, seed[0] as number);
    return finished(out);
  }

  /** Computes the fingerprint of the action set alone. */
  signActions(actions: readonly string[], out: Signature): Signature {
    const seed = this.#seed;
    begin();
    pushActions(actions);
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

/** Returns a word for the value of a category, flag or set: equal values have equal words. Used to compare soft features. */
export function valueWord(feature: Feature, value: FeatureValue | undefined): number {
  begin();
  pushFeature(feature, value);
  hashFrom(0, 0, 0, 0, 0);
  return h1;
}

/** Formats a signature as 32 hexadecimal digits, for maps, logs and files. */
export function signatureText(signature: Signature): string {
  let text = '';
  for (const word of signature) text += (word >>> 0).toString(16).padStart(8, '0');
  return text;
}
