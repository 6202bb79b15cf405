import assert from 'node:assert/strict';
import { parentPort } from 'node:worker_threads';
import { systemClock } from '../../../shared/clock.ts';
import { PlannerServer } from '../../faces/ipc/planner-server.ts';
import { createPlanner } from '../create-planner.ts';

/** The entry of `embedPlanner`'s thread. Its host starts it by a message, and terminates it when its planner is closed. */
assert(parentPort !== null, 'this file is the entry of a worker thread');
const port = parentPort;
new PlannerServer({
  channel: { post: (message) => port.postMessage(message), listen: (hear) => void port.on('message', hear) },
  createPlanner,
  clock: systemClock,
  sharesMemory: true,
});
