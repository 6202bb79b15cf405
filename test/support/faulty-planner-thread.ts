import { parentPort } from 'node:worker_threads';
import '../../src/main/service/entries/thread-entry.ts';
import { playFault } from './faulty-peer.ts';

parentPort?.on('message', playFault);
