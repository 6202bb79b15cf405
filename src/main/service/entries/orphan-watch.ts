import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { systemClock } from '../../../shared/clock.ts';

/**
 * A thread in a planner's process that detects what a blocked event loop cannot: that the parent has exited. An orphan is adopted by another process,
 * so its parent's id changes; on Windows it does not, and only the channel shows it.
 */
const LOOK_MS = 500;
/** Longer than the process takes to close by itself when its channel closes. */
const GRACE_MS = 3_000;

/** Starts the watch. Does not keep the process alive. */
export function watchForOrphaning(): void {
  if (process.platform === 'win32') return;
  const thread = new Worker(new URL(import.meta.url), { workerData: process.ppid, name: 'orphan-watch' });
  thread.unref();
  // Without the thread, the channel still shows it.
  thread.on('error', () => {});
}

function look(parentPid: number): void {
  if (process.ppid === parentPid) systemClock.setTimer(LOOK_MS, () => look(parentPid));
  else systemClock.setTimer(GRACE_MS, () => process.kill(process.pid, 'SIGKILL'));
}

if (!isMainThread && typeof workerData === 'number') look(workerData);
