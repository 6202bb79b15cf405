import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/shared/random.ts';
import { type MachineJob, type MachineSettings, SimulatedMachine } from '../../../src/workers/simulator/machine.ts';
import type { MachineUsage } from '../../../src/workers/simulator/machine-job.ts';
import { resolveSimulatorOptions, type SimulatorOptions } from '../../../src/workers/simulator/options.ts';
import { FakeClock } from '../../support/fake-clock.ts';

// With these a prompt of 400 characters takes 100 ms to read, ten tokens 100 ms to write.
const EVEN: SimulatorOptions = {
  overheadSeconds: 0,
  promptTokensPerSecond: 1_000,
  latencySigma: 0,
  slotSlowdown: 0,
  models: [
    { id: 'a', tokensPerSecond: 100, loadSeconds: 1 },
    { id: 'b', tokensPerSecond: 100, loadSeconds: 1, vision: true },
  ],
};

interface Call {
  job: MachineJob | undefined;
  startedMs?: number;
  firstTokenMs?: number;
  doneMs?: number;
  evictedMs?: number;
  usage?: MachineUsage;
  told: number[];
}

class Bench {
  readonly clock = new FakeClock();
  readonly settings: MachineSettings;
  readonly machine: SimulatedMachine;
  constructor(options: SimulatorOptions = {}) {
    this.settings = resolveSimulatorOptions({ ...EVEN, ...options });
    this.machine = new SimulatedMachine(this.settings, this.clock);
  }
  call(text = 'x'.repeat(400), model = 'a', tokens = 10, images = 0): Call {
    const call: Call = { job: undefined, told: [] };
    call.job = this.machine.submit({
      model:
        this.settings.models.find(({ id }) => id === model) ?? ({ ...this.settings.models[0], id: model } as never),
      prompt: { text, images, imagesEnd: images * 20 },
      tokens,
      random: seededRandom(1),
      listener: {
        onStart: () => {
          call.startedMs = this.#now();
        },
        onTokens: (count) => {
          call.firstTokenMs ??= this.#now();
          call.told.push(count);
        },
        onEvicted: () => {
          call.evictedMs = this.#now();
        },
        onDone: (usage) => {
          call.doneMs = this.#now();
          call.usage = usage;
        },
      },
    });
    return call;
  }
  #now(): number {
    return Math.round(this.clock.now() * 100) / 100;
  }
}

test('reads the prompt, then writes token by token, then frees the slot and its timer', () => {
  const bench = new Bench();
  const call = bench.call();
  expect(call.startedMs).toBe(0);
  bench.clock.advance(109);
  expect(call.told).toEqual([]);
  bench.clock.advance(1);
  expect(call.told).toEqual([1]);
  bench.clock.advance(89);
  expect(call.doneMs).toBeUndefined();
  bench.clock.advance(1);
  expect(call).toMatchObject({ doneMs: 200, told: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] });
  expect(bench.machine.stats()).toMatchObject({ active: 0, completed: 1, completionTokens: 10, promptTokens: 100 });
  expect(bench.clock.pendingTimers).toBe(0);
});

test('speed divides every duration', () => {
  const bench = new Bench({ speed: 10 });
  const call = bench.call();
  bench.clock.runAll();
  expect(call).toMatchObject({ firstTokenMs: 12, doneMs: 20 });
});

test('tokens that follow fast are told together, and the total time still holds', () => {
  const bench = new Bench({ speed: 20 });
  const call = bench.call();
  bench.clock.runAll();
  expect(call.told.length).toBeLessThanOrEqual(3);
  expect(call.told.at(-1)).toBe(10);
  expect(call.doneMs).toBe(10);
});

test('requests beyond the slots wait their turn, whatever their model', () => {
  const bench = new Bench({ slots: 2 });
  const calls = [
    bench.call('p1'.repeat(200)),
    bench.call('p2'.repeat(200), 'b'),
    bench.call('p3'.repeat(200), 'b'),
    bench.call('p4'.repeat(200)),
  ];
  expect(bench.machine.stats()).toMatchObject({ active: 2, queued: 2 });
  bench.clock.runAll();
  expect(calls.map((call) => call.startedMs)).toEqual([0, 0, 200, 200]);
});

test('a late timer does not make later requests late', () => {
  const bench = new Bench({ slots: 1 });
  const calls = [bench.call('p1'.repeat(200)), bench.call('p2'.repeat(200))];
  // The event loop hangs until the first would have been done for 150 ms: the second has come as far by then.
  bench.clock.stall(350);
  expect(calls.map((call) => call.told.at(-1))).toEqual([10, 5]);
  bench.clock.runAll();
  expect(calls[1]?.doneMs).toBe(400);
});

test.each([
  { queueMax: 0, taken: 1 },
  { queueMax: 1, taken: 2 },
  { queueMax: 2, taken: 3 },
])('a queue of $queueMax takes $taken of 4 requests with one slot', ({ queueMax, taken }) => {
  const bench = new Bench({ slots: 1, queueMax });
  const calls = [0, 1, 2, 3].map(() => bench.call());
  expect(calls.filter((call) => call.job !== undefined)).toHaveLength(taken);
});

test('busy slots slow one another down', () => {
  const bench = new Bench({ slotSlowdown: 0.5 });
  const calls = ['p', 'q', 'r'].map((letter) => bench.call(letter.repeat(400)));
  bench.clock.runAll();
  // Three at once: each at 1 / (1 + 0.5 * 2), so 200 ms of work take 400 ms.
  expect(calls.map((call) => call.doneMs)).toEqual([400, 400, 400]);
});

test('a request speeds up when its neighbour is done', () => {
  const bench = new Bench({ slotSlowdown: 1 });
  const long = bench.call('p'.repeat(400), 'a', 30);
  bench.call('q'.repeat(400), 'a', 10);
  bench.clock.runAll();
  // Both at half speed until the short one has done its 200 ms at 400 ms; then 200 ms are left at full speed.
  expect(long.doneMs).toBe(600);
});

test('a slot does not read again what it read last', () => {
  const bench = new Bench({ slots: 1 });
  const shared = 's'.repeat(400);
  bench.call(`${shared}${'a'.repeat(80)}`);
  const second = bench.call(`${shared}${'b'.repeat(80)}`);
  bench.clock.runAll();
  expect(second.usage).toEqual({ promptTokens: 120, cachedTokens: 100 });
  expect((second.doneMs ?? 0) - (second.startedMs ?? 0)).toBe(120);
});

test('prompts sent at once to a cold machine share nothing', () => {
  const bench = new Bench();
  const calls = [1, 2, 3, 4].map((n) => bench.call(`${'s'.repeat(400)}${n}`));
  bench.clock.runAll();
  expect(calls.map((call) => call.usage?.cachedTokens)).toEqual([0, 0, 0, 0]);
});

test('a request goes to the free slot that has read most of its prompt', () => {
  const bench = new Bench({ slots: 3 });
  for (const letter of ['p', 'q', 'r']) bench.call(letter.repeat(400));
  bench.clock.runAll();
  const again = bench.call(`${'q'.repeat(400)}!!!!`);
  bench.clock.runAll();
  expect(again.usage?.cachedTokens).toBe(100);
});

test('another model on the slot reads the prompt anew', () => {
  const bench = new Bench({ slots: 1 });
  bench.call();
  const other = bench.call(undefined, 'b');
  bench.clock.runAll();
  expect(other.usage?.cachedTokens).toBe(0);
});

test('a picture costs its time, and not again when its slot has seen it', () => {
  const bench = new Bench({ slots: 1, imageSeconds: 0.5 });
  const first = bench.call(undefined, 'b', 10, 1);
  const second = bench.call(undefined, 'b', 10, 1);
  bench.clock.runAll();
  expect(first.doneMs).toBe(700);
  expect((second.doneMs ?? 0) - (second.startedMs ?? 0)).toBeLessThan(150);
});

test('a model that is not in memory is loaded once, for all who wait for it', () => {
  const bench = new Bench({ preload: false });
  const calls = [bench.call('p'.repeat(400)), bench.call('q'.repeat(400))];
  bench.clock.runAll();
  expect(calls.map((call) => call.startedMs)).toEqual([1_000, 1_000]);
  expect(bench.machine.stats().loads).toBe(1);
});

test('with room for one model, two in turns load every time and lose their prefixes', () => {
  const bench = new Bench({ slots: 2, loadedModelsMax: 1 });
  for (const model of ['a', 'b', 'a', 'b']) {
    const call = bench.call(undefined, model);
    bench.clock.runAll();
    expect(call.usage?.cachedTokens).toBe(0);
  }
  expect(bench.machine.stats()).toMatchObject({ loads: 3, evictions: 3 });
});

test('latency has a heavy tail, of its own for each request', () => {
  const settings = resolveSimulatorOptions({ ...EVEN, latencySigma: 0.5, slots: 1_000 });
  const clock = new FakeClock();
  const machine = new SimulatedMachine(settings, clock);
  const random = seededRandom(7);
  const times: number[] = [];
  for (let i = 0; i < 1_000; i++) {
    machine.submit({
      model: settings.models[0] as never,
      prompt: { text: `${i}`.padEnd(400, '.'), images: 0, imagesEnd: 0 },
      tokens: 10,
      random,
      listener: { onStart() {}, onTokens() {}, onDone: () => times.push(clock.now()) },
    });
  }
  clock.runAll();
  times.sort((a, b) => a - b);
  expect(times[500]).toBeGreaterThan(170);
  expect(times[500]).toBeLessThan(235);
  expect(times[990]).toBeGreaterThan(2.5 * 200);
});

test('an abort frees the slot after a short delay, and nothing more is told', () => {
  const bench = new Bench({ slots: 1, abortSeconds: 0.04 });
  const call = bench.call();
  const next = bench.call('q'.repeat(400));
  bench.clock.advance(150);
  const told = call.told.length;
  call.job?.abort();
  call.job?.abort();
  bench.clock.advance(39);
  expect(next.startedMs).toBeUndefined();
  bench.clock.advance(1);
  expect(next.startedMs).toBe(190);
  bench.clock.runAll();
  expect(call.told).toHaveLength(told);
  expect(call.doneMs).toBeUndefined();
  expect(bench.machine.stats()).toMatchObject({ aborted: 1, completed: 1, active: 0 });
});

test('an aborted request leaves the queue at once', () => {
  const bench = new Bench({ slots: 1 });
  bench.call();
  const waiting = bench.call();
  waiting.job?.abort();
  expect(bench.machine.stats()).toMatchObject({ active: 1, queued: 0, aborted: 1 });
  bench.clock.runAll();
  expect(waiting.startedMs).toBeUndefined();
});

test('an abort while the model loads or the prompt is read frees the slot, too', () => {
  const bench = new Bench({ slots: 1, preload: false, abortSeconds: 0 });
  bench.call().job?.abort();
  bench.clock.runAll();
  const reading = bench.call();
  bench.clock.advance(1_050);
  reading.job?.abort();
  bench.clock.runAll();
  expect(bench.machine.stats()).toMatchObject({ active: 0, aborted: 2, completed: 0 });
});

test('an answer without tokens is done when the prompt is read', () => {
  const bench = new Bench();
  const call = bench.call(undefined, 'a', 0);
  bench.clock.runAll();
  expect(call).toMatchObject({ told: [], doneMs: 100 });
});

test('a closed machine has no timer and takes nothing', () => {
  const bench = new Bench();
  bench.call();
  bench.machine.close();
  expect(bench.clock.pendingTimers).toBe(0);
  expect(bench.call().job).toBeUndefined();
  expect(bench.machine.stats().active).toBe(0);
});

test('reads in batches: whoever comes meanwhile waits for the next, and nobody writes', () => {
  const bench = new Bench({ slots: 4, reading: 'batched' });
  const first = bench.call();
  bench.clock.advance(50);
  const second = bench.call();
  const third = bench.call();
  bench.clock.advance(1_000);
  // The first is read by 100, then the other two by 300; until then it writes nothing.
  expect([first.firstTokenMs, second.firstTokenMs].every((ms) => ms !== undefined && ms >= 300 && ms < 315)).toBe(true);
  expect([first.doneMs, second.doneMs]).toEqual([400, 400]);
  expect(third.doneMs).toBe(400);
});

test('reads an aborted prompt to the end of its batch', () => {
  const bench = new Bench({ slots: 1, reading: 'batched' });
  const aborted = bench.call('x'.repeat(4_000));
  bench.clock.advance(100);
  aborted.job?.abort();
  const next = bench.call('y'.repeat(400));
  bench.clock.advance(2_000);
  expect(aborted.told).toEqual([]);
  expect(next.startedMs).toBe(1_000);
  expect(bench.machine.stats()).toMatchObject({ aborted: 1, completed: 1 });
});

test.each([
  [false, undefined, 200, 0],
  [true, 150, undefined, 1],
])('an evicted model takes its answers with it: %s', (evictionCuts, evictedMs, doneMs, cutByEviction) => {
  const bench = new Bench({ loadedModelsMax: 1, evictionCuts });
  const first = bench.call();
  bench.clock.advance(150);
  const second = bench.call('x'.repeat(400), 'b');
  bench.clock.advance(5_000);
  expect([first.evictedMs, first.doneMs]).toEqual([evictedMs, doneMs]);
  expect(second.doneMs).toBe(1_350);
  expect(bench.machine.stats()).toMatchObject({ loads: 1, evictions: 1, cutByEviction });
});

test('a model is not loaded before its load has ended', () => {
  const bench = new Bench({ loadedModelsMax: 1 });
  bench.call('x'.repeat(400), 'b');
  bench.clock.advance(999);
  expect(['a', 'b'].map((id) => bench.machine.isLoaded(id))).toEqual([false, false]);
  bench.clock.advance(1);
  expect(bench.machine.isLoaded('b')).toBe(true);
});
