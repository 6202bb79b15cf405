import { expect, test } from 'vitest';
import { StoreWriter } from '../../../src/main/cache/store-writer.ts';
import { SLOT, type StoreLayout } from '../../../src/shared/store/store-layout.ts';
import { assertStoreValid } from '../../support/assert-store-valid.ts';
import { decision, signatureOf } from '../../support/decisions.ts';

/** 1 and 2 in one chain, 3 in another, and a slot that was emptied. */
function validStore(): { words: Int32Array<SharedArrayBuffer>; layout: StoreLayout } {
  const writer = new StoreWriter(5);
  writer.write(signatureOf(1, 7), decision(), 1_000);
  writer.write(signatureOf(2, 7), decision(), 1_000);
  writer.write(signatureOf(3, 8), decision(), 1_000);
  writer.write(signatureOf(4, 9), decision(), 1_000);
  writer.remove(signatureOf(4, 9));
  return { words: new Int32Array(writer.buffer), layout: writer.layout };
}

test('a store between two writes is valid, with as many decisions as it has', () => {
  const { words } = validStore();
  assertStoreValid(words.buffer, 3);
  expect(() => assertStoreValid(words.buffer, 4)).toThrow('the number of decisions');
});

type Damage = (words: Int32Array, layout: StoreLayout, slotAt: (slot: number) => number) => void;

test.each<[string, RegExp, Damage]>([
  ['an odd SEQUENCE', /slot 1 is not being written/, (words, { sequencesAt }) => (words[sequencesAt + 1] = 3)],
  ['a mark of 2', /slot 1 is marked touched or not, and has 2/, (words, { touchedAt }) => (words[touchedAt + 1] = 2)],
  ['a circle', /slot 1 is met once/, (words, _, slotAt) => (words[slotAt(0) + SLOT.NEXT] = 2)],
  ['a slot in no chain', /slot 2 is in a chain when/, (words, { bucketsAt }) => (words[bucketsAt + 8] = 0)],
  ['an emptied slot in a chain', /slot 3 stands in the chain/, (words, { bucketsAt }) => (words[bucketsAt + 9] = 4)],
  ['a link to nowhere', /names the slot 5, which exists/, (words, { bucketsAt }) => (words[bucketsAt + 3] = 6)],
  ['a slot in a strange chain', /slot 2 stands in the chain/, (words, _, slotAt) => (words[slotAt(2)] = 9)],
  [
    'a key in two slots',
    /in one slot only/,
    (words, _, slotAt) => words.copyWithin(slotAt(0), slotAt(1), slotAt(1) + 4),
  ],
  ['a long LENGTH', /LENGTH 449 in bounds/, (words, _, slotAt) => (words[slotAt(0) + SLOT.LENGTH] = 449)],
  ['a negative LENGTH', /LENGTH -1 in bounds/, (words, _, slotAt) => (words[slotAt(0) + SLOT.LENGTH] = -1)],
  ['a key in an empty slot', /slot 3 is empty and has no key/, (words, _, slotAt) => (words[slotAt(3) + 2] = 1)],
  ['a payload of zeros', /a decision of version 0/, (words, _, slotAt) => (words[slotAt(0) + SLOT.PAYLOAD] = 0)],
])('a store with %s is not', (_what, message, damage) => {
  const { words, layout } = validStore();
  damage(words, layout, (slot) => layout.slotsAt + slot * layout.slotWords);
  expect(() => assertStoreValid(words.buffer)).toThrow(message);
});
