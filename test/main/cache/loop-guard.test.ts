import { describe, expect, test } from 'vitest';
import { actionInVain, type Dwell, isUnchanged, LoopGuard, REPEATS_MAX } from '../../../src/main/cache/loop-guard.ts';
import type { Signature } from '../../../src/shared/signature.ts';
import { signatureOf } from '../../support/decisions.ts';

const HERE = signatureOf(1);
const THERE = signatureOf(2);

/** What may not be served to the agent in the state. */
function inVain(guard: LoopGuard, state = HERE, agent = 'lydia'): string | undefined {
  return actionInVain(guard.recall(agent), state);
}

function guardAfter(...actions: readonly string[]): LoopGuard {
  const guard = new LoopGuard(10);
  for (const action of actions) guard.took('lydia', HERE, 'combat', action, 0);
  return guard;
}

describe('an action in an unchanged state', () => {
  test('may be served once more, and never a third time', () => {
    expect(REPEATS_MAX).toBe(2);
    const guard = new LoopGuard(10);
    expect(inVain(guard)).toBeUndefined();
    guard.took('lydia', HERE, 'combat', 'attack', 0);
    expect(inVain(guard)).toBeUndefined();
    for (let repeats = REPEATS_MAX; repeats < 6; repeats++) {
      guard.took('lydia', HERE, 'combat', 'attack', 0);
      expect(inVain(guard)).toBe('attack');
    }
  });

  test('begins anew after another action in between', () => {
    const guard = guardAfter('attack', 'attack', 'block');
    expect(inVain(guard)).toBeUndefined();
    guard.took('lydia', HERE, 'combat', 'attack', 0);
    expect(inVain(guard)).toBeUndefined();
    guard.took('lydia', HERE, 'combat', 'attack', 0);
    expect(inVain(guard)).toBe('attack');
  });

  test('begins anew after another state in between', () => {
    const guard = guardAfter('attack', 'attack');
    guard.took('lydia', THERE, 'combat', 'attack', 0);
    expect([inVain(guard, HERE), inVain(guard, THERE)]).toEqual([undefined, undefined]);
    guard.took('lydia', HERE, 'combat', 'attack', 0);
    expect(inVain(guard)).toBeUndefined();
    guard.took('lydia', HERE, 'combat', 'attack', 0);
    expect(inVain(guard)).toBe('attack');
  });

  test('is in vain in that state only', () => {
    const guard = guardAfter('attack', 'attack');
    expect(inVain(guard, THERE)).toBeUndefined();
    // Being asked about another state is not being in it.
    expect(inVain(guard, HERE)).toBe('attack');
  });

  test('is in vain for that agent only, though two take turns in one state', () => {
    const guard = new LoopGuard(10);
    for (const agent of ['lydia', 'serana', 'lydia']) guard.took(agent, HERE, 'combat', 'attack', 0);
    expect([inVain(guard), inVain(guard, HERE, 'serana'), inVain(guard, HERE, 'stranger')]).toEqual([
      'attack',
      undefined,
      undefined,
    ]);
  });
});

describe('what is remembered of an agent', () => {
  test('counts repeats of an action in one state, and its streak in whatever states', () => {
    const guard = guardAfter('attack', 'attack');
    expect(guard.recall('lydia')).toMatchObject({ action: 'attack', repeats: 2, streak: 2 });
    guard.took('lydia', THERE, 'combat', 'attack', 0);
    expect(guard.recall('lydia')).toMatchObject({ action: 'attack', repeats: 1, streak: 3 });
    guard.took('lydia', THERE, 'combat', 'block', 0);
    expect(guard.recall('lydia')).toMatchObject({ action: 'block', repeats: 1, streak: 1 });
  });

  test('is a state of its own: the caller may sign the next one into the same words', () => {
    const guard = new LoopGuard(10);
    const words = HERE.slice();
    guard.took('lydia', words, 'combat', 'attack', 0);
    words.set(THERE);
    expect(isUnchanged(guard.recall('lydia') as never, HERE)).toBe(true);
    guard.took('lydia', words, 'combat', 'attack', 0);
    words.set(HERE);
    expect(isUnchanged(guard.recall('lydia') as never, THERE)).toBe(true);
  });

  test('tells states apart by each of the words of their signature', () => {
    const memory = guardAfter('attack').recall('lydia') as never;
    for (const word of [0, 1, 2, 3]) {
      const other = HERE.slice();
      other[word] = (other[word] as number) ^ 1;
      expect(isUnchanged(memory, other)).toBe(false);
    }
  });

  test('is nothing after a clear', () => {
    for (const agent of ['lydia', '']) {
      const guard = new LoopGuard(10);
      for (let times = 0; times < 2; times++) guard.took(agent, HERE, 'combat', 'attack', 0);
      guard.clear();
      expect([guard.recall(agent), inVain(guard, HERE, agent)]).toEqual([undefined, undefined]);
    }
  });
});

describe('the bound', () => {
  test('keeps the agents seen last: full, and full plus one', () => {
    const guard = new LoopGuard(3);
    for (const agent of ['a', 'b', 'c']) guard.took(agent, HERE, 'combat', 'attack', 0);
    guard.took('a', HERE, 'combat', 'attack', 0);
    guard.took('d', HERE, 'combat', 'attack', 0);
    expect(['a', 'b', 'c', 'd'].map((agent) => guard.recall(agent)?.repeats)).toEqual([2, undefined, 1, 1]);
  });

  test('of one agent remembers one', () => {
    const guard = new LoopGuard(1);
    for (const agent of ['a', 'b', 'a', 'a']) guard.took(agent, HERE, 'combat', 'attack', 0);
    expect([inVain(guard, HERE, 'a'), inVain(guard, HERE, 'b')]).toEqual(['attack', undefined]);
  });
});

test('the time in a state is told with its scene when the state changes, from the first moment in it on', () => {
  const guard = new LoopGuard(10);
  const tookAt = (nowMs: number, state: Signature, scene: string, action = 'attack'): Dwell | undefined =>
    guard.took('lydia', state, scene, action, nowMs);
  expect(tookAt(1_000, HERE, 'combat')).toBeUndefined();
  expect(tookAt(1_400, HERE, 'combat')).toBeUndefined();
  expect(tookAt(1_700, HERE, 'combat', 'block')).toBeUndefined();
  expect(tookAt(2_500, THERE, 'town')).toEqual({ scene: 'combat', ms: 1_500 });
  expect(tookAt(2_500, HERE, 'combat')).toEqual({ scene: 'town', ms: 0 });
  expect(tookAt(2_600, THERE, 'town')).toEqual({ scene: 'combat', ms: 100 });
});
