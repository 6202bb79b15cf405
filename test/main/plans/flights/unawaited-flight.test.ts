import { afterEach, expect, test } from 'vitest';
import type { Slot } from '../../../../src/main/models/slots/ask.ts';
import { allFeatures } from '../../../../src/main/options/features.ts';
import { resolveOptions } from '../../../../src/main/options/resolve-options.ts';
import { Flight } from '../../../../src/main/plans/flights/flight.ts';
import type { FlightParts, FlightPurpose } from '../../../../src/main/plans/flights/flight-parts.ts';
import { makeParts } from '../../../../src/main/service/create-planner.ts';
import { seededRandom } from '../../../../src/shared/random.ts';
import { flush } from '../../../support/drive.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { type Behaviour, FakeModels, type ReadScript } from '../../../support/fake-models.ts';
import { request, testDomain } from '../../../support/make-planner.ts';

const NEVER = new AbortController().signal;

let clock: FakeClock;
let models: FakeModels;
let parts: FlightParts;

/** Two experts at a server of so many slots; without a script of reads they can only be asked in words. */
function make(slots: number, behaviour: (role: string | undefined) => Behaviour, reads?: ReadScript): void {
  clock = new FakeClock(1_000);
  models = new FakeModels(clock, ({ role }) => behaviour(role), reads);
  const options = resolveOptions({
    domain: testDomain,
    endpoints: { fake: { baseURL: 'http://127.0.0.1:9/v1', slots, maxConcurrent: slots } },
    experts: ['one', 'two'].map((role) => ({ role, model: 'e' })),
    synthesis: { models: [] },
    quorum: 'firstAgree',
    features: {
      ...allFeatures(true),
      discovery: false,
      constrainedAnswers: false,
      slotHolds: false,
      lateAnswers: false,
    },
    timeoutMs: 1_000,
  });
  parts = makeParts(options, {
    ...{ clock, random: seededRandom(1), pool: models },
    callers: new Map(options.endpoints.map(({ name }) => [name, models])),
  });
}

const gate = () =>
  parts.endpoints.get('fake')?.gate as NonNullable<ReturnType<FlightParts['endpoints']['get']>>['gate'];

function fly(purpose: Omit<FlightPurpose, 'state'>): { readonly flight: Flight; readonly end: Promise<void> } {
  const flight = new Flight(parts, -1, request(), clock.now() + 1_000, { state: 'cave', ...purpose });
  return { flight, end: flight.run() };
}

async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    await flush();
    clock.advance(10);
  }
  await flush();
}

afterEach(() => {
  gate().close();
  expect(clock.pendingTimers).toBe(0);
});

const answers = (): Behaviour => ({ kind: 'answers', action: 'block', afterMs: 50 });

test.each([
  { lane: 'background', isForeseen: true },
  { lane: 'background', served: 'block' },
  { lane: 'reserved', reserveMs: 60_000, served: 'block' },
] as const)('no call waits for a slot after the deadline of its flight: $lane $isForeseen', async (purpose) => {
  make(1, answers, () => ({ kind: 'reads', probabilities: { block: 0.95 }, afterMs: 5 }));
  const slot = gate().acquire(NEVER, { rankMs: Number.NEGATIVE_INFINITY }) as Slot;
  const { flight, end } = fly(purpose);
  await pass(1_010);
  await end;
  expect(flight.use.isStarved).toBe(true);
  slot.release();
  await pass(100);
  expect(models.calls).toEqual([]);
});

test('a plan that joins while a call has its slot but has not begun keeps it', async () => {
  make(1, answers);
  const { flight, end } = fly({ lane: 'background', isForeseen: true, oneExpert: 0 });
  // The start of a call waits for a turn of the event loop.
  for (let nth = 0; nth < 4; nth++) void parts.turns.next('with-slot');
  while (gate().busy === 0) await Promise.resolve();
  const deadlineMs = clock.now() + 1_000;
  flight.promote({ agent: 'x', startedAtMs: clock.now(), deadlineMs, settleMs: deadlineMs, priority: 0 });
  await flush();
  expect(gate().ownInBackground).toBe(0);
  await pass(200);
  await end;
});

test('the time of calls that are cut at the end of a flight is counted', async () => {
  make(4, (role) => (role === 'one' ? answers() : { kind: 'stuck' }));
  const { flight, end } = fly({ lane: 'background' });
  await pass(1_010);
  await end;
  expect(flight.use.workedMs).toBeGreaterThanOrEqual(1_000);
  await models.close();
  await flush();
});

test('calls of a check within its reserve are not expected to come as those of plans are', async () => {
  make(2, answers);
  const { end } = fly({ lane: 'reserved', reserveMs: 60_000, served: 'block' });
  await pass(100);
  await end;
  expect(models.calls).toHaveLength(2);
  expect(parts.endpoints.get('fake')?.expectedStarts(1_000)).toBe(0);
});

test.each(['reserved', 'background'] as const)('a check of several different answers is written: %s', async (lane) => {
  make(2, answers, () => ({ kind: 'reads', probabilities: { flee: 0.99 }, afterMs: 5 }));
  const { flight, end } = fly({ lane, reserveMs: 60_000 });
  await pass(100);
  await end;
  expect(models.calls.map(({ role }) => role)).toEqual(['one', 'two']);
  expect(flight.decision).toMatchObject({ action: 'block', source: 'quorum' });
});
