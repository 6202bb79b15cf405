import { describe, expect, test } from 'vitest';
import { FEATURES } from '../../../../src/main/cache/evidence/evidence.ts';
import { RiskModel } from '../../../../src/main/cache/evidence/risk-model.ts';
import { seededRandom } from '../../../../src/shared/random.ts';

/** Features of which only those named are not 0. */
function features(named: Partial<Record<(typeof FEATURES)[number], number>>): Float64Array {
  return Float64Array.from(FEATURES, (name) => named[name] ?? (name === 'one' ? 1 : 0));
}

/** A stream in which one feature that says nothing at the start tells right from wrong. */
function taught(seed: number, outcomes: number): RiskModel {
  const model = new RiskModel();
  const random = seededRandom(seed);
  for (let i = 0; i < outcomes; i++) {
    const known = random.next();
    model.learn(features({ knownGates: known, choice: random.next() }), random.next() < known);
  }
  return model;
}

const sure = features({ knownGates: 0.95 });
const unsure = features({ knownGates: 0.05 });

describe('the model', () => {
  test('ranks by how much the evidence agrees before it has learned anything', () => {
    const model = new RiskModel();
    const agreed = features({ logOdds: 1.5, margin: 0.9, logOddsState: 1 });
    const split = features({ logOdds: 0, margin: 0.05 });
    expect(model.chance(agreed)).toBeGreaterThan(model.chance(split) + 0.2);
  });

  test('learns to rank by a feature that tells right from wrong, under every seed', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const model = taught(seed, 2_000);
      expect(model.chance(sure) - model.chance(unsure), `seed ${seed}`).toBeGreaterThan(0.4);
    }
  });

  test('gives a chance between 0 and 1, whatever it has learned', () => {
    const model = new RiskModel();
    for (let i = 0; i < 5_000; i++) model.learn(features({ logOdds: 5 }), true);
    const chance = model.chance(features({ logOdds: 5 }));
    expect(chance).toBeGreaterThan(0.99);
    expect(chance).toBeLessThanOrEqual(1);
    for (let i = 0; i < 5_000; i++) model.learn(features({ logOdds: 5 }), false);
    expect(model.chance(features({ logOdds: 5 }))).toBeLessThan(0.1);
  });

  test('is not thrown over by its first outcomes', () => {
    const model = new RiskModel();
    const asked = features({ logOdds: 1, margin: 0.5 });
    const before = model.chance(asked);
    model.learn(asked, false);
    expect(before - model.chance(asked)).toBeGreaterThan(0);
    expect(before - model.chance(asked)).toBeLessThan(0.06);
  });

  test('learns the same from the same outcomes', () => {
    expect(taught(3, 500).chance(sure)).toBe(taught(3, 500).chance(sure));
    expect(taught(3, 500).chance(sure)).not.toBe(taught(4, 500).chance(sure));
  });

  test('is as new after clear', () => {
    const model = taught(1, 500);
    model.clear();
    expect(model.chance(sure)).toBe(new RiskModel().chance(sure));
    model.learn(sure, false);
    const fresh = new RiskModel();
    fresh.learn(sure, false);
    expect(model.chance(sure)).toBe(fresh.chance(sure));
  });
});
