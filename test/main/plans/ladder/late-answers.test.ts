import { describe, expect, test } from 'vitest';
import { type LateAnswer, LateAnswers, type LateCandidate } from '../../../../src/main/plans/ladder/late-answers.ts';
import { signatureOf } from '../../../support/decisions.ts';
import { request, testDomain } from '../../../support/make-planner.ts';

const FLEE: LateAnswer = { action: 'flee', reason: 'it is strong', model: 'e' };
const here = (more: Parameters<typeof request>[0] = {}) => request({ agent: 'lydia', ...more });

/** Models were asked about a state of the agent at `atMs`, and say `answer`. */
function heard(
  late: LateAnswers,
  id: number,
  atMs: number,
  answer: LateAnswer | undefined = FLEE,
  of: ReturnType<typeof request> = here(),
) {
  return late.asked(of, signatureOf(id), atMs, () => answer);
}

function candidate(late: LateAnswers, id = 2, nowMs = 1_000, of = here()): LateCandidate | undefined {
  return late.candidate(of, signatureOf(id), nowMs);
}

/** Against a next rung that says `block`. */
function comparison({ kind, action }: LateCandidate): Parameters<LateAnswers['shadow']>[1] {
  return { kind, standIn: action, next: 'block' };
}

/** So many comparisons of one kind, of which the late answer was right in `won` and the next rung in the others. */
function compare(late: LateAnswers, kind: string, won: number, lost: number): void {
  for (let nth = 0; nth < won; nth++) late.compare({ kind, standIn: 'flee', next: 'block' }, 'flee');
  for (let nth = 0; nth < lost; nth++) late.compare({ kind, standIn: 'flee', next: 'block' }, 'block');
}

describe('the candidate', () => {
  test('is the newest answer for the same agent, however late models said it', () => {
    const late = new LateAnswers(testDomain);
    let answer: LateAnswer | undefined;
    heard(late, 1, 0);
    late.asked(here(), signatureOf(3), 500, () => answer);
    expect(candidate(late)).toMatchObject({ action: 'flee', ageMs: 1_000 });
    answer = { ...FLEE, action: 'block' };
    expect(candidate(late)).toMatchObject({ action: 'block', ageMs: 500 });
    expect(candidate(late, 2, 1_000, here({ agent: 'other' }))).toBeUndefined();
  });

  test('is none that is not legal now, though an older one would be', () => {
    const late = new LateAnswers(testDomain);
    heard(late, 1, 0, { ...FLEE, action: 'block' });
    heard(late, 3, 500);
    const actions = ['attack', 'block'];
    expect(candidate(late, 2, 1_000, here({ actions }))).toBeUndefined();
  });

  test('is no older than a minute', () => {
    const late = new LateAnswers(testDomain);
    heard(late, 1, 0);
    expect(candidate(late, 2, 60_000)?.ageMs).toBe(60_000);
    expect(candidate(late, 2, 60_001)).toBeUndefined();
  });

  test('is one of the latest 64 states that models are asked about', () => {
    const late = new LateAnswers(testDomain);
    heard(late, 1, 0);
    for (let id = 10; id < 73; id++) late.asked(here(), signatureOf(id), id, () => undefined);
    expect(candidate(late)).toBeDefined();
    late.asked(here(), signatureOf(73), 73, () => undefined);
    expect(candidate(late)).toBeUndefined();
  });

  test('is not pushed out by states whose work has ended without an answer', () => {
    const late = new LateAnswers(testDomain);
    heard(late, 1, 0);
    for (let id = 10; id < 200; id++) late.asked(here(), signatureOf(id), id, () => undefined).isEnded = true;
    expect(candidate(late)).toBeDefined();
  });

  test('is told apart by its age, and by whether the state it was for is near', () => {
    const late = new LateAnswers(testDomain);
    heard(late, 1, 0);
    const kinds = [125, 250, 1_000].map((nowMs) => candidate(late, 2, nowMs)?.kind);
    expect(new Set(kinds).size).toBe(3);
    const elsewhere = here({ observation: { place: 'elsewhere', health: 50 } });
    expect(candidate(late, 2, 250, elsewhere)?.kind).not.toBe(kinds[1]);
  });
});

describe('the rung', () => {
  const KIND = 'near 3';
  const one: LateCandidate = { ...FLEE, ageMs: 1_000, kind: KIND };

  test('starts silent, and serves the very state without any evidence', () => {
    const late = new LateAnswers(testDomain);
    heard(late, 1, 0);
    expect(late.serves((candidate(late, 2) as LateCandidate).kind)).toBe(false);
    expect(late.serves((candidate(late, 1) as LateCandidate).kind)).toBe(true);
  });

  test('serves once it was clearly right more often where one of the two was', () => {
    const late = new LateAnswers(testDomain);
    // Older ones fade, so that four amount to a little less.
    compare(late, KIND, 4, 0);
    expect(late.serves(one.kind)).toBe(false);
    compare(late, KIND, 1, 0);
    expect(late.serves(one.kind)).toBe(true);
    compare(late, KIND, 0, 3);
    expect(late.serves(one.kind)).toBe(false);
  });

  test('learns nothing from comparisons in which both say the same, or both are wrong', () => {
    const late = new LateAnswers(testDomain);
    for (let nth = 0; nth < 50; nth++) {
      late.compare({ kind: KIND, standIn: 'flee', next: 'flee' }, 'flee');
      late.compare({ kind: KIND, standIn: 'flee', next: 'block' }, 'attack');
    }
    expect(late.serves(one.kind)).toBe(false);
    expect(late.stats()).toContainEqual({ kind: KIND, compared: 100, lateOnly: 0, nextOnly: 0, serves: false });
  });

  test('stops when it is worse by now', () => {
    const late = new LateAnswers(testDomain);
    compare(late, KIND, 100, 0);
    compare(late, KIND, 0, 20);
    expect(late.serves(one.kind)).toBe(true);
    compare(late, KIND, 0, 60);
    expect(late.serves(one.kind)).toBe(false);
  });

  test('is judged by its own kind where enough is known of that, else by what it is pooled with', () => {
    const late = new LateAnswers(testDomain);
    compare(late, KIND, 10, 0);
    expect(late.serves('near 5')).toBe(true);
    expect(late.serves('far 5')).toBe(true);
    compare(late, 'far 3', 0, 5);
    expect(late.serves('far 5')).toBe(false);
    expect(late.serves(one.kind)).toBe(true);
  });
});

describe('the shadow', () => {
  test('is held against what models decide for that state, once', () => {
    const late = new LateAnswers(testDomain);
    heard(late, 1, 0);
    const found = candidate(late) as LateCandidate;
    late.shadow(signatureOf(2), comparison(found));
    late.decided(signatureOf(3), 'flee');
    expect(late.stats()).toEqual([]);
    late.decided(signatureOf(2), 'flee');
    late.decided(signatureOf(2), 'flee');
    expect(late.stats().find(({ kind }) => kind === found.kind)).toMatchObject({ compared: 1, lateOnly: 1 });
  });

  test('is not kept of the very state, of which models say the same by themselves', () => {
    const late = new LateAnswers(testDomain);
    heard(late, 1, 0);
    late.shadow(signatureOf(1), comparison(candidate(late, 1) as LateCandidate));
    late.decided(signatureOf(1), 'flee');
    expect(late.stats()).toEqual([]);
  });

  test('is kept of the latest thousand states', () => {
    const late = new LateAnswers(testDomain);
    const one: LateCandidate = { ...FLEE, ageMs: 1, kind: 'near 0' };
    for (let id = 0; id <= 1_000; id++) late.shadow(signatureOf(id), comparison(one));
    late.decided(signatureOf(0), 'flee');
    expect(late.stats()).toEqual([]);
    late.decided(signatureOf(1), 'flee');
    expect(late.stats()).not.toEqual([]);
  });

  test('and all else is forgotten when it is cleared', () => {
    const late = new LateAnswers(testDomain);
    heard(late, 1, 0);
    compare(late, 'near 0', 10, 0);
    late.shadow(signatureOf(2), comparison(candidate(late) as LateCandidate));
    late.clear();
    late.decided(signatureOf(2), 'flee');
    expect([late.stats(), candidate(late)]).toEqual([[], undefined]);
  });
});
