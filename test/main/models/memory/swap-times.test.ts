import { describe, expect, test } from 'vitest';
import { type Finding, SwapTimes } from '../../../../src/main/models/memory/swap-times.ts';

const TEXT = { isComparable: true, isBroken: false };

class TimesUnderTest {
  readonly times = new SwapTimes();
  #nowMs = 0;

  /** One call after the other, each with the time to its first token; what the last one shows. */
  calls(...calls: readonly (readonly [model: string, firstTokenMs: number])[]): Finding | undefined {
    let last: Finding | undefined;
    for (const [model, firstTokenMs] of calls) last = this.call(model, firstTokenMs);
    return last;
  }

  call(model: string, firstTokenMs: number | undefined, { totalMs = 10_000, isBroken = false } = {}) {
    const visit = this.times.begins(model, this.#nowMs);
    this.#nowMs += 10_000;
    return this.times.ended(
      visit,
      { totalMs, ...(firstTokenMs === undefined ? {} : { firstTokenMs }) },
      { isComparable: true, isBroken },
    );
  }
}

const WARM = [
  ['a', 300],
  ['a', 200],
  ['a', 300],
  ['a', 250],
  ['a', 300],
] as const;

/** Two models in turn, so many times. */
function inTurn(times: number, firstTokenMs: number): (readonly [string, number])[] {
  return Array.from({ length: times }, (_, nth) => [nth % 2 === 0 ? 'b' : 'a', firstTokenMs] as const);
}

describe('calls after other models', () => {
  test('show that one model fits where each of them takes seconds longer than calls after the same model', () => {
    const under = new TimesUnderTest();
    under.calls(...WARM);
    // The first call of `b` may be its first load; six more are of models that had answered before.
    expect(under.calls(...inTurn(6, 4_300))).toBeUndefined();
    expect(under.call('b', 4_300)).toEqual({ kind: 'load', fits: 1 });
  });

  test.each<readonly [string, number]>([
    ['a little longer', 900],
    ['as long', 300],
  ])('show that models are there where they take %s', (_, ms) => {
    const under = new TimesUnderTest();
    under.calls(...WARM);
    expect(under.calls(...inTurn(9, ms))).toEqual({ kind: 'there' });
  });

  test('show nothing where one in seven is quick', () => {
    const under = new TimesUnderTest();
    under.calls(...WARM, ...inTurn(4, 4_300), ['b', 300], ['a', 4_300]);
    expect(under.calls(...inTurn(4, 4_300))).toBeUndefined();
  });

  test('count by how many other models lie between: two fit where only the third one takes long', () => {
    const under = new TimesUnderTest();
    under.calls(...WARM, ['b', 300], ['a', 300], ['b', 300], ['c', 4_300]);
    const rounds = Array.from({ length: 3 }, () => [
      ['a', 4_300] as const,
      ['b', 4_300] as const,
      ['c', 4_300] as const,
    ]);
    expect(under.calls(...rounds.flat())).toEqual({ kind: 'load', fits: 2 });
  });

  test('are suspected where there is nothing to compare them with, and confirmed or cleared by calls of one model', () => {
    for (const [warmMs, kind] of [
      [300, 'load'],
      [4_000, 'there'],
    ] as const) {
      const under = new TimesUnderTest();
      expect(under.calls(...inTurn(8, 4_300))).toEqual({ kind: 'suspected' });
      expect(under.calls(['a', warmMs], ['a', warmMs], ['a', warmMs])).toBeUndefined();
      expect(under.call('a', warmMs)).toMatchObject({ kind });
    }
  });

  test('say something without a first token only if they were long by then', () => {
    const under = new TimesUnderTest();
    under.calls(...WARM, ['b', 4_300]);
    for (let nth = 0; nth < 5; nth++) under.call(nth % 2 === 0 ? 'a' : 'b', undefined, { totalMs: 3_000 });
    expect(under.call('b', undefined, { totalMs: 500 })).toBeUndefined();
    expect(under.call('a', undefined, { totalMs: 3_000 })).toEqual({ kind: 'load', fits: 1 });
  });

  test('that break while another model is asked count as long ones, and alone as none', () => {
    const under = new TimesUnderTest();
    under.calls(...WARM);
    for (let nth = 0; nth < 9; nth++) expect(under.call('a', 100, { isBroken: true })).toBeUndefined();
    const found: (Finding | undefined)[] = [];
    for (let nth = 0; nth < 6; nth++) {
      const cut = under.times.begins('a', 200_000);
      under.times.begins('b', 200_000);
      found.push(under.times.ended(cut, { totalMs: 5 }, { isComparable: true, isBroken: true }));
    }
    expect(found.at(-1)).toEqual({ kind: 'load', fits: 1 });
  });
});

test('an answer that began before another model was asked does not show that its model is there', () => {
  const under = new TimesUnderTest();
  const early = under.times.begins('a', 0);
  under.times.begins('b', 0);
  under.times.begins('a', 0);
  under.times.ended(early, { totalMs: 500, firstTokenMs: 100 }, TEXT);
  expect(under.times.begins('a', 0).isWarm).toBe(false);
});

test('a model that was not asked for minutes may have been put out for being idle', () => {
  const { times } = new TimesUnderTest();
  for (const model of ['a', 'b']) times.ended(times.begins(model, 0), { totalMs: 1, firstTokenMs: 1 }, TEXT);
  expect(times.begins('a', 239_000).isKnown).toBe(true);
  expect(times.begins('b', 240_000).isKnown).toBe(false);
});
