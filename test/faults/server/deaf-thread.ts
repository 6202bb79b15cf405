import { createServer } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

/**
 * Listens on a port and never accepts: its event loop stands still. Once the queue of the listener is full, the kernel
 * answers no further SYN.
 */
const { port, wake } = workerData as { readonly port: number; readonly wake: SharedArrayBuffer };
const server = createServer();
server.once('error', (error) => {
  throw error;
});
server.listen({ port, host: '127.0.0.1', backlog: 1 }, () => {
  parentPort?.postMessage('listening');
  setImmediate(() => {
    Atomics.wait(new Int32Array(wake), 0, 0);
    server.close();
    parentPort?.close();
    process.exit();
  });
});
