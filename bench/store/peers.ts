import { LRUCache } from 'lru-cache';
import { skyrim } from '../../src/main/index.ts';
import type { Decision } from '../../src/shared/decision.ts';
import type { Feature, NumberFeature } from '../../src/shared/domain.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { decisionOf } from './states.ts';

/** What the store is compared with: a `Map`, `lru-cache`, and the cache that a user would write with it. */
export interface HeldEntry {
  readonly decision: Decision;
  readonly expiresAtMs: number;
}
export type EntryMap = Map<string, HeldEntry>;
export type EntryLru = LRUCache<string, HeldEntry>;

const TTL_MS = 3_600_000;

export function heldEntries(count: number): HeldEntry[] {
  return Array.from({ length: count }, (_, i) => ({ decision: decisionOf(i), expiresAtMs: TTL_MS }));
}

export function fillMap(keys: readonly string[], entries: readonly HeldEntry[]): EntryMap {
  return new Map(keys.map((key, i) => [key, entries[i] as HeldEntry]));
}

export function fillLru(keys: readonly string[], entries: readonly HeldEntry[]): EntryLru {
  const lru: EntryLru = new LRUCache({ max: keys.length, ttl: TTL_MS });
  keys.forEach((key, i) => {
    lru.set(key, entries[i] as HeldEntry);
  });
  return lru;
}

/** The strings of `keys`, or equal ones, in the order in which they will be asked for. */
export function textsInOrder(keys: readonly string[], order: Int32Array): string[] {
  return Array.from(order, (index) => keys[index] as string);
}

function missed(): never {
  throw new Error('an entry was not found');
}

export function readMap(map: EntryMap, ordered: readonly string[], from: number, to: number): number {
  let chars = 0;
  for (let i = from; i < to; i++) {
    const entry = map.get(ordered[i] as string);
    if (entry === undefined) return missed();
    chars += entry.decision.action.length;
  }
  return chars;
}

/** With a key that was made for this read, so that its hash is not known yet. `text` holds the keys one after another. */
export function readMapFresh(map: EntryMap, text: string, keyChars: number): number {
  let chars = 0;
  for (let at = 0; at < text.length; at += keyChars) {
    const entry = map.get(text.slice(at, at + keyChars));
    if (entry === undefined) return missed();
    chars += entry.decision.action.length;
  }
  return chars;
}

export function readLru(lru: EntryLru, ordered: readonly string[], from: number, to: number): number {
  let chars = 0;
  for (let i = from; i < to; i++) {
    const entry = lru.get(ordered[i] as string);
    if (entry === undefined) return missed();
    chars += entry.decision.action.length;
  }
  return chars;
}

export function readLruFresh(lru: EntryLru, text: string, keyChars: number): number {
  let chars = 0;
  for (let at = 0; at < text.length; at += keyChars) {
    const entry = lru.get(text.slice(at, at + keyChars));
    if (entry === undefined) return missed();
    chars += entry.decision.action.length;
  }
  return chars;
}

function bucketOf({ edges }: NumberFeature, value: number): number {
  const bucket = edges.findIndex((edge) => value < edge);
  return bucket < 0 ? edges.length : bucket;
}

const FEATURES = Object.entries<Feature>(skyrim.features);

/** The key by hand: the features that decide, numbers by bucket, and the actions in one order. */
function stateKey({ observation, actions }: PlanRequest): string {
  const bucketed: Record<string, unknown> = {};
  for (const [name, feature] of FEATURES) {
    const value = observation[name];
    if (value === undefined || feature.kind === 'text' || feature.kind === 'image') continue;
    if (feature.kind === 'number') bucketed[name] = bucketOf(feature, value as number);
    else if (feature.kind === 'set') bucketed[name] = [...(value as readonly string[])].sort();
    else bucketed[name] = value;
  }
  return JSON.stringify([bucketed, [...actions].sort()]);
}

/** The cache of a user without this library: it checks nothing, and no other thread can read it. */
export class UsersCache {
  readonly #held: LRUCache<string, Decision>;

  constructor(max: number) {
    this.#held = new LRUCache({ max, ttl: TTL_MS });
  }

  remember(request: PlanRequest, decision: Decision): void {
    this.#held.set(stateKey(request), decision);
  }

  peek(request: PlanRequest): Decision | undefined {
    return this.#held.get(stateKey(request));
  }

  async plan(request: PlanRequest): Promise<Decision> {
    return this.peek(request) ?? missed();
  }
}

export async function planAllByHand(
  cache: UsersCache,
  requests: readonly PlanRequest[],
  order: Int32Array,
): Promise<number> {
  let chars = 0;
  for (let i = 0; i < order.length; i++) {
    const decision = await cache.plan(requests[order[i] as number] as PlanRequest);
    chars += decision.action.length;
  }
  return chars;
}

export function peekAllByHand(cache: UsersCache, requests: readonly PlanRequest[], order: Int32Array): number {
  let chars = 0;
  for (let i = 0; i < order.length; i++) {
    const decision = cache.peek(requests[order[i] as number] as PlanRequest);
    if (decision === undefined) return missed();
    chars += decision.action.length;
  }
  return chars;
}
