import { describe, expect, test } from 'vitest';
import type { Slot } from '../../../../src/main/models/slots/ask.ts';
import { callToGiveUp, companyToGiveUp, type RoomQuestion, type Work } from '../../../../src/main/models/slots/room.ts';
import { LatencyProfile } from '../../../../src/main/models/time/latency-profile.ts';

const NOW_MS = 10_000;

/** A call at work for so long. */
function work(ageMs: number, more: Partial<Work> & { readonly isBackground?: boolean } = {}): Work {
  const { isBackground = true, ...rest } = more;
  const slot: Slot = {
    inFlight: 1,
    isBackground,
    meanCompany: () => 1,
    release: () => {},
    toBackground: () => {},
    toForeground: () => {},
  };
  return { model: 'm', kind: 'text', startedAtMs: NOW_MS - ageMs, slot, giveUp: () => {}, isGivenUp: false, ...rest };
}

/** A model that takes so long, or of which nothing is known. */
function profile(ms: number | undefined, slows = false): LatencyProfile {
  const made = new LatencyProfile();
  for (let nth = 0; ms !== undefined && nth < 100; nth++) {
    const company = slows ? 1 + (nth % 4) : 1;
    made.answered({ totalMs: ms * company }, false, company);
  }
  return made;
}

interface Given extends Partial<Omit<RoomQuestion, 'need'>> {
  readonly works: readonly Work[];
  /** Until the deadline of the newcomer; undefined: nothing is known of its need. */
  readonly leftMs?: number;
  readonly takesMs?: number | undefined;
}

function question(given: Given): RoomQuestion {
  const { leftMs, takesMs, ...more } = { takesMs: 200, ...given };
  const known = profile(takesMs);
  return {
    need: leftMs === undefined ? undefined : { model: 'm', kind: 'text', deadlineMs: NOW_MS + leftMs },
    ahead: 0,
    slots: given.works.length,
    waiting: 1,
    nowMs: NOW_MS,
    strangers: 0,
    profileOf: () => known,
    holdMs: () => 0,
    ...more,
  };
}

function gives(given: Given): number {
  const given_ = callToGiveUp(question(given));
  return given_ === undefined ? -1 : given.works.indexOf(given_);
}

describe('a call that nobody waits for is given up', () => {
  test('for a newcomer that is in time with its slot and not behind it', () => {
    // It has 150 of 200 ms to go: behind it the newcomer ends after 350 ms, with its slot after 200.
    const works = [work(50)];
    expect(gives({ works, leftMs: 280 })).toBe(0);
    expect(gives({ works, leftMs: 420 })).toBe(-1);
  });

  test('for none that cannot be in time with its slot either', () => {
    expect(gives({ works: [work(50)], leftMs: 220 })).toBe(0);
    expect(gives({ works: [work(50)], leftMs: 170 })).toBe(-1);
    // The server goes on with what is given up.
    expect(gives({ works: [work(50)], leftMs: 280, holdMs: () => 130 })).toBe(-1);
  });

  test('and never one that somebody waits for', () => {
    expect(gives({ works: [work(0, { isBackground: false })], leftMs: 280 })).toBe(-1);
    expect(gives({ works: [work(0, { isBackground: false }), work(0)], leftMs: 280 })).toBe(1);
  });

  test('the one that would run longest', () => {
    expect(gives({ works: [work(100), work(20), work(60)], leftMs: 250 })).toBe(1);
  });

  test('for none where another slot is about to be free', () => {
    expect(gives({ works: [work(20), work(190, { isBackground: false })], leftMs: 280 })).toBe(-1);
    expect(gives({ works: [work(20), work(20, { isBackground: false })], leftMs: 280 })).toBe(0);
  });

  test('for none where a slot is free, and what it waits for is a pause', () => {
    expect(gives({ works: [work(50)], slots: 2, leftMs: 280 })).toBe(-1);
    // Of a stranger nobody knows when it ends.
    expect(gives({ works: [work(50)], slots: 2, strangers: 1, leftMs: 280 })).toBe(0);
  });

  test('for whoever waits, where it hangs, however long its server is thought to go on with it', () => {
    // Calls take 200 ms.
    const hung = { leftMs: 280, holdMs: () => 3_000 };
    expect(gives({ works: [work(700)], ...hung })).toBe(-1);
    expect(gives({ works: [work(900)], ...hung })).toBe(0);
    expect(gives({ works: [work(900, { isBackground: false })], ...hung })).toBe(-1);
    expect(gives({ works: [work(50), work(900)], ...hung })).toBe(1);
  });

  test('for somebody whose need is not known, such as a chat, and where times are not known', () => {
    expect(gives({ works: [work(190)] })).toBe(0);
    expect(gives({ works: [work(50)], leftMs: 280, takesMs: undefined })).toBe(0);
  });
});

describe('where several wait', () => {
  test('a newcomer is behind those ahead of it, each of which takes a turn', () => {
    // One ahead: behind it with the slot after 400 ms, without after 550.
    expect(gives({ works: [work(50)], ahead: 1, leftMs: 480 })).toBe(0);
    expect(gives({ works: [work(50)], ahead: 1, leftMs: 650 })).toBe(-1);
    expect(gives({ works: [work(50)], ahead: 1, leftMs: 280 })).toBe(-1);
  });

  test('a long queue is no reason to give up what makes no difference', () => {
    expect(gives({ works: [work(190)], ahead: 3, leftMs: 2_000 })).toBe(-1);
  });

  test('in a crowd gives up what is not nearly done, for whoever can be in time', () => {
    // The newcomer could wait; somebody behind it could not.
    expect(gives({ works: [work(50)], waiting: 2, leftMs: 2_000 })).toBe(-1);
    expect(gives({ works: [work(50)], waiting: 3, leftMs: 2_000 })).toBe(0);
    // Of 200 ms, 20 are left.
    expect(gives({ works: [work(180)], waiting: 3, leftMs: 2_000 })).toBe(-1);
    expect(gives({ works: [work(50)], waiting: 3, leftMs: 100 })).toBe(-1);
  });

  test('calls that were given up before make room for those ahead first', () => {
    const works = [work(10, { isGivenUp: true }), work(10)];
    expect(gives({ works })).toBe(-1);
    expect(gives({ works, ahead: 1 })).toBe(1);
    expect(gives({ works, leftMs: 280 })).toBe(-1);
    expect(gives({ works, ahead: 1, leftMs: 280 })).toBe(1);
    expect(gives({ works: works.slice(0, 1), ahead: 3 })).toBe(-1);
  });
});

describe('a call that has begun beside work that nobody waits for', () => {
  function company(works: readonly Work[], leftMs: number, slows: boolean, strangers = 0): number {
    const asked = question({ works, leftMs, strangers });
    const { need } = asked;
    const known = profile(200, slows);
    if (need === undefined) return -1;
    const work_ = companyToGiveUp({ ...asked, need, profileOf: () => known });
    return work_ === undefined ? -1 : works.indexOf(work_);
  }
  const own = work(0, { isBackground: false });

  test('has it given up where that slows it too much, the longest first', () => {
    expect(company([work(150), work(10), own], 300, true)).toBe(1);
  });

  test('leaves it where calls are independent, and where there is time for all', () => {
    expect(company([work(150), work(10), own], 300, false)).toBe(-1);
    expect(company([work(150), work(10), own], 2_000, true)).toBe(-1);
  });

  test('leaves it where it would be late alone too', () => {
    expect(company([work(10), own], 100, true)).toBe(-1);
    expect(company([work(10), own], 300, true, 5)).toBe(-1);
  });

  test('leaves it where it would be in time alone once in five times', () => {
    const lucky = new LatencyProfile();
    for (let nth = 0; nth < 200; nth++) {
      const company = 1 + (nth % 4);
      lucky.answered({ totalMs: (nth % 5 === 0 ? 100 : 600) * company }, false, company);
    }
    expect(lucky.chanceWithin(160, 1)).toBeLessThan(0.35);
    expect(lucky.chanceWithin(160, 3)).toBeLessThan(0.05);
    const works = [work(10), work(10), own];
    const need = { model: 'm', kind: 'text', deadlineMs: NOW_MS + 160 } as const;
    expect(companyToGiveUp({ ...question({ works }), need, profileOf: () => lucky })).toBeUndefined();
  });

  test('leaves what somebody waits for, and what is given up already', () => {
    expect(company([work(0, { isBackground: false }), work(0, { isGivenUp: true }), own], 300, true)).toBe(-1);
  });
});
