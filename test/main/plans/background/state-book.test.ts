import { describe, expect, test } from 'vitest';
import { StateBook } from '../../../../src/main/plans/background/state-book.ts';
import type { Decision, TallyEntry } from '../../../../src/shared/decision.ts';
import { seededRandom } from '../../../../src/shared/random.ts';
import { signatureText } from '../../../../src/shared/signature.ts';
import { decision, signatureOf } from '../../../support/decisions.ts';
import { request } from '../../../support/make-planner.ts';

const ANY = () => true;
const keyOf = (id: number): string => signatureText(signatureOf(id));

/** Votes for one action after another. */
function known(...counts: number[]): Decision {
  const tally: TallyEntry[] = counts.map((count, nth) => ({ action: `action ${nth}`, count, weight: count }));
  return decision({ tally });
}

class BookUnderTest extends StateBook {
  constructor() {
    super(seededRandom(1));
  }

  met(id: number, times = 1, of?: Decision): this {
    for (let nth = 0; nth < times; nth++) {
      this.note(request({ observation: { place: `place ${id}`, health: 50 } }), signatureOf(id), of);
    }
    return this;
  }
}

describe('the state to ask about next', () => {
  test('is the one that comes back most', () => {
    const book = new BookUnderTest().met(1, 2).met(2, 5).met(3, 4);
    expect(book.next(ANY)).toMatchObject({ key: keyOf(2), visits: 5, votes: 0 });
    expect(book.next(({ key }) => key !== keyOf(2))?.key).toBe(keyOf(3));
  });

  test('is none that was met once: that is one of the others', () => {
    const book = new BookUnderTest().met(1);
    expect(book.next(ANY)).toBeUndefined();
    expect(book.any(ANY)?.key).toBe(keyOf(1));
    book.met(1);
    expect(book.next(ANY)?.key).toBe(keyOf(1));
    expect(book.any(ANY)).toBeUndefined();
  });

  test('is the one of which least is known, where they come back alike', () => {
    const book = new BookUnderTest().met(1, 3, known(1)).met(2, 3);
    expect(book.next(ANY)?.key).toBe(keyOf(2));
    // A second vote is worth half of a first one.
    book.met(1, 2, known(1));
    expect(book.next(ANY)?.key).toBe(keyOf(2));
    book.met(1, 2, known(1));
    expect(book.next(ANY)).toMatchObject({ key: keyOf(1), votes: 1 });
  });

  test('is none that may not be asked about', () => {
    const book = new BookUnderTest().met(1, 3).met(2);
    const isOpen = () => false;
    expect([book.next(isOpen), book.any(isOpen)]).toEqual([undefined, undefined]);
  });

  test('is any of the others, whichever', () => {
    const book = new BookUnderTest();
    for (let id = 1; id <= 5; id++) book.met(id);
    const chosen = new Set(Array.from({ length: 100 }, () => book.any(ANY)?.key));
    expect(chosen.size).toBe(5);
  });
});

describe('a state leaves the book', () => {
  test('when its votes agree: two of a kind and nobody against, and not before', () => {
    for (const [votes, size] of [
      [known(1), 1],
      [known(2), 0],
      [known(1, 1), 1],
      [known(2, 1), 1],
      [known(3, 1), 0],
    ] as const) {
      const book = new BookUnderTest().met(1, 2);
      book.learned(keyOf(1), votes);
      expect([votes.tally.map(({ count }) => count), book.size]).toEqual([votes.tally.map(({ count }) => count), size]);
    }
  });

  test('when there are five votes, though they do not agree', () => {
    const book = new BookUnderTest().met(1, 2);
    book.learned(keyOf(1), known(2, 2));
    expect(book.size).toBe(1);
    book.learned(keyOf(1), known(3, 2));
    expect(book.size).toBe(0);
  });

  test('which is so when it is noted as well', () => {
    expect(new BookUnderTest().met(1, 1, known(2)).size).toBe(0);
    expect(new BookUnderTest().met(1, 1, known(1)).size).toBe(1);
  });

  test('when a thousand others came back since', () => {
    const book = new BookUnderTest();
    for (let id = 0; id < 1_000; id++) book.met(id);
    book.met(0);
    book.met(1_000);
    expect(book.size).toBe(1_000);
    expect(book.next(ANY)?.key).toBe(keyOf(0));
    book.met(1);
    expect(book.next(ANY)?.key).toBe(keyOf(0));
  });

  test('and nothing is learned of one that is not in it', () => {
    const book = new BookUnderTest();
    book.learned(keyOf(1), known(1));
    expect(book.size).toBe(0);
  });

  test('when it is cleared', () => {
    const book = new BookUnderTest().met(1, 3);
    book.clear();
    expect([book.size, book.next(ANY)]).toEqual([0, undefined]);
  });
});

test('what a host and the planner use again is copied', () => {
  const book = new BookUnderTest();
  const signature = signatureOf(1);
  const actions = ['attack', 'block'];
  for (let nth = 0; nth < 2; nth++) book.note(request({ actions }), signature, undefined);
  signature.fill(0);
  actions.length = 0;
  const state = book.next(ANY);
  expect(state?.signature).toEqual(signatureOf(1));
  expect(state?.request.actions).toEqual(['attack', 'block']);
});
