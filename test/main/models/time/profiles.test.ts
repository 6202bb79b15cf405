import { describe, expect, test } from 'vitest';
import { Profiles } from '../../../../src/main/models/time/profiles.ts';

const MS = 100;

/** Calls of one model, each in this company, where every other call at work makes it slower by three fifths. */
function ended(profiles: Profiles, company: number, calls = 1): void {
  for (let nth = 0; nth < calls; nth++) {
    profiles.of('m', 'text').answered({ totalMs: MS * (1 + 0.6 * (company - 1)) }, false, company);
  }
}

describe('the number of calls at once that is useful', () => {
  test('is any while nothing is known, or where calls were alone', () => {
    const profiles = new Profiles('http://a/v1');
    expect(profiles.usefulCompany).toBe(Number.POSITIVE_INFINITY);
    for (let nth = 0; nth < 40; nth++) {
      ended(profiles, 1);
      expect(profiles.usefulCompany).toBe(Number.POSITIVE_INFINITY);
    }
  });

  test('alternates between one and any where all calls had the same company, so that its effect shows', () => {
    const profiles = new Profiles('http://a/v1');
    ended(profiles, 4, 8);
    const seen = new Set<number>();
    for (let nth = 0; nth < 8; nth++) {
      seen.add(profiles.usefulCompany);
      ended(profiles, 4);
    }
    expect([...seen].sort()).toEqual([1, Number.POSITIVE_INFINITY]);
  });

  test('is found by background work that fills all slots whenever it may', () => {
    const profiles = new Profiles('http://a/v1');
    for (let nth = 0; nth < 100; nth++) ended(profiles, Math.min(4, profiles.usefulCompany));
    expect(profiles.usefulCompany).toBeLessThan(4);
    expect(profiles.usefulCompany).toBeGreaterThan(1);
  });
});
