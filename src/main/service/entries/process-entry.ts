import assert from 'node:assert/strict';
import { systemClock } from '../../../shared/clock.ts';
import { PlannerServer } from '../../faces/ipc/planner-server.ts';
import { createPlanner } from '../create-planner.ts';
import { watchForOrphaning } from './orphan-watch.ts';

/**
 * The entry of `spawnPlanner`'s process. It belongs to its parent: signals that come to a whole group or unit of processes
 * are its parent's matter, and when the parent is gone, however it went, the channel closes and this process ends; a thread
 * beside it ends it where its event loop is blocked and never hears of that.
 */
assert(process.send !== undefined, 'this file is the entry of a process with an IPC channel');

/** For closing the planner of a parent that is gone. */
const CLOSE_MS = 2_000;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

const server = new PlannerServer({
  channel: {
    // A parent that is gone is told by `disconnect`.
    post: (message) => void process.send?.(message, undefined, undefined, () => {}),
    listen: (hear) => void process.on('message', hear),
  },
  createPlanner,
  clock: systemClock,
  sharesMemory: false,
});

function end(): void {
  systemClock.setTimer(CLOSE_MS, () => process.exit(1));
  server.close().then(
    () => process.exit(0),
    () => process.exit(1),
  );
}

watchForOrphaning();
process.once('disconnect', end);
// The parent may have gone while this file was loaded.
if (!process.connected) end();
