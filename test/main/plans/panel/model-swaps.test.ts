import { describe, expect, test } from 'vitest';
import { ModelEndpoint } from '../../../../src/main/models/model-endpoint.ts';
import { allFeatures } from '../../../../src/main/options/features.ts';
import type { ResolvedOptions } from '../../../../src/main/options/planner-options.ts';
import { resolveOptions } from '../../../../src/main/options/resolve-options.ts';
import { ExpertRecords } from '../../../../src/main/plans/panel/expert-records.ts';
import { type AskedSeat, ResidentSeats } from '../../../../src/main/plans/panel/resident-seats.ts';
import { skyrim } from '../../../../src/shared/domains/skyrim.ts';
import { seededRandom } from '../../../../src/shared/random.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const ROLES = skyrim.roles.map(({ name }) => name);
const PLAN_MS = 10_000;

/** Experts on `a` and `b-thinker`, a fallback on `c`, at one server that tells what it has in memory. */
class SeatsUnderTest {
  readonly clock = new FakeClock(1_000_000);
  readonly records = new ExpertRecords();
  readonly at: ModelEndpoint;
  readonly options: ResolvedOptions;
  readonly seats: ResidentSeats;

  constructor(rule: 'resident' | 'fixed' = 'resident') {
    this.options = resolveOptions({
      domain: skyrim,
      endpoints: { s: { baseURL: 'http://127.0.0.1:9/v1', slots: 4 } },
      experts: ['a', 'b-thinker', 'a'].map((model, nth) => ({ role: ROLES[nth] as string, model })),
      synthesis: { models: ['a', 'c'] },
      seats: rule,
    });
    this.at = new ModelEndpoint({
      endpoint: this.options.endpoints[0] as ResolvedOptions['endpoints'][number],
      features: allFeatures(true),
      clock: this.clock,
      random: seededRandom(1),
      ceilingMs: 20_000,
      models: new Set(['a', 'b-thinker', 'c']),
    });
    const endpoints = new Map([['s', this.at]]);
    this.seats = new ResidentSeats({ options: this.options, clock: this.clock, endpoints, records: this.records });
  }

  /** These are in memory, and no more fit. */
  has(...models: string[]): void {
    this.at.memory.lists(['a', 'b-thinker', 'c', 'x', 'y']);
    this.at.memory.told({ names: new Set(['x', 'y']), count: 2 });
    this.at.memory.told({ names: new Set(models), count: models.length });
    this.at.memory.told({ names: new Set(models), count: models.length });
  }

  asked(nth: number, leftMs = PLAN_MS): AskedSeat {
    return this.seats.seated(this.options.experts[nth] as AskedSeat, 'text', leftMs);
  }

  /** Votes of a model in so many plans, of which this share was decided. */
  votes(model: string, plans: number, share: number): void {
    for (let nth = 0; nth < plans; nth++) {
      const action = nth < plans * share ? 'go' : 'wait';
      const vote = { action, reason: '', confidence: 1 };
      const other = { action: 'go', reason: '', confidence: 1 };
      this.records.decided(
        [
          { role: 'r', model, vote },
          { role: 'r', model: 'other', vote: other },
        ] as never,
        'go',
      );
    }
  }
}

describe('a role whose model is not in memory', () => {
  test('is asked of a configured one that is, as that one thinks, and keeps how it was configured', () => {
    const under = new SeatsUnderTest();
    under.has('b-thinker');
    const own = under.options.experts[0];
    expect(under.asked(0)).toEqual({ ...own, model: 'b-thinker', thinks: true, own });
    expect(under.asked(1)).toBe(under.options.experts[1]);
    expect(under.seats.seated(under.asked(0), 'text', PLAN_MS).own).toBe(own);
  });

  test('is asked of its own where seats are fixed, or nothing is known to be missing', () => {
    const fixed = new SeatsUnderTest('fixed');
    fixed.has('b-thinker');
    expect(fixed.asked(0)).toBe(fixed.options.experts[0]);
    expect(new SeatsUnderTest().asked(0).own).toBeUndefined();
  });

  test('is asked of one and the same where none of them is there', () => {
    const under = new SeatsUnderTest();
    under.has('stranger');
    expect([0, 1, 2].map((nth) => under.asked(nth).model)).toEqual(['a', 'a', 'a']);
  });

  test('is asked of the one with the best record, of several that are there', () => {
    const under = new SeatsUnderTest();
    under.has('b-thinker', 'c');
    under.votes('b-thinker', 40, 0.5);
    under.votes('c', 40, 0.9);
    expect(under.asked(0).model).toBe('c');
  });

  test('is chosen anew when the call begins', () => {
    const under = new SeatsUnderTest();
    under.has('b-thinker');
    const late = under.seats.lateSeat(under.asked(0), 'text', under.clock.now() + PLAN_MS);
    expect([late?.model, late?.modelAt('s')]).toEqual(['a', 'b-thinker']);
    under.has('a');
    expect(late?.modelAt('s')).toBe('a');
  });
});

describe('another model is loaded', () => {
  test('once nothing was loaded for ten minutes, by a plan that has the time: the one not asked for longest', () => {
    const under = new SeatsUnderTest();
    under.has('a');
    under.at.memory.ended(under.at.memory.begins('a'), { totalMs: 500, firstTokenMs: 100 });
    under.clock.advance(599_999);
    expect(under.asked(0).model).toBe('a');
    under.clock.advance(1_000_000);
    expect(under.asked(0, 5_000).model).toBe('a');
    expect(under.asked(0, 20_000).model).toBe('b-thinker');
    // From then on everybody with enough time asks for it, until a call to it has begun.
    expect(under.asked(2, 12_000).model).toBe('b-thinker');
    expect(under.asked(2, 3_000).model).toBe('a');
    under.at.memory.begins('b-thinker');
    expect(under.asked(2, 3_000).model).toBe('b-thinker');
  });

  test('where its votes are decided more often, but not at every turn', () => {
    const under = new SeatsUnderTest();
    under.has('a');
    under.votes('a', 60, 0.5);
    under.votes('b-thinker', 60, 0.9);
    under.at.memory.begins('a');
    under.clock.advance(60_000);
    expect(under.asked(0, 20_000).model).toBe('a');
    under.clock.advance(200_000);
    expect(under.asked(0, 20_000).model).toBe('b-thinker');
  });
});

describe('a rung after the first', () => {
  const fallback = (under: SeatsUnderTest) => under.options.synthesis.models[1] as AskedSeat;

  test('is worth a load where that can be in time', () => {
    const under = new SeatsUnderTest();
    under.has('a');
    const seat = under.seats.rung(fallback(under), 20_000);
    expect([seat.model, under.seats.isWorthLoad(seat, 1)]).toEqual(['c', true]);
  });

  test('is asked of what is there where a load would come too late, or end an answer', () => {
    const under = new SeatsUnderTest();
    under.has('a');
    expect(under.seats.rung(fallback(under), 3_000).model).toBe('a');
    void under.at.gate.acquire(new AbortController().signal, { modelNow: () => 'a' });
    expect(under.seats.rung(fallback(under), 20_000).model).toBe('a');
  });
});
