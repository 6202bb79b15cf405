import { describe, expect, test } from 'vitest';
import { CallWidth } from '../../../../src/main/models/slots/call-width.ts';
import { LatencyProfile } from '../../../../src/main/models/time/latency-profile.ts';

const SLOTS = 4;
const LEFT_MS = 10_000;

/** Calls that take so long for each that is at work, of as many in company as given. */
function profileOf(aloneMs: number, perOther: number, companies: readonly number[], each = 10): LatencyProfile {
  const profile = new LatencyProfile();
  for (let nth = 0; nth < each; nth++) {
    for (const company of companies) {
      const totalMs = aloneMs * (1 + perOther * (company - 1));
      if (totalMs <= LEFT_MS) profile.answered({ totalMs }, false, company);
      else profile.timedOut({ totalMs: LEFT_MS }, company);
    }
  }
  return profile;
}

function widthOf(profile: LatencyProfile, { slots = SLOTS, leftMs = LEFT_MS } = {}): number {
  const width = new CallWidth();
  width.began(leftMs);
  width.learned('m', 'text', profile, slots, 0);
  return width.now(0);
}

describe('calls at once', () => {
  test('are as many as there are slots while nothing is known', () => {
    expect(widthOf(new LatencyProfile())).toBe(Number.POSITIVE_INFINITY);
    expect(new CallWidth().now(0)).toBe(Number.POSITIVE_INFINITY);
  });

  test('are as many as there are slots where company costs little, or leaves all in time', () => {
    expect(widthOf(profileOf(2_000, 0, [1, 2, 3, 4]))).toBe(Number.POSITIVE_INFINITY);
    expect(widthOf(profileOf(2_000, 0.25, [1, 2, 3, 4]))).toBe(Number.POSITIVE_INFINITY);
    expect(widthOf(profileOf(2_000, 1, [1, 2, 3, 4]))).toBe(Number.POSITIVE_INFINITY);
  });

  test('are fewer where together they are late, and one after the other in time', () => {
    expect(widthOf(profileOf(6_000, 1, [1, 2, 3, 4]))).toBe(1);
    expect(widthOf(profileOf(3_000, 1, [1, 2, 3, 4]))).toBeLessThanOrEqual(3);
  });

  test('is one where nearly none is in time and nothing is known of company', () => {
    expect(widthOf(profileOf(6_000, 1, [4], 3))).toBe(1);
  });

  test('are all again where one at a time is late as well', () => {
    expect(widthOf(profileOf(30_000, 0, [1, 2, 4]))).toBe(Number.POSITIVE_INFINITY);
  });

  test('are all of a single slot', () => {
    expect(widthOf(profileOf(6_000, 1, [1, 2]), { slots: 1 })).toBe(Number.POSITIVE_INFINITY);
  });

  test('are found among hundreds of slots', () => {
    const width = widthOf(profileOf(500, 1, [1, 8, 64, 256]), { slots: 256 });
    expect([width >= 8, width < 64]).toEqual([true, true]);
  });

  test('are as few as the model needs that is asked, until it has not been for a minute', () => {
    const width = new CallWidth();
    width.began(LEFT_MS);
    width.learned('slow', 'text', profileOf(6_000, 1, [1, 2, 3, 4]), SLOTS, 0);
    width.learned('quick', 'text', profileOf(100, 0, [1, 2, 3, 4]), SLOTS, 50_000);
    expect(width.now(50_000)).toBe(1);
    expect(width.now(61_000)).toBe(Number.POSITIVE_INFINITY);
  });

  test('are not one because of rare late calls of unknown company, where other calls have shown it', () => {
    const width = new CallWidth();
    width.began(LEFT_MS);
    width.learned('m', 'vision', profileOf(30_000, 0, [1], 2), SLOTS, 0);
    expect(width.now(0)).toBe(1);
    width.learned('m', 'text', profileOf(2_000, 0, [1, 2, 3, 4]), SLOTS, 200);
    expect(width.now(200)).toBe(Number.POSITIVE_INFINITY);
    expect(width.now(200, 'vision')).toBe(1);
  });

  test('are one because of late reads of unknown company only for reads', () => {
    const width = new CallWidth();
    width.began(LEFT_MS);
    width.learned('m', 'read', profileOf(30_000, 0, [1], 2), SLOTS, 0);
    expect(width.now(0, 'read')).toBe(1);
    expect(width.now(0)).toBe(Number.POSITIVE_INFINITY);
  });
});
