import { describe, expect, test } from 'vitest';
import { type BucketingAdvice, BucketingStudy } from '../../../src/main/replay/bucketing-advice.ts';
import { type Domain, defineDomain, type Feature, type Observation } from '../../../src/shared/domain.ts';

const PLACE: Feature = { kind: 'category' };
const HOUR: Feature = { kind: 'number', edges: [6, 12, 18], range: [0, 24] };

function domainOf(features: Readonly<Record<string, Feature>>): Domain {
  return defineDomain({ name: 'cave', features });
}

type Decided = readonly [observation: Observation, chosen: string];

function adviceOf(domain: Domain, decided: readonly Decided[], keysMax?: number): BucketingAdvice[] {
  const study = new BucketingStudy(domain, keysMax);
  for (const [observation, chosen] of decided) {
    study.add({ agent: 'one', observation, actions: ['go', 'stay'] }, chosen);
  }
  return study.advice();
}

/** Each of 4 places × 4 hours × 5 visits: what is chosen depends on the place alone. */
function byPlace(): Decided[] {
  const decided: Decided[] = [];
  for (let visit = 0; visit < 5; visit++) {
    for (const hour of [3, 9, 15, 21]) {
      for (const place of ['a', 'b', 'c', 'd']) decided.push([{ place, hour }, place < 'c' ? 'go' : 'stay']);
    }
  }
  return decided;
}

describe('advice', () => {
  test('a feature that splits states that agree is advised against, one that matters is not', () => {
    const advice = adviceOf(domainOf({ place: PLACE, hour: HOUR }), byPlace());
    // 80 decisions, 16 states: 64 served. Without the hour 4 states, without every second edge 12: 76 and 68 … of 80.
    const now = { servedNow: 0.8, wrongNow: 0, decisions: 80 };
    expect(advice).toEqual([
      { feature: 'hour', change: 'drop', advised: true, served: 76 / 80, wrong: 0, ...now },
      { feature: 'hour', change: 'halve-edges', edges: [6, 18], advised: false, served: 68 / 80, wrong: 0, ...now },
      // By the hour alone every state starts with `go` of place a, which half of the decisions are not.
      { feature: 'place', change: 'drop', advised: false, served: 76 / 80, wrong: 40 / 76, ...now },
    ]);
  });

  test('halved edges are advised where they serve enough more', () => {
    const decided = byPlace().slice(0, 32);
    const [first, second] = adviceOf(domainOf({ place: PLACE, hour: { ...HOUR, edges: [6, 8, 12, 14, 18] } }), [
      ...decided,
      ...decided.map(
        ([observation, chosen]): Decided => [{ ...observation, hour: Number(observation.hour) - 2 }, chosen],
      ),
    ]);
    // Hours 3, 9, 15, 21 and 1, 7, 13, 19: the buckets 0, 2, 4, 5 and 0, 1, 3, 5; by 6, 12 and 18 there are four.
    expect([first, second]).toMatchObject([
      { change: 'drop', advised: true, served: 60 / 64 },
      { change: 'halve-edges', edges: [6, 12, 18], advised: false, served: 48 / 64, servedNow: 40 / 64 },
    ]);
  });

  test('a key under which nothing was ever served is judged by whether what it adds is right', () => {
    const decided = Array.from(
      { length: 40 },
      (_, id): Decided => [{ place: `${id % 2}`, id: `${id}` }, id % 2 ? 'go' : 'stay'],
    );
    const [first, second] = adviceOf(domainOf({ place: PLACE, id: { kind: 'category' } }), decided);
    expect(first).toMatchObject({ feature: 'id', change: 'drop', advised: true, served: 38 / 40, servedNow: 0 });
    expect(second).toMatchObject({ feature: 'place', advised: false, served: 0 });
  });

  test('a change is not advised where what it adds is wrong more often than right, whatever is known now', () => {
    const decided = Array.from(
      { length: 40 },
      (_, id): Decided => [{ place: 'a', id: `${id}` }, id < 15 ? 'go' : 'stay'],
    );
    const [first] = adviceOf(domainOf({ place: PLACE, id: { kind: 'category' } }), decided);
    expect(first).toMatchObject({ feature: 'id', advised: false, served: 39 / 40, wrong: 25 / 39, servedNow: 0 });
  });

  test.each([
    [0, true],
    [30, false],
  ])('a change is advised as long as what it adds is about as right: %d percent wrong, %s', (percentWrong, advised) => {
    const known = Array.from({ length: 200 }, (): Decided => [{ place: 'a', id: 'same' }, 'go']);
    // Seen once each: only without their id are they one state.
    const added = Array.from({ length: 60 }, (_, id): Decided => {
      const isWrong = id > 0 && id % 10 < percentWrong / 10;
      return [{ place: 'b', id: `${id}` }, isWrong ? 'stay' : 'go'];
    });
    const advice = adviceOf(domainOf({ place: PLACE, id: { kind: 'category' } }), [...known, ...added]);
    const {
      servedNow,
      wrongNow,
      served,
      advised: isAdvised,
    } = advice.find(({ feature }) => feature === 'id') as BucketingAdvice;
    expect([servedNow, wrongNow, served]).toEqual([199 / 260, 0, 258 / 260]);
    expect(isAdvised).toBe(advised);
  });

  test('the only feature of a domain is not dropped; its edges may still be halved', () => {
    expect(adviceOf(domainOf({ place: PLACE }), [])).toEqual([]);
    expect(adviceOf(domainOf({ hour: HOUR }), [])).toMatchObject([{ change: 'halve-edges' }]);
    expect(adviceOf(domainOf({ hour: { ...HOUR, edges: [12] } }), [])).toEqual([]);
  });

  test('texts and images are not in the key, so that nothing is tried with them', () => {
    const advice = adviceOf(
      domainOf({ place: PLACE, view: { kind: 'image', optional: true }, note: { kind: 'text', optional: true } }),
      [],
    );
    expect(advice.map(({ feature }) => feature)).toEqual(['place']);
  });

  test('sets of actions stay in every key', () => {
    const study = new BucketingStudy(domainOf({ place: PLACE, hour: HOUR }));
    for (let i = 0; i < 100; i++) {
      study.add({ agent: 'one', observation: { place: 'a', hour: 1 }, actions: [`${i}`, 'go'] }, 'go');
    }
    expect(study.advice().map(({ served }) => served)).toEqual([0, 0, 0]);
  });
});

test('the comparison ends for all changes when the room for keys is used up', () => {
  const decided = Array.from({ length: 100 }, (_, id): Decided => [{ place: `${id}`, flag: true }, 'go']);
  const domain = domainOf({ place: PLACE, flag: { kind: 'flag' } });
  // Three variants share 30 keys.
  const advice = adviceOf(domain, decided, 30);
  expect(advice.map(({ decisions }) => decisions)).toEqual([10, 10]);
  expect(advice[0]).toMatchObject({ feature: 'place', served: 0.9 });
});
