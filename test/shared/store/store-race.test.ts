import { describe, expect, test } from 'vitest';
import { StoreWriter } from '../../../src/main/cache/store-writer.ts';
import type { Decision } from '../../../src/shared/decision.ts';
import { randomIndex, seededRandom } from '../../../src/shared/random.ts';
import type { Signature } from '../../../src/shared/signature.ts';
import { COUNTER_BLOCKS, SLOT, type StoreLayout } from '../../../src/shared/store/store-layout.ts';
import { StoreReader } from '../../../src/shared/store/store-reader.ts';
import { decision, signatureOf } from '../../support/decisions.ts';
import { type Access, tapped, untapped, withTap } from './tapped-words.ts';

/*
 * The real writer against the real reader on one thread: what the writer writes is recorded once and played between the
 * reader's accesses. One step is one access, plain ones too, since both sides work on tapped words (tapped-words.ts); so
 * all is sequentially consistent, and an add of 0 is no more here than a load. The writer's accesses do not depend on the
 * reader's, but for its marks, which are not part of these races.
 */

/** A value that a word has after an access of the writer. */
type Effect = readonly [word: number, value: number];
/** At this access of the reader, that many of the writer's effects are there. */
type Switch = readonly [access: number, effects: number];

interface RaceOptions {
  readonly effects?: readonly Effect[];
  /** The reader's second look sees what its first one saw. */
  readonly checksOnce?: boolean;
  readonly accessesMax?: number;
}

function effectsOf(words: Int32Array<SharedArrayBuffer>, run: () => void): Effect[] {
  const effects: Effect[] = [];
  const record = ({ kind, word, value }: Access): undefined => {
    if (kind === 'store' || kind === 'write') effects.push([word, value]);
    if (kind === 'add') effects.push([word, (untapped.load(words, word) + value) | 0]);
  };
  withTap(record, run);
  return effects;
}

class Race {
  readonly effects: readonly Effect[];
  /** How many accesses the reader makes that meets no writer. */
  readonly accesses: number;
  readonly #buffer: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #before: Int32Array;
  readonly #signature: Signature;
  /** Whether the reader has decoded what was there before. */
  readonly #isWarm: boolean;

  constructor(writer: StoreWriter, signature: Signature, isWarm: boolean, write: () => void) {
    this.#buffer = writer.buffer;
    this.#words = new Int32Array(writer.buffer);
    this.#before = Int32Array.from(this.#words);
    this.#signature = signature;
    this.#isWarm = isWarm;
    this.effects = effectsOf(this.#words, write);
    this.#words.set(this.#before);
    let accesses = 0;
    const reader = tapped(() => new StoreReader(this.#buffer));
    withTap(
      () => void accesses++,
      () => reader.find(signature),
    );
    this.accesses = accesses;
  }

  /** What the reader finds when the writer's effects come at these of its accesses; the rest comes too late. */
  read(schedule: readonly Switch[], { effects = this.effects, checksOnce = false }: RaceOptions = {}): string {
    const words = this.#words;
    words.set(this.#before);
    const reader = tapped(() => new StoreReader(this.#buffer));
    if (this.#isWarm) reader.find(this.#signature);
    const { sequencesAt, touchedAt } = reader.layout;
    let accesses = 0;
    let done = 0;
    let first: number | undefined;
    const tap = ({ kind, word }: Access): number | undefined => {
      for (const [at, upTo] of schedule) {
        for (; at <= accesses && done < upTo; done++) untapped.store(words, ...(effects[done] as Effect));
      }
      accesses++;
      if (!checksOnce || word < sequencesAt || word >= touchedAt) return undefined;
      if (kind === 'load') first = untapped.load(words, word);
      return kind === 'add' ? first : undefined;
    };
    try {
      const found = withTap(tap, () => reader.find(this.#signature));
      return found === undefined ? 'miss' : textOf(found.decision, found.expiresAtMs);
    } catch (error) {
      return `torn: ${String(error)}`;
    }
  }

  /** What is found when the writer works in two bursts, at any two accesses of the reader, of any two lengths. */
  everyTwoBursts(options: RaceOptions = {}): Set<string> {
    const { effects = this.effects, accessesMax = this.accesses + 2 } = options;
    const found = new Set<string>();
    for (let first = 0; first < accessesMax; first++) {
      for (let second = first + 1; second <= accessesMax; second++) {
        for (let some = 0; some <= effects.length; some++) {
          for (let more = some; more <= effects.length; more++) {
            const schedule: Switch[] = [
              [first, some],
              [second, more],
            ];
            found.add(this.read(schedule, options));
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
      let effects = 0;
      const schedule = Array.from({ length: 3 * this.accesses }, (_, access): Switch => {
        effects += randomIndex(random, stride + 1);
        return [access, Math.min(effects, this.effects.length)];
      });
      found.add(this.read(schedule));
    }
    return found;
  }
}

function textOf(found: Decision, expiresAtMs: number): string {
  return `${JSON.stringify(found)} until ${expiresAtMs}`;
}

function strangers(found: ReadonlySet<string>, allowed: ReadonlySet<string>): string[] {
  return [...found].filter((each) => !allowed.has(each));
}

/** Short, and different in each word of the payload; one is longer than the other by two words. */
const FIRST = decision({ action: 'aa', model: 'a', reason: '', decidedAtMs: 1.1, latencyMs: 1, tally: [] });
const SECOND = decision({ action: 'bbbbb', model: 'bbb', reason: 'bb', decidedAtMs: 2.3, latencyMs: 2, tally: [] });
const FIRST_UNTIL = 2 ** 32 + 1;
const SECOND_UNTIL = 2 ** 33 + 2;
const OLD = textOf(FIRST, FIRST_UNTIL);
const NEW = textOf(SECOND, SECOND_UNTIL);

function writerOfOne(slotCount: number): StoreWriter {
  const writer = tapped(() => new StoreWriter(slotCount));
  writer.write(signatureOf(1, 0), FIRST, FIRST_UNTIL);
  return writer;
}

function writtenOver(isWarm: boolean): Race {
  const writer = writerOfOne(2);
  const write = (): void => void writer.write(signatureOf(1, 0), SECOND, SECOND_UNTIL);
  return new Race(writer, signatureOf(1, 0), isWarm, write);
}

/** The one slot goes from the first key to the second, in the same chain; `id` is the key that is looked up. */
function reused(isWarm: boolean, id: number): Race {
  const writer = writerOfOne(1);
  const write = (): void => void writer.write(signatureOf(2, 0), SECOND, SECOND_UNTIL);
  return new Race(writer, signatureOf(id, 0), isWarm, write);
}

/** Each access to the slot and its SEQUENCE, in the order of the program. */
function accessesOf(layout: StoreLayout, run: () => void): string[] {
  const accesses: string[] = [];
  const record = ({ kind, word, value }: Access): undefined => {
    if (word === layout.sequencesAt) accesses.push(kind === 'add' ? `add ${value}` : kind);
    else if (word >= layout.slotsAt) accesses.push(`${kind} ${word - layout.slotsAt}`);
  };
  withTap(record, run);
  return accesses;
}

// On x64 this is all that tells an add from a load and a store: see store-weak-memory.test.ts for what they are there for.
describe('the accesses to a slot', () => {
  const guarded = [0, 1, 2, 3, SLOT.EXPIRES_HIGH, SLOT.EXPIRES_LOW, SLOT.LENGTH, SLOT.EPOCH];
  const payload = Array.from({ length: 8 }, (_, i) => SLOT.PAYLOAD + i);

  test('of a write are an add, plain writes of each guarded word, and a store', () => {
    const writer = writerOfOne(2);
    const write = (): void => void writer.write(signatureOf(1, 0), SECOND, SECOND_UNTIL);
    const inSlot = accessesOf(writer.layout, write).filter((access) => !access.startsWith('read'));
    expect(inSlot).toEqual(['add 1', ...[...guarded, ...payload].map((word) => `write ${word}`), 'store']);
    expect(new Int32Array(writer.buffer)[writer.layout.sequencesAt]).toBe(4);
  });

  test('of a retirement are an add, plain writes that leave neither key nor LENGTH, and a store', () => {
    const writer = writerOfOne(2);
    const inSlot = accessesOf(writer.layout, () => void writer.remove(signatureOf(1, 0)));
    const written = inSlot.slice(inSlot.indexOf('add 1'));
    expect(written).toEqual(['add 1', ...[0, 1, 2, 3, SLOT.LENGTH].map((word) => `write ${word}`), 'store']);
    const words = new Int32Array(writer.buffer).subarray(writer.layout.slotsAt);
    expect([0, 1, 2, 3, SLOT.LENGTH].map((word) => words[word])).toEqual([0, 0, 0, 0, 0]);
  });

  test('of a first read are a look at the key, a load, plain reads of each guarded word, and an add of nothing', () => {
    const { buffer, layout } = writerOfOne(2);
    const reader = tapped(() => new StoreReader(buffer));
    const accesses = accessesOf(layout, () => void reader.find(signatureOf(1, 0)));
    const copied = [...guarded, ...payload.slice(0, -1)].map((word) => `read ${word}`);
    expect(accesses).toEqual(['read 0', 'load', ...copied, 'add 0']);
  });

  test('of every further read are one look at SEQUENCE', () => {
    const { buffer, layout } = writerOfOne(2);
    const reader = tapped(() => new StoreReader(buffer));
    reader.find(signatureOf(1, 0));
    const accesses = accessesOf(layout, () => void reader.find(signatureOf(1, 0)));
    // Plain or atomic: store-layout.ts says why both will do for what is held.
    expect(accesses).toHaveLength(1);
    expect(accesses[0]).toMatch(/^(load|read)$/);
  });
});

test.each([
  ['each reader with a block of its own', COUNTER_BLOCKS - 2, 'write'],
  ['the first reader of the last block, which others share', COUNTER_BLOCKS - 1, 'add'],
  ['the second reader of the last block', COUNTER_BLOCKS, 'add'],
])('%s counts by the access that suits it', (_who, others, kind) => {
  const { buffer, layout } = writerOfOne(2);
  for (let i = 0; i < others; i++) new StoreReader(buffer);
  const reader = tapped(() => new StoreReader(buffer));
  const counted: string[] = [];
  const record = (access: Access): undefined => {
    if (access.word < layout.sequencesAt && access.kind !== 'read') counted.push(access.kind);
  };
  withTap(record, () => void reader.lookup(signatureOf(9), 0));
  expect(counted).toEqual([kind]);
});

describe.each([
  ['reads for the first time', false],
  ['has decoded the old decision', true],
])('the real writer and a real reader that %s', (_when, isWarm) => {
  test('give the whole old decision, the whole new one or a miss, where the slot is written over', () => {
    const race = writtenOver(isWarm);
    const found = race.everyTwoBursts();
    expect(found).toContain(NEW);
    expect(found).toContain(OLD);
    expect(strangers(found, new Set([OLD, NEW, 'miss']))).toEqual([]);
    expect(strangers(race.randomOrders(1, 20_000), new Set([OLD, NEW, 'miss']))).toEqual([]);
  });

  test('give the old decision or a miss, where the slot is given to another key', () => {
    const race = reused(isWarm, 1);
    expect(race.everyTwoBursts()).toEqual(new Set([OLD, 'miss']));
    expect(strangers(race.randomOrders(2, 20_000), new Set([OLD, 'miss']))).toEqual([]);
  });
});

test('a real reader of the key that takes over a slot gets its decision or a miss', () => {
  const race = reused(false, 2);
  expect(race.everyTwoBursts({ accessesMax: 24 })).toEqual(new Set([NEW, 'miss']));
  expect(strangers(race.randomOrders(3, 20_000), new Set([NEW, 'miss']))).toEqual([]);
});

test('a real reader finds what nobody touches, in every order, while a new key is put before it in its chain', () => {
  const writer = writerOfOne(2);
  const race = new Race(writer, signatureOf(1, 0), false, () => {
    writer.write(signatureOf(2, 0), SECOND, SECOND_UNTIL);
  });
  expect(race.everyTwoBursts()).toEqual(new Set([OLD]));
});

describe('the real reader', () => {
  const race = writtenOver(false);
  const allowed = new Set([OLD, NEW, 'miss']);

  test('tears when the even SEQUENCE is stored before the payload', () => {
    const closes = race.effects.length - 2;
    const effects = [...race.effects];
    const [closed] = effects.splice(closes, 1);
    effects.splice(closes - 4, 0, closed as Effect);
    expect(strangers(race.everyTwoBursts({ effects }), allowed)).not.toEqual([]);
  });

  test('tears when SEQUENCE stays even during a write', () => {
    expect(strangers(race.everyTwoBursts({ effects: race.effects.slice(1) }), allowed)).not.toEqual([]);
  });

  test('tears when its second look at SEQUENCE sees what the first one saw', () => {
    expect(strangers(race.everyTwoBursts({ checksOnce: true }), allowed)).not.toEqual([]);
  });
});
