import { parentPort } from 'node:worker_threads';
import '../../src/main/faces/ipc/thread-entry.ts';
import { playFault } from './faulty-peer.ts';

parentPort?.on('message', playFault);
