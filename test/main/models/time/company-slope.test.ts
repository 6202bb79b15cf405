import { describe, expect, test } from 'vitest';
import { CompanySlope } from '../../../../src/main/models/time/company-slope.ts';
import { seededRandom } from '../../../../src/shared/random.ts';

/** Calls in company of 1 to 4, whose time follows from it, and from chance. */
function slopeOf(msOf: (company: number) => number, calls = 200, noise = 0.1, companies = [1, 2, 3, 4]): CompanySlope {
  const random = seededRandom(7);
  const slope = new CompanySlope();
  for (let nth = 0; nth < calls; nth++) {
    const company = companies[nth % companies.length] as number;
    slope.observe(msOf(company) * (1 + noise * (random.next() - 0.5)), company);
  }
  return slope;
}

describe('how much company slows a call', () => {
  test('is nothing at a server whose calls are independent', () => {
    expect(slopeOf(() => 500).slope).toBeLessThan(0.03);
    expect(slopeOf(() => 500).factor(4)).toBeLessThan(1.1);
  });

  test('is nearly as much as there is where calls share one processor', () => {
    const { slope } = slopeOf((company) => 500 * company);
    expect(slope).toBeGreaterThan(0.75);
    expect(slope).toBeLessThanOrEqual(1.5);
    expect(slopeOf((company) => 500 * (1 + 0.3 * (company - 1))).slope).toBeCloseTo(0.26, 1);
  });

  test('is nothing while company has not varied, or hardly', () => {
    expect(slopeOf(() => 500, 200, 0.5, [3]).slope).toBe(0);
    const hardly = slopeOf((company) => 500 * company, 200, 0, [2, 2, 2, 2, 2, 2, 2, 2, 2, 2.1]).slope;
    expect(hardly).toBeLessThan(0.05);
  });

  test('is nothing while few calls are known, and where company seems to help', () => {
    expect(slopeOf((company) => 500 * company, 7).slope).toBe(0);
    expect(slopeOf((company) => 500 * company, 12).slope).toBeGreaterThan(0.5);
    expect(slopeOf((company) => 500 / company).slope).toBe(0);
  });

  test('is bounded where a server works against itself', () => {
    expect(slopeOf((company) => 100 * company ** 4).slope).toBe(1.5);
  });

  test('follows a change', () => {
    const slope = slopeOf((company) => 500 * company);
    for (let nth = 0; nth < 600; nth++) slope.observe(500, 1 + (nth % 4));
    expect(slope.slope).toBeLessThan(0.05);
  });

  test('is that of calls beside the first: alone, and with none, there is none', () => {
    const slope = slopeOf((company) => 500 * company);
    expect([slope.factor(0), slope.factor(1)]).toEqual([1, 1]);
    expect(slope.factor(3)).toBeCloseTo(1 + 2 * slope.slope, 6);
  });
});
