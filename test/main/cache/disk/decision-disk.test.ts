import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DecisionDisk, type RestoredDecision } from '../../../../src/main/cache/disk/decision-disk.ts';
import type { DiskTier } from '../../../../src/main/cache/disk/disk-tier.ts';
import { stampNow } from '../../../../src/shared/clock.ts';
import { MODEL_SOURCES } from '../../../../src/shared/decision.ts';
import type { StatePoint } from '../../../../src/shared/place.ts';
import { decision, signatureOf } from '../../../support/decisions.ts';
import { FakeWallClock } from '../../../support/wall-clock.ts';
import { type Folder, makeFolder, openTier } from './support/open-tier.ts';

const TTL_MS = 120_000;

let folder: Folder;
let clock: FakeWallClock;
let tier: DiskTier;
let disk: DecisionDisk;

beforeEach(async () => {
  folder = makeFolder();
  clock = new FakeWallClock(5_000);
  tier = (await openTier(join(folder.path, 'decisions.lmdb'), { clock })).tier;
  stampNow(clock);
  disk = new DecisionDisk(tier, clock, TTL_MS);
});

afterEach(async () => {
  await disk.close();
  folder.remove();
});

function made(overrides: Parameters<typeof decision>[0] = {}): ReturnType<typeof decision> {
  return decision({ decidedAtMs: stampNow(clock), ...overrides });
}

function place(coordinates: readonly number[] = [0.1, 0.7], soft: readonly number[] = [-1]): StatePoint {
  return { gate: 2 ** 53 - 1, coordinates: Float64Array.from(coordinates), soft: Int32Array.from(soft) };
}

function write(id: number, at: StatePoint | undefined = place(), leftMs = TTL_MS): void {
  disk.write(signatureOf(id), at, made({ reason: `number ${id}` }), clock.now() + leftMs);
}

/** Milliseconds for which a decision would still be served; undefined where it is not there. */
function leftMs(id: number, of = disk, by = clock): number | undefined {
  const restored = of.read(signatureOf(id));
  return restored && restored.expiresAtMs - by.now();
}

async function newest(decisionsMax: number, of = disk): Promise<RestoredDecision[]> {
  const all: RestoredDecision[] = [];
  for await (const chunk of of.newest(decisionsMax)) all.push(...chunk);
  return all;
}

describe('a decision', () => {
  test('comes back as it was written, with its place, from the queue and from the file', async () => {
    // Weights and latencies are kept in 32 bits.
    const float = fc.float({ min: 0, max: 1_000, noNaN: true });
    const anyDecision = fc.record({
      action: fc.string({ minLength: 1, maxLength: 20 }),
      reason: fc.string({ maxLength: 60 }),
      source: fc.constantFrom(...MODEL_SOURCES),
      model: fc.string({ maxLength: 20 }),
      decidedAtMs: fc.integer({ min: clock.wallNow() - TTL_MS + 77, max: clock.wallNow() }),
      latencyMs: float,
      tally: fc.array(
        fc.record({ action: fc.string({ maxLength: 8 }), count: fc.integer({ min: 0, max: 65_535 }), weight: float }),
        { maxLength: 4 },
      ),
    });
    const anyPlace = fc
      .tuple(
        fc.maxSafeNat(),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 }),
        fc.array(fc.integer(), { maxLength: 5 }),
      )
      .map(([gate, coordinates, soft]) => ({ ...place(coordinates, soft), gate }));
    const words = fc.tuple(...Array.from({ length: 4 }, () => fc.integer())).map((all) => Int32Array.from(all));
    const entry = fc.record({ words, at: fc.option(anyPlace, { nil: undefined }), of: anyDecision });
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 5 }), async (entries) => {
        const last = new Map(entries.map((each) => [String(each.words), each]));
        for (const { words: signature, at, of } of entries) disk.write(signature, at, of, clock.now() + 77);
        for (const isFlushed of [false, true]) {
          if (isFlushed) await tier.flush();
          for (const { words: signature, at, of } of last.values()) {
            expect(disk.read(signature)).toEqual({ signature, place: at, decision: of, expiresAtMs: clock.now() + 77 });
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  test('is not found under another signature', () => {
    write(1);
    expect(disk.read(signatureOf(2))).toBeUndefined();
  });

  test('is read as of the time it was written: the caller may sign the next into the same words', () => {
    const words = signatureOf(1).slice();
    disk.write(words, place(), made(), clock.now() + TTL_MS);
    words.set(signatureOf(2));
    expect(disk.read(signatureOf(1))).toBeDefined();
    expect(disk.read(signatureOf(2))).toBeUndefined();
  });

  test.each([255, 256, 300, 500])(
    'of a place with %i numbers and as many soft features is found all the same',
    async (parts) => {
      const large = place(
        Array.from({ length: parts }, (_, i) => i / parts),
        Array.from({ length: parts }, (_, i) => i),
      );
      write(1, large);
      await tier.flush();
      expect(disk.read(signatureOf(1))).toMatchObject({
        place: parts > 255 ? undefined : large,
        decision: { reason: 'number 1' },
      });
    },
  );

  test('of another make is passed over, and those around it are found', async () => {
    write(1);
    const key = new Uint8Array(signatureOf(2).buffer);
    const BYTES = [
      [],
      [0],
      [1, 9, 9, 0],
      Array.from({ length: 12 }, () => 0),
      Array.from({ length: 400 }, (_, i) => i % 256),
    ];
    for (const bytes of BYTES) {
      tier.put(key, Uint8Array.from(bytes), Number.POSITIVE_INFINITY);
      expect(disk.read(signatureOf(2))).toBeUndefined();
    }
    write(3);
    await tier.flush();
    expect((await newest(10)).map(({ decision: { reason } }) => reason)).toEqual(['number 3', 'number 1']);
  });

  test('is among the newest, the last written first, up to a limit', async () => {
    for (let id = 0; id < 600; id++) write(id);
    await tier.flush();
    write(5);
    await tier.flush();
    const reasons = (await newest(400)).map(({ decision: { reason } }) => reason);
    expect(reasons).toHaveLength(400);
    expect(reasons.slice(0, 3)).toEqual(['number 5', 'number 599', 'number 598']);
  });

  test('is gone after a clear, from the call on', async () => {
    write(1);
    await tier.flush();
    disk.clear();
    expect(disk.read(signatureOf(1))).toBeUndefined();
    await tier.flush();
    expect([await newest(10), disk.stats().entries]).toEqual([[], 0]);
  });
});

describe('its time', () => {
  /** The same file as a process sees it that is started now. */
  async function restarted(startMs = 77): Promise<{ disk: DecisionDisk; clock: FakeWallClock }> {
    await disk.close();
    clock = clock.restarted(startMs);
    tier = (await openTier(join(folder.path, 'decisions.lmdb'), { clock })).tier;
    disk = new DecisionDisk(tier, clock, TTL_MS);
    return { disk, clock };
  }

  test('goes on over a restart, though the clock of the process begins anew', async () => {
    write(1);
    clock.advance(50_000);
    expect(leftMs(1)).toBe(70_000);
    await restarted(1_000_000_000);
    expect(leftMs(1)).toBe(70_000);
    clock.advance(70_001);
    expect(leftMs(1)).toBe(-1);
    await restarted(0);
    expect(leftMs(1)).toBe(-1);
  });

  test('without end stays so where the TTL has none, and ends with a TTL that has', async () => {
    write(1, place(), Number.POSITIVE_INFINITY);
    await tier.flush();
    expect(leftMs(1, new DecisionDisk(tier, clock, Number.POSITIVE_INFINITY))).toBe(Number.POSITIVE_INFINITY);
    expect(leftMs(1)).toBe(TTL_MS);
  });

  test('is cut where the TTL is shorter now', async () => {
    write(1);
    await tier.flush();
    expect(leftMs(1, new DecisionDisk(tier, clock, 1_000))).toBe(1_000);
  });

  test('is not longer for a wall clock that is set back while the process runs', () => {
    write(1);
    clock.advance(119_000);
    clock.wallShiftMs -= 3_600_000;
    expect(leftMs(1)).toBe(1_000);
    clock.advance(1_000);
    expect(leftMs(1)).toBe(0);
    // What is written from then on has its whole time.
    write(2);
    expect(leftMs(2)).toBe(TTL_MS);
    clock.advance(60_000);
    expect(leftMs(2)).toBe(60_000);
  });

  test('is not longer for having been written by a process whose wall clock had been ahead', async () => {
    clock.wallShiftMs += 31_536_000_000;
    write(1);
    clock.wallShiftMs -= 31_536_000_000;
    write(2);
    await restarted();
    clock.advance(60_000);
    expect(leftMs(2)).toBe(60_000);
    clock.advance(3_600_000);
    expect(leftMs(2)).toBe(-3_540_000);
    await restarted();
    expect(leftMs(2)).toBe(-3_540_000);
  });

  test.each([-3_600_000, 3_600_000])(
    'is as old after a restart as it was before, the wall clock set by %i ms under way',
    async (byMs) => {
      clock.wallShiftMs += byMs;
      // By the steady clock, as the planner stamps it: the wall clock of the start, carried on.
      disk.write(signatureOf(1), place(), made({ decidedAtMs: stampNow(clock) - 1_000 }), clock.now() + 119_000);
      await restarted(77);
      clock.advance(2_000);
      const restored = disk.read(signatureOf(1)) as RestoredDecision;
      expect(stampNow(clock) - restored.decision.decidedAtMs).toBe(3_000);
      expect(restored.expiresAtMs - clock.now()).toBe(117_000);
    },
  );

  test('is over for a wall clock that was set forward', () => {
    write(1);
    clock.wallShiftMs += 3_600_000;
    expect(leftMs(1)).toBeLessThan(0);
  });

  test('is over where the wall clock was set back before a restart: its age is not known', async () => {
    write(1);
    clock.advance(1_000);
    clock.wallShiftMs -= 1_001;
    await restarted();
    expect(leftMs(1)).toBe(0);
    // From here on it may be as old as it seems.
    clock.advance(1);
    expect(leftMs(1)).toBe(TTL_MS);
  });

  test.each([1, 100_000, 86_400_000])(
    'is never longer than the TTL after a restart, the clock set back %i ms',
    async (backMs) => {
      write(1);
      clock.advance(119_999);
      clock.wallShiftMs -= backMs;
      await restarted();
      expect(leftMs(1)).toBeLessThanOrEqual(TTL_MS);
      expect(leftMs(1)).toBeLessThanOrEqual(1 + backMs);
    },
  );
});
