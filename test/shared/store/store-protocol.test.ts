import { describe, expect, test } from 'vitest';
import { SLOT } from '../../../src/shared/store/store-layout.ts';
import { everyInterleaving } from '../../support/interleave.ts';

/*
 * The store protocol as a model, step for step as in StoreWriter and StoreReader, small enough to run in every order its
 * steps can take. One step is one access to shared memory, plain ones too. Sequentially consistent: what a weaker memory
 * adds is in store-weak-memory.test.ts, the real code in store-race.test.ts, the real thing in test/threads.
 */

type Steps<T = void> = Generator<void, T>;

/** How much of a slot the model has. Fewer words, fewer orders. EXPIRES is read and written as the payload is. */
interface Shape {
  readonly keyWords: number;
  readonly payloadWords: number;
  readonly readTries: number;
}

/** What a broken protocol leaves out or turns round. */
interface Flaws {
  /** The writer stores the even SEQUENCE before the payload. */
  readonly publishesFirst?: boolean;
  /** The writer leaves SEQUENCE even while it writes. */
  readonly opensWithoutMark?: boolean;
  /** The writer stores the head of the chain before the NEXT of the slot that it names. */
  readonly linksHeadFirst?: boolean;
  /** The reader does not look at SEQUENCE after it has copied. */
  readonly checksOnce?: boolean;
  /** The reader looks at SEQUENCE twice, and copies then. */
  readonly validatesFirst?: boolean;
  /** The reader copies while SEQUENCE is odd, too. */
  readonly takesOdd?: boolean;
  /** The reader takes the key from its first look, which is not validated. */
  readonly trustsFirstLook?: boolean;
  /** The reader does not ask whether what it holds decoded is still there. */
  readonly trustsHeld?: boolean;
}

const SLOTS = 4;
const SLOT_WORDS = SLOT.PAYLOAD + 2;
const BUCKETS = 2;
const CHAIN_STEPS_MAX = 3;

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

/** The memory of the model: bucket heads, then the SEQUENCE words, then slots with the real offsets. */
class ModelStore {
  readonly words = new Int32Array(BUCKETS + SLOTS + SLOTS * SLOT_WORDS);
  readonly shape: Shape;
  readonly #flaws: Flaws;

  constructor(shape: Shape, flaws: Flaws = {}) {
    this.shape = shape;
    this.#flaws = flaws;
  }

  static bucketOf(key: number): number {
    return key % BUCKETS;
  }

  at(slot: number): number {
    return BUCKETS + SLOTS + slot * SLOT_WORDS;
  }

  sequenceAt(slot: number): number {
    return BUCKETS + slot;
  }

  /** StoreWriter.write, without the choice of the slot. */
  *write(slot: number, { key, payload }: Entry, isHeld: boolean): Steps {
    const { words } = this;
    const at = this.at(slot);
    const sequence = yield* this.#open(slot);
    yield* this.#writeKey(at, key);
    yield;
    words[at + SLOT.LENGTH] = payload.length;
    if (this.#flaws.publishesFirst) yield* this.#close(slot, sequence);
    for (const [i, word] of payload.entries()) {
      yield;
      words[at + SLOT.PAYLOAD + i] = word;
    }
    if (!this.#flaws.publishesFirst) yield* this.#close(slot, sequence);
    if (!isHeld) yield* this.#link(slot, ModelStore.bucketOf(key));
  }

  /** StoreWriter.#retire. The writer's own loads are no steps: nobody else writes what it reads. */
  *retire(slot: number): Steps {
    const { words } = this;
    const at = this.at(slot);
    let linkAt = ModelStore.bucketOf(words[at + SLOT.KEY] as number);
    while (words[linkAt] !== slot + 1) linkAt = this.at((words[linkAt] as number) - 1) + SLOT.NEXT;
    yield;
    words[linkAt] = words[at + SLOT.NEXT] as number;
    const sequence = yield* this.#open(slot);
    yield* this.#writeKey(at, 0);
    yield;
    words[at + SLOT.LENGTH] = 0;
    yield* this.#close(slot, sequence);
  }

  *retireAndReuse(slot: number, next: Entry): Steps {
    yield* this.retire(slot);
    yield* this.write(slot, next, false);
  }

  *#open(slot: number): Steps<number> {
    const sequence = this.words[this.sequenceAt(slot)] as number;
    if (!this.#flaws.opensWithoutMark) {
      yield;
      this.words[this.sequenceAt(slot)] = sequence + 1;
    }
    return sequence;
  }

  *#close(slot: number, sequence: number): Steps {
    yield;
    this.words[this.sequenceAt(slot)] = sequence + 2;
  }

  *#writeKey(at: number, key: number): Steps {
    for (let i = 0; i < this.shape.keyWords; i++) {
      yield;
      this.words[at + SLOT.KEY + i] = key;
    }
  }

  *#link(slot: number, bucket: number): Steps {
    const { words } = this;
    const head = words[bucket] as number;
    yield;
    if (this.#flaws.linksHeadFirst) words[bucket] = slot + 1;
    else words[this.at(slot) + SLOT.NEXT] = head;
    yield;
    // The other one: the first is what it is already.
    words[this.at(slot) + SLOT.NEXT] = head;
    words[bucket] = slot + 1;
  }
}

interface Held {
  readonly slot: number;
  readonly sequence: number;
  readonly key: readonly number[];
  readonly payload: readonly number[];
}

class ModelReader {
  readonly #store: ModelStore;
  readonly #flaws: Flaws;
  readonly #held = new Map<number, Held>();

  constructor(store: ModelStore, flaws: Flaws = {}) {
    this.#store = store;
    this.#flaws = flaws;
  }

  /** StoreReader.#find and #search */
  *find(key: number): Steps<readonly number[] | undefined> {
    const { words } = this.#store;
    const held = this.#held.get(key);
    if (held !== undefined) {
      if (this.#flaws.trustsHeld) return held.payload;
      yield;
      if (words[this.#store.sequenceAt(held.slot)] === held.sequence) return held.payload;
    }
    yield;
    let reference = words[ModelStore.bucketOf(key)] as number;
    for (let steps = 0; reference !== 0 && steps < CHAIN_STEPS_MAX; steps++) {
      const slot = reference - 1;
      yield;
      if (words[this.#store.at(slot) + SLOT.KEY] === key) {
        const found = yield* this.#read(slot);
        if (found !== undefined && (this.#flaws.trustsFirstLook || found.key.every((word) => word === key))) {
          this.#held.set(key, found);
          return found.payload;
        }
      }
      yield;
      reference = words[this.#store.at(slot) + SLOT.NEXT] as number;
    }
    return undefined;
  }

  /** StoreReader.#read */
  *#read(slot: number): Steps<Held | undefined> {
    const { words } = this.#store;
    const sequenceAt = this.#store.sequenceAt(slot);
    for (let tries = 0; tries < this.#store.shape.readTries; tries++) {
      yield;
      const sequence = words[sequenceAt] as number;
      if ((sequence & 1) !== 0 && !this.#flaws.takesOdd) continue;
      if (this.#flaws.validatesFirst) {
        yield;
        if (words[sequenceAt] !== sequence) continue;
      }
      const copy = yield* this.#copy(slot, sequence);
      if (!this.#flaws.validatesFirst && !this.#flaws.checksOnce) {
        // The add of nothing: one step, and in this memory no more than a load.
        yield;
        if (words[sequenceAt] !== sequence) continue;
      }
      return copy.payload.length === 0 ? undefined : copy;
    }
    return undefined;
  }

  *#copy(slot: number, sequence: number): Steps<Held> {
    const at = this.#store.at(slot);
    const { words, shape } = this.#store;
    const key: number[] = [];
    for (let i = 0; i < shape.keyWords; i++) {
      yield;
      key.push(words[at + SLOT.KEY + i] as number);
    }
    yield;
    const length = words[at + SLOT.LENGTH] as number;
    const payload: number[] = [];
    for (let i = 0; i < length; i++) {
      yield;
      payload.push(words[at + SLOT.PAYLOAD + i] as number);
    }
    return { slot, sequence, key, payload };
  }
}

interface Scene {
  /** Default: keys of two words, payloads of up to two, two tries. */
  readonly shape?: Shape;
  readonly flaws?: Flaws;
  /** Written before anyone reads, the last one at the head of its chain. */
  readonly before: readonly (readonly [slot: number, entry: Entry])[];
  readonly writer: (store: ModelStore) => Steps;
  readonly readerKey: number;
  /** Whether the reader has decoded what was there before. */
  readonly isWarm?: boolean;
  /** How often the reader looks. */
  readonly finds?: number;
}

/** Added to what was found by a look that began when everything was written. */
const AFTERWARDS = ' afterwards';

/** What the reader finds, in all orders, and how many orders there are. */
function outcomes(scene: Scene): { found: Set<string>; runs: number } {
  const {
    shape = { keyWords: 2, payloadWords: 2, readTries: 2 },
    flaws,
    before,
    readerKey,
    isWarm = false,
    finds = 1,
  } = scene;
  const found = new Set<string>();
  const runs = everyInterleaving(() => {
    const store = new ModelStore(shape, flaws);
    for (const [slot, held] of before) for (const _ of store.write(slot, held, false));
    const modelReader = new ModelReader(store, flaws);
    if (isWarm) for (const _ of modelReader.find(readerKey));
    let isWritten = false;
    const outcome: string[] = [];
    function* writer(): Steps {
      yield* scene.writer(store);
      isWritten = true;
    }
    function* reader(): Steps {
      for (let i = 0; i < finds; i++) {
        // Up to the first access, before which the look begins.
        const look = modelReader.find(readerKey);
        const first = look.next();
        yield;
        const when = isWritten ? AFTERWARDS : '';
        outcome.push(textOf(first.done ? first.value : yield* look) + when);
      }
    }
    return { threads: [writer(), reader()], check: () => found.add(outcome.join(', ')) };
  });
  return { found, runs };
}

function strangers(found: ReadonlySet<string>, allowed: ReadonlySet<string>): string[] {
  return [...found].filter((each) => !allowed.has(each));
}

/** Each of `during`, and `afterwards` by who looks when all is written. */
function allowing(during: readonly (Entry | 'miss')[], afterwards: Entry | 'miss'): Set<string> {
  const text = (each: Entry | 'miss'): string => (each === 'miss' ? each : textOf(each.payload));
  return new Set([...during.map(text), text(afterwards) + AFTERWARDS]);
}

/** The shortest slot, for scenes with many steps. */
const SHORT: Shape = { keyWords: 1, payloadWords: 2, readTries: 1 };
const SHORTEST: Shape = { keyWords: 1, payloadWords: 1, readTries: 1 };
/** In the bucket of 1, 3 and 5; 2 and 4 are in the other one. */
const OLD = entry(1, 1, 1);
const NEW = entry(1, 2, 2);
const OTHER = entry(3, 1, 1);
const ELSEWHERE = entry(2, 1, 1);

const writtenOver: Scene = { before: [[0, OLD]], writer: (store) => store.write(0, NEW, true), readerKey: 1 };

function reused(next: Entry): Scene {
  return {
    shape: SHORTEST,
    before: [[0, OLD]],
    writer: (store) => store.retireAndReuse(0, next),
    readerKey: 1,
  };
}

describe('the model, in every order', () => {
  test.each([false, true])(
    'gives a reader of a slot that is written over the whole old decision, the whole new one, or a miss (warm: %s)',
    (isWarm) => {
      const { found, runs } = outcomes({ ...writtenOver, isWarm });
      expect(found).toEqual(allowing([OLD, NEW, 'miss'], NEW));
      expect(runs).toBeGreaterThan(isWarm ? 500 : 4_000);
    },
  );

  test('gives the same where the slot is written over twice', () => {
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
    expect(found).toEqual(allowing([OLD, NEW, newest, 'miss'], newest));
  });

  test.each([
    ['of the same bucket', OTHER, false],
    ['of another bucket', ELSEWHERE, false],
    ['of the same bucket', OTHER, true],
    ['of another bucket', ELSEWHERE, true],
  ])('gives a reader whose slot goes to a key %s its old decision or a miss (%o, warm: %s)', (_where, next, isWarm) => {
    const { found } = outcomes({ ...reused(next), isWarm });
    expect(found).toEqual(allowing([OLD, 'miss'], 'miss'));
  });

  test('gives a reader of the key that takes over a slot its whole decision or a miss, never the one before', () => {
    for (const next of [OTHER, ELSEWHERE]) {
      const { found } = outcomes({ ...reused(next), readerKey: next.key });
      expect(strangers(found, allowing([next, 'miss'], next))).toEqual([]);
      expect(found).toContain(textOf(next.payload) + AFTERWARDS);
    }
  });

  test('never gives a reader an older decision than the one it had', () => {
    const [old, next] = [entry(1, 1, 1), entry(1, 2, 1)];
    const { found } = outcomes({
      shape: SHORTEST,
      before: [[0, old]],
      writer: (store) => store.write(0, next, true),
      readerKey: 1,
      finds: 2,
    });
    const orders = [...found].map((each) => each.replaceAll(AFTERWARDS, ''));
    expect(orders).toContain(`${textOf(old.payload)}, ${textOf(next.payload)}`);
    expect(orders).not.toContain(`${textOf(next.payload)}, ${textOf(old.payload)}`);
    expect([...found].filter((each) => each.endsWith(AFTERWARDS) && !each.includes(`, ${next.payload}`))).toEqual([]);
  });

  test('may let a reader that follows a slot into another chain miss what is there, and find nothing else', () => {
    // 1 stands behind 3 in its chain, and the slot of 3 moves to the chain of 2, whose head was 4.
    const behind = entry(1, 1, 1);
    const { found } = outcomes({
      shape: SHORTEST,
      before: [
        [0, behind],
        [1, entry(3, 1, 1)],
        [2, entry(4, 1, 1)],
      ],
      writer: (store) => store.retireAndReuse(1, entry(2, 1, 1)),
      readerKey: 1,
    });
    expect(found).toEqual(allowing([behind, 'miss'], behind));
  });

  test('lets a decision that nobody touches be found in every order, while its neighbour is written over', () => {
    const { found } = outcomes({
      shape: SHORT,
      before: [
        [0, OLD],
        [1, entry(3, 1, 1)],
      ],
      writer: (store) => store.write(1, entry(3, 2, 2), true),
      readerKey: 1,
    });
    expect(found).toEqual(allowing([OLD], OLD));
  });

  test('lets it be found in every order, too, while a new key is put before it in its chain', () => {
    const { found } = outcomes({
      shape: SHORT,
      before: [[0, OLD]],
      writer: (store) => store.write(1, OTHER, false),
      readerKey: 1,
    });
    expect(found).toEqual(allowing([OLD], OLD));
  });
});

describe('a broken model', () => {
  test.each<[string, Flaws]>([
    ['the even SEQUENCE is stored before the payload', { publishesFirst: true }],
    ['SEQUENCE stays even during a write', { opensWithoutMark: true }],
    ['a reader takes an odd SEQUENCE', { takesOdd: true }],
    ['the second look at SEQUENCE is left out', { checksOnce: true }],
    ['the second look at SEQUENCE comes before the copy', { validatesFirst: true }],
  ])('tears when %s', (_what, flaws) => {
    const { found } = outcomes({ ...writtenOver, flaws });
    expect(strangers(found, allowing([OLD, NEW, 'miss'], NEW))).not.toEqual([]);
  });

  test.each<[string, Flaws]>([
    ['the second look at SEQUENCE is left out', { checksOnce: true }],
    ['the key is looked at before the copy only', { trustsFirstLook: true }],
  ])('gives another key its payload when %s', (_what, flaws) => {
    const { found } = outcomes({ ...reused(OTHER), flaws });
    expect(found).toContain(textOf(OTHER.payload));
  });

  test('hides what is there when the head of its chain is stored before the NEXT of the slot that it names', () => {
    const { found } = outcomes({
      shape: SHORT,
      flaws: { linksHeadFirst: true },
      before: [[0, OLD]],
      writer: (store) => store.write(1, OTHER, false),
      readerKey: 1,
    });
    expect(found).toContain('miss');
  });

  test('gives what is gone, long afterwards, when a held decision is not asked after', () => {
    const { found } = outcomes({ ...reused(OTHER), isWarm: true, flaws: { trustsHeld: true } });
    expect(found).toContain(textOf(OLD.payload) + AFTERWARDS);
  });
});
