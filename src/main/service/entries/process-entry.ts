import assert from 'node:assert/strict';
import { systemClock } from '../../../shared/clock.ts';
import { PlannerServer } from '../../faces/ipc/planner-server.ts';
import { createPlanner } from '../create-planner.ts';
import { watchForOrphaning } from './orphan-watch.ts';

/**
 * The entry of `spawnPlanner`'s process, which belongs to its parent: signals to a whole group or unit of processes are left to the parent. When the
 * parent exits, however it does, the channel closes and this process ends; a separate thread ends it if its event loop is blocked and cannot notice.
 */
assert(process.send !== undefined, 'this file is the entry of a process with an IPC channel');

/** Time limit for closing the planner after its parent has exited, in milliseconds. */
const CLOSE_MS = 2_000;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

const server = new PlannerServer({
  channel: {
    // `disconnect` reports that the parent has exited.
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
// The parent may have exited while this file was loaded.
if (!process.connected) end();
