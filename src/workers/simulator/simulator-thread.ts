import { parentPort, workerData } from 'node:worker_threads';
import { type ErrorWire, encodeError } from '../../shared/errors.ts';
import type { SimulatorStats } from './http-server.ts';
import type { SimulatorOptions } from './options.ts';
import { type SimulatorHandle, startSimulator } from './start.ts';

/** Entry of a worker thread that is a simulated model server. `workerData` is its SimulatorOptions. */
export type SimulatorThreadReply =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'failed'; readonly error: ErrorWire }
  /** The last message: the counters. */
  | { readonly kind: 'closed'; readonly stats: SimulatorStats };

export interface SimulatorThreadOrder {
  readonly kind: 'close';
}

function reply(message: SimulatorThreadReply): void {
  parentPort?.postMessage(message);
}

/** The thread ends by itself when its port and its server are closed. */
function serve(simulator: SimulatorHandle): void {
  parentPort?.on('message', async ({ kind }: SimulatorThreadOrder) => {
    if (kind !== 'close') return;
    const stats = simulator.stats();
    await simulator.close();
    reply({ kind: 'closed', stats });
    parentPort?.close();
  });
  reply({ kind: 'ready', port: simulator.port });
}

try {
  serve(await startSimulator((workerData ?? {}) as SimulatorOptions));
} catch (error) {
  reply({ kind: 'failed', error: encodeError(error) });
}
