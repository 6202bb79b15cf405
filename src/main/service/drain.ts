import type { Clock } from '../../shared/clock.ts';
import type { Face, FaceLog } from '../faces/face.ts';

/** Of the limit, for settling what is left: a quarter, at most this long. */
const RESERVE_MS_MAX = 1_000;
/** For what must be cut off when the limit has passed. */
const CUT_MS = 200;

export interface Draining {
  readonly faces: readonly Face[];
  /** Settles the plans that are left with what is in hand, flushes the disk, ends the threads. */
  readonly release: () => Promise<void>;
  readonly clock: Clock;
  readonly log: FaceLog;
}

export interface Drained {
  /** Whether everything ended within the limit. */
  readonly isInTime: boolean;
  /** Whether the planner has closed, its disk flushed. */
  readonly isReleased: boolean;
}

/**
 * Ends a service within `limitMs`: the faces let nothing new in, what is under way has until shortly before the limit, then
 * the planner settles the rest, and what is not over at the limit is cut off. The order is told in docs/concurrency.md.
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
  // Nobody waits for it any more; what it throws is told by `isReleased`.
  ended.catch(() => {});
  return { isInTime: false, isReleased };
}

/** One face that fails to end does not keep the others from it. */
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

/** Whether `promise` settles within `ms`. Rejects as it does. */
async function within(clock: Clock, promise: Promise<unknown>, ms: number): Promise<boolean> {
  const over = Promise.withResolvers<boolean>();
  const timer = clock.setTimer(ms, () => over.resolve(false));
  try {
    return await Promise.race([promise.then(() => true), over.promise]);
  } finally {
    timer.cancel();
  }
}
