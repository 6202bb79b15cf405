import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { systemClock } from '../../../shared/clock.ts';

/**
 * A thread of a planner's process that sees what a blocked event loop cannot: that the parent has gone. Whoever is orphaned is
 * adopted by another process, so its parent's id changes; on Windows it does not, and there only the channel tells.
 */
const LOOK_MS = 500;
/** Longer than the process takes to close by itself, told by its channel. */
const GRACE_MS = 3_000;

/** Begins to watch. Keeps nothing alive. */
export function watchForOrphaning(): void {
  if (process.platform === 'win32') return;
  const thread = new Worker(new URL(import.meta.url), { workerData: process.ppid, name: 'orphan-watch' });
  thread.unref();
  // Without it, the channel still tells.
  thread.on('error', () => {});
}

function look(parentPid: number): void {
  if (process.ppid === parentPid) systemClock.setTimer(LOOK_MS, () => look(parentPid));
  else systemClock.setTimer(GRACE_MS, () => process.kill(process.pid, 'SIGKILL'));
}

if (!isMainThread && typeof workerData === 'number') look(workerData);
