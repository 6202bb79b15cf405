import type { Clock } from '../../shared/clock.ts';
import type { Face, FaceLog } from '../faces/face.ts';

/** Upper bound on the part of the limit reserved for settling the rest, which is a quarter. */
const RESERVE_MS_MAX = 1_000;
/** Time for closing what must be cut off after the limit, in milliseconds. */
const CUT_MS = 200;

interface Draining {
  readonly faces: readonly Face[];
  /** Settles the remaining plans with what is available, flushes the disk, ends the threads. */
  readonly release: () => Promise<void>;
  readonly clock: Clock;
  readonly log: FaceLog;
}

interface Drained {
  /** True if everything ended within the limit. */
  readonly isInTime: boolean;
  /** True if the planner has closed, its disk flushed. */
  readonly isReleased: boolean;
}

/**
 * Ends a service within `limitMs`: the faces stop accepting work, work in progress may finish until shortly before the limit, then the planner
 * settles the rest, and anything left at the limit is cut off. The order is described in docs/concurrency.md.
 */
export async function drain({ faces, release, clock, log }: Draining, limitMs: number): Promise<Drained> {
  const settleMs = limitMs - Math.min(RESERVE_MS_MAX, limitMs / 4);
  const drained = all(faces, (face) => face.drain(), log);
  let isReleased = false;
  const ended = (async () => {
    await within(clock, drained, settleMs);
    await release();
    isReleased = true;
    await drained;
    await all(faces, (face) => face.close(), log);
  })();
  if (await within(clock, ended, limitMs)) return { isInTime: true, isReleased };
  await within(
    clock,
    all(faces, (face) => face.close(), log),
    CUT_MS,
  );
  // Nothing awaits it any more; `isReleased` reports whether it failed.
  ended.catch(() => {});
  return { isInTime: false, isReleased };
}

/** A face that fails to end does not stop the others from ending. */
async function all(faces: readonly Face[], end: (face: Face) => Promise<void>, log: FaceLog): Promise<void> {
  const one = async (face: Face): Promise<void> => {
    try {
      await end(face);
    } catch (err) {
      log.warn({ err, face: face.address }, 'a face did not end well');
    }
  };
  await Promise.all(faces.map(one));
}

/** Resolves with whether `promise` settles within `ms`. Rejects if it does. */
async function within(clock: Clock, promise: Promise<unknown>, ms: number): Promise<boolean> {
  const over = Promise.withResolvers<boolean>();
  const timer = clock.setTimer(ms, () => over.resolve(false));
  try {
    return await Promise.race([promise.then(() => true), over.promise]);
  } finally {
    timer.cancel();
  }
}
