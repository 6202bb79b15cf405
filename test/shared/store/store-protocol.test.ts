import { describe, expect, test } from 'vitest';
import { StoreWriter } from '../../../src/main/cache/store-writer.ts';
import { randomIndex, seededRandom } from '../../../src/shared/random.ts';
import type { Signature } from '../../../src/shared/signature.ts';
import { SLOT } from '../../../src/shared/store/store-layout.ts';
import { StoreReader } from '../../../src/shared/store/store-reader.ts';
import { decision, signatureOf } from '../../support/decisions.ts';
import { everyInterleaving } from '../../support/interleave.ts';

/*
 * The store protocol, twice. First as a model, step for step as in StoreWriter and StoreReader, small enough to run in
 * every order its steps can take. Then the real code, with the real writer's stores played between the real reader's
 * loads. Both are sequentially consistent, as Atomics are; test/threads runs the real thing on real threads.
 */

type Steps<T = void> = Generator<void, T>;

/** How much of a slot the model has. Fewer words, fewer orders. */
interface Shape {
  readonly keyWords: number;
  readonly payloadWords: number;
}

/** What a broken protocol leaves out or turns round. */
interface Flaws {
  readonly publishesFirst?: boolean;
  readonly checksOnce?: boolean;
}

const SLOT_WORDS = SLOT.PAYLOAD + 4;
const BUCKETS = 2;
const READ_TRIES = 2;
const CHAIN_STEPS_MAX = 6;

interface Entry {
  readonly key: number;
  readonly payload: readonly number[];
}

/** Every word of a payload names its key and its version, so that a mix is seen. */
function entry(key: number, version: number, length: number): Entry {
  return { key, payload: Array.from({ length }, (_, i) => key * 100 + version * 10 + i) };
}

function textOf(found: readonly number[] | undefined): string {
  return found === undefined ? 'miss' : found.join(' ');
}

/** The memory of the model: bucket heads, then slots with the real offsets. */
class ModelStore {
  readonly words = new Int32Array(BUCKETS + 4 * SLOT_WORDS);
  readonly #shape: Shape;
  readonly #flaws: Flaws;

  constructor(shape: Shape, flaws: Flaws = {}) {
    this.#shape = shape;
    this.#flaws = flaws;
  }

  static bucketOf(key: number): number {
    return key % BUCKETS;
  }

  #at(slot: number): number {
    return BUCKETS + slot * SLOT_WORDS;
  }

  /** StoreWriter.write, without the choice of the slot. */
  *write(slot: number, { key, payload }: Entry, isHeld: boolean): Steps {
    const { words } = this;
    const at = this.#at(slot);
    const sequence = words[at + SLOT.SEQUENCE] as number;
    yield;
    words[at + SLOT.SEQUENCE] = sequence + 1;
    for (let i = 0; i < this.#shape.keyWords; i++) {
      yield;
      words[at + SLOT.KEY + i] = key;
    }
    yield;
    words[at + SLOT.LENGTH] = payload.length;
    if (this.#flaws.publishesFirst) {
      yield;
      words[at + SLOT.SEQUENCE] = sequence + 2;
    }
    for (const [i, word] of payload.entries()) {
      yield;
      words[at + SLOT.PAYLOAD + i] = word;
    }
    if (!this.#flaws.publishesFirst) {
      yield;
      words[at + SLOT.SEQUENCE] = sequence + 2;
    }
    if (!isHeld) yield* this.#link(slot, ModelStore.bucketOf(key));
  }

  *#link(slot: number, bucket: number): Steps {
    const { words } = this;
    yield;
    words[this.#at(slot) + SLOT.NEXT] = words[bucket] as number;
    yield;
    words[bucket] = slot + 1;
  }

  /** StoreWriter.#retire. The writer's own loads are no steps: nobody else writes what it reads. */
  *retire(slot: number): Steps {
    const { words } = this;
    const at = this.#at(slot);
    let linkAt = ModelStore.bucketOf(words[at + SLOT.KEY] as number);
    while (words[linkAt] !== slot + 1) linkAt = this.#at((words[linkAt] as number) - 1) + SLOT.NEXT;
    yield;
    words[linkAt] = words[at + SLOT.NEXT] as number;
    const sequence = words[at + SLOT.SEQUENCE] as number;
    yield;
    words[at + SLOT.SEQUENCE] = sequence + 1;
    for (let i = 0; i < this.#shape.keyWords; i++) {
      yield;
      words[at + SLOT.KEY + i] = 0;
    }
    yield;
    words[at + SLOT.LENGTH] = 0;
    yield;
    words[at + SLOT.SEQUENCE] = sequence + 2;
  }

  *retireAndReuse(slot: number, next: Entry): Steps {
    yield* this.retire(slot);
    yield* this.write(slot, next, false);
  }

  /** StoreReader.find */
  *find(key: number): Steps<readonly number[] | undefined> {
    yield;
    let reference = this.words[ModelStore.bucketOf(key)] as number;
    for (let steps = 0; reference !== 0 && steps < CHAIN_STEPS_MAX; steps++) {
      const at = this.#at(reference - 1);
      if (yield* this.#hasKey(at, key)) {
        const found = yield* this.#read(at, key);
        if (found !== undefined) return found;
      }
      yield;
      reference = this.words[at + SLOT.NEXT] as number;
    }
    return undefined;
  }

  *#hasKey(at: number, key: number): Steps<boolean> {
    for (let i = 0; i < this.#shape.keyWords; i++) {
      yield;
      if (this.words[at + SLOT.KEY + i] !== key) return false;
    }
    return true;
  }

  /** StoreReader.#read */
  *#read(at: number, key: number): Steps<readonly number[] | undefined> {
    const { words } = this;
    for (let tries = 0; tries < READ_TRIES; tries++) {
      yield;
      const sequence = words[at + SLOT.SEQUENCE] as number;
      if ((sequence & 1) !== 0) continue;
      if (!(yield* this.#hasKey(at, key))) return undefined;
      yield;
      const length = words[at + SLOT.LENGTH] as number;
      if (length <= 0 || length > this.#shape.payloadWords) continue;
      const copy: number[] = [];
      for (let i = 0; i < length; i++) {
        yield;
        copy.push(words[at + SLOT.PAYLOAD + i] as number);
      }
      if (this.#flaws.checksOnce) return copy;
      yield;
      if (words[at + SLOT.SEQUENCE] === sequence) return copy;
    }
    return undefined;
  }
}

interface Scene {
  /** Default: keys of two words, payloads of up to two. */
  readonly shape?: Shape;
  readonly flaws?: Flaws;
  /** Written before anyone reads, the last one at the head of its chain. */
  readonly before: readonly (readonly [slot: number, entry: Entry])[];
  readonly writer: (store: ModelStore) => Steps;
  readonly readerKey: number;
}

/** What the reader finds, in all orders, and how many orders there are. */
function outcomes({ shape = { keyWords: 2, payloadWords: 2 }, flaws, before, writer, readerKey }: Scene): {
  found: Set<string>;
  runs: number;
} {
  const found = new Set<string>();
  const runs = everyInterleaving(() => {
    const store = new ModelStore(shape, flaws);
    for (const [slot, held] of before) for (const _ of store.write(slot, held, false));
    let outcome: readonly number[] | undefined;
    function* reader(): Steps {
      outcome = yield* store.find(readerKey);
    }
    return { threads: [writer(store), reader()], check: () => found.add(textOf(outcome)) };
  });
  return { found, runs };
}

function strangers(found: ReadonlySet<string>, allowed: ReadonlySet<string>): string[] {
  return [...found].filter((each) => !allowed.has(each));
}

/** The shortest slot, for scenes with many steps. */
const SHORT: Shape = { keyWords: 1, payloadWords: 2 };
/** In the bucket of 1, 3 and 5; 2 and 4 are in the other one. */
const OLD = entry(1, 1, 1);
const NEW = entry(1, 2, 2);
const OTHER = entry(3, 1, 2);
const ELSEWHERE = entry(2, 1, 2);

describe('the model, in every order', () => {
  test('a reader of a slot that is written over gets the whole old decision, the whole new one, or a miss', () => {
    const { found, runs } = outcomes({
      before: [[0, OLD]],
      writer: (store) => store.write(0, NEW, true),
      readerKey: 1,
    });
    expect(found).toEqual(new Set([textOf(OLD.payload), textOf(NEW.payload), 'miss']));
    expect(runs).toBeGreaterThan(5_000);
  });

  test('so does a reader of a slot that is written over twice', () => {
    const newest = entry(1, 3, 1);
    const { found } = outcomes({
      shape: SHORT,
      before: [[0, OLD]],
      *writer(store) {
        yield* store.write(0, NEW, true);
        yield* store.write(0, newest, true);
      },
      readerKey: 1,
    });
    expect(found).toEqual(new Set([OLD, NEW, newest].map(({ payload }) => textOf(payload)).concat('miss')));
  });

  test.each([
    ['of the same bucket', OTHER],
    ['of another bucket', ELSEWHERE],
  ])(
    'a reader whose slot is given to a key %s gets its old decision or a miss, never the other one',
    (_where, next) => {
      const { found } = outcomes({
        shape: SHORT,
        before: [[0, entry(1, 1, 2)]],
        writer: (store) => store.retireAndReuse(0, next),
        readerKey: 1,
      });
      expect(found).toEqual(new Set([textOf(entry(1, 1, 2).payload), 'miss']));
    },
  );

  test('a reader of the key that takes over a slot gets its whole decision or a miss, never the one before', () => {
    for (const next of [OTHER, ELSEWHERE]) {
      const { found } = outcomes({
        shape: SHORT,
        before: [[0, entry(1, 1, 2)]],
        writer: (store) => store.retireAndReuse(0, next),
        readerKey: next.key,
      });
      expect(found).toEqual(new Set([textOf(next.payload), 'miss']));
    }
  });

  test('a reader that follows a slot into another chain may miss what is there, and finds nothing that is not', () => {
    // 1 stands behind 3 in its chain, and the slot of 3 moves to the chain of 2, whose head was 4.
    const behind = entry(1, 1, 1);
    const { found } = outcomes({
      shape: { keyWords: 1, payloadWords: 1 },
      before: [
        [0, behind],
        [1, entry(3, 1, 1)],
        [2, entry(4, 1, 1)],
      ],
      writer: (store) => store.retireAndReuse(1, entry(2, 1, 1)),
      readerKey: 1,
    });
    expect(found).toEqual(new Set([textOf(behind.payload), 'miss']));
  });

  test('a decision that nobody touches is found in every order, while its neighbour in the chain is written over', () => {
    const { found } = outcomes({
      shape: SHORT,
      before: [
        [0, OLD],
        [1, entry(3, 1, 1)],
      ],
      writer: (store) => store.write(1, entry(3, 2, 2), true),
      readerKey: 1,
    });
    expect(found).toEqual(new Set([textOf(OLD.payload)]));
  });
});

describe('a broken model', () => {
  const allowed = new Set([textOf(OLD.payload), textOf(NEW.payload), 'miss']);
  const torn = (flaws: Flaws): string[] => {
    const scene: Scene = { before: [[0, OLD]], writer: (store) => store.write(0, NEW, true), readerKey: 1, flaws };
    return strangers(outcomes(scene).found, allowed);
  };

  test('tears when the even SEQUENCE is stored before the payload', () => {
    expect(torn({ publishesFirst: true })).not.toEqual([]);
  });

  test('tears when the second look at SEQUENCE is left out', () => {
    expect(torn({ checksOnce: true })).not.toEqual([]);
  });

  test('gives another key its payload when the second look is left out and the slot is reused', () => {
    const { found } = outcomes({
      shape: SHORT,
      flaws: { checksOnce: true },
      before: [[0, entry(1, 1, 2)]],
      writer: (store) => store.retireAndReuse(0, OTHER),
      readerKey: 1,
    });
    expect(found).toContain(textOf(OTHER.payload));
  });
});

type Store = readonly [word: number, value: number];
/** At this load of the reader, that many of the writer's stores have taken effect. */
type Switch = readonly [load: number, stores: number];

/** Puts other functions in the place of those of `Atomics`, for the length of a call. */
function withAtomics<T>(replaced: Partial<Record<'load' | 'store', unknown>>, run: () => T): T {
  const { load, store } = Atomics;
  Object.assign(Atomics, replaced);
  try {
    return run();
  } finally {
    Object.assign(Atomics, { load, store });
  }
}

const { load: realLoad, store: realStore } = Atomics;

/** The stores of the real writer, in their order. */
function storesOf(run: () => void): Store[] {
  const stores: Store[] = [];
  const store = (words: Int32Array, word: number, value: number): number => {
    stores.push([word, value]);
    return realStore(words, word, value);
  };
  withAtomics({ store }, run);
  return stores;
}

/** A race of the real reader with the recorded stores of the real writer. */
class Race {
  readonly stores: readonly Store[];
  readonly #buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #before: Int32Array;
  readonly #signature: Signature;
  /** Whether the reader has decoded what was there before. */
  readonly #isWarm: boolean;

  constructor(writer: StoreWriter, signature: Signature, isWarm: boolean, write: () => void) {
    this.#buffer = writer.buffer;
    this.#words = new Int32Array(writer.buffer);
    this.#before = this.#words.slice();
    this.#signature = signature;
    this.#isWarm = isWarm;
    this.stores = storesOf(write);
  }

  /** What the reader finds when the writer's stores take effect at these of its loads; the rest comes too late. */
  read(schedule: readonly Switch[], { stores = this.stores, checksOnce = false } = {}): string {
    const words = this.#words;
    words.set(this.#before);
    const reader = new StoreReader(this.#buffer);
    if (this.#isWarm) reader.find(this.#signature);
    let loads = 0;
    let stored = 0;
    let sequence: number | undefined;
    const sequences = [0, 1].map((slot) => reader.layout.slotsAt + slot * reader.layout.slotWords + SLOT.SEQUENCE);
    const load = (from: Int32Array, word: number): number => {
      for (const [at, upTo] of schedule) {
        for (; at <= loads && stored < upTo; stored++) realStore(words, ...(stores[stored] as Store));
      }
      loads++;
      const value = realLoad(from, word);
      if (!checksOnce || !sequences.includes(word) || (value & 1) !== 0) return value;
      // The second look sees what the first one saw.
      const seen = sequence ?? value;
      sequence = sequence === undefined ? value : undefined;
      return seen;
    };
    try {
      const found = withAtomics({ load }, () => reader.find(this.#signature));
      return found === undefined ? 'miss' : JSON.stringify(found.decision);
    } catch (error) {
      return `torn: ${String(error)}`;
    }
  }

  /** What is found when the writer works in two bursts, at any two loads of the reader, of any two lengths. */
  everyTwoBursts(options: { stores?: readonly Store[]; checksOnce?: boolean } = {}): Set<string> {
    const found = new Set<string>();
    for (let first = 0; first < LOADS_MAX; first++) {
      for (let second = first; second < LOADS_MAX; second++) {
        for (let some = 0; some <= this.stores.length; some++) {
          for (let more = some; more <= this.stores.length; more++) {
            found.add(
              this.read(
                [
                  [first, some],
                  [second, more],
                ],
                options,
              ),
            );
          }
        }
      }
    }
    return found;
  }

  /** What is found in random orders of all steps. */
  randomOrders(seed: number, runs: number): Set<string> {
    const random = seededRandom(seed);
    const found = new Set<string>();
    for (let run = 0; run < runs; run++) {
      const stride = 1 + randomIndex(random, 6);
      let stores = 0;
      const schedule = Array.from({ length: LOADS_MAX }, (_, load): Switch => {
        stores += randomIndex(random, stride + 1);
        return [load, Math.min(stores, this.stores.length)];
      });
      found.add(this.read(schedule));
    }
    return found;
  }
}

/** The head, twice the key, and one whole read of the payloads below; tries after the first are cut off here. */
const LOADS_MAX = 26;

function short(letter: string, length: number) {
  const action = letter.repeat(4);
  return decision({ action, model: letter.repeat(2), reason: letter.repeat(length), decidedAtMs: 0, tally: [] });
}

const FIRST = short('a', 9);
const SECOND = short('b', 5);

describe.each([
  ['that reads for the first time', false],
  ['that has decoded the old decision', true],
])('the real writer and a real reader %s', (_who, isWarm) => {
  function writtenOver(): Race {
    const writer = new StoreWriter(2);
    writer.write(signatureOf(1, 0), FIRST, 1_000);
    return new Race(writer, signatureOf(1, 0), isWarm, () => void writer.write(signatureOf(1, 0), SECOND, 2_000));
  }

  function reused(): Race {
    const writer = new StoreWriter(1);
    writer.write(signatureOf(1, 0), FIRST, 1_000);
    return new Race(writer, signatureOf(1, 0), isWarm, () => void writer.write(signatureOf(2, 0), SECOND, 2_000));
  }

  test('give the whole old decision, the whole new one or a miss, where the slot is written over', () => {
    const race = writtenOver();
    const allowed = new Set([JSON.stringify(FIRST), JSON.stringify(SECOND), 'miss']);
    expect(race.everyTwoBursts()).toEqual(allowed);
    expect(strangers(race.randomOrders(1, 20_000), allowed)).toEqual([]);
  });

  test('give the old decision or a miss, where the slot is given to another key', () => {
    const race = reused();
    const allowed = new Set([JSON.stringify(FIRST), 'miss']);
    expect(race.everyTwoBursts()).toEqual(allowed);
    expect(strangers(race.randomOrders(2, 20_000), allowed)).toEqual([]);
  });
});

describe('the real reader', () => {
  const writer = new StoreWriter(2);
  writer.write(signatureOf(1, 0), FIRST, 1_000);
  const race = new Race(writer, signatureOf(1, 0), false, () => void writer.write(signatureOf(1, 0), SECOND, 2_000));
  const allowed = new Set([JSON.stringify(FIRST), JSON.stringify(SECOND), 'miss']);

  test('tears when the even SEQUENCE is stored before the payload', () => {
    const published = race.stores.at(-1) as Store;
    const at = race.stores.findIndex(([word]) => word === published[0] + SLOT.PAYLOAD);
    const stores = [...race.stores.slice(0, at), published, ...race.stores.slice(at, -1)];
    const found = race.everyTwoBursts({ stores });
    expect(strangers(found, allowed)).not.toEqual([]);
  });

  test('tears when its second look at SEQUENCE sees what the first one saw', () => {
    const found = race.everyTwoBursts({ checksOnce: true });
    expect(strangers(found, allowed)).not.toEqual([]);
  });
});
