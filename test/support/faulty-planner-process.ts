import '../../src/main/service/entries/process-entry.ts';
import { playFault } from './faulty-peer.ts';

process.on('message', playFault);
