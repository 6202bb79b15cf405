import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { skyrim } from '../../../src/shared/domains/skyrim.ts';
import { byAction, byPlace, OptionOrder } from '../../../src/shared/reads/option-order.ts';
import { planRead } from '../../../src/shared/reads/plan-read.ts';
import { readReadings } from '../../../src/shared/reads/read-answer.ts';
import { readBody } from '../../../src/shared/reads/read-body.ts';
import { READ_FORMS, type ReadCall, type ReadForm } from '../../../src/shared/reads/reading.ts';
import { listKey, situationOf } from '../../../src/shared/situation.ts';

const ROLES = ['scout', 'guard', 'seer', 'guide'];

function actions(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `act ${'abcdefghijklmnopqrstuvwxyz'[index]}`);
}

function callOf(form: ReadForm, of: readonly string[], turn: number | undefined): ReadCall {
  const situation = situationOf({ agent: 'lydia', observation: { scene: 'combat' }, actions: of }, 40);
  const terms = { form, roles: form === 'logprobs' ? ROLES.slice(0, 1) : ROLES, turn };
  return planRead(skyrim, situation, {
    ...terms,
    model: 'm',
    timeoutMs: 1_000,
    alternativesMax: 30,
  });
}

/** The options of each question as a server sees them: pairs of a label and an action, in order. */
const SEEN: Readonly<Record<ReadForm, (body: never) => (readonly [label: string, action: string])[][]>> = {
  decisions: ({ questions }: { questions: { choices: { value: string; description: string }[] }[] }) =>
    questions.map(({ choices }) => choices.map(({ value, description }) => [value, description])),
  systemone: ({ questions }: { questions: Record<string, { criteria: Record<string, string> }> }) =>
    Object.values(questions).map(({ criteria }) => Object.entries(criteria)),
  logprobs: ({ messages }: { messages: { content: string }[] }) => {
    const lines = messages[1]?.content.matchAll(/^(\w)\. (.*)$/gm) ?? [];
    return [[...lines].map(([, label, action]) => [label as string, action as string])];
  },
};

/** Answers each question with this probability for each label. */
const ANSWERED: Readonly<Record<ReadForm, (told: readonly Record<string, number>[]) => unknown>> = {
  decisions: (told) => ({
    answers: told.map((each) => ({
      probabilities: Object.entries(each).map(([value, probability]) => ({ value, probability })),
    })),
  }),
  systemone: (told) => ({
    answers: Object.fromEntries(told.map((probabilities, index) => [`q${index + 1}`, { probabilities }])),
  }),
  logprobs: ([each = {}]) => {
    const top_logprobs = Object.entries(each).map(([token, probability]) => ({
      token,
      logprob: Math.log(probability),
    }));
    return { choices: [{ logprobs: { content: [{ token: '1', top_logprobs }] } }] };
  },
};

const turns = fc.option(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { nil: undefined });

describe.each(READ_FORMS)('a read of the form %s', (form) => {
  test('gives each action the probability that the server gave to it, however the options are turned', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 26 }), turns, (count, turn) => {
        const offered = actions(count);
        const call = callOf(form, offered, turn);
        const seen = SEEN[form](JSON.parse(readBody(call).toString()) as never);
        const worth = (action: string): number => (offered.indexOf(action) + 1) / ((count * (count + 1)) / 2);
        const told = seen.map((options) =>
          Object.fromEntries(options.map(([label, action]) => [label, worth(action)])),
        );
        const readings = readReadings(call, ANSWERED[form](told));
        expect(readings).toHaveLength(call.roles.length);
        for (const { probabilities } of readings)
          for (const [index, action] of offered.entries()) expect(probabilities[index]).toBeCloseTo(worth(action), 9);
      }),
      { numRuns: 60 },
    );
  });

  test('shows the labels in order, and the actions in order without a turn', () => {
    for (const turn of [undefined, 0.4]) {
      for (const options of SEEN[form](JSON.parse(readBody(callOf(form, actions(5), turn)).toString()) as never)) {
        expect(options.map(([label]) => label)).toEqual(['1', '2', '3', '4', '5']);
        if (turn === undefined) expect(options.map(([, action]) => action)).toEqual(actions(5));
      }
    }
  });
});

describe('the order of options', () => {
  test('differs between the questions of one request, spread evenly', () => {
    const offsets = (turn: number): (number | undefined)[] =>
      ROLES.map((_, nth) => new OptionOrder(actions(8), turn, nth).offset);
    expect(offsets(0)).toEqual([0, 4, 2, 6]);
    expect(offsets(0.9)).toEqual([7, 3, 1, 5]);
    for (const turn of [0.1, 0.37, 0.99]) expect(new Set(offsets(turn)).size).toBe(ROLES.length);
  });

  test('byAction undoes byPlace', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), fc.nat(), (list, nth) => {
        const offset = nth % list.length;
        expect(byAction(byPlace(list, offset), offset)).toEqual(list);
      }),
    );
  });
});

test('what the turn of a chat is drawn by stays while only what stands behind the list changes', () => {
  const order = { beforeActions: ['scene'], afterActions: ['health'] };
  const keyOf = (scene: 'combat' | 'map', health: number, count = 4): string =>
    listKey(
      skyrim,
      situationOf({ agent: 'lydia', observation: { scene, health }, actions: actions(count) }, 40, undefined, order),
    );
  expect(keyOf('combat', 20)).toBe(keyOf('combat', 90));
  expect(keyOf('combat', 20)).not.toBe(keyOf('map', 20));
  expect(keyOf('combat', 20)).not.toBe(keyOf('combat', 20, 5));
});
