import '../../src/main/faces/ipc/process-entry.ts';
import { playFault } from './faulty-peer.ts';

process.on('message', playFault);
