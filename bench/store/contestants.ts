import { StoreWriter } from '../../src/main/cache/store-writer.ts';
import { createPlanner, type Planner, skyrim } from '../../src/main/index.ts';
import type { Decision } from '../../src/shared/decision.ts';
import type { PlanRequest } from '../../src/shared/plan-request.ts';
import { SIGNATURE_WORDS, type Signature, Signer, signatureText } from '../../src/shared/signature.ts';
import { StoreReader } from '../../src/shared/store/store-reader.ts';
import { plannerOptions } from '../contestants/conclave.ts';
import { decisionOf, ownText, States } from './states.ts';

/**
 * Every use that the store's benches make of the store, the cache and the planner. The loops that are timed are here
 * too, one a function, so that the compiler sees one kind of contestant in each.
 */
/** The clock value of every read. */
export const NOW_MS = 1_000;
const EXPIRES_MS = 10 ** 12;

/** Signatures of states one after another, four words each. */
export type Keys = Int32Array;

export function signStates(count: number): Keys {
  const signer = new Signer(skyrim);
  const states = new States();
  const keys = new Int32Array(count * SIGNATURE_WORDS);
  for (let i = 0; i < count; i++) {
    const { observation, actions } = states.at(i);
    signer.sign(observation, actions, keys.subarray(i * SIGNATURE_WORDS, (i + 1) * SIGNATURE_WORDS));
  }
  return keys;
}

export function keyAt(keys: Keys, index: number): Signature {
  return keys.slice(index * SIGNATURE_WORDS, (index + 1) * SIGNATURE_WORDS);
}

export function keyTexts(keys: Keys): string[] {
  return Array.from({ length: keys.length / SIGNATURE_WORDS }, (_, i) => ownText(signatureText(keyAt(keys, i))));
}

/** The keys as they will be asked for. A read finds its key in the processor's cache, as it does after `sign`. */
export function inOrder(keys: Keys, order: Int32Array): Keys {
  const ordered = new Int32Array(order.length * SIGNATURE_WORDS);
  order.forEach((index, i) => {
    ordered.set(keys.subarray(index * SIGNATURE_WORDS, (index + 1) * SIGNATURE_WORDS), i * SIGNATURE_WORDS);
  });
  return ordered;
}

export interface FilledStore {
  readonly buffer: SharedArrayBuffer;
  /** Holds the private memory of the writer. */
  readonly writer: StoreWriter;
  /** Decisions that were cut to fit their slot. */
  readonly cut: number;
}

/** A store of the states 0 to `count` less one, full to its last slot. */
export function fillStore(keys: Keys): FilledStore {
  const count = keys.length / SIGNATURE_WORDS;
  const writer = new StoreWriter(count);
  let cut = 0;
  for (let i = 0; i < count; i++) {
    const outcome = writer.write(keyAt(keys, i), decisionOf(i), EXPIRES_MS);
    if (outcome.kind === 'stored' && outcome.cut) cut++;
  }
  return { buffer: writer.buffer, writer, cut };
}

export function openReader(buffer: SharedArrayBuffer): StoreReader {
  return new StoreReader(buffer);
}

const signature: Signature = new Int32Array(SIGNATURE_WORDS);

function missed(): never {
  throw new Error('a stored decision was not found');
}

/** Reads the ordered keys from `from` to before `to`. The characters of the actions read. */
export function readStore(reader: StoreReader, ordered: Keys, from: number, to: number): number {
  let chars = 0;
  for (let i = from; i < to; i++) {
    const at = i * SIGNATURE_WORDS;
    signature[0] = ordered[at] as number;
    signature[1] = ordered[at + 1] as number;
    signature[2] = ordered[at + 2] as number;
    signature[3] = ordered[at + 3] as number;
    const lookup = reader.lookup(signature, NOW_MS);
    if (lookup.kind !== 'hit') return missed();
    chars += lookup.entry.decision.action.length;
  }
  return chars;
}

/** The same from the request: signature and lookup. */
export class RequestReader {
  readonly #signer = new Signer(skyrim);
  readonly #states = new States();
  readonly #reader: StoreReader;

  constructor(buffer: SharedArrayBuffer) {
    this.#reader = openReader(buffer);
  }

  read(order: Int32Array, from: number, to: number): number {
    let chars = 0;
    for (let i = from; i < to; i++) {
      const { observation, actions } = this.#states.at(order[i] as number);
      const lookup = this.#reader.lookup(this.#signer.sign(observation, actions, signature), NOW_MS);
      if (lookup.kind !== 'hit') return missed();
      chars += lookup.entry.decision.action.length;
    }
    return chars;
  }
}

/** One read as the host thread and the coordinator make it for comlink. */
export function readAction(reader: StoreReader, key: Signature): Decision {
  const lookup = reader.lookup(key, NOW_MS);
  return lookup.kind === 'hit' ? lookup.entry.decision : missed();
}

/** A decision in which every part carries its number, and its key's. */
function sealedDecision(key: number, number: number): Decision {
  const name = `do ${number}`;
  return {
    action: name,
    // Of many lengths, so that the words of two versions stand in different places.
    reason: `${key} ${number} ${'.'.repeat(number % 97)} ${number}`,
    source: 'synthesis',
    model: name,
    decidedAtMs: number,
    latencyMs: number % 65_536,
    tally: [{ action: name, count: number % 65_536, weight: number % 4_096 }],
  };
}

function isWhole(decision: Decision, expiresAtMs: number, key: number): boolean {
  const number = decision.decidedAtMs;
  const sealed = sealedDecision(key, number);
  const [tally] = decision.tally;
  const [sealedTally] = sealed.tally;
  return (
    expiresAtMs === EXPIRES_MS + number &&
    decision.action === sealed.action &&
    decision.reason === sealed.reason &&
    decision.model === sealed.model &&
    decision.latencyMs === sealed.latencyMs &&
    decision.tally.length === 1 &&
    tally?.action === sealedTally?.action &&
    tally?.count === sealedTally?.count &&
    tally?.weight === sealedTally?.weight
  );
}

/** Rewrites sealed decisions of random keys, as fast as one thread can. With fewer slots than keys it evicts as well. */
export class SealedWriter {
  readonly #writer: StoreWriter;
  readonly #keys: readonly Signature[];
  #number = 0;

  constructor(slots: number, keys: Keys) {
    this.#writer = new StoreWriter(slots);
    this.#keys = Array.from({ length: keys.length / SIGNATURE_WORDS }, (_, i) => keyAt(keys, i));
  }

  get buffer(): SharedArrayBuffer {
    return this.#writer.buffer;
  }

  write(key: number): void {
    this.#number++;
    const decision = sealedDecision(key, this.#number);
    this.#writer.write(this.#keys[key] as Signature, decision, EXPIRES_MS + this.#number);
  }
}

export interface SealedCounts {
  reads: number;
  misses: number;
  /** Reads that found another decision than this thread's last read of the key. */
  changed: number;
  /** Decisions mixed of two writes, of another key, or not readable at all. */
  torn: number;
}

/** Reads sealed decisions and judges each one that it has not judged before. */
export class SealedReader {
  readonly #reader: StoreReader;
  readonly #keys: readonly Signature[];
  readonly #last: (Decision | undefined)[];
  readonly counts: SealedCounts = { reads: 0, misses: 0, changed: 0, torn: 0 };

  constructor(buffer: SharedArrayBuffer, keys: Keys) {
    this.#reader = openReader(buffer);
    this.#keys = Array.from({ length: keys.length / SIGNATURE_WORDS }, (_, i) => keyAt(keys, i));
    this.#last = this.#keys.map(() => undefined);
  }

  read(key: number): void {
    const { counts } = this;
    counts.reads++;
    try {
      const lookup = this.#reader.lookup(this.#keys[key] as Signature, NOW_MS);
      if (lookup.kind === 'miss') {
        counts.misses++;
        return;
      }
      const { decision, expiresAtMs } = lookup.entry;
      const last = this.#last[key];
      if (decision === last) return;
      if (decision.decidedAtMs !== last?.decidedAtMs) counts.changed++;
      this.#last[key] = decision;
      if (!isWhole(decision, expiresAtMs, key)) counts.torn++;
    } catch {
      counts.torn++;
    }
  }
}

export type StreamReader = 'coordinator' | 'another reader';

/** A store for a stream of signatures: whether each was there; it is written where it was not. */
export class StoreOfStream {
  readonly #writer: StoreWriter;
  readonly #reader: StoreReader;
  readonly #readByCoordinator: boolean;
  readonly #decision = decisionOf(0);

  constructor(entries: number, readBy: StreamReader) {
    this.#writer = new StoreWriter(entries);
    this.#readByCoordinator = readBy === 'coordinator';
    this.#reader = new StoreReader(this.#writer.buffer, { marksTouched: !this.#readByCoordinator });
  }

  ask(key: Signature): boolean {
    const lookup = this.#reader.lookup(key, NOW_MS);
    if (lookup.kind === 'hit') {
      // As the planner's cache does: its own reads are in exact order, those of others leave a mark.
      if (this.#readByCoordinator) this.#writer.touch(lookup.entry.slot);
      return true;
    }
    this.#writer.write(key, this.#decision, EXPIRES_MS);
    return false;
  }
}

/**
 * A planner whose plans are remembered for as long as the bench runs. Only the same state hits, so that each is stored,
 * no hit is asked again in the background (that is model work, on the same processor), an agent that by chance asks three
 * times in a row in one state, or comes back to it, is served all the same (what it did last is noted even so), and so is
 * an answer of low value.
 */
export function startPlanner(baseURL: string, entries: number): Promise<Planner> {
  return createPlanner({
    ...plannerOptions(baseURL),
    cache: {
      entries,
      ttlMs: 3_600_000,
      similar: false,
      checkShare: 0,
      loopGuard: false,
      cycleGuard: false,
      valuesMin: false,
    },
  });
}

export async function planAll(planner: Planner, requests: readonly PlanRequest[], order: Int32Array): Promise<number> {
  let chars = 0;
  for (let i = 0; i < order.length; i++) {
    const plan = await planner.plan(requests[order[i] as number] as PlanRequest);
    if (plan.source !== 'cache') return missed();
    chars += plan.action.length;
  }
  return chars;
}

export function peekAll(planner: Planner, requests: readonly PlanRequest[], order: Int32Array): number {
  let chars = 0;
  for (let i = 0; i < order.length; i++) {
    const decision = planner.peek(requests[order[i] as number] as PlanRequest);
    if (decision === undefined) return missed();
    chars += decision.action.length;
  }
  return chars;
}
