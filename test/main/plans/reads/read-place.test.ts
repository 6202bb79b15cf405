import { expect, test } from 'vitest';
import type { ResolvedExpert } from '../../../../src/main/options/planner-options.ts';
import { FlightRead, type FlightReadParts } from '../../../../src/main/plans/reads/flight-read.ts';
import { request, testDomain } from '../../../support/make-planner.ts';

const EXPERT = { role: 'one', model: 'm', endpoint: 'e', alternatives: [] } as unknown as ResolvedExpert;

/** A read whose place is beside experts, and that is not worth its time now. */
function unmadeRead(): FlightRead {
  const forecast = { workMs: () => 500, chanceWithin: () => 1 };
  const given = {
    parts: {
      clock: { now: () => 0 },
      options: { reads: { answers: 'auto' }, experts: [EXPERT], domain: testDomain, promptActionsMax: 20 },
      endpoints: new Map([['e', { forecast, gate: { busy: 0, waiting: 0 }, isResting: false }]]),
      records: { weightOf: () => 1 },
    },
    reads: {
      forms: { formFor: () => 'decisions' },
      further: { usualMs: () => 500 },
      standingOf: () => 1,
      worthOf: () => 'unknown',
      trialOf: () => 'pair',
      isBetterThanNone: () => true,
      isWorthwhile: () => false,
    },
    request: request(),
    outlook: {
      kindOf: () => 'text',
      isTimely: () => true,
      besideAnother: () => 1,
      // Experts have hardly any time after a read, and enough beside it.
      worthWithin: (ms: number) => (ms > 1_800 ? 0.8 : 0.2),
    },
    calls: { deadlineMs: 2_000, isAwaited: true },
  };
  return new FlightRead(given as unknown as FlightReadParts);
}

test('a read that is not made is beside nothing: its plan does not wait for a pair of votes to compare it with', async () => {
  const read = unmadeRead();
  await read.first(() => expect.fail('it was not made'));
  expect(read.isBeside).toBe(false);
});
