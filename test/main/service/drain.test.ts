import { describe, expect, test } from 'vitest';
import type { Face } from '../../../src/main/faces/face.ts';
import { drain } from '../../../src/main/service/drain.ts';
import { openFaces } from '../../../src/main/service/open-faces.ts';
import { drive, flush } from '../../support/drive.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** A face whose draining ends when the test says so, or when it is closed. */
class FakeFace implements Face {
  readonly drained = Promise.withResolvers<void>();
  readonly address: string;
  readonly #told: string[];
  constructor(address: string, told: string[]) {
    this.address = address;
    this.#told = told;
  }
  drain(): Promise<void> {
    this.#told.push(`drain ${this.address}`);
    return this.drained.promise;
  }
  async close(): Promise<void> {
    this.#told.push(`close ${this.address}`);
    this.drained.resolve();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function service() {
  const told: string[] = [];
  const clock = new FakeClock(1_000);
  const faces = [new FakeFace('a', told), new FakeFace('b', told)] as const;
  const warnings: object[] = [];
  const log = { debug: () => {}, info: () => {}, error: () => {}, warn: (data: object) => void warnings.push(data) };
  const release = async (): Promise<void> => void told.push(`release at ${clock.now() - 1_000}`);
  return { told, clock, faces, warnings, parts: { faces, release, clock, log } };
}

describe('a drain', () => {
  test('lets nothing new into any face, waits for all of them, then closes the planner, then the faces', async () => {
    const { told, clock, faces, parts } = service();
    const drained = drain(parts, 10_000);
    await flush();
    faces[0].drained.resolve();
    await flush();
    expect(told).toEqual(['drain a', 'drain b']);
    faces[1].drained.resolve();
    expect(await drive(clock, drained)).toEqual({ isInTime: true, isReleased: true });
    expect(told).toEqual(['drain a', 'drain b', 'release at 0', 'close a', 'close b']);
    expect(clock.pendingTimers).toBe(0);
  });

  test.each([
    [10_000, 9_000],
    [1_000, 750],
  ])('of at most %d ms settles what is left after %d ms, and is then in time', async (limitMs, settleMs) => {
    const { told, clock, faces, parts } = service();
    // What is settled is answered, and so the faces have drained.
    const release = async (): Promise<void> => {
      await parts.release();
      for (const face of faces) face.drained.resolve();
    };
    const outcome = await drive(clock, drain({ ...parts, release }, limitMs));
    expect(outcome).toEqual({ isInTime: true, isReleased: true });
    expect(told).toContain(`release at ${settleMs}`);
    expect(clock.pendingTimers).toBe(0);
  });

  test('cuts off at its limit the faces that still have somebody', async () => {
    const { told, clock, parts } = service();
    expect(await drive(clock, drain(parts, 2_000))).toEqual({ isInTime: false, isReleased: true });
    expect(clock.now()).toBe(3_000);
    expect(told.slice(-2)).toEqual(['close a', 'close b']);
    await flush();
    expect(clock.pendingTimers).toBe(0);
  });

  test('says so when the planner has not closed either', async () => {
    const { clock, parts } = service();
    const outcome = await drive(clock, drain({ ...parts, release: () => new Promise(() => {}) }, 2_000));
    expect(outcome).toEqual({ isInTime: false, isReleased: false });
  });

  test('goes on without a face that fails to drain, which is logged', async () => {
    const { clock, faces, warnings, parts } = service();
    faces[0].drained.reject(new Error('broken'));
    faces[1].drained.resolve();
    expect(await drive(clock, drain(parts, 2_000))).toEqual({ isInTime: true, isReleased: true });
    expect(warnings).toMatchObject([{ face: 'a' }]);
  });
});

describe('faces', () => {
  test('that are open are closed, the last one first, when another cannot be', async () => {
    const told: string[] = [];
    const [a, b] = [new FakeFace('a', told), new FakeFace('b', told)];
    const openers = [
      { name: 'socket' as const, open: async () => a },
      { name: 'stdio' as const, open: async () => b },
      { name: 'http' as const, open: () => Promise.reject(new Error('in use')) },
    ];
    await expect(openFaces(openers)).rejects.toThrow('in use');
    expect(told).toEqual(['close b', 'close a']);
    expect((await openFaces(openers.slice(0, 2))).map(({ name }) => name)).toEqual(['socket', 'stdio']);
    expect(told).toHaveLength(2);
  });
});
