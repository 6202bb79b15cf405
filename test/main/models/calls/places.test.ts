import { describe, expect, test } from 'vitest';
import { goodPlaces, placesFor } from '../../../../src/main/models/calls/places.ts';
import { ModelEndpoint } from '../../../../src/main/models/model-endpoint.ts';
import type { Slot } from '../../../../src/main/models/slots/ask.ts';
import { allFeatures } from '../../../../src/main/options/features.ts';
import { seededRandom } from '../../../../src/shared/random.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const clock = new FakeClock(1_000);
const ANY_RANK = Number.POSITIVE_INFINITY;

function endpoint(name: string, slots = 2): ModelEndpoint {
  const settings = { name, baseURL: `http://${name}/v1`, maxConcurrent: slots, slots, staggerMs: 0 };
  return new ModelEndpoint({
    endpoint: settings,
    features: allFeatures(true),
    clock,
    random: seededRandom(1),
    ceilingMs: 10_000,
  });
}

function answered(at: ModelEndpoint, ms: number, calls = 10): void {
  for (let call = 0; call < calls; call++) at.profileOf('m', 'text').answered({ totalMs: ms }, false);
}

function occupy(at: ModelEndpoint): Slot {
  return at.gate.acquire(new AbortController().signal) as Slot;
}

const names = (places: ReturnType<typeof placesFor>): string[] => places.map(({ at }) => at.name);

describe('places', () => {
  test('stand in the order in which they are expected to answer, queue included', () => {
    const [quick, slow] = [endpoint('quick'), endpoint('slow')];
    answered(quick, 100);
    answered(slow, 250);
    expect(names(placesFor([slow, quick], 'm', 'text', ANY_RANK))).toEqual(['quick', 'slow']);
    for (let waiter = 0; waiter < 8; waiter++) void occupy(quick);
    expect(names(placesFor([slow, quick], 'm', 'text', ANY_RANK))).toEqual(['slow', 'quick']);
  });

  test('an idle one that is much slower is no room while the quick one is free', () => {
    const [quick, slow] = [endpoint('quick'), endpoint('slow')];
    answered(quick, 100);
    answered(slow, 1_000);
    expect(names(goodPlaces(placesFor([slow, quick], 'm', 'text', ANY_RANK)))).toEqual(['quick']);
  });

  test('one whose calls were all cut is slower than they were', () => {
    const [quick, slow] = [endpoint('quick'), endpoint('slow')];
    answered(quick, 100);
    for (let call = 0; call < 3; call++) slow.profileOf('m', 'text').cancelled({ totalMs: 120 });
    expect(names(goodPlaces(placesFor([slow, quick], 'm', 'text', ANY_RANK)))).toEqual(['quick']);
  });

  test('one of which nothing is known is as quick as the quickest, for one call at a time', () => {
    const [known, unknown] = [endpoint('known'), endpoint('unknown')];
    answered(known, 100);
    void occupy(known);
    expect(names(placesFor([known, unknown], 'm', 'text', ANY_RANK))).toEqual(['known', 'unknown']);
    void occupy(known);
    expect(names(placesFor([known, unknown], 'm', 'text', ANY_RANK))).toEqual(['unknown', 'known']);
    const slot = occupy(unknown);
    unknown.working('m', 'text', slot, () => {});
    expect(names(placesFor([known, unknown], 'm', 'text', ANY_RANK))).toEqual(['known', 'unknown']);
  });

  test('one that knows another model is as slow with this one', () => {
    const [quick, slow] = [endpoint('quick'), endpoint('slow')];
    answered(quick, 100);
    for (let call = 0; call < 5; call++) slow.profileOf('other', 'text').answered({ totalMs: 900 }, false);
    expect(slow.forecast.meanMs('m', 'text', 1)).toBeGreaterThan(800);
    expect(names(goodPlaces(placesFor([slow, quick], 'm', 'text', ANY_RANK)))).toEqual(['quick']);
  });

  test('where nothing is known of any, idle ones are as good as each other', () => {
    const all = [endpoint('one'), endpoint('two')];
    expect(names(goodPlaces(placesFor(all, 'm', 'text', ANY_RANK)))).toEqual(['one', 'two']);
  });

  test('one that got quicker is known so after one answer', () => {
    const at = endpoint('at');
    answered(at, 2_000);
    answered(at, 150, 1);
    expect(at.forecast.meanMs('m', 'text', 1)).toBeLessThan(200);
  });
});
