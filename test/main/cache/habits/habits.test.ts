import { describe, expect, test } from 'vitest';
import type {
  Circumstances,
  CommonEvidence,
  HabitPlace,
  Momentum,
} from '../../../../src/main/cache/evidence/evidence.ts';
import { HABIT_INPUTS, Habits } from '../../../../src/main/cache/habits/habits.ts';

const ACTIONS = ['attack', 'block', 'flee'];
const NOTHING: CommonEvidence = { ofActionSet: [undefined, undefined], recordOf: () => 0.5 };
let states = 0;

/** A state that was never met, after this action of the agent. */
function following(
  last: string,
  { scene = 'cave', ...more }: Partial<HabitPlace> & { scene?: string } = {},
  momentum: Partial<Momentum> = {},
): Circumstances {
  const openGates = ++states;
  return {
    scene,
    state: openGates,
    gates: openGates,
    actionSet: 1,
    momentum: { action: last, repeats: 1, streak: 1, isUnchanged: false, ...momentum },
    habit: { flags: '1', openGates, atMs: 0, ...more },
  };
}

function taught(...seen: readonly (readonly [last: string, next: string])[]): Habits {
  const habits = new Habits(1_000);
  for (let times = 0; times < 5; times++) for (const [last, next] of seen) habits.learn(following(last), next);
  return habits;
}

const actionOf = (habits: Habits, circumstances: Circumstances, actions = ACTIONS): string | undefined =>
  habits.predict(actions, circumstances, NOTHING)?.action;

describe('a habit', () => {
  test('is what is usually done after the same action, in a state that was never met', () => {
    const habits = taught(['attack', 'block'], ['block', 'flee']);
    expect(actionOf(habits, following('attack'))).toBe('block');
    expect(actionOf(habits, following('block'))).toBe('flee');
    expect(habits.predict(ACTIONS, following('attack'), NOTHING)).toMatchObject({
      agreeing: 5,
      inGates: 5,
      habitAtMs: 0,
    });
  });

  test.each([
    ['after another action', following('flee')],
    ['in another scene', following('attack', { scene: 'town' })],
    ['with other flags', following('attack', { flags: '0' })],
    ['for an agent that is stuck', following('attack', {}, { isUnchanged: true })],
    ['after that action at a time too long ago', following('attack', { atMs: 1_000 })],
    ['if it is not to be predicted', { ...following('attack'), habit: undefined } as unknown as Circumstances],
  ])('is not known %s', (_, circumstances) => {
    const habits = taught(['attack', 'block']);
    expect(actionOf(habits, circumstances)).toBeUndefined();
  });

  test('is one of the actions that are offered, also of a set that was never offered', () => {
    const habits = taught(['attack', 'block'], ['attack', 'flee'], ['attack', 'block']);
    const circumstances = { ...following('attack'), actionSet: 2 };
    expect(actionOf(habits, circumstances)).toBe('block');
    expect(actionOf(habits, circumstances, ['dance', 'flee'])).toBe('flee');
    expect(actionOf(habits, circumstances, ['dance'])).toBeUndefined();
  });

  test('is what was done before in the same observation, whatever was offered and done last', () => {
    const habits = new Habits(1_000);
    habits.learn(following('attack', { openGates: -1 }), 'flee');
    expect(actionOf(habits, { ...following('block', { openGates: -1 }), actionSet: 3 })).toBe('flee');
  });

  test('is not predicted of more than 200 actions', () => {
    const habits = taught(['attack', 'block']);
    const many = [...ACTIONS, ...Array.from({ length: 198 }, (_, i) => `a${i}`)];
    expect(actionOf(habits, following('attack'), many.slice(0, 200))).toBe('block');
    expect(actionOf(habits, following('attack'), many)).toBeUndefined();
  });

  test('is forgotten after clear', () => {
    const habits = taught(['attack', 'block']);
    habits.clear();
    expect(actionOf(habits, following('attack'))).toBeUndefined();
  });
});

test('the inputs of its risk have names, and are finite whatever is known', () => {
  const habits = taught(['attack', 'block'], ['attack', 'flee']);
  for (const more of [{}, { scene: 'cave', flags: '1' }]) {
    const { features } = habits.predict(ACTIONS, following('attack', more), NOTHING) ?? {};
    expect(features).toHaveLength(HABIT_INPUTS.names.length);
    expect(features?.every(Number.isFinite)).toBe(true);
  }
  expect(new Set(HABIT_INPUTS.names).size).toBe(HABIT_INPUTS.names.length);
  expect(HABIT_INPUTS.names).toEqual(expect.arrayContaining(Object.keys(HABIT_INPUTS.start)));
});
