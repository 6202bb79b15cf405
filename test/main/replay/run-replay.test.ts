import { expect, test } from 'vitest';
import type { ResolvedCache } from '../../../src/main/cache/cache-options.ts';
import { PROFILES } from '../../../src/main/options/profiles.ts';
import { type ReplayRun, type ReplayRunOptions, runReplay } from '../../../src/main/replay/run-replay.ts';
import { openTrace, type TraceRecord } from '../../../src/main/session/trace-reader.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import { defineDomain } from '../../../src/shared/domain.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FEATURES, recordAt, records, tempFolder, traceText } from '../../support/trace-files.ts';

const domain = defineDomain({ name: 'cave', features: FEATURES });
const cache = PROFILES.default.cache as ResolvedCache;

async function run(text: string, options: Partial<ReplayRunOptions> = {}): Promise<ReplayRun> {
  using folder = tempFolder();
  await using trace = await openTrace(folder.file('trace.jsonl', text));
  return await runReplay(trace.records(), trace.domain, {
    cache,
    seed: 1,
    advice: true,
    clock: systemClock,
    ...options,
  });
}

/** Far more records than a test takes; `onTaken` is told before each. */
async function* manyRecords(onTaken: (index: number) => void): AsyncGenerator<TraceRecord> {
  for (let index = 0; index < 300_000; index++) {
    onTaken(index);
    const observation = { place: 'hall', health: index % 100 };
    yield { line: index + 2, t: index, request: { agent: 'a', observation, actions: ['go', 'stay'] }, chosen: 'go' };
  }
}

test('a limit ends the replay after so many records', async () => {
  expect((await run(traceText(records(5)), { limit: 3 })).outcome.decisions).toBe(3);
  expect((await run(traceText(records(5)), { limit: 6 })).outcome.decisions).toBe(5);
});

test('a broken line ends the replay with what precedes it', async () => {
  const { outcome, fault, interrupted } = await run(traceText([recordAt(0), recordAt(1), '{"t":']));
  expect(outcome.decisions).toBe(2);
  expect(fault?.message).toContain('line 4: is not JSON');
  expect(interrupted).toBe(false);
});

test('a feature that the header misses is told with line and key', async () => {
  const record = recordAt(1);
  const { outcome, fault } = await run(
    traceText([recordAt(0), { ...record, observation: { place: 'hall', mana: 3, health: 1 } }]),
  );
  expect(outcome.decisions).toBe(1);
  expect(fault?.message).toContain('line 3: observation.mana is not a feature of cave (place, health)');
});

test('an interrupt ends the replay, and what was done is told', async () => {
  const interrupt = new AbortController();
  const source = manyRecords((index) => {
    if (index === 99) interrupt.abort();
  });
  const { signal } = interrupt;
  const { outcome, interrupted } = await runReplay(source, domain, {
    cache,
    seed: 1,
    advice: false,
    clock: systemClock,
    signal,
  });
  expect([outcome.decisions, interrupted]).toEqual([100, true]);
});

test('a replay that never waits lets the process hear of an interrupt', async () => {
  // Nothing but the timer ends it: without a turn for the event loop the timer would never fire.
  const interrupt = new AbortController();
  const timer = systemClock.setTimer(60, () => interrupt.abort());
  const { signal } = interrupt;
  const { interrupted } = await runReplay(
    manyRecords(() => {}),
    domain,
    { cache, seed: 1, advice: false, clock: systemClock, signal },
  );
  timer.cancel();
  expect(interrupted).toBe(true);
});

test('what is no fault of the trace is not taken for one', async () => {
  const source = manyRecords((index) => {
    if (index === 1) throw new TypeError('a bug');
  });
  await expect(runReplay(source, domain, { cache, seed: 1, advice: false, clock: new FakeClock() })).rejects.toThrow(
    'a bug',
  );
});

test('advice is left out unless it is asked for', async () => {
  const text = traceText(records(20));
  expect((await run(text, { advice: false })).advice).toEqual([]);
  expect((await run(text)).advice.map(({ feature, change }) => [feature, change])).toEqual([
    ['place', 'drop'],
    ['health', 'drop'],
  ]);
});
